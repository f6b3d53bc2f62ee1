-- Terms that were searched for the first time in the last days of the range.
-- grain: one row per term, newest first
-- inputs: term_summary, daily_totals
-- parameters:
--   days INT = 7: how many days count as new, the last day of the range included
--   limit INT = 20: how many terms
with last_day as (
  select max(event_date) as event_date
  from daily_totals
)

select
  term_summary.term,
  term_summary.first_seen_date,
  term_summary.search_count
from term_summary
cross join last_day
where datediff(last_day.event_date, term_summary.first_seen_date) < :days
order by term_summary.first_seen_date desc, term_summary.search_count desc, term_summary.term
limit :limit
