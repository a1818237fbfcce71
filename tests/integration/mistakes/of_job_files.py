"""Mistakes in a job file. Those of the YAML itself are in ``tests/unit/malformed``."""

from __future__ import annotations

from tests.integration.mistakes.book import Mistake, line


def file(
    title: str, field: str, remedy: str, old: str, new: str, typed: str = "check nightly.yaml"
) -> Mistake:
    return line(title, field, remedy, typed, swap=(old, new))


SQL = "sql: SELECT id, name, city FROM sales.customers"

MISTAKES = [
    file("a key is misspelt", "tabel", "did you mean 'table'", "table: customers",
        "tabel: customers"),
    file("a section is misspelt", "taget", "did you mean 'target'", "    target:\n",
        "    taget:\n"),
    file("a tab", "tab", "blanks|spaces", "      table: customers", "\ttable: customers"),
    file("a file of SQL that is not there", "sql_file", "customers.sql", SQL,
        "sql_file: custmers.sql"),
    file("a file's name in place of SQL", "sql", "sql_file: customers.sql", SQL,
        "sql: customers.sql"),
    file("a misspelt table in the SQL", "source_sql", "did you mean sales.customers", SQL,
        "sql: SELECT id, name, city FROM sales.custmers"),
    file("a misspelt table in SQL of several lines", "source_sql", "line 3", SQL,
        "sql: |\n        SELECT id,\n          name, city\n        FROM sales.custmers"),
    file("a connection that is not there", "connection", "did you mean", "connection: source",
        "connection: sorce"),
    file("a variable that is not set", "source", "did you mean env:SOURCE", "source: env:SOURCE",
        "source: env:SOURCEE"),
    file("a variable's name alone", "connections.source", "env:NAME", "source: env:SOURCE",
        "source: SOURCE"),
    file("a password in the file", "nightly.yaml:4:11", "env:SOURCE", "source: env:SOURCE",
        "source: postgresql://me:hunter2-not-to-be-seen@db/shop"),
    file("a disposition is misspelt", "write_disposition", "did you mean 'merge'",
        "table: customers", "table: customers\n      write_disposition: merg"),
    file("a size as a text", "chunk_size", "did you mean .size", "table: customers",
        "table: customers\n    chunking:\n      chunk_size: 10k"),
    file("a setting is misspelt", "settings", "did you mean chunk-size", "jobs:\n",
        "settings:\n  chunksize: 100\njobs:\n"),
    file("a column to rename that is not there", "rename", "nmae", "    target:\n",
        "    transform:\n      rename: {nmae: name}\n    target:\n",
        "run nightly.yaml --sequential --quiet"),
    file("a cast to a type that is not there", "cast", "int64|integer", "    target:\n",
        "    transform:\n      cast: {id: intt}\n    target:\n"),
    file("a function that is not there", "function", "module", "    target:\n",
        "    transform:\n      function: my_functions:clean\n    target:\n"),
    file("no version", "version", "version: 1", "version: 1\n", ""),
    file("a job to wait for that is not there", "depends_on", "custmers|customers", "    source:\n",
        "    depends_on: [custmers]\n    source:\n"),
    file("a size with a letter", "size", "whole number", "table: customers",
        "table: customers\n    chunking:\n      size: 10k"),
    file("a strategy is misspelt", "strategy", "key_based|KEY_BASED", "table: customers",
        "table: customers\n    chunking:\n      strategy: keybased"),
    file("a disposition beside the target", "write_disposition", "belongs under target",
        "    target:\n", "    write_disposition: merge\n    target:\n"),
    file("no target's table", "table", "table", "\n      table: customers", ""),
    file("a job twice", "customers", "twice", "jobs:\n",
        "jobs:\n  customers: {source: {connection: source, table: x}}\n"),
    file("another version", "version", "1", "version: 1", "version: 2"),
    file("a limit of rejects as a word", "reject_limit", "whole number", "table: customers",
        "table: customers\n    execution: {reject_limit: few}"),
    file("what is new beside the source", "incremental", "belongs under source", "    target:\n",
        "    incremental: {colum: id}\n    target:\n"),
    file("a value of the query is missing", "params", "params", SQL,
        "sql: SELECT id, name, city FROM sales.customers WHERE city = :city"),
    file("both a query and a table", "source", "one of|either|leave", SQL,
        SQL + "\n      table: customers"),
    file("a job without a source", "source", "write source:",
        ("    source:\n      connection: source\n"
         "      sql: SELECT id, name, city FROM sales.customers\n"), ""),
]  # fmt: skip
