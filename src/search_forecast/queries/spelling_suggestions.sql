-- Rare terms that are one slip of the finger away from a frequent one; they stay two terms until you say otherwise.
-- grain: one row per variant with the most searched term that it may be; a list that `load-spellings` takes
-- inputs: term_summary
-- parameters:
--   times INT = 10: how many times as often the term is searched, at least
--   limit INT = 50: how many suggestions
-- A slip is a letter more, less or other (Levenshtein distance 1) or two letters swapped, in a term of five letters
-- or more. Terms with other digits are never one: "iphone 12" is no misspelt "iphone 13".
with terms as (
  select
    term,
    search_count,
    length(term) as letters,
    regexp_replace(term, '[^0-9]', '') as digits
  from term_summary
  where length(term) >= 5
),

-- One slip leaves the first two letters as they are, or the last two: only such terms are compared.
parts as (
  select
    terms.*,
    left(term, 2) as part,
    true as is_first
  from terms
  union all
  select
    terms.*,
    right(term, 2) as part,
    false as is_first
  from terms
)

select
  rare.term as variant,
  max_by(frequent.term, struct(frequent.search_count, frequent.term)) as term,
  rare.search_count,
  max(frequent.search_count) as term_search_count
from parts as rare
inner join parts as frequent
  on rare.part = frequent.part and rare.is_first = frequent.is_first and rare.digits = frequent.digits
where rare.search_count * :times <= frequent.search_count and rare.search_count < frequent.search_count
  and abs(rare.letters - frequent.letters) <= 1
  and (
    levenshtein(rare.term, frequent.term) = 1
    or (
      levenshtein(rare.term, frequent.term) = 2
      and rare.letters = frequent.letters
      and array_sort(split(rare.term, '')) = array_sort(split(frequent.term, ''))
    )
  )
group by rare.term, rare.search_count
order by rare.search_count desc, variant
limit :limit
