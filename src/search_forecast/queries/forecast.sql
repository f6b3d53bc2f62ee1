-- The latest forecast of a term: expected searches, the ends of the 80 and 95 % intervals, and the backtest's verdict.
-- grain: one row per target_date; none for a term that the latest forecast counts in (other)
-- inputs: term_forecasts, [backtest_metrics]
-- parameters:
--   term TERM: the term; (total) is all searches, (other) the rare terms
with latest as (
  select
    max(made_on_date) as made_on_date,
    max_by(model_version, struct(made_on_date, scored_at, model_version)) as model_version
  from term_forecasts
),

verdicts as (
  select
    model_version,
    verdict
  from backtest_metrics
  where term = :term
    and is_champion
)

select
  term_forecasts.target_date,
  round(max(term_forecasts.forecast), 2) as forecast,
  round(max(case when term_forecasts.interval_level = 0.8 then term_forecasts.lower end), 2) as lower_80,
  round(max(case when term_forecasts.interval_level = 0.8 then term_forecasts.upper end), 2) as upper_80,
  round(max(case when term_forecasts.interval_level = 0.95 then term_forecasts.lower end), 2) as lower_95,
  round(max(case when term_forecasts.interval_level = 0.95 then term_forecasts.upper end), 2) as upper_95,
  max(term_forecasts.candidate) as candidate,
  max(verdicts.verdict) as verdict,
  max(latest.made_on_date) as made_on_date,
  max(latest.model_version) as model_version
from term_forecasts
inner join latest
  on latest.made_on_date = term_forecasts.made_on_date
  and latest.model_version = term_forecasts.model_version
left join verdicts
  on verdicts.model_version = term_forecasts.model_version
where term_forecasts.term = :term
group by term_forecasts.target_date
order by term_forecasts.target_date
