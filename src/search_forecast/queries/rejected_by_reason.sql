-- Why records are no searches: how many broke each rule, with the records that broke it most often.
-- grain: one row per (reason, example), most frequent first; a record that broke several rules counts for each
-- inputs: rejected_records
-- parameters:
--   examples INT = 3: how many different records of each reason
with broken as (
  select
    explode(reject_reasons) as reason,
    day,
    month,
    year,
    date,
    searchterm,
    count,
    malformed_record,
    source_file
  from rejected_records
),

records as (
  select
    reason,
    count(*) as example_count,
    day,
    month,
    year,
    date,
    searchterm,
    count,
    malformed_record,
    max(source_file) as source_file
  from broken
  group by reason, day, month, year, date, searchterm, count, malformed_record
),

ranked as (
  select
    reason,
    sum(example_count) over (partition by reason) as record_count,
    example_count,
    day,
    month,
    year,
    date,
    searchterm,
    count,
    malformed_record,
    source_file,
    row_number() over (
      partition by reason order by example_count desc, malformed_record, searchterm, year, month, day, date, count
    ) as example_rank
  from records
)

select
  reason,
  record_count,
  example_count,
  day,
  month,
  year,
  date,
  searchterm,
  count,
  malformed_record,
  source_file
from ranked
where example_rank <= :examples
order by record_count desc, reason, example_rank
