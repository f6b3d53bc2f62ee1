-- How far the mix of terms has moved from that of the days a model version was trained on.
-- grain: one row per (last_date, model_version), newest first
-- inputs: demand_drift
-- parameters:
--   limit INT = 20: how many rows
select
  first_date,
  last_date,
  model_version,
  search_count,
  training_count,
  term_count,
  psi,
  js_distance,
  chi_square,
  p_value,
  is_drifted
from demand_drift
order by last_date desc, first_date desc, model_version desc
limit :limit
