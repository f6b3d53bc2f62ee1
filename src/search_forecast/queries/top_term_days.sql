-- The daily searches for the most searched terms: what a chart of them draws.
-- grain: one row per (event_date, term) with a search
-- inputs: daily_term_counts, term_summary
-- parameters:
--   limit INT = 5: how many terms; more where some share the last rank
select
  daily_term_counts.event_date,
  daily_term_counts.term,
  daily_term_counts.search_count
from daily_term_counts
inner join term_summary
  on term_summary.term = daily_term_counts.term
where term_summary.rank <= :limit
order by daily_term_counts.event_date, daily_term_counts.term
