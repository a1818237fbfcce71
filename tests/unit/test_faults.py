"""psycopg2's errors as this library's: judged once, without secrets and row values."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask.dialects.postgresql import faults
from mapper_dask.errors import DatabaseError, SnapshotLostError


class Answer(psycopg2.Error):
    """A server's answer, made by hand: the driver lets nobody else set these."""

    def __init__(self, text: str, pgcode: str | None = None, **diag: str | None) -> None:
        super().__init__(text)
        self._pgcode = pgcode
        fields = ("message_primary", "message_hint", "context", "statement_position")
        self._diag = SimpleNamespace(**{**dict.fromkeys(fields), **diag})

    pgcode = property(lambda self: self._pgcode)
    diag = property(lambda self: self._diag)


class BrokenLink(Answer, psycopg2.OperationalError):
    pass


def translated(error: psycopg2.Error, url: sa.URL | None = None, prefix: int = 0) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, faults.translated(url, prefix):
        raise error
    return caught.value


@pytest.mark.parametrize(
    "sqlstate",
    ["08000", "08006", "57P01", "57P02", "57P03", "53200", "53300", "40001", "40P01", "55P03"],
)
def test_what_may_pass_is_transient(sqlstate):
    assert translated(Answer("no", sqlstate, message_primary="no")).transient


def test_a_link_that_broke_within_a_copy_is_transient():
    text = "error with status PGRES_COPY_OUT and no message from the libpq"
    assert translated(psycopg2.DatabaseError(text)).transient


@pytest.mark.parametrize(
    "sqlstate",
    [
        "53100",
        "57014",
        "22P02",
        "23505",
        "42P01",
        "42501",
        "0A000",
        "22023",
        "25006",
        "28P01",
        "55000",
    ],
)
def test_what_stays_wrong_is_not_transient_and_a_full_disk_is_among_it(sqlstate):
    assert not translated(Answer("no", sqlstate, message_primary="no")).transient


@pytest.mark.parametrize("kind", [psycopg2.OperationalError, psycopg2.InterfaceError])
def test_a_broken_link_has_no_sqlstate_and_may_pass(kind):
    error = translated(kind("server closed the connection unexpectedly"))

    assert error.transient
    assert error.sqlstate is None
    assert "[connection lost]" in str(error)


def test_a_driver_error_of_another_kind_does_not_pass():
    assert not translated(psycopg2.ProgrammingError("no results to fetch")).transient


@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [
        ("22023", 'invalid snapshot identifier: "00000003-00000002-1"'),
        ("42704", 'snapshot "00000003-00000002-1" does not exist'),
    ],
)
def test_a_lost_snapshot_is_an_error_of_its_own(sqlstate, text):
    error = translated(Answer(text, sqlstate, message_primary=text))

    assert isinstance(error, SnapshotLostError)
    assert not error.transient


def test_the_position_counts_in_the_users_own_text():
    error = translated(
        Answer("", "42703", message_primary="no a", statement_position="23"), prefix=15
    )

    assert error.details["position"] == 8
    assert "(at character 8) [42703]" in str(error)


def test_the_message_leaves_out_the_row():
    context = 'COPY t, line 3, column a: "s3cret value"\nmore of it'

    text = str(translated(Answer("", "22P02", message_primary="bad", context=context)))

    assert "COPY t, line 3, column a" in text
    assert "s3cret" not in text


def test_the_hint_is_kept():
    text = str(translated(Answer("", "42703", message_primary="no a", message_hint="try b")))

    assert text == "no a; try b [42703]"


def test_a_password_in_the_drivers_text_is_masked():
    url = sa.URL.create("postgresql", password="s3cret/x")

    text = str(translated(BrokenLink("login with s3cret/x or s3cret%2Fx failed"), url))

    assert "s3cret" not in text
    assert text.count("***") == 2


def test_other_errors_pass_through_unchanged():
    with pytest.raises(KeyError), faults.translated(None, 0):
        raise KeyError


def test_an_error_that_the_driver_leaves_hanging_is_its_own():
    """psycopg2 does, when a session ends while COPY asks for more rows."""
    hanging = Answer("terminated", "57P01", message_primary="terminated")

    with pytest.raises(DatabaseError) as caught, faults.translated(None, 0):
        raise SystemError from hanging

    assert caught.value.transient
    with pytest.raises(SystemError), faults.translated(None, 0):
        raise SystemError
