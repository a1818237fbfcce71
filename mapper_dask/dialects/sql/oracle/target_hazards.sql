-- What may keep rows out of a table or remove them: one row a fact. A login sees the triggers of
-- its own tables, of others only with CREATE ANY TRIGGER.
SELECT 'trigger' AS fact, t.trigger_name AS name, t.trigger_type AS kind, t.triggering_event AS events
FROM SYS.ALL_TRIGGERS t
WHERE t.table_owner = :owner AND t.table_name = :name AND t.status = 'ENABLED'
UNION ALL
SELECT 'policy', p.policy_name, '-', '-'
FROM SYS.ALL_POLICIES p
WHERE p.object_owner = :owner AND p.object_name = :name AND p.enable = 'YES'
  AND NOT EXISTS (SELECT 1 FROM SYS.SESSION_PRIVS s WHERE s.privilege = 'EXEMPT ACCESS POLICY')
UNION ALL
SELECT 'kind', 'a materialized view, whose rows come from its own query', '-', '-'
FROM SYS.ALL_MVIEWS m
WHERE m.owner = :owner AND m.mview_name = :name
UNION ALL
SELECT 'kind', 'a global temporary table, whose rows go with the session that loads them', '-', '-'
FROM SYS.ALL_TABLES g
WHERE g.owner = :owner AND g.table_name = :name AND g.temporary = 'Y'
UNION ALL
SELECT 'view', v.view_name, '-', '-'
FROM SYS.ALL_VIEWS v
WHERE v.owner = :owner AND v.view_name = :name
ORDER BY 1, 2
