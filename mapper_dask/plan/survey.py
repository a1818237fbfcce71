"""Surveys a query before it is cut: its columns, its table, its size."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mapper_dask.dialects.source import Source
from mapper_dask.errors import ConfigurationError, DatabaseError, PlanError
from mapper_dask.near import did_you_mean
from mapper_dask.plan.blame import blamed
from mapper_dask.plan.query import QueryShape, analyse
from mapper_dask.schema.definition import Relied
from mapper_dask.schema.facts import Column, Estimate, FunctionFact, Relation, SourceQuery


@dataclass(frozen=True, slots=True)
class Survey:
    """A query's text, and the catalogue's description of it."""

    shape: QueryShape
    columns: tuple[Column, ...]
    """All result columns."""
    relation: Relation | None
    """The single table behind it, None where there is none."""
    estimate: Estimate
    volatile: tuple[str, ...] = ()
    """Functions in it that may return another value at every call."""
    effects: tuple[FunctionFact, ...] = ()
    """Functions in it that may have side effects."""
    doubt: str | None = None
    """Why the database does not show that each statement sees the same rows; empty when it does,
    None where that is not known."""
    relied: Relied | None = None
    """What it reads, and how that is defined; None where the database looks after it."""

    @property
    def elsewhere(self) -> str:
        """Why no snapshot holds all of its rows; empty when one does."""
        foreign = self.relied.foreign if self.relied else ()
        linked = [f"{name}()" for name in self.shape.functions if _is_link(name)]
        if not foreign and not linked:
            return ""
        return (
            f"rows of {', '.join([*foreign, *linked])} are elsewhere, where no snapshot holds them"
        )

    @property
    def unique_keys(self) -> list[tuple[str, ...]]:
        """Result columns of a unique, never NULL index of the table."""
        keys = self.relation.unique_keys if self.relation else ()
        return [names for key in keys if (names := self._result_names(key)) is not None]

    @property
    def has_row_addresses(self) -> bool:
        """Whether ranges of row addresses cover the query."""
        return (
            self.shape.splice is not None
            and self.relation is not None
            and self.relation.has_row_addresses
        )

    @property
    def stable_addresses(self) -> bool:
        """Whether a row keeps its address when it is updated."""
        return self.relation is not None and self.relation.stable_addresses

    @property
    def is_table(self) -> bool:
        """Whether its rows are one table's, whose indexes are known; a view's are anything's."""
        relation = self.relation
        return relation is not None and (relation.has_row_addresses or bool(relation.indexed))

    def is_indexed(self, name: str) -> bool:
        """Return whether a result column leads an ordered index of the table."""
        column = self.shape.table_column(name)
        return self.relation is not None and column in self.relation.indexed

    def never_null(self, names: Sequence[str]) -> bool:
        """Return whether the table forbids NULL in these columns and the query adds none."""
        not_null = {column.name for column in self.columns if column.not_null}
        return self.relation is not None and set(names) <= not_null

    def column(self, name: str, field: str) -> Column:
        """Return a result column by name.

        Raises
        ------
        ConfigurationError
            When the query has none of that name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        message = f"{field} {name!r} is not a column of the query{_meant(field, name, names)}"
        raise ConfigurationError(message, field=field)

    def selected(self, names: Sequence[str] | None) -> tuple[Column, ...]:
        """Return the result columns of these names; None: all."""
        if names is None:
            return self.columns
        return tuple(self.column(name, "columns") for name in names)

    def source_query(
        self, keys: Sequence[str], selected: Sequence[str] | None, *, spliced: bool
    ) -> SourceQuery:
        """Return the query as the chunks read it."""
        columns = self.selected(selected)
        key_columns = tuple(self.column(name, "key_column") for name in keys)
        splice = self.shape.splice if spliced else None
        return SourceQuery(self.shape.sql, columns, key_columns, splice, self.relied)

    def _result_names(self, key: Sequence[str]) -> tuple[str, ...] | None:
        names = {c.name for c in self.columns}
        passed = {self.shape.table_column(name): name for name in names}
        return tuple(passed[column] for column in key) if all(c in passed for c in key) else None


def _meant(field: str, name: str, names: Sequence[str]) -> str:
    """Return the message on an unknown column: which was probably meant, and which there are."""
    several = [part.strip() for part in name.split(",")]
    if len(several) > 1 and set(several) <= set(names):
        return f"; for several give a list: {field}={several!r}"
    return f"; it has: {', '.join(names)}{did_you_mean(name, names)}"


def _is_link(function: str) -> bool:
    """Return whether a function of this name fetches rows from another database."""
    return function.rpartition(".")[2].lower().startswith("dblink")


def survey(source: Source, sql: str) -> Survey:
    """Return what is known of a query.

    Raises
    ------
    DatabaseError
        The database's own message for bad SQL, with the position in the user's text.
    PlanError
        When two result columns share a name, or there is no column at all.
    """
    shape, columns = described(source, sql)
    _require_names(columns)
    try:
        return _surveyed(source, shape, columns)
    except DatabaseError as error:
        raise blamed(source, sql, error) from None


def _surveyed(source: Source, shape: QueryShape, columns: tuple[Column, ...]) -> Survey:
    with source.errors():
        estimate = source.estimate(shape.sql)
        facts = source.functions(sorted({*shape.functions, *estimate.calls}))
        if estimate.whole_rows:
            shape = replace(shape, splice=None)
        shape = _checked(source, shape, columns, facts)
        relation = source.relation(shape.table) if shape.table else None
        volatile = tuple(fact.name for fact in facts if fact.volatile)
        effects = tuple(fact for fact in facts if fact.effects)
        # a function that the database has inlined is judged by its body
        left = [
            fact
            for fact in facts
            if fact.opaque or fact.name in estimate.calls or fact.name not in shape.functions
        ]
        doubt = source.doubt(shape.sql, estimate, left)
        relied = source.relied(columns)  # last: by then all it reads was opened
        return Survey(shape, columns, relation, estimate, volatile, effects, doubt, relied)


def described(source: Source, sql: str) -> tuple[QueryShape, tuple[Column, ...]]:
    """Analyse a query's text, and return its columns after the database has accepted it.

    Raises
    ------
    PlanError
        When the database refuses a text that is not one query, as its parser sees it.
    DatabaseError
        The database's own message for bad SQL, with the position in the user's text.
    """
    shape = analyse(sql, source.dialect.grammar, source.dialect.folded)
    indent = " " * (len(sql) - len(sql.lstrip()))  # it counts in the position of an error
    try:
        return shape, source.describe_query(indent + shape.sql)
    except DatabaseError as error:
        if not shape.problem or error.transient:
            raise blamed(source, indent + shape.sql, error) from None
        raise PlanError(shape.problem, field="source_sql") from error


def _checked(
    source: Source, shape: QueryShape, columns: Sequence[Column], facts: Sequence[FunctionFact]
) -> QueryShape:
    """Return the shape, corrected by the database.

    An aggregate the parser does not know folds rows. A query that names its table's ctid, its
    schema or its whole row cannot have a subselect in the table's place: asked of the database.
    """
    if any(fact.reshapes and fact.name in shape.functions for fact in facts):
        return shape.without_table()
    if shape.splice is None:
        return shape
    spliced = shape.splice.with_table(source.dialect.whole_table(shape.splice.table))
    described: tuple[Column, ...] = ()
    with attempt(source):
        described = source.describe_query(spliced)
    same = [(c.name, c.type_name) for c in described] == [(c.name, c.type_name) for c in columns]
    return shape if same else replace(shape, splice=None)


def _require_names(columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = (
            f"source_sql returns {', '.join(map(repr, twice))} more than once; give each "
            "column its own name with AS"
        )
        raise PlanError(message, field="source_sql")
    if not names:
        message = "source_sql returns no columns"
        raise PlanError(message, field="source_sql")


@contextlib.contextmanager
def attempt(source: Source) -> Iterator[list[DatabaseError]]:
    """Try something the database may refuse, keeping the transaction and its snapshot."""
    refusals: list[DatabaseError] = []
    source.mark()
    try:
        with source.errors():
            yield refusals
    except DatabaseError as error:
        source.back_to_mark()
        refusals.append(error)
