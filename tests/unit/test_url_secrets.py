"""A secret anywhere in a URL is kept in the vault and masked, whatever its parameter is called."""

from __future__ import annotations

import pickle
import random
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa

from mapper_dask.connections.pool import ConnectArgs, engine_for, redact
from mapper_dask.connections.reference import reference
from mapper_dask.connections.urls import parse_url
from mapper_dask.jobfile.secrets import has_secret

MARKER = "XmarkerX"

CONNINFO = [
    "password={s}",
    "host=h password={s}",
    "host = h  password = {s}",
    "PASSWORD={s} host=h",
    "password='{s}'",
    "password = 'a\\'{s}'",
    "password=a\\ {s}",
    "passfile=/x sslpassword={s}",
    "postgresql://u:{s}@h/db",
    "postgres://u:{s}@h:5432/db?sslmode=require",
    "postgresql:///db?password={s}",
    "dbname='password={s}'",
    "dbname=postgresql://u:{s}@h/db",
    "user/{s}@//h:1521/x",
    "(DESCRIPTION=(SECURITY=(WALLET_PASSWORD={s}))(ADDRESS=(HOST=h)))",
]
OPTIONS = [
    "-c my.secret={s}",
    "-c app.user={s}",
    "--app-jwt={s}",
    "-csome.thing={s}",
    "-c search_path=public -c x.y={s}",
    "-c\\ a.b={s}",
]
PLACES = [
    "postgresql:///?dbname={v}",
    "postgresql://u@h/db?dsn={v}",
    "postgresql://u@h/db?DSN={v}",
    "postgresql://h/db?dbname={v}&sslmode=require",
    "postgresql://u@h/{v}",
    "postgresql://h/db?conninfo={v}",
    "postgresql://h/db?application_name={v}",
    "postgresql://h/db?service={v}",
    "postgresql://h/db?servicefile={v}",
    "oracle+oracledb://u@h/?service_name={v}",
    "oracle+oracledb://u@h/?dsn={v}",
    "oracle+oracledb://h/?anything={v}",
]
ENCODINGS = [
    lambda text: quote(text, safe=""),
    quote_plus,
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: "".join(f"%{ord(c):02x}" for c in text),
    lambda text: quote(text, safe="").lower().replace(MARKER.lower(), MARKER),
]
PLAIN = [
    "oracle+oracledb://scott/{s}@h/db",
    "oracle+oracledb://scott%2F{s}@h/db",
    "oracle+oracledb://u@h/?wallet_password={s}",
    "oracle+oracledb://u@h/?WALLET%5FPASSWORD={s}",
    "oracle+oracledb://u@h/?access_token={s}",
    "oracle+oracledb://u@h/?proxy_user={s}",
    "postgresql://u:{s}@h/db",
    "postgresql://h/db?sslpassword={s}",
    "postgresql://h/db?%70assword={s}",
    "postgresql://h/db?oauth_client_secret={s}",
    "postgresql://h/db?scram_client_key={s}",
    "postgresql://h/db?whatever={s}",
]


def urls() -> list[str]:
    """Return some hundred URLs, each with the marker as a secret in it."""
    draw = random.Random(11)
    made = [text.replace("{s}", MARKER) for text in PLAIN]
    for place in PLACES:
        for value in CONNINFO:
            encode = draw.choice(ENCODINGS)
            made.append(place.replace("{v}", encode(value.replace("{s}", MARKER))))
    for value in OPTIONS:
        for encode in ENCODINGS:
            text = encode(value.replace("{s}", MARKER))
            made.append(f"postgresql://u@h/db?options={text}")
    return made


URLS = urls()


def test_there_are_enough_of_them():
    assert len(set(URLS)) >= 200


@pytest.mark.parametrize("url", URLS)
def test_no_secret_is_shown_of_any_url(url):
    forms = {MARKER, "".join(f"%{ord(c):02x}" for c in MARKER)}
    ref = reference(url)
    parsed = parse_url(url)
    shown = [str(ref), repr(ref), ref.shown, str(ref.portable), ref.address, ref.value]
    shown.append(redact(f"cannot connect: {MARKER} of {url}, {parsed!r} failed", parsed))
    try:
        shown.append(repr(engine_for(ref, connect_args=ConnectArgs())))
    except Exception as error:  # noqa: BLE001 - a driver that looks at what it is given
        shown.append(str(error))

    assert ref.kind == "vault"
    for form in forms:
        assert not any(form in text for text in shown), shown
        assert form.encode() not in pickle.dumps(ref)
    assert ref.resolve() == parsed
    assert has_secret(url)


OPEN = [
    "postgresql://u@h:5432/db",
    "postgresql:///db?host=%2Ftmp%2Fsocket&port=5432",
    "postgresql:///db?host=@abstract",
    "postgresql://u@h/db?sslmode=verify-full&sslrootcert=%2Fca.pem&connect_timeout=5",
    "postgresql://u@h/db?options=-c%20search_path%3Dmart%20-c%20statement_timeout%3D5s",
    "postgresql://u@h/db?options=-csearch_path%3Dmart&application_name=my%20app",
    "postgresql://u@h/db?target_session_attrs=read-write&service=mine",
    "oracle+oracledb://u@h:1521/?service_name=FREEPDB1",
    "oracle+oracledb://u%5Bother%5D@h:1521/?sid=X",
]


@pytest.mark.parametrize("url", OPEN)
def test_a_url_that_holds_none_stays_open(url):
    ref = reference(url)
    assert ref.kind == "url"
    assert "***" not in str(ref)
    assert not has_secret(url)
    assert sa.make_url(str(ref.portable)).query == parse_url(url).query
