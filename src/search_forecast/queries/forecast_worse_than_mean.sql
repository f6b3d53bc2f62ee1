-- How many of the latest five weekly forecasts had an error over 5 % larger than the historic mean's.
-- grain: one row; of forecasts made within seven days the latest counts, since the days they foretold overlap
-- inputs: forecast_accuracy, [term_forecasts]
-- parameters: none
with scored as (
  select
    made_on_date,
    model_version,
    max(scored_at) as scored_at
  from term_forecasts
  group by made_on_date, model_version
),

latest as (
  select
    max(accuracy.made_on_date) as made_on_date,
    max_by(
      accuracy.model_version, struct(accuracy.made_on_date, scored.scored_at, accuracy.model_version)
    ) as model_version
  from forecast_accuracy as accuracy
  left join scored
    on scored.made_on_date = accuracy.made_on_date
    and scored.model_version = accuracy.model_version
  where accuracy.window like '1-_' and accuracy.window <= '1-7'
),

weeks as (
  select max_by(forecast_accuracy.skill_ratio, forecast_accuracy.made_on_date) as skill_ratio
  from forecast_accuracy
  inner join latest
    on latest.model_version = forecast_accuracy.model_version
  where forecast_accuracy.window like '1-_' and forecast_accuracy.window <= '1-7'
  group by floor(datediff(latest.made_on_date, forecast_accuracy.made_on_date) / 7)
  order by max(forecast_accuracy.made_on_date) desc
  limit 5
)

select count_if(skill_ratio < -0.05) as worse_count
from weeks
