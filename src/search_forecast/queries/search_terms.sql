-- Terms that hold a text, anywhere in them: what a search box shows.
-- grain: one row per term; the very text first, then the most searched
-- inputs: term_summary
-- parameters:
--   part PART: any part of a term; an empty one is in every term
--   limit INT = 20: how many terms
select
  term,
  search_count,
  rank,
  share_ratio,
  first_seen_date,
  last_seen_date
from term_summary
where contains(term, :part)
order by case when term = :part then 0 else 1 end, search_count desc, term
limit :limit
