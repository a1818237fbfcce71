-- How money is written and read in this session: an amount as text, and what one unit is stored as.
SELECT '-1234567.89'::numeric::pg_catalog.money::pg_catalog.text,
       pg_catalog.encode(pg_catalog.cash_send(1::integer::pg_catalog.money), 'hex')
