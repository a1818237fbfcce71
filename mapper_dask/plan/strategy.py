"""Chooses how to cut a query, with the reason. Pure: opens no connection."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import ChunkingStrategy
from mapper_dask.plan.cost import PlanCost
from mapper_dask.plan.survey import Survey

LOST_OR_DOUBLED = "rows may be lost or doubled across chunks"
"""End of the warning on a query that is cut though it is not shown to be repeatable."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How to cut a query."""

    strategy: ChunkingStrategy | None
    """None: one chunk, the whole query."""
    keys: tuple[str, ...]
    reason: str


def detect_key(survey: Survey) -> tuple[tuple[str, ...], str]:
    """Return the columns to cut by, and where they come from; none when there are none.

    ORDER BY comes first, since the user named it; then the primary key; then a unique index. When
    the first column of ORDER BY is unique by itself, the others add nothing. A column that nothing
    can be cut by is none of them.
    """
    fit = {column.name: bool(column.key_type) for column in survey.columns}
    named = (name for name in survey.shape.order_by if name in fit)
    ordered = tuple(itertools.takewhile(fit.get, named))
    unique = [key for key in survey.unique_keys if all(fit[name] for name in key)]
    for key in unique:
        if ordered[: len(key)] == key:
            return key, "ORDER BY, a unique key"
    if ordered:
        return ordered, "ORDER BY"
    if unique:
        return unique[0], "a unique index of the table"
    if not survey.shape.parsed:
        return (), "no key seen: the parser does not understand the query's text"
    return (), "no ORDER BY, and no unique key of a single table"


def choose(
    survey: Survey, *, strategy: ChunkingStrategy | None, keys: Sequence[str], consistent: bool
) -> Choice:
    """Return how to cut a query.

    Parameters
    ----------
    strategy
        What the user asked for; None leaves it to this function.
    keys
        What the user asked to cut by; empty leaves it to ``detect_key``.

    Raises
    ------
    PlanError
        When what the user asked for cannot be done on this query.
    """
    if strategy is ChunkingStrategy.ROWID_BASED:
        return _row_addresses(survey, consistent=consistent)
    found, source = (tuple(keys), "key_column") if keys else detect_key(survey)
    if strategy is None:
        return _chosen(survey, found, source, asked=bool(keys), consistent=consistent)
    if not found:
        message = (
            f"strategy {strategy.name} needs a key: {source}. Pass key_column, or order the query"
        )
        raise PlanError(message, field="key_column")
    if strategy is ChunkingStrategy.OFFSET_LIMIT and not consistent:
        message = (
            "strategy OFFSET_LIMIT needs consistent=True: without one snapshot its windows shift "
            f"while they are read{_because(survey)}"
        )
        raise PlanError(message, field="strategy")
    return Choice(strategy, found, f"{strategy.name} was asked for; key from {source}")


def _because(survey: Survey) -> str:
    """Return why there is no snapshot, where the user did not choose so."""
    return f"; {survey.elsewhere}" if survey.elsewhere else ""


def _by_address(survey: Survey, *, consistent: bool) -> bool:
    """Return whether ranges of row addresses cover the query: in one state, or where none moves."""
    return survey.has_row_addresses and (consistent or survey.stable_addresses)


def _row_addresses(survey: Survey, *, consistent: bool) -> Choice:
    if survey.has_row_addresses and not _by_address(survey, consistent=consistent):
        message = (
            "strategy ROWID_BASED needs consistent=True: without one snapshot a row that is "
            "updated between two chunks moves, and is lost or doubled"
            f"{_because(survey)}. Cut by a key_column"
        )
        raise PlanError(message, field="strategy")
    if survey.has_row_addresses:
        return Choice(ChunkingStrategy.ROWID_BASED, (), "ROWID_BASED was asked for")
    message = (
        "strategy ROWID_BASED needs a query that passes on the rows of one plain table: no join, "
        "GROUP BY, DISTINCT, LIMIT, window or aggregate, no view, no partitions. Leave strategy "
        "out, or give 'KEY_BASED' and a key_column"
    )
    raise PlanError(message, field="strategy")


def _chosen(
    survey: Survey, keys: tuple[str, ...], source: str, *, asked: bool, consistent: bool
) -> Choice:
    unsafe = unrepeatable(survey)
    if unsafe and not asked:
        return Choice(None, (), f"one chunk, because {unsafe}{_remedy(survey)}")
    if keys and (
        asked or survey.relation is None or any(survey.is_indexed(key) for key in keys[:1])
    ):
        return Choice(ChunkingStrategy.KEY_BASED, keys, f"ranges of {', '.join(keys)}: {source}")
    if _by_address(survey, consistent=consistent):
        why = f"{keys[0]} has no index" if keys else source
        return Choice(
            ChunkingStrategy.ROWID_BASED, (), f"row addresses of {survey.shape.table}: {why}"
        )
    if keys:
        return Choice(ChunkingStrategy.KEY_BASED, keys, f"ranges of {', '.join(keys)}: {source}")
    return Choice(None, (), f"one chunk, because there is {source}; pass key_column to cut it")


def without_ranges(
    survey: Survey, keys: Sequence[str], cost: PlanCost, *, consistent: bool = True
) -> Choice:
    """Return how to cut a query whose ranges of a key cost the database too much together.

    It computes the whole for every chunk: of an aggregate, a window, a join whose predicate it
    cannot push down. So the query is read by address, or once.
    """
    names = ", ".join(keys)
    if _by_address(survey, consistent=consistent):
        why = f"rows of one range of {names} lie all over it, {cost}"
        return Choice(
            ChunkingStrategy.ROWID_BASED, (), f"row addresses of {survey.shape.table}: {why}"
        )
    why = f"by ranges of {names} {cost}"
    return Choice(None, (), f"one chunk, read once: {why}; key_column cuts it all the same")


def costs(survey: Survey, choice: Choice, cost: PlanCost, *, asked: bool = True) -> list[str]:
    """Return warnings on the cost of the chunks, with remedies.

    Parameters
    ----------
    asked
        Whether the user named a key or a strategy, and could leave it out.
    """
    if not cost.is_notable:
        return []
    if choice.strategy is ChunkingStrategy.ROWID_BASED:
        found = "finds all of the query's rows, as by an index for its WHERE"
        return [f"{cost}: each {found}, and drops those of other row addresses"]
    key = choice.keys[0]
    if not survey.is_table or survey.shape.limited:
        cause = (
            f"the database cannot push a range of {key} into the query, or has no index for it, "
            "and computes it anew for each"
        )
        remedy = "make it a table with an index"
        remedy += ", or leave strategy and key_column out to read it once" if asked else ""
    elif survey.is_indexed(key):
        cause = f"rows of one range of {key} lie all over the table"
        remedy = "strategy='ROWID_BASED'" if survey.has_row_addresses else "a larger chunk_size"
        remedy = f"{remedy} reads fewer blocks twice"
    else:
        cause = f"{key} has no index the database can use here"
        remedy = f"make one{', or leave strategy and key_column out' if asked else ''}"
    return [f"{cost}: {cause}; {remedy}"]


def unrepeatable(survey: Survey) -> str:
    """Return why the query is not shown to give the same rows each time; empty when it is."""
    shape = survey.shape
    if survey.volatile or shape.sampled:
        names = [*(f"{name}()" for name in survey.volatile), *["TABLESAMPLE"] * shape.sampled]
        return f"{', '.join(names)} may give other rows each time (volatile)"
    doubt = _doubt_of_text(survey) if survey.doubt is None else survey.doubt
    return doubt or survey.elsewhere


def _doubt_of_text(survey: Survey) -> str:
    """Return why a query's text may not be repeatable, where its database does not show it.

    A LIMIT repeats only over a total order: with ties, or without order, the database may choose
    other rows.
    """
    shape = survey.shape
    if shape.doubt:
        return shape.doubt
    if shape.limited_inside:
        return "a LIMIT inside it may let other rows through each time"
    if shape.limited and not any(shape.order_by[: len(key)] == key for key in survey.unique_keys):
        return "its LIMIT has no unique order, so each chunk could see other rows"
    return ""


def _remedy(survey: Survey) -> str:
    """Return how to change the query's text so that it can be cut, if that is possible."""
    if not (survey.doubt or (survey.doubt is None and _doubt_of_text(survey))):
        return ""
    return "; key_column cuts it all the same, and may lose or double rows"


def warnings(survey: Survey, choice: Choice) -> list[str]:
    """Return the warnings on a choice."""
    found = []
    unsafe = unrepeatable(survey)
    if unsafe and choice.strategy is not None:
        found.append(f"source_sql: {unsafe}; {LOST_OR_DOUBLED}")
    found += [
        f"source_sql calls {fact.name}(){_hidden(survey, fact.name)}, which {fact.effects}"
        for fact in survey.effects
    ]
    unknown = survey.estimate.cost is None  # else what the database expects says more
    if unknown and survey.shape.windows and choice.strategy is ChunkingStrategy.KEY_BASED:
        found.append("source_sql has window functions: each chunk computes them anew over all rows")
    return found


def read_again(survey: Survey, choice: Choice) -> list[str]:
    """Return the warnings on a query that returns other rows each time, and is read once.

    No row is lost or doubled by it; but another run, or a check against the source, reads others.
    """
    if choice.strategy is not None or not (survey.volatile or survey.shape.sampled):
        return []
    return [f"source_sql: {unrepeatable(survey)}; it is read once, what is read again may differ"]


def _hidden(survey: Survey, function: str) -> str:
    """Return where a function is called that the query's text does not name."""
    named = function in survey.shape.functions
    return "" if named else ", behind another name (of a view, an operator or a policy)"
