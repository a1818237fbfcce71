-- The transactions in which other runs have inserted rows into any table of this server's data.
SELECT c.loaded_by::pg_catalog.text
FROM mapper_dask_chunk c
JOIN mapper_dask_run r ON r.run_id OPERATOR(pg_catalog.=) c.run_id
WHERE r.run_id OPERATOR(pg_catalog.<>) %(run_id)s AND c.loaded_by IS NOT NULL
  AND pg_catalog.jsonb_extract_path_text(r.table_mark, 'cluster') OPERATOR(pg_catalog.=) %(cluster)s
UNION ALL
SELECT pg_catalog.jsonb_extract_path_text(r.published, 'loads')
FROM mapper_dask_run r
WHERE r.run_id OPERATOR(pg_catalog.<>) %(run_id)s AND r.published IS NOT NULL
  AND pg_catalog.jsonb_extract_path_text(r.published, 'by_key') OPERATOR(pg_catalog.=) 'false'
  AND pg_catalog.jsonb_extract_path_text(r.table_mark, 'cluster') OPERATOR(pg_catalog.=) %(cluster)s
