-- Run what is deferred; then, how many rows this transaction has touched in any table.
SET CONSTRAINTS ALL IMMEDIATE;
SELECT coalesce(pg_catalog.sum(s.n_tup_ins OPERATOR(pg_catalog.+) s.n_tup_upd OPERATOR(pg_catalog.+) s.n_tup_del), 0)::bigint
FROM pg_catalog.pg_stat_xact_all_tables s
