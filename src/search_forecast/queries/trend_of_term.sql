-- What a term did in each week or month, against the period before and the same one a year before.
-- grain: one row per period in which the term was searched, or in the one before; none before trends has seen one
-- inputs: term_trends
-- parameters:
--   term TERM: the term
--   grain week|month = week: of which periods; a year before a week is 52 weeks before
--   from DATE = null: first day of the periods, also of those a year before; null for all
with trend as (
  select
    period_start_date,
    search_count,
    previous_count,
    share_ratio,
    rank,
    previous_rank,
    growth_ratio,
    index_0_100,
    p_value,
    status,
    is_partial_period
  from term_trends
  where term = :term
    and grain = :grain
    and (:from is null or period_start_date >= :from)
)

select
  trend.period_start_date,
  trend.status,
  trend.search_count,
  trend.previous_count,
  trend.share_ratio,
  trend.rank,
  trend.previous_rank - trend.rank as ranks_won,
  trend.growth_ratio,
  year_before.search_count as year_before_count,
  try_divide(trend.share_ratio, year_before.share_ratio) - 1 as growth_on_year_ratio,
  trend.index_0_100,
  trend.p_value,
  trend.is_partial_period
from trend
left join trend as year_before
  on (
    :grain = 'week'
    and datediff(trend.period_start_date, year_before.period_start_date) = 364
  )
  or (
    :grain = 'month'
    and year(trend.period_start_date) = year(year_before.period_start_date) + 1
    and month(trend.period_start_date) = month(year_before.period_start_date)
  )
order by trend.period_start_date
