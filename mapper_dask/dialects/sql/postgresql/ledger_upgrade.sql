-- What layout 2 of the ledger has beyond layout 1; rows of earlier runs have nothing there.
ALTER TABLE mapper_dask_run ADD COLUMN IF NOT EXISTS table_mark pg_catalog.jsonb,
                            ADD COLUMN IF NOT EXISTS published pg_catalog.jsonb;
ALTER TABLE mapper_dask_chunk ADD COLUMN IF NOT EXISTS loaded_by pg_catalog.jsonb
