-- The ledger's tables: what the target remembers of each run, chunk and rejected row.
CREATE TABLE IF NOT EXISTS mapper_dask_run (
    run_id       text PRIMARY KEY,
    fingerprint  text NOT NULL,
    plan         jsonb NOT NULL,
    snapshot     text,
    state        text NOT NULL,
    staging      text,
    notes        jsonb NOT NULL DEFAULT '[]',
    version      text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz
);
CREATE TABLE IF NOT EXISTS mapper_dask_chunk (
    run_id        text NOT NULL REFERENCES mapper_dask_run ON DELETE CASCADE,
    chunk_id      int4 NOT NULL,
    state         text NOT NULL DEFAULT 'UNASSIGNED',
    bounds        jsonb NOT NULL,
    rows_read     int8 NOT NULL DEFAULT 0,
    rows_out      int8 NOT NULL DEFAULT 0,
    rows_loaded   int8 NOT NULL DEFAULT 0,
    rows_rejected int8 NOT NULL DEFAULT 0,
    attempts      int4 NOT NULL DEFAULT 0,
    worker        text NOT NULL DEFAULT '',
    snapshot      text,
    seconds       float8 NOT NULL DEFAULT 0,
    warnings      jsonb NOT NULL DEFAULT '[]',
    error         text,
    started_at    timestamptz,
    ended_at      timestamptz,
    PRIMARY KEY (run_id, chunk_id)
);
CREATE TABLE IF NOT EXISTS mapper_dask_reject (
    run_id    text NOT NULL,
    chunk_id  int4 NOT NULL,
    key       jsonb,
    stage     text NOT NULL,
    reason    text NOT NULL,
    "row"     jsonb NOT NULL,
    FOREIGN KEY (run_id, chunk_id) REFERENCES mapper_dask_chunk ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS mapper_dask_reject_chunk ON mapper_dask_reject (run_id, chunk_id);
