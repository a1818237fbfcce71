-- Whether a table may take a row only once others are in it: it refers to itself, or has a
-- constraint that can be deferred.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_constraint c
    WHERE c.conrelid OPERATOR(pg_catalog.=) %(table)s::pg_catalog.regclass::pg_catalog.oid
      AND (c.condeferrable OR c.confrelid OPERATOR(pg_catalog.=) c.conrelid))
