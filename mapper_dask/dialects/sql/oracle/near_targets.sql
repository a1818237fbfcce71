-- What bears a name like a target's: where it is, what it is, and whether a name without a schema
-- leads there; then the schemas, whose name is NULL. Exact names come before near ones.
SELECT place, name, kind, reachable FROM (
    SELECT o.owner AS place, o.object_name AS name,
           CASE WHEN o.object_type IN ('TABLE', 'VIEW') THEN 'table'
                WHEN o.object_type = 'INDEX' THEN 'an index'
                ELSE 'a ' || LOWER(o.object_type) END AS kind,
           CASE WHEN o.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') THEN 1 ELSE 0 END AS reachable,
           CASE WHEN LOWER(o.object_name) = LOWER(:name) OR LOWER(o.object_name) = LOWER(:part)
                THEN 0 ELSE 1 END AS place_in_line
    FROM SYS.ALL_OBJECTS o
    WHERE o.object_type IN ('TABLE', 'VIEW', 'SEQUENCE', 'INDEX', 'TYPE', 'MATERIALIZED VIEW')
      AND (o.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') OR o.owner = :schema
           OR LOWER(o.object_name) = LOWER(:name) OR LOWER(o.object_name) = LOWER(:part))
    UNION ALL
    SELECT s.owner, s.synonym_name, 'a synonym for a table of another database, by a link',
           CASE WHEN s.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') OR s.owner = 'PUBLIC'
                THEN 1 ELSE 0 END, 0
    FROM SYS.ALL_SYNONYMS s
    WHERE LOWER(s.synonym_name) = LOWER(:name) AND s.db_link IS NOT NULL
    UNION ALL
    SELECT u.username, NULL, 'schema',
           CASE WHEN u.username = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') THEN 1 ELSE 0 END, 0
    FROM SYS.ALL_USERS u
) ORDER BY place_in_line, reachable DESC, place, name
