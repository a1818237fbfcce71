"""The tables that plans are made of."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from tests.database import Database, Server, fresh_databases
from tests.integration.planning.plans import KEY_TYPES, LONGEST, ROWS, KeyType, query

SHOP = f'''
CREATE TABLE shop (
    id int PRIMARY KEY, code text NOT NULL UNIQUE, maybe int UNIQUE, area text,
    price numeric(10,2), at timestamptz
);
INSERT INTO shop SELECT i, 'c' || i, nullif(i, 5), (ARRAY['n','s','e','w'])[1 + i % 4], i / 3.0,
    timestamptz '2024-01-01+00' + i * interval '1 hour' FROM generate_series(1, 1000) i;
CREATE VIEW shop_view AS SELECT * FROM shop;
CREATE TABLE area (id int PRIMARY KEY, code text, name text);
INSERT INTO area VALUES (1, 'n', 'north'), (2, 's', 'south'), (3, 'e', 'east');
CREATE TABLE keyless (a int, b text);
INSERT INTO keyless SELECT i % 50, repeat('x', i % 90) FROM generate_series(1, 3000) i;
INSERT INTO keyless SELECT NULL, NULL FROM generate_series(1, 20);
CREATE TABLE pair (a int, b text, v int, PRIMARY KEY (a, b));
INSERT INTO pair SELECT i / 100, 'b' || i % 100, i FROM generate_series(0, 1999) i;
CREATE TABLE loose_pair (a int, b text, v int);
INSERT INTO loose_pair SELECT nullif(i / 100, 3), nullif('b' || i % 100, 'b7'), i
    FROM generate_series(0, 1999) i;
CREATE TABLE "Ödd %s ""T""" (
    "Key" int PRIMARY KEY, "a b" int, "q""q" text, "pct%" text, "100%s" int, "漢字" text,
    "{LONGEST}" int, "a.b" int
);
INSERT INTO "Ödd %s ""T""" SELECT i, i * 2, 'x"' || i, '5%', i, 'é漢字🎉', i, -i
    FROM generate_series(1, 300) i;
ANALYZE
'''


def _create_collation(database: Database) -> bool:
    """Return whether the server has collations that sort other than by code points."""
    try:
        query(database, "CREATE COLLATION icu (provider = icu, locale = 'en')")
    except psycopg2.errors.FeatureNotSupported:
        return False
    return True


def _key_table(key: KeyType) -> str:
    return f"""
        CREATE TABLE k_{key.name} (n int, v int, k {key.type_name});
        INSERT INTO k_{key.name} SELECT i, 1, {key.expression} FROM generate_series(1, {ROWS}) i;
        CREATE UNIQUE INDEX ON k_{key.name} (k);
    """


@pytest.fixture(scope="module")
def shop(postgres_server: Server) -> Iterator[Database]:
    """A database that the tests of this file only read."""
    with fresh_databases(postgres_server) as databases:
        has_icu = _create_collation(databases.source)
        keys = [key for key in KEY_TYPES if has_icu or "icu" not in key.name]
        query(databases.source, "".join(map(_key_table, keys)) + SHOP)
        yield databases.source
