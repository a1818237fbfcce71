-- Enter every chunk of a run's plan.
INSERT INTO mapper_dask_chunk (run_id, chunk_id, bounds)
SELECT %(run_id)s, (c ->> 'chunk_id')::int4, c FROM jsonb_array_elements(%(chunks)s::jsonb) c
ON CONFLICT DO NOTHING
