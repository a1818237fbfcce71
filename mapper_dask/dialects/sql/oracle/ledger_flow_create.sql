-- What is remembered of each flow of jobs. Of its jobs, low and high say which rows an incremental
-- one reads, and opening numbers these windows, so that no clock decides which was the last;
-- edge says whether rows at low itself are read, held what the target held when it was read to its end.
CREATE TABLE mapper_dask_flow (
    flow_run_id  VARCHAR2(1000) CONSTRAINT mapper_dask_flow_pk PRIMARY KEY,
    name         VARCHAR2(1000) NOT NULL,
    document     CLOB,
    directory    VARCHAR2(4000),
    state        VARCHAR2(30) NOT NULL,
    version      VARCHAR2(10) NOT NULL,
    started_at   TIMESTAMP(6) WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
    ended_at     TIMESTAMP(6) WITH TIME ZONE
)
/
CREATE TABLE mapper_dask_flow_job (
    flow_run_id  VARCHAR2(1000) NOT NULL,
    job          VARCHAR2(1000) NOT NULL,
    place        NUMBER(10) NOT NULL,
    state        VARCHAR2(30) DEFAULT 'WAITING' NOT NULL,
    run_id       VARCHAR2(1000),
    low          VARCHAR2(1000),
    high         VARCHAR2(1000),
    opening      NUMBER(19),
    edge         NUMBER(1),
    notes        CLOB,
    held         CLOB,
    rows_read    NUMBER(19),
    rows_loaded  NUMBER(19),
    seconds      BINARY_DOUBLE,
    error        CLOB,
    started_at   TIMESTAMP(6) WITH TIME ZONE,
    ended_at     TIMESTAMP(6) WITH TIME ZONE,
    CONSTRAINT mapper_dask_flow_job_pk PRIMARY KEY (flow_run_id, job),
    CONSTRAINT mapper_dask_flow_job_flow FOREIGN KEY (flow_run_id)
        REFERENCES mapper_dask_flow (flow_run_id) ON DELETE CASCADE
)
