"""Mistakes in the table that receives the rows."""

from __future__ import annotations

import sqlalchemy as sa

from tests.integration.mistakes.book import PASSWORD, Shop, job


def reader_of_target(shop: Shop) -> str:
    url = sa.make_url(shop.databases.target.url).set(username=shop.reader, password=PASSWORD)
    return url.render_as_string(hide_password=False)


MISTAKES = [
    job("a table's name is misspelt", "target_table", "did you mean 'customers'",
        target_table="custmers"),
    job("a schema and a table in one", "target_table",
        "target_schema='mart', target_table='customers'", target_table="mart.customers"),
    job("a schema that is misspelt", "target_schema", "target_schema='mart'", target_schema="matr"),
    job("a table of another schema", "target_table", "target_schema='public'", target_schema="mart",
        target_table="orders"),
    job("capitals", "target_table", "target_table='customers'", target_table="Customers"),
    job("a table that is not there", "target_table", "CREATE TABLE", target_table="clients"),
    job("a number for a table", "target_table", "name", target_table=5),
    job("an empty name", "target_table", "name", target_table=""),
    job("a column that the target lacks", "target_table", "since",
        source_sql="SELECT id, name, since FROM sales.customers"),
    job("a column that the query forgets", "target_table", "name",
        source_sql="SELECT id, city FROM sales.customers"),
    job("a text for a number", "target_table", 'AS "id"',
        source_sql="SELECT city AS id, name FROM sales.customers", target_table="customers"),
    job("a role that may not write", "target_conn", "GRANT INSERT",
        given='target_conn="env:TARGET" of a role without rights', target_conn=reader_of_target),
    job("a view of other columns", "target_table", "leave it out", target_table="a_view"),
    job("a value too long", "target_table", "wider", target_table="narrow"),
    job("a column that the table computes", "city", "leave it out", target_table="computed"),
    job("a number for a schema", "target_schema", "name", target_schema=5),
    job("a rule that the rows break", "target_table", "reject_limit|CHECK", target_table="checked"),
]  # fmt: skip
