-- Each term's share of all searches of a period, 0..1.
-- grain: one row per term, largest share first
-- inputs: daily_term_counts
-- parameters:
--   limit INT = 10: how many terms
--   from DATE = null: first day; null for the first there is
--   to DATE = null: last day; null for the last there is
with term_counts as (
  select
    term,
    sum(search_count) as search_count
  from daily_term_counts
  where (:from is null or event_date >= :from)
    and (:to is null or event_date <= :to)
  group by term
)

select
  term,
  search_count,
  search_count / sum(search_count) over () as share_ratio
from term_counts
order by search_count desc, term
limit :limit
