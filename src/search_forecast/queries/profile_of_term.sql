-- On which weekdays or in which months a term is searched, beside all terms.
-- grain: one row per weekday (1 Monday to 7) or month (1 to 12) on which anything was searched
-- inputs: term_profile
-- parameters:
--   term TERM: the term
--   profile weekday|month = weekday: which profile
with all_terms as (
  select
    value,
    sum(search_count) as search_count
  from term_profile
  where profile = :profile
  group by value
),

of_term as (
  select
    value,
    search_count,
    share_ratio
  from term_profile
  where term = :term
    and profile = :profile
)

select
  all_terms.value,
  coalesce(of_term.search_count, 0) as search_count,
  coalesce(of_term.share_ratio, 0e0) as share_ratio,
  all_terms.search_count / sum(all_terms.search_count) over () as all_terms_share_ratio
from all_terms
left join of_term
  on of_term.value = all_terms.value
order by all_terms.value
