-- What each accepted spelling counts for, with the searches that it and its term have apart and together.
-- grain: one row per accepted spelling, most searched first
-- inputs: accepted_spellings, term_variants
-- parameters:
--   limit INT = 50: how many spellings
with typed as (
  select
    term,
    coalesce(variant, term) as spelling,
    sum(search_count) as search_count
  from term_variants
  group by term, coalesce(variant, term)
),

totals as (
  select
    term,
    sum(search_count) as search_count
  from typed
  group by term
)

select
  accepted.variant,
  accepted.term,
  coalesce(variants.search_count, 0) as variant_search_count,
  coalesce(own.search_count, 0) as own_search_count,
  coalesce(totals.search_count, 0) as term_search_count
from accepted_spellings as accepted
left join typed as variants on accepted.variant = variants.spelling and accepted.term = variants.term
left join typed as own on accepted.term = own.term and accepted.term = own.spelling
left join totals on accepted.term = totals.term
order by variant_search_count desc, accepted.term, accepted.variant
limit :limit
