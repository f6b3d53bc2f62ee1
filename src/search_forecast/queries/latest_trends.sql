-- What terms did in the last whole week and month: how many have each status, and those that changed most.
-- grain: one row per (grain, term); of each status the terms that gained or lost most searches
-- inputs: term_trends
-- parameters:
--   limit INT = 8: how many terms of each status
with latest as (
  select
    grain,
    max(period_start_date) as period_start_date
  from term_trends
  where not is_partial_period
  group by grain
),

ranked as (
  select
    term_trends.grain,
    term_trends.period_start_date,
    term_trends.status,
    term_trends.term,
    term_trends.search_count,
    term_trends.previous_count,
    term_trends.growth_ratio,
    term_trends.p_value,
    term_trends.rank,
    term_trends.previous_rank,
    row_number() over (
      partition by term_trends.grain, term_trends.status
      order by abs(term_trends.search_count - term_trends.previous_count) desc, term_trends.term
    ) as place,
    count(*) over (partition by term_trends.grain, term_trends.status) as status_count
  from term_trends
  inner join latest
    on latest.grain = term_trends.grain
    and latest.period_start_date = term_trends.period_start_date
)

select
  grain,
  period_start_date,
  status,
  status_count,
  term,
  search_count,
  previous_count,
  growth_ratio,
  p_value,
  rank,
  previous_rank
from ranked
where place <= :limit
order by grain, status, place
