"""Mistakes in a query."""

from __future__ import annotations

from pathlib import Path

from tests.integration.mistakes.book import PASSWORD, Mistake, Shop, job


def reader(shop: Shop) -> str:
    """env:SOURCE, of a role that was granted nothing"""
    import sqlalchemy as sa

    url = sa.make_url(shop.databases.source.url).set(username=shop.reader, password=PASSWORD)
    return url.render_as_string(hide_password=False)


def read(title: str, sql: str, remedy: str, **more: object) -> Mistake:
    return job(title, "source_sql", remedy, source_sql=sql, **more)


MISTAKES = [
    read("a table's name is misspelt", "SELECT id, name\nFROM sales.custmers",
        "did you mean sales.customers"),
    read("a table's schema is left out", "SELECT id, name FROM customers",
        "did you mean sales.customers"),
    read("a table of the wrong schema", "SELECT id FROM public.orders",
        "did you mean sales.orders"),
    read("a schema's name is misspelt", "SELECT id FROM slaes.orders", "did you mean sales.orders"),
    read("a table that nothing is like", "SELECT id FROM warehouse_stock", "can read"),
    read("a misspelt table of a join",
        ("SELECT c.id, o.amount\nFROM sales.customers c\n"
         "JOIN sales.ordres o ON o.customer_id = c.id"), "did you mean sales.orders"),
    read("a misspelt table behind umlauts and emoji",
        "SELECT 'Käse 🧀' AS name,\n       id FROM sales.custmers", "did you mean sales.customers"),
    read("a table whose name has capitals", 'SELECT id FROM sales."Customers"',
        "did you mean sales.customers"),
    read("a column's name is misspelt", "SELECT id, nmae\nFROM sales.customers", "did you mean"),
    read("a column of the wrong table", "SELECT c.id, c.amount FROM sales.customers c",
        "o.amount|amount|columns"),
    read("an alias that is not there", "SELECT k.id FROM sales.customers c", "calls its tables"),
    read("a column in double quotes that is a text",
        'SELECT id FROM sales.customers WHERE city = "city 1"', "single quotes"),
    read("a function's name is misspelt", "SELECT id, uper(name) AS name FROM sales.customers",
        "did you mean upper"),
    read("a cast that a function needs",
        "SELECT id, round(amount::float, 2) AS r FROM sales.orders", "cast"),
    read("a comma too many", "SELECT id, name,\nFROM sales.customers", "comma|near"),
    read("a word is misspelt", "SELEC id FROM sales.customers", "SELECT"),
    read("a bracket that is not closed", "SELECT id FROM sales.customers WHERE (id > 1",
        "bracket|close"),
    read("a quote that is not closed", "SELECT id FROM sales.customers WHERE city = 'x", "quote"),
    read("two statements", "SELECT 1 AS id; SELECT 2 AS id", "one query|leave"),
    read("a statement that changes rows", "DELETE FROM sales.orders", "SELECT"),
    read("nothing at all", "  \n", "query"),
    read("a file's name in place of its text", "customers.sql", "sql_file|read_text"),
    read("a file's path in place of its text", "queries/customers.sql", "sql_file|read_text"),
    read("a Path in place of its text", Path("customers.sql"), "read_text"),
    read("a table's name in place of a query", "sales.customers",
        "SELECT \\* FROM sales.customers"),
    read("a number in place of a query", 5, "text"),
    read("a column without a name of its own",
        "SELECT c.id, o.id FROM sales.customers c JOIN sales.orders o ON o.customer_id = c.id",
        "AS"),
    read("a comparison of unlike types", "SELECT id FROM sales.customers WHERE name = 5", "cast"),
    read("a text that is no date", "SELECT id FROM sales.customers WHERE since > '2024-13-45'",
        "date"),
    read("a division by zero", "SELECT id, 1 / 0 AS name FROM sales.customers", "NULLIF|divi"),
    read("a schema that the role may not use", "SELECT id FROM sales.customers",
        "GRANT USAGE ON SCHEMA sales TO", source_conn=reader),
    read("a table that the role may not read", "SELECT id\nFROM hidden.salaries",
        "GRANT SELECT ON hidden.salaries TO", source_conn=reader),
    read("a variable of psql's", "SELECT id FROM sales.customers WHERE id = :id", "params="),
    read("a place for a value as psycopg writes it", "SELECT id FROM sales.customers WHERE id = %s",
        "params="),
    read("a named place as psycopg writes it",
        "SELECT id FROM sales.customers WHERE city = %(city)s", "params="),
    job("a place as other drivers write it", "params", "params=",
        source_sql="SELECT id FROM sales.customers WHERE id = $1"),
    read("a place in braces", "SELECT id FROM sales.customers WHERE id = {id}", "params="),
    read("a question mark for a value", "SELECT id FROM sales.customers WHERE id = ?", "params="),
    read("a template of Jinja's", "SELECT id FROM {{ ref('customers') }}", "template|params="),
]  # fmt: skip
