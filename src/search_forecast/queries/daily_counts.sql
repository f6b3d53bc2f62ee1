-- How often a term was searched on each day of the range, days without a search included.
-- grain: one row per event_date
-- inputs: daily_totals, daily_term_counts
-- parameters:
--   term TERM: the term
--   from DATE = null: first day; null for the first there is
--   to DATE = null: last day; null for the last there is
with term_days as (
  select
    event_date,
    search_count
  from daily_term_counts
  where term = :term
    and (:from is null or event_date >= :from)
    and (:to is null or event_date <= :to)
)

select
  daily_totals.event_date,
  coalesce(term_days.search_count, 0) as search_count,
  daily_totals.is_complete_day
from daily_totals
left join term_days
  on term_days.event_date = daily_totals.event_date
where (:from is null or daily_totals.event_date >= :from)
  and (:to is null or daily_totals.event_date <= :to)
order by daily_totals.event_date
