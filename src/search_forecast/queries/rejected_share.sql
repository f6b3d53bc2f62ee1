-- The share of rejected records in the latest batch, 0..1; null before the first.
-- grain: one row
-- inputs: batches
-- parameters: none
select max_by(coalesce(try_divide(rejected_count, raw_count), 0), started_at) as rejected_share_ratio
from batches
