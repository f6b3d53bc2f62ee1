-- How much there is: searches, terms and days.
-- grain: one row
-- inputs: daily_term_counts
-- parameters: none
select
  coalesce(sum(search_count), 0) as search_count,
  count(distinct term) as term_count,
  count(distinct event_date) as day_count,
  count(*) as row_count
from daily_term_counts
