-- Terms that rose, fell, were lost (all by more than chance explains) or came new in a week or month.
-- grain: one row per term, the most searches gained or lost first
-- inputs: term_trends
-- parameters:
--   status rising|falling|lost|new = rising: what they did
--   grain week|month = week: of which periods
--   period DATE = null: first day of the period; null for the last whole one, or the last there is
--   limit INT = 20: how many terms
with shown as (
  select
    coalesce(
      :period,
      max(case when not is_partial_period then period_start_date end),
      max(period_start_date)
    ) as period_start_date
  from term_trends
  where grain = :grain
)

select
  term_trends.term,
  term_trends.search_count,
  term_trends.previous_count,
  term_trends.growth_ratio,
  term_trends.share_ratio,
  term_trends.rank,
  term_trends.previous_rank,
  term_trends.p_value,
  term_trends.period_start_date,
  term_trends.is_partial_period
from term_trends
cross join shown
where term_trends.grain = :grain
  and term_trends.period_start_date = shown.period_start_date
  and term_trends.status = :status
order by abs(term_trends.search_count - term_trends.previous_count) desc, term_trends.term
limit :limit
