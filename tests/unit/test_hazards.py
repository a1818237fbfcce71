"""What stands on a target, and what is said of it: without a database."""

from __future__ import annotations

import pytest

from mapper_dask.schema.hazards import BEFORE, INSTEAD, Hazards, Trigger, blame, refusal

GONE = "a global temporary table, whose rows go with the session that loads them"
ROWS = "a materialized view, whose rows come from its own query"
INSTEAD_OF = Trigger("t", "v", INSTEAD, ("INSERT",))
DROPS = Trigger('the "rows"', "public.x", BEFORE, ("INSERT",), may_drop=True)


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize("kind", [GONE, ROWS])
def test_what_keeps_no_rows_is_refused_in_every_way(kind, staged):
    why = refusal(Hazards(kind=kind), "append", by_key=False, staged=staged)

    assert why == f"it is {kind}. Load a table of another name"


@pytest.mark.parametrize(
    ("hazards", "staged", "said"),
    [
        (Hazards(view=True, copied=True, behind="s.t"), False, "Name the table behind it, s.t, by"),
        (Hazards(view=True, copied=True), False, "Name the table behind it, by target_schema"),
        (Hazards(view=True, copied=True), True, ""),
        (Hazards(view=True), False, ""),
        (Hazards(view=True, insertable=False), False, "through which no INSERT finds its way"),
        (Hazards(view=True, insertable=False), True, "through which no INSERT finds its way"),
        (Hazards(view=True, insertable=False, triggers=(INSTEAD_OF,)), False, ""),
        (Hazards(view=True, copied=True, triggers=(INSTEAD_OF,)), False, ""),
        (Hazards(row_security=("p",), copied=True), False, "policies bind this login there (p)"),
        (Hazards(row_security=("p",)), False, ""),
        (Hazards(row_security=("p",)), True, "policies hide some of its rows from this login"),
        (Hazards(copied=True), False, ""),
    ],
)
def test_a_view_or_a_policy_is_refused_where_rows_do_not_pass_it(hazards, staged, said):
    why = refusal(hazards, "append", by_key=False, staged=staged)

    assert said in why
    assert bool(said) == bool(why)


def test_a_trigger_that_may_drop_rows_is_named_with_what_switches_it_off():
    said = blame(Hazards(triggers=(DROPS,)), ("INSERT",))

    assert said == (
        '; its triggers: the "rows" (BEFORE INSERT, row). A BEFORE row trigger keeps a row out '
        'where it returns NULL: let the "rows" return NEW, or switch it off by ALTER TABLE '
        'public.x DISABLE TRIGGER "the ""rows"""'
    )


def test_no_other_trigger_is_said_to_drop_rows():
    after = Trigger("t", "x", "AFTER", ("INSERT",))

    assert blame(Hazards(triggers=(after,)), ("INSERT",)) == "; its triggers: t (AFTER INSERT, row)"
    assert blame(Hazards(triggers=(DROPS,)), ("DELETE",)) == ""
