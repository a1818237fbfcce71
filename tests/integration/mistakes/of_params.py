"""Mistakes in the values of a query."""

from __future__ import annotations

from tests.integration.mistakes.book import Mistake, job

CITY = "SELECT id, name, city\nFROM sales.customers\nWHERE city = :city"


def values(title: str, remedy: str, params: object, sql: str = CITY, **more: object) -> Mistake:
    return job(title, "params", remedy, source_sql=sql, params=params, **more)


MISTAKES = [
    job("no value for a place", "params", "params=\\{'city': …\\}", source_sql=CITY),
    job("no values for two places", "params", "params=\\{'low': …, 'high': …\\}",
        source_sql="SELECT id, name FROM sales.customers\nWHERE id >= :low AND id < :high"),
    values("a value is missing", "no value for :city", {}),
    values("a value's name is misspelt", "did you mean :city", {"cty": "city 1", "city": "city 1"}),
    values("a value's name with its colon", "letters", {":city": "city 1"}),
    values("a list of values in place of names", "map", ["city 1"]),
    values("a list where one value stands", "IN :name", {"city": ["city 1", "city 2"]}),
    values("an empty list", "leave the condition out", {"city": []},
        "SELECT id, name FROM sales.customers WHERE city IN :city"),
    values("a value of a kind that no database has", "cannot be written|must be",
        {"city": {"city 1"}.__class__}),
    values("a place in quotes", "without the quotes", {"city": "city 1"},
        "SELECT id, name FROM sales.customers WHERE city = ':city'"),
    values("a place in a text", "\\|\\| :city", {"city": "city 1"},
        "SELECT id, name FROM sales.customers WHERE city LIKE '%:city%'"),
    values("a variable of a value that is not set", "set it where", {"city": "env:CITY_NAM"}),
    job("a misspelt column behind a long value", "source_sql, line 1, column 61", "did you mean",
        source_sql="SELECT id, name FROM sales.customers WHERE city = :city AND nmae = 'x'",
        params={"city": "a rather long value of a city"}),
]  # fmt: skip
