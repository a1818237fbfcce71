"""What PostgreSQL refuses, in Oracle's numbers and words."""

from __future__ import annotations

import re

from psycopg import pq


class OracleError(Exception):
    """An error as Oracle says it."""

    def __init__(self, code, msg, pos=0):
        self.code, self.msg, self.pos = code, msg, pos
        super().__init__(f"ORA-{code:05d}: {msg}")


SQLSTATE = {
    "23505": 1,
    "23502": 1400,
    "23503": 2291,
    "23514": 2290,
    "22001": 12899,
    "22003": 1438,
    "42P01": 942,
    "42703": 904,
    "42601": 933,
    "22P02": 1722,
    "22012": 1476,
    "40P01": 60,
    "40001": 8177,
    "55P03": 54,
    "57014": 1013,
    "42P07": 955,
    "22007": 1861,
    "22008": 1843,
    "42883": 904,
    "42501": 1031,
    "57P01": 28,
    "3F000": 942,
    "42804": 932,
    "42P18": 932,
}


def ora_error(res, upd=False):
    f = lambda k: (res.error_field(k) or b"").decode()
    D = pq.DiagnosticField
    st, msg = f(D.SQLSTATE), f(D.MESSAGE_PRIMARY)
    sch, tab, col, con = f(D.SCHEMA_NAME), f(D.TABLE_NAME), f(D.COLUMN_NAME), f(D.CONSTRAINT_NAME)
    code = SQLSTATE.get(st, 3001)
    if code == 1:
        msg = f"unique constraint ({sch}.{con.upper()}) violated"
    elif code == 1400:
        if upd:
            code, msg = 1407, f'cannot update ("{sch}"."{tab}"."{col}") to NULL'
        else:
            msg = f'cannot insert NULL into ("{sch}"."{tab}"."{col}")'
    elif code == 2291:
        if "still referenced" in f(D.MESSAGE_DETAIL):
            code, msg = 2292, f"integrity constraint ({sch}.{con}) violated - child record found"
        else:
            msg = f"integrity constraint ({sch}.{con}) violated - parent key not found"
    elif code == 942:
        msg = "table or view does not exist"
    elif code == 904:
        m = re.search(r'"?column "?([^"]+)"? does not', msg)
        msg = f'"{m.group(1) if m else msg}": invalid identifier'
    elif code == 12899:
        m = re.search(r"\((\d+)\)", msg)
        msg = f"value too large for column (maximum: {m.group(1) if m else '?'})"
    elif code == 1438 and msg == "numeric overflow":
        code = 1426
    elif code == 1438:
        msg = "value larger than specified precision allowed for this column"
    elif code == 1722:
        msg = "invalid number"
    elif code == 955:
        msg = "name is already used by an existing object"
    elif code == 28:
        msg = "your session has been killed"
    elif code == 1013:
        msg = "user requested cancel of current operation"
    elif code == 54:
        msg = "resource busy and acquire with NOWAIT specified or timeout expired"
    elif code in (3001, 933, 932):
        msg = f"unimplemented feature or bad SQL (stand-in; PostgreSQL {st}: {msg})"
    return OracleError(code, msg)
