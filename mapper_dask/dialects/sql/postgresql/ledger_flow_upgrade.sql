-- What an incremental job's window has beyond those of earlier libraries.
ALTER TABLE mapper_dask_flow_job ADD COLUMN IF NOT EXISTS edge boolean,
                                 ADD COLUMN IF NOT EXISTS notes pg_catalog.text,
                                 ADD COLUMN IF NOT EXISTS held pg_catalog.text
