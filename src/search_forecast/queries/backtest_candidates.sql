-- How the forecasting methods did in a model version's backtest, all terms together, beside chance alone.
-- grain: one row per candidate, least wape first; only those measured on the same number of terms compare
-- inputs: backtest_metrics, [term_forecasts]
-- parameters:
--   version INT = 0: version of search_demand; 0 for the one whose forecasts are the latest, the champion
with shown as (
  select coalesce(
    nullif(:version, 0),
    (select max_by(model_version, struct(made_on_date, scored_at, model_version)) from term_forecasts),
    (select max(model_version) from backtest_metrics)
  ) as model_version
),

terms as (
  select
    model_version,
    candidate,
    count(coalesce(wape, mase, smape)) as term_count,
    count_if(is_champion) as champion_count
  from backtest_metrics
  where term not in ('(all)', '(total)')
  group by model_version, candidate
)

select
  backtest_metrics.candidate,
  coalesce(terms.term_count, 0) as term_count,
  coalesce(terms.champion_count, 0) as champion_count,
  backtest_metrics.wape,
  backtest_metrics.mase,
  backtest_metrics.smape,
  backtest_metrics.rmsse,
  backtest_metrics.bias,
  backtest_metrics.interval_coverage,
  backtest_metrics.interval_coverage_80,
  backtest_metrics.poisson_floor_wape,
  backtest_metrics.multinomial_floor_wape,
  backtest_metrics.model_version
from backtest_metrics
inner join shown
  on shown.model_version = backtest_metrics.model_version
left join terms
  on terms.model_version = backtest_metrics.model_version
  and terms.candidate = backtest_metrics.candidate
where backtest_metrics.term = '(all)'
order by backtest_metrics.wape nulls last, backtest_metrics.candidate
