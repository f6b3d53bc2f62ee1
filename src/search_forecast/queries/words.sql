-- The words inside terms: in how many terms each stands, and how many searches those have.
-- grain: one row per word, most searched first
-- inputs: term_summary
-- parameters:
--   limit INT = 20: how many words
with words as (
  select distinct
    term,
    word,
    search_count
  from (
    select
      term,
      explode(split(term, ' ')) as word,
      search_count
    from term_summary
  )
)

select
  word,
  sum(search_count) as search_count,
  count(*) as term_count
from words
where word <> ''
group by word
order by search_count desc, word
limit :limit
