-- What became of the files that were delivered, and why.
-- grain: one row per (status, reason)
-- inputs: deliveries
-- parameters: none
select
  status,
  reason,
  count(*) as delivery_count,
  coalesce(sum(record_count), 0) as record_count,
  min(received_at) as first_received_at,
  max(received_at) as last_received_at,
  max_by(source_file, struct(received_at, source_file)) as last_source_file
from deliveries
group by status, reason
order by status, reason
