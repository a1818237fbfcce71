-- The queries of views, whole: a LONG, which no other query may be united with.
SELECT v.owner, v.view_name, v.text
FROM SYS.ALL_VIEWS v
WHERE (v.owner, v.view_name) IN ({relations})
