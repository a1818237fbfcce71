-- Note which rows an incremental job reads, before it does.
UPDATE mapper_dask_flow_job SET low = :low, high = :high, opening = :opening,
    edge = :edge, notes = :notes
WHERE flow_run_id = :flow_run_id AND job = :job AND opening IS NULL
