-- How often a term was searched (0 if never); give it normalised: lower case, single spaces.
-- grain: one row
-- inputs: term_summary
-- parameters:
--   term STRING: the term
select
  :term as term,
  coalesce(sum(search_count), 0) as search_count
from term_summary
where term = :term
