-- What is remembered of each flow of jobs. Of its jobs, low and high say which rows an incremental
-- one reads, and opening numbers these windows, so that no clock decides which was the last;
-- edge says whether rows at low itself are read, held what the target held when it was read to its end.
CREATE TABLE IF NOT EXISTS mapper_dask_flow (
    flow_run_id  pg_catalog.text PRIMARY KEY,
    name         pg_catalog.text NOT NULL,
    document     pg_catalog.text,
    directory    pg_catalog.text,
    state        pg_catalog.text NOT NULL,
    version      pg_catalog.text NOT NULL,
    started_at   pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at     pg_catalog.timestamptz
);
CREATE TABLE IF NOT EXISTS mapper_dask_flow_job (
    flow_run_id  pg_catalog.text NOT NULL REFERENCES mapper_dask_flow ON DELETE CASCADE,
    job          pg_catalog.text NOT NULL,
    place        pg_catalog.int4 NOT NULL,
    state        pg_catalog.text NOT NULL DEFAULT 'WAITING',
    run_id       pg_catalog.text,
    low          pg_catalog.text,
    high         pg_catalog.text,
    opening      pg_catalog.int8,
    edge         pg_catalog.bool,
    notes        pg_catalog.text,
    held         pg_catalog.text,
    rows_read    pg_catalog.int8,
    rows_loaded  pg_catalog.int8,
    seconds      pg_catalog.float8,
    error        pg_catalog.text,
    started_at   pg_catalog.timestamptz,
    ended_at     pg_catalog.timestamptz,
    PRIMARY KEY (flow_run_id, job)
);
