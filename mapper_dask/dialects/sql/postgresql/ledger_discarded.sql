-- A run whose staged rows are gone cannot be resumed.
UPDATE mapper_dask_run SET state = 'DISCARDED', ended_at = pg_catalog.clock_timestamp()
WHERE staging OPERATOR(pg_catalog.=) %(staging)s AND state OPERATOR(pg_catalog.<>) 'SUCCEEDED'
