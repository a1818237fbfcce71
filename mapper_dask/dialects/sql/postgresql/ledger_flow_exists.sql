-- Whether the tables of flows stand where unqualified names lead.
SELECT to_regclass('mapper_dask_flow') IS NOT NULL
   AND to_regclass('mapper_dask_flow_job') IS NOT NULL
