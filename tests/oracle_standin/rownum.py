"""ROWNUM: a limit where it bounds a query, a number of rows elsewhere."""

from __future__ import annotations

from sqlglot import exp


def without_rownum(tree: exp.Expression) -> exp.Expression:
    """Return a statement whose queries number and limit rows in PostgreSQL's words."""
    for select in reversed(list(tree.find_all(exp.Select))):  # the innermost first
        order = _limited(select)
        if order is None:
            continue
        inner = exp.Subquery(this=select.copy(), alias=exp.TableAlias(this=_name("ORA$Q")))
        outer = exp.select("*").from_(inner)
        outer.set("order", order)
        for column in order.find_all(exp.Column):
            column.set("table", None)
        if select is tree:
            tree = outer
        else:
            select.replace(outer)
    return tree


def _name(text: str) -> exp.Identifier:
    return exp.Identifier(this=text, quoted=True)


def _is_rownum(node: exp.Expression) -> bool:
    if not isinstance(node, (exp.Pseudocolumn, exp.Column)) or node.name.upper() != "ROWNUM":
        return False
    return isinstance(node, exp.Pseudocolumn) or not node.table


def _limited(select: exp.Select) -> exp.Order | None:
    """Turn bounds on ROWNUM into a limit; return the order that must come after it, if any."""
    limits = _taken_limits(select)
    numbered = [
        node
        for node in select.find_all(exp.Pseudocolumn, exp.Column)
        if _is_rownum(node) and node.find_ancestor(exp.Select) is select
    ]
    for node in numbered:
        node.replace(exp.Var(this="(row_number() over ())::numeric"))
    if not limits:
        return None
    least = limits[0] if len(limits) == 1 else exp.Least(this=limits[0], expressions=limits[1:])
    whole = exp.Cast(this=least, to=exp.Var(this="bigint"))
    order = select.args.get("order")
    select.set("order", None)  # within one block rows are numbered before they are ordered
    select.set("limit", exp.Limit(expression=whole))
    return order if isinstance(order, exp.Order) else None


def _taken_limits(select: exp.Select) -> list[exp.Expression]:
    """Take the bounds on ROWNUM out of a query's condition and return them."""
    where = select.args.get("where")
    if where is None:
        return []
    parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    bounds = [_bound(part) for part in parts]
    kept = [part for part, bound in zip(parts, bounds, strict=True) if bound is None]
    limits = [bound for bound in bounds if bound is not None]
    if limits:
        select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
    return limits


def _bound(part: exp.Expression) -> exp.Expression | None:
    """Return how many rows a condition on ROWNUM lets through; None for any other."""
    condition = part.unnest() if isinstance(part, exp.Paren) else part
    if not isinstance(condition, (exp.LTE, exp.LT, exp.EQ)) or not _is_rownum(condition.left):
        return None
    most = condition.right.copy()
    if isinstance(condition, exp.LT):
        return exp.Sub(this=exp.Paren(this=most), expression=exp.Literal.number(1))
    return most
