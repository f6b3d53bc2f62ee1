-- How many of the latest five weekly forecasts had an error over 5 % larger than the historic mean's.
-- grain: one row; of forecasts made within seven days the latest counts, since the days they foretold overlap
-- inputs: forecast_accuracy
-- parameters: none
with latest as (
  select
    max(made_on_date) as made_on_date,
    max_by(model_version, struct(made_on_date, model_version)) as model_version
  from forecast_accuracy
  where window like '1-_' and window <= '1-7'
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
