-- The latest forecast of every term after what was searched before it: what a chart of them draws.
-- grain: one row per (term, event_date); of a weekly forecast event_date is the Monday that the week begins with
-- inputs: term_forecasts, daily_totals, daily_term_counts
-- parameters:
--   periods INT = 28: how many days (of a weekly forecast: weeks) before the forecast
with latest as (
  select
    max(made_on_date) as made_on_date,
    max_by(model_version, struct(made_on_date, scored_at, model_version)) as model_version
  from term_forecasts
),

forecasts as (
  select
    term_forecasts.term,
    term_forecasts.target_date,
    term_forecasts.forecast,
    term_forecasts.lower,
    term_forecasts.upper,
    term_forecasts.horizon_days,
    latest.made_on_date
  from term_forecasts
  inner join latest
    on latest.made_on_date = term_forecasts.made_on_date
    and latest.model_version = term_forecasts.model_version
  where term_forecasts.interval_level = 0.95
),

-- A daily forecast has a target one day ahead, a weekly one only whole weeks.
span as (
  select
    made_on_date,
    case when min(horizon_days) % 7 = 0 then 7 else 1 end as period_days
  from forecasts
  group by made_on_date
),

days as (
  select
    daily_totals.event_date,
    daily_totals.search_count,
    span.period_days,
    case when span.period_days = 7 then trunc(daily_totals.event_date, 'week') else daily_totals.event_date end
      as period_date
  from daily_totals
  inner join span
    on datediff(span.made_on_date, daily_totals.event_date) between
      1 - span.period_days and (cast(:periods as bigint) - 1) * span.period_days
  where daily_totals.is_complete_day
),

whole_periods as (
  select
    period_date,
    sum(search_count) as search_count
  from days
  group by period_date, period_days
  having count(*) = period_days
),

terms as (
  select term
  from forecasts
  group by term
),

term_periods as (
  select
    daily_term_counts.term,
    days.period_date,
    sum(daily_term_counts.search_count) as search_count
  from daily_term_counts
  inner join days
    on days.event_date = daily_term_counts.event_date
  -- Somebody may search for "(other)": that counts in it.
  inner join terms
    on terms.term = daily_term_counts.term
    and terms.term not in ('(total)', '(other)')
  group by daily_term_counts.term, days.period_date
)

select
  terms.term,
  whole_periods.period_date as event_date,
  'actual' as kind,
  case terms.term
    when '(total)' then whole_periods.search_count
    when '(other)' then whole_periods.search_count
      - sum(coalesce(term_periods.search_count, 0)) over (partition by whole_periods.period_date)
    else coalesce(term_periods.search_count, 0)
  end as search_count,
  cast(null as double) as forecast,
  cast(null as double) as lower_95,
  cast(null as double) as upper_95
from terms
cross join whole_periods
left join term_periods
  on term_periods.term = terms.term
  and term_periods.period_date = whole_periods.period_date
union all
select
  term,
  target_date as event_date,
  'forecast' as kind,
  cast(null as bigint) as search_count,
  round(forecast, 2) as forecast,
  round(lower, 2) as lower_95,
  round(upper, 2) as upper_95
from forecasts
order by term, event_date
