-- A run whose staged rows are gone cannot be resumed.
UPDATE mapper_dask_run SET state = 'DISCARDED', ended_at = SYSTIMESTAMP
WHERE staging = :staging AND state <> 'SUCCEEDED'
