"""What a type is made of, and whether another one means the same by a value's text."""

from __future__ import annotations

from typing import Any

import pytest

from mapper_dask.dialects.postgresql.shapes import with_shapes
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.schema.conversions import Exactness, incoming_from_column, judge
from mapper_dask.schema.facts import Column, TypeFamily
from mapper_dask.schema.shapes import Shape, difference


def base(name: str, *, form: str = "", made: bool = False) -> Shape:
    return Shape("base", name, form=form, made=made)


def row(*fields: str, name: str = "x") -> Shape:
    """Return a row type of fields, each a name and a type."""
    parts = tuple((text.split()[0], base(text.partition(" ")[2])) for text in fields)
    return Shape("row", name, parts, made=True)


def array(element: Shape) -> Shape:
    return Shape("array", f"{element.name}[]", (("", element),), made=element.made)


def enum(*labels: str) -> Shape:
    return Shape("enum", "e", labels=labels, made=True)


ALIKE = [
    (row("a int"), row("a int", name="y")),
    (row("a integer"), row("a bigint")),
    (row("a smallint"), row("a numeric")),
    (row("a numeric(9,2)"), row("a numeric(10,3)")),
    (row("a numeric(9,2)"), row("a numeric")),
    (row("a character varying(5)"), row("a character varying(6)")),
    (row("a character varying(5)"), row("a text")),
    (row("a time(2) without time zone"), row("a time(6) without time zone")),
    (array(row("a int")), array(row("a int"))),
    (enum("a", "b"), enum("a", "x", "b")),
    (array(base("numeric(9,2)", made=True)), base("numeric(9,2)[]")),
    (base("citext", made=True), base("public.citext", made=True)),
    (base("money", form="$", made=True), base("money", form="$", made=True)),
]


@pytest.mark.parametrize(("given", "taken"), ALIKE)
def test_what_means_the_same_differs_in_nothing(given: Shape, taken: Shape) -> None:
    assert difference(given, taken) is None


UNLIKE = [
    (row("a int", "b int"), row("b int", "a int"), "x (a int, b int)", "x (b int, a int)"),
    (row("a int"), row("a int", "b int"), "x (a int)", "x (a int, b int)"),
    (row("a bigint"), row("a integer"), "field a of", "bigint"),
    (row("a numeric(9,2)"), row("a numeric(9,3)"), "numeric(9,2)", "numeric(9,3)"),
    (row("a numeric"), row("a numeric(9,3)"), "numeric", "numeric(9,3)"),
    (row("a character(5)"), row("a character(6)"), "character(5)", "character(6)"),
    (row("a interval"), row("a interval(0)"), "interval", "interval(0)"),
    (row("a timestamp(6) with time zone"), row("a timestamp(0) with time zone"), "(6)", "(0)"),
    (row("a json"), row("a jsonb"), "json", "jsonb"),
    (row("a int"), base("point"), "x (a int)", "point"),
    (array(row("a int")), row("a int"), "x[]", "x (a int)"),
    (array(row("a int")), array(row("b int")), "an element of", "x (b int)"),
    (enum("a", "b"), enum("a"), "e ('a', 'b')", "e ('a')"),
    (base("money", form="$1", made=True), base("money", form="¥1", made=True), "(written $1)", "¥"),
    (array(base("numeric(9,3)", made=True)), base("numeric(9,2)[]"), "an element", "numeric(9,2)"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "taken", "first", "second"), UNLIKE)
def test_what_means_something_else_is_refused_with_both(
    given: Shape, taken: Shape, first: str, second: str
) -> None:
    found = difference(given, taken)
    assert found is not None
    assert not found.note
    said = found.refusal("c")
    assert first in said
    assert second in said
    assert "in the query" in said or "::numeric" in said


def test_what_users_have_not_made_is_left_to_the_names_of_the_types() -> None:
    assert difference(base("interval"), base("interval(0)")) is None
    assert difference(base("int4range"), base("int8range")) is None


def test_labels_in_another_order_are_a_note() -> None:
    found = difference(enum("a", "b"), enum("b", "a"))
    assert found is not None
    assert "another order" in found.note


def test_a_refusal_is_impossible_and_an_agreement_is_exact_whatever_the_names() -> None:
    def of(shape: Shape, name: str) -> Column:
        return Column(
            "c", name, TypeFamily.OTHER, column("c", "uuid", "uuid", "U").arrow, shape=shape
        )

    same = judge(
        incoming_from_column(of(array(row("a int")), "x[]")), of(array(row("a int")), "o.x[]")
    )
    assert same.verdict is Exactness.EXACT
    other = judge(incoming_from_column(of(row("a int"), "x")), of(row("b int"), "x"))
    assert other.verdict is Exactness.IMPOSSIBLE
    assert "source's type is x (a int), the target's is x (b int)" in other.note


def test_the_catalogue_is_not_asked_of_what_a_name_tells() -> None:
    """A plain table costs no question."""

    def run(*_: Any) -> list[Any]:
        pytest.fail("asked")

    columns = [
        column("a", "integer", "integer", "N", native=True),
        column("b", "uuid", "uuid", "U", native=True),
        column("c", "numeric(9,2)[]", "numeric[]", "A", native=True),
    ]
    shaped = with_shapes(run, columns, [23, 2950, 1231])
    assert [c.shape and c.shape.made for c in shaped] == [None, False, False]
