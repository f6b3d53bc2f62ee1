-- Searches and different terms on each day of the range.
-- grain: one row per event_date
-- inputs: daily_totals
-- parameters: none
select
  event_date,
  search_count,
  distinct_term_count,
  is_complete_day
from daily_totals
order by event_date
