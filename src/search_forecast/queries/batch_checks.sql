-- What came with each batch, how much of it was rejected, and whether all layers agree on it.
-- grain: one row per batch, newest first
-- inputs: batches
-- parameters:
--   limit INT = 50: how many batches
select
  batch_id,
  started_at,
  delivered_count,
  event_count,
  rejected_count,
  coalesce(try_divide(rejected_count, raw_count), 0) as rejected_ratio,
  reconciled
from batches
order by started_at desc, batch_id desc
limit :limit
