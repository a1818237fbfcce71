"""No secret of a URL stays in a text, however it is spelled there."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest
import sqlalchemy as sa

from mapper_dask.connections import pool as connections
from mapper_dask.connections.masking import Mask, redact, secrets_of

WAYS = {
    "repr": repr,
    "ascii": ascii,
    "json": json.dumps,
    "url": quote,
    "url, all": lambda text: quote(text, safe=""),
    "url, twice": lambda text: quote(quote(text)),
    "url, lower case": lambda text: quote(text, safe="").lower(),
    "url, each byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
}
PASSWORDS = ["geheim/secretary", "ab\\cdefgh", "o'br\"ien9", "tab\there", "ünïcode"]


@pytest.mark.parametrize("around", ["%s", "u:%s@h", "'%s'", "{'p': %s}", "%s, %s"])
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_password_is_masked_as_python_json_and_any_url_quote_it(password, way, around):
    """Even if another one of the process is a part of it."""
    part = sa.make_url("postgresql+psycopg2://u@h/d").set(password=password[:6])
    mask = Mask([*secrets_of(part), *secrets_of(part.set(password=password))])
    spelled = WAYS[way](password)
    shown = mask.over(around.replace("%s", spelled))
    assert "***" in shown
    assert password[6:] not in unquote(unquote(shown))
    assert spelled.strip("'\"")[-6:] not in shown


def test_what_is_encoded_and_no_secret_stays():
    url = sa.make_url("postgresql+psycopg2://u:hunter2%2F@h/d")
    assert redact("u:hunter2%2F@h/d?options=-c%20x", url) == "u:***@h/d?options=-c%20x"
    assert redact("a%20b 100%25 'hunter2/'", url) == "a%20b 100%25 '***'"


@pytest.mark.parametrize("text", ["x" * 100_000, "%" * 100_000, "x%4" * 30_000])
def test_a_long_word_is_redacted_in_one_pass(text):
    """A pattern that takes the square of its length takes minutes."""
    url = sa.make_url("postgresql+psycopg2://u:hunter2%2F@h/d")
    assert redact(f"{text} hunter2%2F", url) == f"{text} ***"
    assert redact(f"{text}%68unter2%2F", url) == "***"


def test_what_to_mask_is_found_once_however_many_errors_there_are(monkeypatch):
    """A function may raise at every row, in a process that has seen many URLs."""
    url = "postgresql+psycopg2://u:hunter2-of-many@h/d"
    monkeypatch.setattr(connections, "_texts", {(0, "url", str(n)): f"{url}{n}" for n in range(9)})
    asked = []
    monkeypatch.setattr(connections, "secrets_of", lambda url: asked.append(url) or secrets_of(url))
    for _ in range(3):
        assert connections.redacted("no hunter2-of-many here") == "no *** here"
    assert len(asked) == 9
    connections._texts[0, "url", "more"] = "postgresql+psycopg2://u:another-one@h/d"
    assert connections.redacted("another-one, hunter2-of-many") == "***, ***"
