-- The first days and terms that gold holds: what its rows look like.
-- grain: one row per (event_date, term)
-- inputs: daily_term_counts
-- parameters:
--   limit INT = 5: how many rows
select
  event_date,
  term,
  search_count
from daily_term_counts
order by event_date, search_count desc, term
limit :limit
