-- The ledger's tables: what the target remembers of each run, chunk and rejected row.
CREATE TABLE IF NOT EXISTS mapper_dask_run (
    run_id       pg_catalog.text PRIMARY KEY,
    fingerprint  pg_catalog.text NOT NULL,
    plan         pg_catalog.jsonb NOT NULL,
    snapshot     pg_catalog.text,
    state        pg_catalog.text NOT NULL,
    staging      pg_catalog.text,
    notes        pg_catalog.jsonb NOT NULL DEFAULT '[]',
    version      pg_catalog.text NOT NULL,
    started_at   pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at     pg_catalog.timestamptz,
    table_mark   pg_catalog.jsonb,
    published    pg_catalog.jsonb
);
CREATE TABLE IF NOT EXISTS mapper_dask_chunk (
    run_id        pg_catalog.text NOT NULL REFERENCES mapper_dask_run ON DELETE CASCADE,
    chunk_id      pg_catalog.int4 NOT NULL,
    state         pg_catalog.text NOT NULL DEFAULT 'UNASSIGNED',
    bounds        pg_catalog.jsonb NOT NULL,
    rows_read     pg_catalog.int8 NOT NULL DEFAULT 0,
    rows_out      pg_catalog.int8 NOT NULL DEFAULT 0,
    rows_loaded   pg_catalog.int8 NOT NULL DEFAULT 0,
    rows_rejected pg_catalog.int8 NOT NULL DEFAULT 0,
    attempts      pg_catalog.int4 NOT NULL DEFAULT 0,
    worker        pg_catalog.text NOT NULL DEFAULT '',
    snapshot      pg_catalog.text,
    seconds       pg_catalog.float8 NOT NULL DEFAULT 0,
    warnings      pg_catalog.jsonb NOT NULL DEFAULT '[]',
    error         pg_catalog.text,
    started_at    pg_catalog.timestamptz,
    ended_at      pg_catalog.timestamptz,
    loaded_by     pg_catalog.jsonb,
    PRIMARY KEY (run_id, chunk_id)
);
CREATE TABLE IF NOT EXISTS mapper_dask_reject (
    run_id    pg_catalog.text NOT NULL,
    chunk_id  pg_catalog.int4 NOT NULL,
    key       pg_catalog.jsonb,
    stage     pg_catalog.text NOT NULL,
    reason    pg_catalog.text NOT NULL,
    "row"     pg_catalog.jsonb NOT NULL,
    FOREIGN KEY (run_id, chunk_id) REFERENCES mapper_dask_chunk ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS mapper_dask_reject_chunk ON mapper_dask_reject (run_id, chunk_id);
