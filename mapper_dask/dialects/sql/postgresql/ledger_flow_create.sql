-- What is remembered of each flow of jobs. Of its jobs, low and high say which rows an incremental
-- one reads, and opening numbers these windows, so that no clock has to tell which was the last.
CREATE TABLE IF NOT EXISTS mapper_dask_flow (
    flow_run_id  text PRIMARY KEY,
    name         text NOT NULL,
    document     text,
    directory    text,
    state        text NOT NULL,
    version      text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz
);
CREATE TABLE IF NOT EXISTS mapper_dask_flow_job (
    flow_run_id  text NOT NULL REFERENCES mapper_dask_flow ON DELETE CASCADE,
    job          text NOT NULL,
    place        int4 NOT NULL,
    state        text NOT NULL DEFAULT 'WAITING',
    run_id       text,
    low          text,
    high         text,
    opening      int8,
    rows_read    int8,
    rows_loaded  int8,
    seconds      float8,
    error        text,
    started_at   timestamptz,
    ended_at     timestamptz,
    PRIMARY KEY (flow_run_id, job)
);
