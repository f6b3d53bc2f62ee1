-- Hours since the last delivery that was taken in; null before the first.
-- grain: one row
-- inputs: batches
-- parameters: none
select round(timestampdiff(minute, max(started_at), current_timestamp()) / 60, 1) as hours_since_delivery
from batches
