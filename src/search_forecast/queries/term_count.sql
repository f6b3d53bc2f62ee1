-- How often a term was searched.
-- grain: one row
-- inputs: term_summary
-- parameters:
--   term TERM: the term
select
  :term as term,
  coalesce(sum(search_count), 0) as search_count
from term_summary
where term = :term
