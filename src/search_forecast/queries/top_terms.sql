-- The most searched terms of a period.
-- grain: one row per term, most searched first
-- inputs: daily_term_counts
-- parameters:
--   limit INT = 10: how many terms
--   from DATE = null: first day; null for the first there is
--   to DATE = null: last day; null for the last there is
select
  term,
  sum(search_count) as search_count
from daily_term_counts
where (:from is null or event_date >= :from)
  and (:to is null or event_date <= :to)
group by term
order by search_count desc, term
limit :limit
