"""Remedies for columns with values that do not fit the target's, in the error's text. Pure.

Most often a literal or a NULL of the query has no type of its own, and so is text.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from mapper_dask.dialects.base import Dialect
from mapper_dask.schema.conversions import Incoming
from mapper_dask.schema.facts import Column, SourceQuery, TypeFamily

_IN_PANDAS = {
    TypeFamily.INTEGER: ".astype('Int64')",
    TypeFamily.FLOAT: ".astype('Float64')",
    TypeFamily.BOOLEAN: ".astype('boolean')",
    TypeFamily.TEXT: ".astype('string')",
    TypeFamily.BINARY: ".map(str.encode)",
}
"""Calls that convert a column of texts, or for text any column."""


def remedy(
    incoming: Incoming, target: Column, query: SourceQuery, source: Dialect, *, same: bool
) -> str:
    """Return the remedy for a column that does not fit, as the end of a sentence.

    Parameters
    ----------
    same
        Whether source and target are of the same dialect, so that both know the target's types.
    """
    read = next((column for column in query.columns if column.name == target.name), None)
    found = None if read is None else _selected(query.sql, target.name, source)
    made = read is None or incoming.shown != read.type_name
    if made and not isinstance(found, exp.Null):  # by the function
        return _in_pandas(incoming, target)
    type_name = target.type_name if same else source.ddl_type(target)
    if incoming.family is not TypeFamily.TEXT:
        return f"; let the query return it as {type_name}"
    name = source.quote(target.name)
    if isinstance(found, exp.Null):
        cast = _cast("NULL", type_name, source)
        return f": a NULL without a type is text; write {cast} AS {name} in source_sql"
    if isinstance(found, exp.Literal):
        cast = _cast("'…'", type_name, source)
        return f": a literal without a type is text; write {cast} AS {name} in source_sql"
    written = found.sql(source.grammar) if isinstance(found, exp.Column) else name
    return f"; cast it in source_sql: {_cast(written, type_name, source)} AS {name}"


def _in_pandas(incoming: Incoming, target: Column) -> str:
    call = _IN_PANDAS.get(target.family)
    if call is None or TypeFamily.TEXT not in (incoming.family, target.family):
        return f"; let the function return it as {target.type_name}"
    return f"; let the function return frame[{target.name!r}]{call}"


def _cast(written: str, type_name: str, source: Dialect) -> str:
    if source.capabilities.colon_casts:
        return f"{written}::{type_name}"
    return f"CAST({written} AS {type_name})"


def _selected(sql: str, name: str, source: Dialect) -> exp.Expression | None:
    """Return what a query selects under a name; None if that is not in its text."""
    try:
        tree = sqlglot.parse_one(sql, read=source.grammar)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return None
    for selected in getattr(tree, "selects", ()):
        alias = selected.args.get("alias") or selected.args.get("this")
        quoted = bool(isinstance(alias, exp.Identifier) and alias.quoted)
        if source.folded(selected.alias_or_name, quoted=quoted) == name:
            found: exp.Expression = selected.unalias()
            return found
    return None
