-- How the latest forecasts did once the searches had come, beside the historic mean.
-- grain: one row per (made_on_date, model_version), newest first
-- inputs: forecast_accuracy
-- parameters:
--   window STRING = 1-7: days ahead, as in forecast_accuracy
--   limit INT = 20: how many dates of the latest on which forecasts were made
with ranked as (
  select
    made_on_date,
    model_version,
    first_target_date,
    last_target_date,
    term_count,
    actual_count,
    wape,
    mean_wape,
    skill_ratio,
    mase,
    interval_coverage,
    dense_rank() over (order by made_on_date desc) as date_rank
  from forecast_accuracy
  where window = :window
)

select
  made_on_date,
  model_version,
  first_target_date,
  last_target_date,
  term_count,
  actual_count,
  wape,
  mean_wape,
  skill_ratio,
  mase,
  interval_coverage
from ranked
where date_rank <= :limit
order by made_on_date desc, model_version desc
