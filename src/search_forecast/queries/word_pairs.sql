-- Words that are searched together more often than chance would put them together.
-- grain: one row per pair of words inside a term, the first before the second by alphabet; highest lift first
-- inputs: term_summary
-- parameters:
--   word PART = null: only pairs with this word; null for all
--   least INT = 10: searches that a pair has at least
--   limit INT = 20: how many pairs
-- lift = searches with both * all searches / (searches with the one * searches with the other); 1 is chance
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
  where word <> ''
),

singles as (
  select
    word,
    sum(search_count) as search_count
  from words
  group by word
),

pairs as (
  select
    one.word,
    other.word as other_word,
    sum(one.search_count) as search_count,
    count(*) as term_count
  from words as one
  inner join words as other on one.term = other.term and one.word < other.word
  where (:word is null or :word = one.word or :word = other.word)
  group by one.word, other.word
  having sum(one.search_count) >= :least
),

total as (
  select sum(search_count) as search_count from term_summary
)

select
  pairs.word,
  pairs.other_word,
  pairs.search_count,
  pairs.term_count,
  cast(pairs.search_count as double) * total.search_count
  / (cast(one.search_count as double) * other.search_count) as lift
from pairs
cross join total
inner join singles as one on pairs.word = one.word
inner join singles as other on pairs.other_word = other.word
order by lift desc, pairs.search_count desc, pairs.word, pairs.other_word
limit :limit
