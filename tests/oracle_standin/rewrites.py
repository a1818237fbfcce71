"""Single expressions of Oracle's in PostgreSQL's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.types import postgres_type

Node = exp.Expression

SCHEMA_FUNCTIONS = frozenset({"ORA_HASH", "CHARTOROWID", "ROWIDTOCHAR", "SYS_CONTEXT", "NLSSORT"})
"""Functions of ours whose names PostgreSQL's own may not shadow."""

STATE_NUMBER = "dbms_flashback.get_system_change_number"
PRIVILEGED = ("DBA_", "V_$", "GV_$")
"""Beginnings of the names of views that not everybody sees."""

COMPARISONS = (exp.Between, exp.EQ, exp.GTE, exp.LTE, exp.GT, exp.LT)


def rewritten(tree: Node) -> Node:
    """Return a statement with every expression in PostgreSQL's words."""
    for rewrite in (_of_sys, _user, _row_address, _expression):
        for node in reversed(list(tree.walk(bfs=True))):  # what stands inside comes first
            if node is not tree and node.parent is None:
                continue
            new = rewrite(node)
            if new is node:
                continue
            if node is tree:
                assert new is not None
                tree = new
            elif new is None:
                node.pop()
            else:
                node.replace(new)
    return tree


def sorted_by_language(tree: Node) -> None:
    """Let texts be ordered and compared by the session's NLS_SORT and NLS_COMP."""
    for node in list(tree.find_all(*COMPARISONS)):
        for side in ("this", "expression", "low", "high"):
            value = node.args.get(side)
            if isinstance(value, (exp.Column, exp.Literal)) and value.name.upper() != "ROWID":
                node.set(side, _own("compared", value.copy()))
    for node in list(tree.find_all(exp.Ordered)):
        if isinstance(node.this, exp.Column) and node.this.args.get("table"):
            node.set("this", _own("ordered", node.this.copy()))


def _raw(text: str) -> exp.Var:
    return exp.Var(this=text)


def _own(name: str, *arguments: Node) -> exp.Anonymous:
    return exp.Anonymous(this=f"ora.{name}", expressions=list(arguments))


def _of_sys(node: Node) -> Node:
    """Return a view of SYS where it is here. V$SESSION is a public synonym; SYS has V_$SESSION."""
    if not isinstance(node, exp.Table) or node.db.upper() != "SYS":
        return node
    name = node.name.upper()
    if name.startswith(("V$", "GV$")):
        raise OracleError(942, "table or view does not exist")
    if name == "PLAN_TABLE$":  # of the session
        return exp.Table(this=exp.Identifier(this="PLAN_TABLE", quoted=True))
    schema = "ora_dba" if name.startswith(PRIVILEGED) else "ora"
    node.set("db", exp.Identifier(this=schema, quoted=True))
    node.set("this", exp.Identifier(this=name.replace("V_$", "V$"), quoted=True))
    return node


def _user(node: Node) -> Node:
    """Return the login's name for USER, as long as it is no quoted column of that name."""
    if not isinstance(node, exp.Column) or node.name.upper() != "USER" or node.args.get("table"):
        return node
    user = _own("sys_context", exp.Literal.string("userenv"), exp.Literal.string("session_user"))
    return node if node.this.args.get("quoted") else user


def _row_address(node: Node) -> Node | None:
    """Return ROWID as a ctid where it is compared, else as a row address in letters."""
    if not isinstance(node, (exp.Pseudocolumn, exp.Column)) or node.name.upper() != "ROWID":
        return node
    table = f'"{node.args["table"].name.upper()}".' if node.args.get("table") else ""
    parent = node.parent
    if isinstance(parent, COMPARISONS) and parent.this is node:
        for side in ("low", "high", "expression"):
            value = parent.args.get(side)
            if value is not None:
                text = exp.Cast(this=value.copy(), to=_raw("text"))
                parent.set(side, _own("tidof", text))
        return _raw(f"{table}ctid")
    address = _raw(f"ora.mkrowid({table}tableoid, {table}ctid)")
    if isinstance(parent, exp.Select):
        return exp.Alias(this=address, alias=exp.Identifier(this="ROWID", quoted=True))
    return address


def _expression(node: Node) -> Node | None:
    for kind, rewrite in REWRITES.items():
        if isinstance(node, kind):
            return rewrite(node)
    if type(node).__name__ == "Systimestamp":
        return _raw("CURRENT_TIMESTAMP(6)::ora.zoned")
    return node


def _package_call(node: Node) -> Node:
    if isinstance(node.parent, exp.Dot):  # SYS and the package, whose function comes behind
        return node
    name, opened, rest = node.sql("postgres").partition("(")
    lower = name.replace('"', "").lower().removeprefix("sys.")
    if lower == STATE_NUMBER:
        return _raw("ora.nextscn()")
    return _raw(f"{lower}({rest}" if opened else f"{lower}()")


def _column(node: Node) -> Node:
    table = node.args["table"].name.lower() if node.args.get("table") else ""
    if table.startswith("dbms_"):
        name = f"{table}.{node.name.lower()}"
        return _raw("ora.nextscn()" if name == STATE_NUMBER else f"{name}()")
    if not table and node.name.upper() in ("DBTIMEZONE", "SESSIONTIMEZONE"):
        zone = "nullif(current_setting('ora.time_zone', true), '')"
        return _raw(f"coalesce({zone}, '+00:00')::varchar")
    return node


def _identifier(node: Node) -> Node:
    if node.args.get("quoted"):
        return node
    return exp.Identifier(this=node.name.upper(), quoted=True)


def _placeholder(node: Node) -> Node:
    name = str(node.name)
    return _raw("$" + name.removeprefix("ora_b")) if name.startswith("ora_b") else node


def _type(node: Node) -> Node:
    assert isinstance(node, exp.DataType)
    known = postgres_type(node)
    return node if known is None else _raw(known)


def _now(node: Node) -> Node:
    if node.args.get("sysdate"):
        return _raw("date_trunc('second', LOCALTIMESTAMP)::timestamp(0)")
    return _raw("CURRENT_TIMESTAMP(6)::ora.zoned")


def _literal(node: Node) -> Node:
    assert isinstance(node, exp.Literal)
    return exp.null() if node.is_string and node.name == "" else node


def _joined(node: Node) -> Node:
    """Return texts put together, where a NULL is an empty text and an empty text a NULL."""
    assert isinstance(node, exp.DPipe)
    whole = exp.Anonymous(this="concat", expressions=[node.left, node.right])
    return exp.func("NULLIF", whole, exp.Literal.string("\x00EMPTY"))


def _called(node: Node) -> Node:
    name = node.name.upper()
    if name == "TIMESTAMP_TO_SCN":
        return _raw("ora.nextscn()")
    if name in SCHEMA_FUNCTIONS:
        return _own(name.lower(), *node.expressions)
    if name in ("EMPTY_CLOB", "EMPTY_BLOB"):
        return _raw(f"''::ora.{name[-4:].lower()}")
    return exp.Anonymous(this=node.name.lower(), expressions=node.expressions)


def _as_text(node: Node) -> Node:
    if node.args.get("format") is None:
        return _own("to_char", node.this)
    return node


def _sampled(node: Node) -> Node:
    node.set("method", _raw("BERNOULLI"))
    return node


REWRITES: Mapping[type[Node], Callable[[Node], Node | None]] = {
    exp.Dot: _package_call,
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Placeholder: _placeholder,
    exp.DataType: _type,
    exp.CurrentTimestamp: _now,
    exp.Literal: _literal,
    exp.ToNumber: lambda node: _own("to_number", node.this),
    exp.ToChar: _as_text,
    exp.DPipe: _joined,
    exp.Anonymous: _called,
    exp.TableSample: _sampled,
    exp.Hint: lambda _node: None,
}
