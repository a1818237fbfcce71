"""Tables of the command line: no line is longer than there is room, unless a word is."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.cli.states import how, moment, state_of, table_name, took
from mapper_dask.cli.tables import fitted, line_width, table
from mapper_dask.ledger.cleanup import RunSummary
from mapper_dask.rendering import counted, lasted, seconds

HEADS = ("run", "state", "into", "loaded", "started")
ROW = ("0123abcd" * 4 + ".flights", "succeeded, 12 rejected", "mart.flights", 990, "2026-11-28 19")

WORDS = st.text("ab é漢\u0301", max_size=60)
CELLS = st.one_of(st.none(), st.integers(0, 10**9), st.booleans(), WORDS)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_what_fits_is_a_line_a_row() -> None:
    assert table(HEADS, [ROW], most=110).count("\n") == 1


def test_a_list_has_the_first_cell_on_a_line_of_its_own() -> None:
    head, heads, name, rest = lines(table(HEADS, [ROW], stacked=True, most=80))
    assert (head, name) == ("run", ROW[0])
    assert heads.split() == list(HEADS[1:])
    assert rest.split("  ")[1] == "succeeded, 12 rejected"


def test_texts_go_on_below_themselves() -> None:
    shown = lines(table(("level", "message"), [("error", "one two " * 20)], most=40))
    assert all(line.startswith(" " * 7) for line in shown[2:])
    assert " ".join(" ".join(shown[1:]).split()) == "error " + ("one two " * 20).strip()


def test_a_row_stands_in_lines_where_its_words_are_too_long_for_columns() -> None:
    shown = table(HEADS, [ROW, ROW], most=45)
    assert f"run      {ROW[0]}\nstate    succeeded, 12 rejected\n" in shown
    assert shown.count("\n\n") == 1


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), st.booleans(), st.integers(10, 120)
)  # fmt: skip
def test_no_line_is_longer_unless_a_word_is(
    rows: list[tuple[object, ...]],
    stacked: bool,  # noqa: FBT001 - hypothesis gives it
    most: int,
) -> None:
    shown = table(("one", "two", "three"), rows, stacked=stacked, most=most)
    for line in lines(shown):
        wide = [word for word in line.split() if columns(word) > most - len("three") - 2]
        assert columns(line) <= most or wide
    found = sorted(shown.split())
    for row in rows:
        for word in " ".join(str(cell) for cell in row if isinstance(cell, str)).split():
            assert word in found, "nothing is cut off"


def columns(text: str) -> int:
    """Two for each 漢, none for each accent of its own, which stands over the letter before it."""
    return len(text) + text.count("漢") - text.count("\u0301")


@given(WORDS.map(lambda text: f"  error     {text}"), st.integers(20, 80))
def test_a_line_goes_on_further_in(text: str, most: int) -> None:
    shown = fitted(text, most)
    assert shown.split() == text.split()
    for line in lines(shown):
        assert columns(line) <= most or len(line.split()) <= 2


def test_what_a_terminal_would_obey_is_escaped_before_it_is_measured() -> None:
    shown = table(("name", "text"), [("\x1b[2J" * 5, "b " * 20)], most=60)
    assert "\x1b" not in shown
    assert max(map(len, lines(shown))) <= 60


def test_a_pipe_has_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda _: (_ for _ in ()).throw(OSError))
    assert line_width() == 80


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"state": "SUCCEEDED"}, "succeeded"),
        ({"state": "SUCCEEDED", "aside": 1}, "succeeded, 1 rejected"),
        ({"state": "SUCCEEDED", "aside": 1200, "failed": 1},
         "succeeded, 1 chunk failed, 1,200 rejected"),
        ({"state": "FAILED", "failed": 2}, "failed"),
        ({"state": "RUNNING", "aside": 3}, "running, 3 rejected"),
    ],
)  # fmt: skip
def test_a_state_tells_what_it_hides(given: dict[str, object], said: str) -> None:
    assert state_of(**given) == said  # type: ignore[arg-type]


def test_a_run_of_the_ledger_tells_it() -> None:
    run = RunSummary("r", "SUCCEEDED", '"a"."b"', "append", None, "", None, 1, 1, 0, 10, 8, 2, 0.0)
    assert how(run) == "succeeded, 2 rejected"


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ('"mart"."flights"', "mart.flights"),
        ('"MART"."T$1"', "MART.T$1"),
        ('"Mart"."a b"', '"Mart"."a b"'),
        ('"a""b"', '"a""b"'),
        (None, ""),
    ],
)
def test_a_table_keeps_the_quotes_that_it_needs(quoted: str | None, shown: str) -> None:
    assert table_name(quoted) == shown


def test_times_are_told_to_the_second_and_short_ones_in_ms() -> None:
    begun, ended = "2026-11-28 19:58:03.25+00:00", "2026-11-28 19:58:04.092+00:00"
    assert moment(begun) == "2026-11-28 19:58:03"
    assert took(begun, ended) == "842 ms"
    assert took(begun, None) == ""
    assert (moment("infinity"), moment(None)) == ("infinity", "")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "under 1 s"), (1, "1 s"), (59, "59 s"), (60, "1 min 0 s")]
)
def test_a_duration_is_as_exact_as_the_times_of_the_ledger(seconds: int, said: str) -> None:
    begun = dt.datetime(2026, 11, 28, 19, 0, tzinfo=dt.UTC)
    ended = begun + dt.timedelta(seconds=seconds)
    assert took(begun.isoformat(), ended.isoformat()) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0.0, "0 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (59, "59.00 s"), (60, "1 min 0 s"),
     (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)  # fmt: skip
def test_long_times_are_told_in_two_units(number: float, said: str) -> None:
    assert lasted(number) == said


def test_one_is_no_plural() -> None:
    assert (counted(1, "job"), counted(0, "job"), seconds(0.0)) == ("1 job", "0 jobs", "0 ms")
