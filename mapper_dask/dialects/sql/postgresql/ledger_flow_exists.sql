-- Whether the tables of flows are where unqualified names lead.
SELECT pg_catalog.to_regclass('mapper_dask_flow') IS NOT NULL
   AND pg_catalog.to_regclass('mapper_dask_flow_job') IS NOT NULL
