-- Sessions here, counted by their holder: runs of this library by their tag, others by their program.
SELECT NVL(REGEXP_SUBSTR(client_identifier, '^mapper_dask:[^:]+'), NVL(program, '?')) AS holder,
  COUNT(*)
FROM SYS.V_$SESSION WHERE type = 'USER' AND sid <> SYS_CONTEXT('USERENV', 'SID')
GROUP BY NVL(REGEXP_SUBSTR(client_identifier, '^mapper_dask:[^:]+'), NVL(program, '?'))
ORDER BY 2 DESC, 1
