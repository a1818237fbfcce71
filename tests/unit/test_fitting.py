"""A ledger's texts in an encoding that lacks some of their characters, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.dialects.postgresql.encodings import CODECS, UNLIKE, fitting
from mapper_dask.schema.fitting import WHOLE, Fitting

KEPT = sorted(CODECS)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from('<U+2AC>\\u{}"é€'))


@pytest.mark.parametrize("encoding", [*KEPT, "MULE_INTERNAL", "EUC_TW"])
@given(text=TEXTS)
def test_a_text_comes_back_as_it_was(encoding: str, text: str) -> None:
    kept = fitting(encoding).fitted(text)

    assert fitting(encoding).restored(kept) == text
    kept.encode(CODECS.get(encoding, "ascii"))
    assert not UNLIKE.get(encoding, frozenset()) & set(kept)


@given(values=st.dictionaries(TEXTS, st.lists(TEXTS)))
def test_json_stays_json_and_comes_back_as_it_was(values: dict[str, list[str]]) -> None:
    for in_ascii in (True, False):
        kept = fitting("LATIN1").fitted(json.dumps(values, ensure_ascii=in_ascii))

        json.loads(kept)
        assert json.loads(fitting("LATIN1").restored(kept)) == values


def test_it_can_be_read_as_it_stands() -> None:
    kept = fitting("LATIN1").fitted("chunk 0 [-∞, +∞): 'naïve' costs 5 € 🙂")

    assert kept == "chunk 0 [-<U+221E>, +<U+221E>): 'naïve' costs 5 <U+20AC> <U+1F642>"


@pytest.mark.parametrize("text", ["<U+20AC>", "<U+3C>U+20AC>", "<<U+20AC>", "<U+>", "<U+ZZ>"])
def test_what_looks_like_a_kept_character_is_no_such(text: str) -> None:
    assert fitting("LATIN1").restored(fitting("LATIN1").fitted(text)) == text


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII", None])
def test_a_database_that_holds_everything_is_given_it_as_it_is(encoding: str | None) -> None:
    values = {"a": "<U+20AC> € ∞", "b": None, "c": 3}
    assert fitting(encoding) is WHOLE
    assert WHOLE.params(values) is values
    assert WHOLE.rows([("<U+20AC>", None)]) == [("<U+20AC>", None)]
    assert WHOLE.each([values]) == [values]


def test_what_is_no_text_stays_as_it_is() -> None:
    assert Fitting("ascii").params({"a": 1, "b": None, "c": ["€"]}) == {
        "a": 1, "b": None, "c": ["€"],
    }  # fmt: skip
