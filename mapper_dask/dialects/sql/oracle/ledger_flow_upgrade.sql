-- What an incremental job's window has beyond those of earlier libraries.
ALTER TABLE mapper_dask_flow_job ADD (edge NUMBER(1))
/
ALTER TABLE mapper_dask_flow_job ADD (notes CLOB)
/
ALTER TABLE mapper_dask_flow_job ADD (held CLOB)
