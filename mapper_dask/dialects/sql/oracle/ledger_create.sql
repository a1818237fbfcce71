-- The ledger's tables: what the target remembers of each run, chunk and rejected row.
CREATE TABLE mapper_dask_run (
    run_id       VARCHAR2(1000) CONSTRAINT mapper_dask_run_pk PRIMARY KEY,
    fingerprint  VARCHAR2(100) NOT NULL,
    plan         CLOB NOT NULL,
    snapshot     VARCHAR2(100),
    state        VARCHAR2(30) NOT NULL,
    staging      VARCHAR2(128),
    notes        CLOB DEFAULT '[]' NOT NULL,
    version      VARCHAR2(10) NOT NULL,
    started_at   TIMESTAMP(6) WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
    ended_at     TIMESTAMP(6) WITH TIME ZONE,
    table_mark   CLOB,
    published    CLOB
)
/
CREATE TABLE mapper_dask_chunk (
    run_id        VARCHAR2(1000) NOT NULL,
    chunk_id      NUMBER(10) NOT NULL,
    state         VARCHAR2(30) DEFAULT 'UNASSIGNED' NOT NULL,
    bounds        CLOB NOT NULL,
    rows_read     NUMBER(19) DEFAULT 0 NOT NULL,
    rows_out      NUMBER(19) DEFAULT 0 NOT NULL,
    rows_loaded   NUMBER(19) DEFAULT 0 NOT NULL,
    rows_rejected NUMBER(19) DEFAULT 0 NOT NULL,
    attempts      NUMBER(10) DEFAULT 0 NOT NULL,
    worker        VARCHAR2(1000),
    snapshot      VARCHAR2(100),
    seconds       BINARY_DOUBLE DEFAULT 0 NOT NULL,
    warnings      CLOB DEFAULT '[]' NOT NULL,
    error         CLOB,
    started_at    TIMESTAMP(6) WITH TIME ZONE,
    ended_at      TIMESTAMP(6) WITH TIME ZONE,
    loaded_by     CLOB,
    CONSTRAINT mapper_dask_chunk_pk PRIMARY KEY (run_id, chunk_id),
    CONSTRAINT mapper_dask_chunk_run FOREIGN KEY (run_id)
        REFERENCES mapper_dask_run (run_id) ON DELETE CASCADE
)
/
CREATE TABLE mapper_dask_reject (
    run_id    VARCHAR2(1000) NOT NULL,
    chunk_id  NUMBER(10) NOT NULL,
    key       CLOB,
    stage     VARCHAR2(100) NOT NULL,
    reason    CLOB NOT NULL,
    row_json  CLOB NOT NULL,
    CONSTRAINT mapper_dask_reject_chunk FOREIGN KEY (run_id, chunk_id)
        REFERENCES mapper_dask_chunk (run_id, chunk_id) ON DELETE CASCADE
)
/
CREATE INDEX mapper_dask_reject_chunk ON mapper_dask_reject (run_id, chunk_id)
