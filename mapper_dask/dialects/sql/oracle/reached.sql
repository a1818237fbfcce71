-- What names mean: the tables, views and synonyms of a query, what a view relies on, the
-- policies on them, their columns of some names, and functions. One row a fact; see oracle/reached.py,
-- which writes the lists, the first of them of pairs of owner and name.
SELECT 'schema' AS fact, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AS owner, '-' AS name,
       '-' AS a, '-' AS b, '-' AS c
FROM SYS.DUAL
UNION ALL
SELECT 'object', o.owner, o.object_name, o.object_type, '-', '-'
FROM SYS.ALL_OBJECTS o
WHERE (o.owner, o.object_name) IN ({relations})
UNION ALL
SELECT 'table', t.owner, t.table_name,
       CASE WHEN t.temporary = 'Y' THEN 'temporary'
            WHEN EXISTS (SELECT 1 FROM SYS.ALL_EXTERNAL_TABLES e
                         WHERE e.owner = t.owner AND e.table_name = t.table_name) THEN 'external'
            ELSE 'plain' END, '-', '-'
FROM SYS.ALL_TABLES t
WHERE (t.owner, t.table_name) IN ({relations})
UNION ALL
SELECT 'synonym', s.owner, s.synonym_name, NVL(s.table_owner, '-'), s.table_name, NVL(s.db_link, '-')
FROM SYS.ALL_SYNONYMS s
WHERE (s.owner, s.synonym_name) IN ({relations})
UNION ALL
SELECT 'needs', d.owner, d.name, d.referenced_type, NVL(d.referenced_owner, '-'),
       CASE WHEN d.referenced_link_name IS NULL THEN d.referenced_name
            ELSE d.referenced_name || '@' || d.referenced_link_name END
FROM SYS.ALL_DEPENDENCIES d
WHERE d.type = 'VIEW' AND (d.owner, d.name) IN ({relations})
UNION ALL
SELECT 'policy', p.object_owner, p.object_name, p.policy_name, '-', '-'
FROM SYS.ALL_POLICIES p
WHERE p.enable = 'YES' AND p.sel = 'YES' AND (p.object_owner, p.object_name) IN ({relations})
  AND NOT EXISTS (SELECT 1 FROM SYS.SESSION_PRIVS s WHERE s.privilege = 'EXEMPT ACCESS POLICY')
UNION ALL
SELECT 'column', c.owner, c.table_name, c.column_name, c.data_type, NVL(TO_CHAR(c.data_scale), '-')
FROM SYS.ALL_TAB_COLUMNS c
WHERE (c.owner, c.table_name) IN ({relations}) AND c.column_name IN ({columns})
UNION ALL
SELECT 'function', f.owner, f.object_name, NVL(f.procedure_name, '-'), f.object_type || ' ' || f.owner || '.' || f.object_name,
       CASE WHEN f.deterministic = 'YES' AND f.aggregate = 'NO' AND f.pipelined = 'NO' THEN 'YES' ELSE 'NO' END
FROM SYS.ALL_PROCEDURES f
WHERE (f.owner, f.object_name) IN ({functions})
  AND (f.procedure_name IS NULL OR f.procedure_name IN ({procedures}))
UNION ALL
SELECT 'function', s.owner, s.synonym_name, NVL(f.procedure_name, '-'), f.object_type || ' ' || f.owner || '.' || f.object_name,
       CASE WHEN f.deterministic = 'YES' AND f.aggregate = 'NO' AND f.pipelined = 'NO' THEN 'YES' ELSE 'NO' END
FROM SYS.ALL_SYNONYMS s
JOIN SYS.ALL_PROCEDURES f ON f.owner = s.table_owner AND f.object_name = s.table_name
WHERE s.db_link IS NULL AND (s.owner, s.synonym_name) IN ({functions})
  AND (f.procedure_name IS NULL OR f.procedure_name IN ({procedures}))
