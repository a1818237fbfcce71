"""Oracle SQL -> PostgreSQL SQL for the TNS stand-in spike (sqlglot + small rewrites)."""

from __future__ import annotations

import functools
import re

import sqlglot
from sqlglot import exp

from tests.oracle_standin.errors import OracleError

_TOK = re.compile(
    r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/|:\s*("?[A-Za-z][\w$#]*"?|\d+)""", re.DOTALL
)


def number_binds(sql):
    """Replace each bind occurrence by :ora_b<N>; returns (sql, [names])."""
    names = []

    def rep(m):
        if m.group(1) is None:
            return m.group(0)
        names.append(m.group(1).strip('"').upper())
        return f":ora_b{len(names)} "

    return _TOK.sub(rep, sql), names


def _ident(name, quoted=True):
    return exp.Identifier(this=name, quoted=quoted)


def raw(s):
    return exp.Var(this=s)


def _pgtype(s):
    return exp.DataType.build(s, dialect="postgres", udt=True)


def _map_type(dt: exp.DataType):
    T = exp.DataType.Type
    t = dt.this
    ps = [p.name if hasattr(p, "name") else str(p) for p in dt.expressions]
    low = dt.sql("oracle").lower()
    if t == T.USERDEFINED or t not in T.__members__.values():
        if low.startswith("raw"):
            return raw("bytea")
        if low.startswith("long raw"):
            return raw("ora.blob")
        if low.startswith("long"):
            return raw("ora.clob")
        if low.startswith("ora_bf"):
            return raw("float4")
        if low.startswith("rowid"):
            return raw("ora.rowid")
        return dt
    if t in (T.INT, T.BIGINT, T.SMALLINT, T.TINYINT):
        return raw("numeric(38,0)")
    if t == T.DECIMAL:
        return raw("numeric" + (f"({','.join(ps)})" if ps else ""))
    if t == T.FLOAT:
        return raw("float4" if "binary_float" in low else "numeric")
    if t == T.DOUBLE:
        return raw("float8")
    if t in (T.DATE, T.DATETIME):
        return raw("timestamp(0)")
    if t in (T.TIMESTAMP, T.TIMESTAMPNTZ):
        return raw(f"timestamp({ps[0] if ps else 6})")
    if t in (T.TIMESTAMPTZ, T.TIMESTAMPLTZ):
        return raw(f"timestamptz({ps[0] if ps else 6})")
    if t == T.TEXT:
        return raw("ora.clob")
    if t in (T.BLOB, T.LONGBLOB):
        return raw("ora.blob")
    if t in (T.VARBINARY, T.BINARY):
        return raw("ora.blob" if "blob" in low else "bytea")
    if t in (T.VARCHAR, T.NVARCHAR):
        return raw("varchar" + (f"({ps[0].split()[0]})" if ps else ""))
    if t in (T.CHAR, T.NCHAR):
        return raw(f"char({ps[0].split()[0] if ps else 1})")
    return dt


_STRIP = re.compile(
    r"\b(TABLESPACE\s+\S+|NOLOGGING|LOGGING|PCTFREE\s+\d+|INITRANS\s+\d+|SEGMENT\s+CREATION\s+\w+|PARALLEL(\s+\d+)?|NOPARALLEL|PURGE|CASCADE\s+CONSTRAINTS|NOCACHE|VALIDATE|ENABLE|USING\s+INDEX)\b",
    re.IGNORECASE,
)


def _is_rownum(n):
    return (isinstance(n, exp.Pseudocolumn) and n.name.upper() == "ROWNUM") or (
        isinstance(n, exp.Column) and n.name.upper() == "ROWNUM" and not n.table
    )


def _rownum(select: exp.Select):
    where = select.args.get("where")
    limits = []
    if where:
        conj = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
        keep = []
        for c in conj:
            c0 = c.unnest() if isinstance(c, exp.Paren) else c
            if isinstance(c0, (exp.LTE, exp.LT)) and _is_rownum(c0.left):
                limits.append(
                    c0.right.copy()
                    if isinstance(c0, exp.LTE)
                    else exp.Sub(
                        this=exp.Paren(this=c0.right.copy()), expression=exp.Literal.number(1)
                    )
                )
            elif isinstance(c0, exp.EQ) and _is_rownum(c0.left):
                limits.append(c0.right.copy())
            else:
                keep.append(c)
        if limits:
            select.set("where", exp.Where(this=exp.and_(*keep)) if keep else None)
    uses = [
        n
        for n in select.find_all(exp.Pseudocolumn, exp.Column)
        if _is_rownum(n) and n.find_ancestor(exp.Select) is select
    ]
    for n in uses:
        n.replace(raw("(row_number() over ())::numeric"))
    if limits:
        lim = limits[0] if len(limits) == 1 else exp.Least(this=limits[0], expressions=limits[1:])
        lim = exp.Limit(expression=exp.Cast(this=lim, to=raw("bigint")))
        if select.args.get("order"):  # ROWNUM is applied before ORDER BY in the same block
            order = select.args["order"]
            select.set("order", None)
            select.set("limit", lim)
            return order
        select.set("limit", lim)
    return None


def strict(sql, e, names):
    """Refuse what sqlglot accepts but Oracle 19c does not, so that a PostgreSQL-ism cannot pass."""
    bare = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", " '' ", sql, flags=re.DOTALL)
    for pat, code, msg in (
        (r"::|\$\d|%\(|`|==|;", 911, "invalid character"),
        (
            r"\bLIMIT\b|\bILIKE\b|\bON\s+CONFLICT\b|\bTABLESAMPLE\b|\bSELECT\s+TOP\b|\bUSING\s+\w+\s*$|\bSERIAL\b|\bARRAY\s*\[|\[\s*\w+\s*\]",
            933,
            "SQL command not properly ended",
        ),
        (r"\b(DROP|CREATE)\s+TABLE\s+IF\b", 933, "SQL command not properly ended"),
        (r",\s*FROM\b|\bSELECT\s+FROM\b|\bGROUP\s+BY\s*$", 936, "missing expression"),
        (r"\b(=|<|>|IS|SELECT|,|\()\s*(TRUE|FALSE)\b", 904, '"TRUE": invalid identifier'),
    ):
        m = re.search(pat, bare, re.IGNORECASE)
        if m:
            raise OracleError(code, f"{msg} (near {m.group(0)!r})", m.start())
    if isinstance(e, exp.Update) and e.args.get("from_"):
        raise OracleError(933, "SQL command not properly ended (UPDATE ... FROM)")
    for q in e.find_all(exp.Select):
        if not q.args.get("from_") and not q.args.get("from"):
            raise OracleError(923, "FROM keyword not found where expected")
    for q in e.find_all(exp.In):
        if len(q.expressions) > 1000:
            raise OracleError(1795, "maximum number of expressions in a list is 1000")
    for i in e.find_all(exp.Identifier):
        if len(i.name.encode()) > 128:
            raise OracleError(972, "identifier is too long")
    for v in e.find_all(exp.Values):
        if len(v.expressions) > 1:
            raise OracleError(933, "SQL command not properly ended (multi-row VALUES needs 23ai)")


@functools.lru_cache(maxsize=4096)
def translate(sql: str):
    """-> dict(sql, kind, nbinds, scn) ; sql uses $n in bind-occurrence order."""
    killed = re.match(r"\s*ALTER\s+SYSTEM\s+KILL\s+SESSION\s+'(\d+),", sql, re.IGNORECASE)
    if killed:
        ended = f"SELECT pg_terminate_backend({killed.group(1)})"
        return {"kind": "plsql", "sql": [ended], "names": [], "scn": None}
    sql = re.sub(  # an index stands in its table's schema, and PostgreSQL wants it unnamed
        r"^(\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+)[\w\"$]+\.", r"\1", sql, flags=re.IGNORECASE
    )
    sql = re.sub(r"FOR\s+UPDATE\s+WAIT\s+\d+", "FOR UPDATE", sql)  # the caller bounds the wait
    sql = sql.replace("serial#", '"SERIAL#"')  # which the parser takes for a comment
    body, names = number_binds(
        sql.strip().rstrip(";")
        if not re.match(r"\s*(begin|declare)\b", sql, re.IGNORECASE)
        else sql
    )
    head = re.match(r"\s*(?:/\*.*?\*/|--[^\n]*\n|\s)*\(*\s*(\w+)", body, re.DOTALL)
    kw = head.group(1).upper() if head else ""
    if kw in ("BEGIN", "DECLARE", "CALL"):
        uniq = list(dict.fromkeys(names))  # PL/SQL binds are sent once per name
        body = re.sub(
            r":ora_b(\d+) ", lambda m: f":ora_b{uniq.index(names[int(m.group(1)) - 1]) + 1} ", body
        )
        return dict(kind="plsql", sql=_plsql(body), names=uniq, scn=None)
    if kw in ("ALTER",) and re.match(r"\s*ALTER\s+SESSION", body, re.IGNORECASE):
        return dict(kind="nop", sql=body, names=names, scn=None)
    if kw == "COMMENT":
        m = re.match(
            r"\s*COMMENT\s+ON\s+TABLE\s+(\S+)\s+IS\s+('.*')", body, re.DOTALL | re.IGNORECASE
        )
        return dict(
            kind="ddl",
            sql=f"COMMENT ON TABLE {m.group(1) if chr(34) in m.group(1) else m.group(1).upper()} IS {m.group(2)}",
            names=names,
            scn=None,
        )
    if kw in ("SET", "SAVEPOINT", "LOCK", "ANALYZE", "GRANT", "REVOKE", "EXPLAIN"):
        return dict(
            kind={"SET": "set", "SAVEPOINT": "savepoint", "LOCK": "lock"}.get(kw, "nop"),
            sql=body,
            names=names,
            scn=None,
        )
    if kw in ("CREATE", "DROP", "TRUNCATE", "ALTER"):
        body = _STRIP.sub(" ", body)
        body = re.sub(r"\bBINARY_FLOAT\b", "ORA_BF", body, flags=re.IGNORECASE)
        body = re.sub(r"(\(\s*\d+)\s+(CHAR|BYTE)\s*\)", r"\1)", body, flags=re.IGNORECASE)
    check = re.match(
        r"\s*(ALTER\s+TABLE\s+\S+\s+ADD)\s+CHECK\s*\((.*)\)\s*$", body, re.IGNORECASE | re.DOTALL
    )
    if check:  # which the parser does not know
        condition = translate(f"SELECT 1 FROM dual WHERE {check.group(2)}")["sql"]
        _, _, condition = condition.partition(" WHERE ")
        made = f"{check.group(1)} CHECK ({condition})"
        return {"kind": "ddl", "sql": made, "names": names, "scn": None}
    try:
        e = sqlglot.parse_one(body, read="oracle")
    except sqlglot.errors.ParseError as x:
        raise OracleError(
            933,
            "SQL command not properly ended (stand-in parser: %s)" % str(x).split("\n")[0][:120],
        )
    if isinstance(e, exp.Command):
        raise OracleError(900, f"invalid SQL statement (stand-in cannot run: {kw})")
    strict(sql, e, names)
    scn = None
    for t in list(e.find_all(exp.Version)):
        if (
            (t.args.get("this") or t).name.upper() == "SCN"
            if not isinstance(t.this, str)
            else t.this.upper() == "SCN"
        ):
            scn = t.args["expression"].sql("oracle")
        t.pop()
    top = e
    while isinstance(top, (exp.SetOperation,)):
        top = top.this
    if isinstance(top, exp.Select):  # Oracle names an unaliased expression by its text
        for p in list(top.expressions):
            if (
                not isinstance(p, (exp.Alias, exp.Column, exp.Star))
                and not p.is_star
                and not isinstance(p, exp.Pseudocolumn)
            ):
                txt = (
                    re.sub(r"ora_b(\d+)", lambda m: names[int(m.group(1)) - 1], p.sql("oracle"))
                    .upper()
                    .replace(" ", "")[:128]
                )
                p.replace(exp.Alias(this=p.copy(), alias=_ident(txt)))
    # ROWNUM (innermost first)
    for s in reversed(list(e.find_all(exp.Select))):
        order = _rownum(s)
        if order is not None:
            inner = s.copy()
            new = exp.select("*").from_(
                exp.Subquery(this=inner, alias=exp.TableAlias(this=_ident("ORA$Q")))
            )
            new.set("order", order)
            for c in new.args["order"].find_all(exp.Column):
                c.set("table", None)
            if s is e:
                e = new
            else:
                s.replace(new)
    n = 0
    for q in e.find_all(exp.Subquery):
        if isinstance(q.parent, (exp.From, exp.Join)) and not q.alias:
            n += 1
            q.set("alias", exp.TableAlias(this=_ident(f"ORA$SQ{n}")))

    def tr(node):
        if isinstance(node, exp.Dot):  # pkg.func / pkg.func(args)
            parts = node.sql("postgres").split("(", 1)
            low = parts[0].replace('"', "").lower()
            if low in ("dbms_flashback.get_system_change_number",):
                return raw("ora.nextscn()")
            return raw(low + ("(" + parts[1] if len(parts) > 1 else "()"))
        if isinstance(node, exp.Column) and node.table and node.table.lower().startswith("dbms_"):
            f = f"{node.table.lower()}.{node.name.lower()}"
            return raw(
                "ora.nextscn()" if f == "dbms_flashback.get_system_change_number" else f + "()"
            )
        if (
            isinstance(node, exp.Column)
            and not node.table
            and node.name.upper() in ("DBTIMEZONE", "SESSIONTIMEZONE")
        ):
            return raw("'+00:00'::varchar")
        if isinstance(node, exp.Identifier):
            return node if node.args.get("quoted") else _ident(node.name.upper())
        if isinstance(node, exp.Placeholder):
            return raw("$" + node.name[5:]) if str(node.name).startswith("ora_b") else node
        if isinstance(node, exp.DataType):
            return _map_type(node)
        if type(node).__name__ == "Systimestamp":
            return raw("CURRENT_TIMESTAMP(6)")
        if isinstance(node, exp.CurrentTimestamp):
            return (
                raw("date_trunc('second',LOCALTIMESTAMP)::timestamp(0)")
                if node.args.get("sysdate")
                else raw("CURRENT_TIMESTAMP(6)")
            )
        if isinstance(node, exp.Literal) and node.is_string and node.name == "":
            return exp.null()
        if isinstance(node, exp.ToNumber):
            return exp.Anonymous(this="ora.to_number", expressions=[node.this])
        if isinstance(node, exp.DPipe):
            return exp.func(
                "NULLIF",
                exp.Anonymous(this="concat", expressions=[node.left, node.right]),
                exp.Literal.string("\x00EMPTY"),
            )
        if isinstance(node, exp.Anonymous):
            nm = node.name.upper()
            if nm in ("ORA_HASH", "CHARTOROWID", "ROWIDTOCHAR", "SYS_CONTEXT"):
                return exp.Anonymous(this="ora." + nm.lower(), expressions=node.expressions)
            if nm in ("EMPTY_CLOB", "EMPTY_BLOB"):
                return raw("''::ora.clob" if nm == "EMPTY_CLOB" else "''::ora.blob")
            return exp.Anonymous(this=node.name.lower(), expressions=node.expressions)
        if isinstance(node, exp.TableSample):
            node.set("method", exp.Var(this="BERNOULLI"))
            return node
        if isinstance(node, exp.Hint):
            return None
        return node

    # ROWID
    def rowid(node):
        is_rid = isinstance(node, (exp.Pseudocolumn, exp.Column)) and node.name.upper() == "ROWID"
        if not is_rid:
            return node
        tbl = f'"{node.table.upper()}".' if node.table else ""
        par = node.parent
        if (
            isinstance(par, (exp.Between, exp.EQ, exp.GTE, exp.LTE, exp.GT, exp.LT))
            and par.this is node
        ):
            for k in ("low", "high", "expression"):
                v = par.args.get(k)
                if v is not None:
                    par.set(
                        k,
                        exp.Anonymous(
                            this="ora.tidof", expressions=[exp.Cast(this=v.copy(), to=raw("text"))]
                        ),
                    )
            return raw(f"{tbl}ctid")
        r = raw(f"ora.mkrowid({tbl}tableoid, {tbl}ctid)")
        return exp.Alias(this=r, alias=_ident("ROWID")) if isinstance(par, exp.Select) else r

    for fn in (rowid, tr):  # bottom-up, so children are done first
        for node in reversed(list(e.walk(bfs=True))):
            if node is not e and node.parent is None:
                continue
            new = fn(node)
            if new is node:
                continue
            if node is e:
                e = new
            elif new is None:
                node.pop()
            else:
                node.replace(new)
    out = e.sql("postgres", unsupported_level=sqlglot.ErrorLevel.IGNORE, comments=False)
    out = out.replace("'\x00EMPTY'", "''")
    kind = {
        "SELECT": "query",
        "WITH": "query",
        "INSERT": "dml",
        "UPDATE": "dml",
        "DELETE": "dml",
        "MERGE": "dml",
    }.get(kw, "ddl")
    return dict(kind=kind, sql=out, names=names, scn=scn)


def _plsql(body):
    """Only blocks made of plain procedure calls (and NULL;) are run: each becomes SELECT pkg.proc(...)."""
    m = re.match(r"\s*(?:BEGIN)\s+(.*?)\s*END\s*;?\s*$", body, re.DOTALL | re.IGNORECASE)
    if not m:
        raise OracleError(
            6550, "line 1, column 1: PLS-00103 (stand-in runs only BEGIN call; ... END;)"
        )
    calls = []
    for st in re.findall(r"((?:[^;']|'(?:[^']|'')*')+);", m.group(1)):
        st = st.strip()
        if not st or st.upper() == "NULL":
            continue
        if not re.match(r"^[\w.]+\s*(\(.*\))?$", st, re.DOTALL):
            raise OracleError(6550, f"line 1, column 7: PLS-00201 (stand-in): {st[:60]}")
        st = re.sub(r":ora_b(\d+) ?", r"$\1", st)
        calls.append("SELECT " + (st if "(" in st else st + "()"))
    return calls
