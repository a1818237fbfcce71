"""Which constraints of a domain refuse NULL, as the catalogue writes them."""

from __future__ import annotations

import pytest

from mapper_dask.dialects.postgresql.domains import refuses_null


@pytest.mark.parametrize(
    "check",
    [
        "CHECK ((VALUE IS NOT NULL))",
        "CHECK ((VALUE IS NOT NULL)) NOT VALID",
        "CHECK ((NOT (VALUE IS NULL)))",
        "CHECK (((VALUE IS NOT NULL) AND (length(VALUE) > 1)))",
        "CHECK ((((VALUE > 0) AND (VALUE < 9)) AND (VALUE IS NOT NULL)))",
        "CHECK (((VALUE <> ') AND ('::text) AND (VALUE IS NOT NULL)))",
        "CHECK (((VALUE IS NOT NULL) AND ((VALUE > 0) OR (VALUE < '-9'::integer))))",
    ],
)
def test_what_is_asked_for_in_any_case_is_known(check: str) -> None:
    assert refuses_null(check)


@pytest.mark.parametrize(
    "check",
    [
        "CHECK ((VALUE > 0))",
        "CHECK (((VALUE IS NULL) OR (length(VALUE) > 1)))",
        "CHECK (((VALUE > 0) OR ((VALUE IS NOT NULL) AND (VALUE < 9))))",
        "CHECK ((NOT (VALUE IS NOT NULL)))",
        "CHECK (((VALUE IS NOT NULL) = false))",
        "CHECK ((((VALUE IS NOT NULL) AND (VALUE > 0)) IS NOT TRUE))",
        "CHECK (f((VALUE IS NOT NULL)))",
        "CHECK ((VALUE <> ') AND (VALUE IS NOT NULL'::text))",
        'CHECK ((VALUE <> ") AND (VALUE IS NOT NULL"(1)))',
        "CHECK ((COALESCE(VALUE, ''::text) <> ''::text))",
    ],
)
def test_what_may_let_a_null_pass_is_not(check: str) -> None:
    assert not refuses_null(check)
