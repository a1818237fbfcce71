-- Roles that may write tables of the ledger, beside their owner, superusers, the caller and roles that
-- may act as one of these; and by which right.
WITH tables AS (
    SELECT c.oid, c.relname, c.relowner, c.relacl FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
        SELECT pg_catalog.to_regclass(t.name)::pg_catalog.oid
        FROM pg_catalog.unnest(%(tables)s::pg_catalog.text[]) AS t (name)))
), rights AS (
    SELECT t.relname, t.relowner, a.grantee, a.privilege_type
    FROM tables t CROSS JOIN LATERAL pg_catalog.aclexplode(t.relacl) a
    UNION ALL
    SELECT t.relname, t.relowner, a.grantee, a.privilege_type
    FROM tables t
    JOIN pg_catalog.pg_attribute k ON k.attrelid OPERATOR(pg_catalog.=) t.oid
    CROSS JOIN LATERAL pg_catalog.aclexplode(k.attacl) a
    UNION ALL
    SELECT t.relname, t.relowner, w.oid, 'INSERT'
    FROM tables t
    JOIN pg_catalog.pg_roles w ON w.rolname OPERATOR(pg_catalog.=) 'pg_write_all_data'::pg_catalog.name
), writing AS (
    SELECT r.relname, r.relowner, r.grantee, r.privilege_type FROM rights r
    WHERE r.privilege_type OPERATOR(pg_catalog.=) ANY (
        ARRAY['INSERT', 'UPDATE', 'TRIGGER']::pg_catalog.text[])
)
SELECT 'PUBLIC'::pg_catalog.text, w.relname::pg_catalog.text, w.privilege_type
FROM writing w WHERE w.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid
UNION
SELECT r.rolname::pg_catalog.text, w.relname::pg_catalog.text, w.privilege_type
FROM writing w
JOIN pg_catalog.pg_roles r ON r.rolcanlogin AND NOT r.rolsuper
 AND w.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
 AND pg_catalog.pg_has_role(r.oid, w.grantee, 'MEMBER'::pg_catalog.text)
JOIN pg_catalog.pg_roles me ON me.rolname OPERATOR(pg_catalog.=) CURRENT_USER
WHERE NOT pg_catalog.pg_has_role(r.oid, w.relowner, 'MEMBER'::pg_catalog.text)
  AND NOT pg_catalog.pg_has_role(r.oid, me.oid, 'MEMBER'::pg_catalog.text)
ORDER BY 1, 2, 3
