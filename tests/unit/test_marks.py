"""How a function marks rows, and what is written down of them."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mapper_dask import reject
from mapper_dask.errors import TransformError
from mapper_dask.ledger.rejects import REASON, as_rejects, plain_value, split_marked


@pytest.fixture
def frame():
    return pd.DataFrame({"id": [1, 2, 3, 4], "v": [10.0, None, 30.0, 40.0]})


def reasons(frame):
    return [None if pd.isna(reason) else reason for reason in frame[REASON]]


def test_marked_rows_get_their_reason_and_the_frame_stays(frame):
    marked = reject(frame, frame["v"] > 20, "too much")

    assert reasons(marked) == [None, None, "too much", "too much"]
    assert REASON not in frame.columns


def test_a_missing_answer_is_no(frame):
    where = frame["v"].astype("Float64") > 20
    assert where.isna().any()

    assert reasons(reject(frame, where, "too much")) == [None, None, "too much", "too much"]


@pytest.mark.parametrize("kind", [list, np.array, pd.array])
def test_any_sequence_of_answers_will_do(frame, kind):
    assert reasons(reject(frame, kind([True, False, False, True]), "x")) == ["x", None, None, "x"]


def test_the_first_reason_stays(frame):
    once = reject(frame, frame["id"] >= 3, "first")

    assert reasons(reject(once, frame["id"] >= 2, "second")) == [None, "second", "first", "first"]


def test_each_row_may_have_a_reason_of_its_own(frame):
    told = "id " + frame["id"].astype(str)

    assert reasons(reject(frame, frame["id"] > 2, told)) == [None, None, "id 3", "id 4"]


def test_any_index_will_do(frame):
    frame.index = [7, 7, 3, 1]

    assert reasons(reject(frame, frame["id"] == 2, "x")) == [None, "x", None, None]


def test_marked_rows_are_split_off(frame):
    rest, marked = split_marked(reject(frame, frame["id"] == 3, "x"))

    assert rest["id"].tolist() == [1, 2, 4]
    assert REASON not in rest.columns
    assert marked == [("x", {"id": 3, "v": 30.0})]


def test_a_frame_without_marks_is_left_as_it_is(frame):
    assert split_marked(frame) == (frame, [])


def test_a_column_of_reasons_made_by_hand_will_do(frame):
    frame[REASON] = pd.array([None, "x", None, None], "string[pyarrow]")

    assert [row["id"] for _, row in split_marked(frame)[1]] == [2]


def test_a_reason_must_be_a_text(frame):
    with pytest.raises(TransformError, match="must hold texts"):
        split_marked(frame.assign(**{REASON: [True, None, None, None]}))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (True, True),
        (2**70, 2**70),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("1.10"), Decimal("1.10")),
        (Decimal("NaN"), "NaN"),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        (b"\x00\xff", "\\x00ff"),
        ("a\0b\ud800", "a\ufffdb?"),
        ({"a": [pd.NA, b"\x01"]}, {"a": [None, "\\x01"]}),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (pd.Timestamp("2024-01-01", tz="UTC"), "2024-01-01T00:00:00+00:00"),
        (dt.timedelta(seconds=1), "0:00:01"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_every_value_has_a_form_in_json(value, plain):
    assert plain_value(value) == plain


def test_a_reject_has_its_key_where_the_row_still_has_it():
    [with_key] = as_rejects("load", [("x", {"id": 1, "v": 2})], ["id"])
    [without] = as_rejects("load", [("x", {"v": 2})], ["id"])
    [unkeyed] = as_rejects("load", [("x", {"v": 2})], [])

    assert (with_key.key, without.key, unkeyed.key) == ({"id": 1}, None, None)
