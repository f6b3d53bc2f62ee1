-- How much of all searches a few terms have, month by month.
-- grain: one row per month with searches, the latest first
-- inputs: daily_term_counts
-- parameters:
--   limit INT = 12: how many months
-- effective_term_count = 1 / sum of squared shares (Hill number of order 2; its inverse is Herfindahl's index):
-- as many terms of equal demand would be as concentrated
with monthly as (
  select
    trunc(event_date, 'MONTH') as month_start_date,
    term,
    sum(search_count) as search_count
  from daily_term_counts
  group by 1, 2
),

ranked as (
  select
    month_start_date,
    search_count,
    sum(search_count) over (partition by month_start_date) as month_count,
    row_number() over (partition by month_start_date order by search_count desc, term) as position,
    sum(search_count) over (
      partition by month_start_date order by search_count desc, term rows between unbounded preceding and current row
    ) as running_count
  from monthly
)

select
  month_start_date,
  max(month_count) as search_count,
  count(*) as term_count,
  cast(sum(case when position <= 10 then search_count else 0 end) as double) / max(month_count) as top_10_share_ratio,
  cast(sum(case when position <= 100 then search_count else 0 end) as double) / max(month_count) as top_100_share_ratio,
  count(case when 10 * (running_count - search_count) < 8 * month_count then 1 end) as terms_for_80_percent_count,
  round(
    1 / sum((cast(search_count as double) / month_count) * (cast(search_count as double) / month_count)), 2
  ) as effective_term_count
from ranked
group by month_start_date
order by month_start_date desc
limit :limit
