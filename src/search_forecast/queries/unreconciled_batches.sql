-- Batches on which the layers disagree: records were lost or counted twice.
-- grain: one row
-- inputs: batches
-- parameters: none
select count_if(not reconciled) as unreconciled_count
from batches
