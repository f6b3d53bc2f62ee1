-- Whether a model version can forecast a term better than the mean does, and its errors beside chance alone.
-- grain: one row per term, most searched first; (total) is all searches, (other) the rare terms together
-- inputs: backtest_metrics, [term_summary], [term_forecasts]
-- parameters:
--   version INT = 0: version of search_demand; 0 for the one whose forecasts are the latest, the champion
--   limit INT = 50: how many terms
with shown as (
  select coalesce(
    nullif(:version, 0),
    (select max_by(model_version, struct(made_on_date, scored_at, model_version)) from term_forecasts),
    (select max(model_version) from backtest_metrics)
  ) as model_version
),

champions as (
  select
    backtest_metrics.model_version,
    backtest_metrics.term,
    backtest_metrics.verdict,
    backtest_metrics.candidate,
    backtest_metrics.p_value,
    backtest_metrics.wape,
    backtest_metrics.poisson_floor_wape,
    backtest_metrics.multinomial_floor_wape,
    backtest_metrics.interval_coverage,
    backtest_metrics.reason
  from backtest_metrics
  inner join shown
    on shown.model_version = backtest_metrics.model_version
  where backtest_metrics.is_champion
),

-- What the forecast is made of: the candidate with most weight.
heaviest as (
  select
    model_version,
    term,
    max_by(candidate, weight_ratio) as candidate
  from backtest_metrics
  where weight_ratio is not null
  group by model_version, term
),

means as (
  select
    model_version,
    term,
    wape as mean_wape
  from backtest_metrics
  where candidate = 'historic_mean'
),

searches as (
  select coalesce(sum(search_count), 0) as search_count
  from term_summary
)

select
  champions.term,
  case champions.term
    when '(total)' then searches.search_count
    when '(other)' then searches.search_count - sum(coalesce(term_summary.search_count, 0)) over ()
    else coalesce(term_summary.search_count, 0)
  end as search_count,
  champions.verdict,
  coalesce(heaviest.candidate, champions.candidate) as candidate,
  champions.p_value,
  champions.wape,
  means.mean_wape,
  champions.poisson_floor_wape,
  champions.multinomial_floor_wape,
  champions.interval_coverage,
  champions.reason,
  champions.model_version
from champions
cross join searches
left join heaviest
  on heaviest.model_version = champions.model_version
  and heaviest.term = champions.term
left join means
  on means.model_version = champions.model_version
  and means.term = champions.term
-- Somebody may search for "(other)": that counts in it.
left join term_summary
  on term_summary.term = champions.term
  and champions.term not in ('(total)', '(other)')
order by search_count desc, champions.term
limit :limit
