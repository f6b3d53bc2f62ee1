-- The most searched terms of all time, with their share and when they were searched.
-- grain: one row per term, most searched first
-- inputs: term_summary
-- parameters:
--   limit INT = 20: how many terms
select
  rank,
  term,
  search_count,
  share_ratio,
  first_seen_date,
  last_seen_date,
  active_day_count
from term_summary
order by rank, term
limit :limit
