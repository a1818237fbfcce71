"""Mistakes in where rows come from and go to."""

from __future__ import annotations

import sqlalchemy as sa

from tests.integration.mistakes.book import PASSWORD, Shop, job


def changed(**parts: object):
    def made(shop: Shop) -> str:
        url = sa.make_url(shop.databases.source.url)
        return url.set(**{"password": PASSWORD, **parts}).render_as_string(hide_password=False)

    return made


def url(text: str) -> str:
    return text.replace("secret", PASSWORD)


MISTAKES = [
    job("the query in its place", "source_conn", "source_sql",
        source_conn="SELECT id FROM sales.customers"),
    job("a variable that is not set", "source_conn", "did you mean env:SOURCE",
        source_conn="env:SOURCEE"),
    job("the target's variable is not set", "target_conn", "did you mean env:TARGET",
        target_conn="env:TARGT"),
    job("a variable that nothing is like", "source_conn", "set it|export",
        source_conn="env:PROD_REPLICA"),
    job("a variable in other letters", "source_conn", "did you mean env:SOURCE",
        source_conn="env:source"),
    job("a variable's name alone", "source_conn", "did you mean .?env:SOURCE",
        source_conn="SOURCE"),
    job("a variable as a shell writes it", "source_conn", "env:SOURCE", source_conn="$SOURCE"),
    job("a variable as a shell writes it, in braces", "source_conn", "env:SOURCE",
        source_conn="${SOURCE}"),
    job("a name that is neither variable nor profile", "source_conn", "env:|profile:",
        source_conn="shopdb"),
    job("a profile's name alone", "source_conn", "profile:warehouse", source_conn="warehouse"),
    job("a profile that is not there", "source_conn", "did you mean profile:warehouse",
        source_conn="profile:warehuose"),
    job("the scheme of Heroku's", "source_conn", "nohost.invalid",
        source_conn=url("postgres://me:secret@nohost.invalid/shop")),
    job("another database's URL", "source_conn", "postgresql",
        source_conn=url("mysql://me:secret@db/shop")),
    job("a file of SQLite", "target_conn", "postgresql", target_conn="sqlite:///shop.db"),
    job("another driver", "source_conn", "postgresql\\+psycopg2",
        source_conn=url("postgresql+asyncpg://me:secret@db/shop")),
    job("a driver's old name", "source_conn", "oracle\\+oracledb",
        source_conn=url("oracle+cx_oracle://me:secret@db/shop")),
    job("a URL of JDBC", "source_conn", "postgresql\\+psycopg2",
        source_conn="jdbc:postgresql://db:5432/shop"),
    job("a URL of the web", "source_conn", "postgresql", source_conn="https://db.example.com/shop"),
    job("words of libpq", "source_conn", "postgresql\\+psycopg2",
        source_conn=url("host=db dbname=shop user=me password=secret")),
    job("an @ in the password", "source_conn", "%40",
        source_conn=url("postgresql://me:se@secret@db/shop")),
    job("a port that is no number", "source_conn", "port|URL",
        source_conn=url("postgresql://me:secret@db:54e2/shop")),
    job("a dead port", "source_conn", "port",
        source_conn=url("postgresql://me:secret@127.0.0.1:9/shop")),
    job("a dead port of the target", "target_conn", "port",
        target_conn=url("postgresql://me:secret@127.0.0.1:9/shop")),
    job("a host that is not there", "source_conn", "host",
        source_conn=url("postgresql://me:secret@nohost.invalid/shop")),
    job("a database that is not there", "source_conn", "database",
        given='source_conn="postgresql://…/nothing"', source_conn=changed(database="nothing")),
    job("a role that is not there", "target_conn", "role",
        given='target_conn="postgresql://nobody_here:…@…/shop"',
        target_conn=changed(username="nobody_here")),
    job("a connection in place of a URL", "source_conn", "URL",
        given="source_conn=psycopg2.connect(…)", source_conn=lambda _: object()),
    job("the field's name is misspelt", "target_con", "did you mean 'target_conn'",
        target_con="env:TARGET"),
    job("a target without a table", "target_table", "give", target_table=None),
    job("a table without a target", "target_conn", "give", target_conn=None),
]  # fmt: skip
