"""References to databases: which a process resolves, what a person may read, where secrets lie."""

from __future__ import annotations

import copy
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import dask
import psycopg2
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.connections import pool as connections
from mapper_dask.connections import vault as vaults
from mapper_dask.connections.masking import redact, secrets_of
from mapper_dask.connections.pool import (
    ConnectArgs,
    dispose_engines,
    engine_for,
    parse_url,
    raw_connection,
)
from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.dialects.postgresql import PostgreSQL
from mapper_dask.errors import ConfigurationError, ConnectionFailedError
from mapper_dask.naming import fingerprint
from tests.scripts import run_script

SECRET = "tr0ub4dor"
URL = f"postgresql://me:{SECRET}@db.example:5433/shop"
OPEN_URL = "postgresql+psycopg2://me@db.example/shop"

WITH_SECRETS = {
    "a password": (URL, [SECRET]),
    "an escaped password": ("postgresql://me:p%40s%2Fs@h/d", ["p@s/s", "p%40s%2Fs"]),
    "quotes and a backslash": ("postgresql://me:it's\"q\\uoted@h/d", ["it's\"q\\uoted"]),
    "a line break": ("postgresql://me:one%0Atwo@h/d", ["one\ntwo", "one%0Atwo"]),
    "blanks": ("postgresql://me:one two+three@h/d", ["one two+three"]),
    "a colon": ("postgresql://me:one:two@h/d", ["one:two"]),
    "not ASCII": ("postgresql://me:clé漢@h/d", ["clé漢", "cl%C3%A9%E6%BC%A2"]),
    "an IPv6 host": (f"postgresql://me:{SECRET}@[2001:db8::1]:5432/d", [SECRET]),
    "several hosts": (f"postgresql://me:{SECRET}@/d?host=a:1&host=b:2", [SECRET]),
    "sslpassword": (f"postgresql://me@h/d?sslmode=require&sslpassword={SECRET}", [SECRET]),
    "a password in the query": (f"postgresql://h/d?user=me&password={SECRET}", [SECRET]),
    "the same parameter twice": ("postgresql://h/d?password=first1&password=second2",
                                 ["first1", "second2"]),
    "capitals": (f"postgresql://h/d?SSLPassword={SECRET}", [SECRET]),
    "blanks in the query": ("postgresql://h/d?sslpassword=one+t%2Fwo", ["one t/wo", "one+t%2Fwo"]),
    "a wallet": (f"oracle+oracledb://h/?wallet_password={SECRET}", [SECRET]),
    "a token": (f"postgresql://h/d?access_token={SECRET}", [SECRET]),
    "both places": (f"postgresql://me:{SECRET}@h/d?sslpassword=second2", [SECRET, "second2"]),
}  # fmt: skip
"""A URL, and the texts of it that nobody may read."""

NAMED = ["env:WAREHOUSE", "profile:warehouse"]


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty vault of the test's own, in files: as where the system has none in memory."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(vaults, "_known", {})
    monkeypatch.setattr(vaults, "_directories", {})
    monkeypatch.setattr(vaults, "_watchers", [])
    monkeypatch.delattr(os, "memfd_create", raising=False)
    yield tmp_path
    for pid, directory in vaults._directories.items():
        vaults._remove_own(pid, directory)
    for watcher in vaults._watchers:
        watcher.communicate()


@pytest.fixture
def no_engines() -> Iterator[None]:
    yield
    dispose_engines()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("case", WITH_SECRETS)
@pytest.mark.usefixtures("vault")
def test_a_url_with_a_secret_is_resolved_to_itself(case):
    url = WITH_SECRETS[case][0]

    assert reference(url).resolve() == parse_url(url)


@pytest.mark.parametrize("case", WITH_SECRETS)
@pytest.mark.usefixtures("vault")
def test_a_secret_is_in_no_text_and_no_pickle_of_its_reference(case):
    url, secrets = WITH_SECRETS[case]
    ref = reference(url)
    shown = [str(ref), repr(ref), ref.value, f"{ref}", str(ref.portable)]
    sent = [pickle.dumps(ref), cloudpickle.dumps(ref)]

    for secret in secrets:
        assert not any(secret in text for text in shown)
        assert not any(secret.encode() in data for data in sent)


@pytest.mark.usefixtures("vault")
def test_a_masked_url_still_tells_where_it_leads():
    ref = reference(f"postgresql://me:{SECRET}@[::1]:5433/shop?sslmode=require")

    assert str(ref) == "postgresql+psycopg2://me:***@[::1]:5433/shop?sslmode=require"


@pytest.mark.parametrize(
    "url", [OPEN_URL, "postgresql+psycopg2:///d?host=/run/postgresql&sslmode=verify-full"]
)
def test_a_url_without_a_secret_needs_no_vault(vault, url):
    ref = reference(url)

    assert (ref.kind, ref.resolve()) == ("url", sa.make_url(url))
    assert ref.portable == ref.value
    assert list(vault.iterdir()) == []


@pytest.mark.usefixtures("vault")
@pytest.mark.parametrize("make", [sa.make_url, sa.create_engine])
def test_a_url_object_and_an_engine_are_their_url(make):
    url = f"postgresql+psycopg2://me:{SECRET}@h/d?sslpassword=second2"
    ref = reference(make(url))

    assert ref.resolve() == sa.make_url(url)
    assert SECRET not in repr(ref)
    assert "second2" not in repr(ref)


def test_a_reference_stands_for_itself():
    ref = reference(OPEN_URL)

    assert reference(ref) is ref


@pytest.mark.parametrize("named", NAMED)
def test_a_name_is_not_looked_up_before_it_is_needed(named):
    ref = reference(named)

    assert (str(ref), ref.portable) == (named, named)
    assert pickle.loads(pickle.dumps(ref)) == copy.copy(ref) == ref


def test_an_environment_variable_is_read_where_it_is_resolved(monkeypatch):
    ref = reference("env:WAREHOUSE")
    monkeypatch.setenv("WAREHOUSE", URL)

    assert ref.resolve().password == SECRET
    assert SECRET not in repr(ref)


def test_a_profile_comes_from_the_dask_configuration():
    with dask.config.set({"mapper-dask.profiles.warehouse.url": OPEN_URL}):
        assert reference("profile:warehouse").resolve() == sa.make_url(OPEN_URL)


def test_a_profile_may_name_an_environment_variable(monkeypatch):
    monkeypatch.setenv("WAREHOUSE", URL)

    with dask.config.set({"mapper-dask.profiles.warehouse.url": "env:WAREHOUSE"}):
        assert reference("profile:warehouse").resolve().password == SECRET


def test_a_reference_to_a_vault_is_not_portable(vault):
    assert reference(URL).portable is None
    assert vault.exists()


@pytest.mark.parametrize("named", NAMED)
def test_a_name_unknown_here_is_said_with_its_place(monkeypatch, named):
    monkeypatch.delenv("WAREHOUSE", raising=False)

    with pytest.raises(ConfigurationError, match=f"process {os.getpid()}") as caught:
        reference(named).resolve()

    assert "warehouse" in str(caught.value).lower()
    assert caught.value.details["field"] == "source_conn"
    assert str(caught.value).startswith("source_conn: ")


def test_a_profile_that_names_an_unset_variable_says_which(monkeypatch):
    monkeypatch.delenv("WAREHOUSE", raising=False)

    with (
        dask.config.set({"mapper-dask.profiles.warehouse.url": "env:WAREHOUSE"}),
        pytest.raises(ConfigurationError, match="variable WAREHOUSE is not set"),
    ):
        reference("profile:warehouse").resolve()


@pytest.mark.parametrize("value", ["", "shop", f"//me:{SECRET}@h/d"])
def test_a_variable_that_holds_no_url_is_named_and_not_shown(monkeypatch, value):
    monkeypatch.setenv("WAREHOUSE", value)

    told = "^source_conn: env:WAREHOUSE is not a URL"
    with pytest.raises(ConfigurationError, match=told) as caught:
        reference("env:WAREHOUSE").resolve()

    assert SECRET not in str(caught.value)


MALFORMED = {
    "a port of letters": f"postgresql://me:{SECRET}@h:port/d",
    "a password without its user": f"postgresql://h:{SECRET}/d",
    "an open bracket": f"postgresql://me:{SECRET}@[::1/d",
    "no driver": f"://me:{SECRET}@h/d",
    "blanks in front": f" postgresql://me:{SECRET}@h/d",
    "a bare @ in the password": f"postgresql://me:one@{SECRET}@h/d",
    "a bare @ before a colon": f"postgresql://me:one@{SECRET}:two@h/d",
    "a bare @ before a slash": f"postgresql://me:one@two/{SECRET}@h/d",
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.usefixtures("vault")
def test_a_malformed_url_is_refused_by_field_and_never_shown(case):
    with pytest.raises(ConfigurationError, match=r"^target_conn ") as caught:
        reference(MALFORMED[case], "target_conn")

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.details)
    assert SECRET.encode() not in pickle.dumps(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("postgresql://me@tenant:pw@h/d", "me@tenant", "pw"),
        ("postgresql://me:pw@h/d?application_name=a@b", "me", "pw"),
        ("postgresql://me@h:5432/d", "me", None),
    ],
)
def test_an_at_sign_elsewhere_is_no_fault(url, user, password):
    parsed = parse_url(url)

    assert (parsed.username, parsed.password, parsed.host) == (user, password, "h")


@pytest.mark.parametrize("value", [None, 5, b"postgresql://h/d", "shop", "env", "ENV:X", Path("x")])
def test_what_is_no_connection_is_refused_with_what_would_be(value):
    with pytest.raises(ConfigurationError, match=r"^source_conn must be a URL .*'env:NAME'"):
        reference(value)


def test_a_text_that_is_no_url_may_be_a_password_and_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        reference(SECRET)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgresql://h/d", "postgresql+psycopg2"),
        ("postgres://h/d", "postgresql+psycopg2"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg"),
        ("oracle+oracledb://h/?service_name=d", "oracle+oracledb"),
    ],
)
def test_only_a_bare_scheme_is_given_a_driver(text, driver):
    assert parse_url(text).drivername == driver


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=1, max_size=12
)
"""Secrets without the mask's own letter, so that what is left of them can be told from it."""


@given(user=TEXTS, password=TEXTS, wallet=TEXTS)
def test_any_password_survives_the_vault_and_is_masked_in_any_spelling(user, password, wallet):
    url = sa.URL.create(
        "postgresql+psycopg2", user, password, "h", None, "d", {"wallet_password": wallet}
    )
    ref = reference(url)
    told = redact(url.render_as_string(hide_password=False), url)

    assert ref.resolve() == url
    assert redact(password, url) == redact(wallet, url) == "***"
    assert not any(len(s) > 3 and s in told for s in secrets_of(url))


@pytest.mark.parametrize("case", WITH_SECRETS)
def test_a_message_is_redacted_however_it_spells_the_secret(case):
    text, secrets = WITH_SECRETS[case]

    told = redact(f"could not log in with {text}: {' or '.join(secrets)}", parse_url(text))

    assert not any(secret in told for secret in secrets)
    assert told.startswith("could not log in with ")
    assert told.endswith(": " + " or ".join("***" for _ in secrets))


def test_a_longer_secret_is_masked_before_one_that_it_contains():
    url = parse_url("postgresql://me:abc@h/d?sslpassword=abcdef")

    assert redact("abcdef", url) == "***"


@pytest.mark.parametrize("secret", ["*", "**", "****", ".", "\\1", "(", "a|b"])
def test_a_secret_of_signs_is_masked_like_any_other(secret):
    url = sa.URL.create("x", "me", secret, "h", query={"sslpassword": "other"})

    assert redact(f"{secret} other", url) == "*** ***"


def test_a_url_without_a_secret_masks_nothing():
    assert secrets_of(parse_url(OPEN_URL)) == []
    assert redact("me@db.example", parse_url(OPEN_URL)) == "me@db.example"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o022])
def test_a_vault_entry_can_be_read_by_its_owner_only(vault, umask):
    before = os.umask(umask)
    try:
        entry = Path(reference(URL).value)
    finally:
        os.umask(before)

    assert (mode(entry), mode(entry.parent)) == (0o600, 0o700)
    assert entry.parent.parent == vault


@pytest.mark.usefixtures("vault")
def test_the_same_secret_is_kept_once_and_another_apart():
    first, again = reference(URL), reference(sa.make_url(parse_url(URL)))
    other = reference(URL.replace(SECRET, "another"))

    assert first == again
    assert first.value != other.value
    assert len(list(Path(first.value).parent.iterdir())) == 2


@pytest.mark.usefixtures("vault")
def test_another_process_reads_the_entry_from_its_file(monkeypatch):
    ref = reference(URL)
    monkeypatch.setattr(vaults, "_known", {})

    assert ref.resolve() == parse_url(URL)


@pytest.mark.usefixtures("vault")
def test_an_entry_that_is_gone_says_what_to_pass_instead(monkeypatch):
    ref = reference(URL)
    Path(ref.value).unlink()
    monkeypatch.setattr(vaults, "_known", {})

    with pytest.raises(ConfigurationError, match="'env:NAME' or 'profile:NAME'") as caught:
        ref.resolve()

    assert SECRET not in str(caught.value)


@pytest.mark.usefixtures("vault")
def test_an_entry_that_was_removed_is_written_anew_for_the_next_reference():
    gone = reference(URL)
    Path(gone.value).unlink()

    assert Path(reference(URL).value).read_text(encoding="utf-8").endswith(":5433/shop")


@pytest.mark.parametrize("ending", ["pass", "raise SystemExit(3)", "raise RuntimeError"])
def test_a_process_that_ends_takes_its_entries_along(tmp_path, ending):
    script = tmp_path / "script.py"
    script.write_text(
        "import os; del os.memfd_create\n"
        "from mapper_dask.connections.reference import reference\n"
        f"print(reference({URL!r}).value, flush=True)\n{ending}\n"
    )

    run = run_script(script, XDG_RUNTIME_DIR=str(tmp_path))

    entry = Path(run.stdout.strip())
    assert entry.parent.parent == tmp_path, run.stderr
    assert list(tmp_path.iterdir()) == [script]


def test_a_forked_child_leaves_its_parents_entries(vault):
    entry = Path(reference(URL).value)

    vaults._remove_own(os.getpid() + 1, entry.parent)
    assert entry.exists()

    vaults._remove_own(os.getpid(), entry.parent)
    assert list(vault.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_nothing_else(vault):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = vault / f"mapper-dask-{dead.pid}-x"
    kept = [vault / f"mapper-dask-{os.getpid()}-x", vault / "mapper-dask-notes", vault / "other"]
    for path in (left, *kept):
        path.mkdir()
        (path / "entry").write_text(SECRET)

    mine = Path(reference(URL).value).parent

    assert set(vault.iterdir()) == {mine, *kept}


def test_without_a_runtime_directory_the_entry_is_private_all_the_same(vault, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(vault / "missing"))
    monkeypatch.setattr(vaults.os, "access", lambda *_: False)
    monkeypatch.setattr(vaults.tempfile, "tempdir", str(vault))

    entry = Path(reference(URL).value)

    assert entry.parent.parent == vault
    assert (mode(entry), mode(entry.parent)) == (0o600, 0o700)


def test_a_fingerprint_is_short_stable_and_tells_its_parts_apart():
    assert fingerprint("SELECT 1", 5) == fingerprint("SELECT 1", "5") == "6a12151805c2fda1"
    assert fingerprint("ab", "c") != fingerprint("a", "bc") != fingerprint("abc")


@pytest.mark.usefixtures("no_engines")
def test_an_engine_is_made_once_for_a_reference_until_it_is_disposed_of():
    ref = ConnectionRef("url", "sqlite://", "sqlite://")
    engine = engine_for(ref, connect_args=ConnectArgs())

    assert engine_for(ref, connect_args=ConnectArgs()) is engine
    dispose_engines()
    assert engine_for(ref, connect_args=ConnectArgs()) is not engine


@pytest.mark.usefixtures("no_engines")
def test_a_forked_child_does_not_get_its_parents_engine(monkeypatch):
    ref = ConnectionRef("url", "sqlite://", "sqlite://")
    parents = engine_for(ref, connect_args=ConnectArgs())
    childs = os.getpid() + 1

    with monkeypatch.context() as child:
        child.setattr(connections.os, "getpid", lambda: childs)
        own = engine_for(ref, connect_args=ConnectArgs())
        dispose_engines()

    assert own is not parents
    assert engine_for(ref, connect_args=ConnectArgs()) is parents


def refusing(words: str) -> sa.Engine:
    """Return an engine whose database refuses with these words."""

    def refuse() -> None:
        raise psycopg2.OperationalError(words)

    url = f"postgresql+psycopg2://me:{SECRET}@h/d?sslpassword=one+two"
    engine = sa.create_engine(url, creator=refuse)
    connections._connect_args[engine] = PostgreSQL().connect_args()
    return engine


@pytest.mark.parametrize(
    ("words", "transient"),
    [
        ("the database system is starting up", True),
        ("Connection refused", True),
        ("server closed the connection unexpectedly", True),
        ('FATAL:  password authentication failed for user "me"', False),
        ('FATAL:  database "d" does not exist', False),
        ('could not translate host name "h" to address', False),
        ('FATAL:  no pg_hba.conf entry for host "h"', False),
        ("fe_sendauth: no password supplied", False),
    ],
)
def test_a_refused_login_says_why_and_whether_it_may_pass(words, transient):
    with (
        pytest.raises(ConnectionFailedError) as caught,
        raw_connection(refusing(f" {words}, with {SECRET} or one two or one+two\n")),
    ):
        pass

    told = str(caught.value)
    assert words in told
    assert "with *** or *** or ***" in told
    assert SECRET not in told
    assert caught.value.transient is transient
    assert SECRET.encode() not in pickle.dumps(caught.value)
    assert caught.value.__context__ is None


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    made = sa.create_engine("sqlite://", poolclass=sa.QueuePool, pool_size=1)
    yield made
    made.dispose()


def test_a_connection_is_given_back_without_its_transaction(engine):
    with raw_connection(engine) as first:
        first.execute("CREATE TABLE t (a int)")
        first.commit()
        first.execute("INSERT INTO t VALUES (1)")
    with raw_connection(engine) as second:
        rows = second.execute("SELECT * FROM t").fetchall()

    assert second is first
    assert rows == []
    assert engine.pool.checkedout() == 0


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_interrupted_connection_is_never_given_back(engine, interruption):
    with pytest.raises(interruption), raw_connection(engine) as first:
        raise interruption
    with raw_connection(engine) as second:
        pass

    assert second is not first


def test_a_connection_that_broke_while_it_was_lent_is_dropped_quietly(engine):
    with raw_connection(engine) as first:
        first.close()
    with raw_connection(engine) as second:
        second.execute("SELECT 1")

    assert second is not first


@pytest.mark.parametrize("kind", ["env", "profile"])
@pytest.mark.parametrize(
    "name",
    ["postgresql://u:secretpw@h/d", "u:secretpw@h", "u/secretpw@h", "X=secretpw", "a secretpw",
     "h?password%3Dsecretpw"],
)  # fmt: skip
def test_what_is_no_name_behind_env_is_not_shown(kind: str, name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"^source_conn: {kind}: must be followed by the"
    ) as said:
        reference(f"{kind}:{name}")
    assert "secretpw" not in str(said.value)


def test_a_reference_needs_a_name() -> None:
    with pytest.raises(ConfigurationError, match="nothing follows"):
        reference("env:")


def test_a_short_password_is_in_any_text_and_hides_none(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"a": "postgresql://me:x@host/shop", "b": "postgresql://me:tr0ub4dor@host/shop"}
    monkeypatch.setattr(connections, "_texts", known)

    assert connections.redacted("SystemExit: max tr0ub4dor") == "SystemExit: max ***"


def test_a_short_setting_is_in_any_text_and_hides_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ``options`` too, whose settings may be secrets: ``lc_messages=C`` hid every C."""
    url = "postgresql://me@host/shop?options=-c%20lc_messages%3DC%20-c%20my.token%3Dtr0ub4dor"
    monkeypatch.setattr(connections, "_texts", {"a": url})

    assert connections.redacted("<U+20AC> tr0ub4dor") == "<U+20AC> ***"
