-- What layout 2 of the ledger has beyond layout 1; rows of earlier runs have nothing there.
ALTER TABLE mapper_dask_run ADD (table_mark CLOB)
/
ALTER TABLE mapper_dask_run ADD (published CLOB)
/
ALTER TABLE mapper_dask_chunk ADD (loaded_by CLOB)
