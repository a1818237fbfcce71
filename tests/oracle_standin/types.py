"""Oracle's types of columns as PostgreSQL's."""

from __future__ import annotations

import re

from sqlglot import exp

INTEGERS = frozenset(["INT", "BIGINT", "SMALLINT", "TINYINT"])
KNOWN_DIGITS = 6
"""Of a second, which PostgreSQL's own times keep."""

SPANS = (
    (r"INTERVAL\s+DAY\s*(?:\(\s*\d\s*\))?\s+TO\s+SECOND\s*(?:\(\s*\d\s*\))?", "ORA_DAY_TO_SECOND"),
    (r"INTERVAL\s+YEAR\s*(?:\(\s*\d\s*\))?\s+TO\s+MONTH", "ORA_YEAR_TO_MONTH"),
    (r"\bBINARY_FLOAT\b", "ORA_BINARY_FLOAT"),
    (r"\bNCLOB\b", "ORA_NCLOB"),
    (r"(?<=\s)LONG\s+RAW(?=\s*[,)]|\s+NOT\b|\s+NULL\b)", "ORA_LONG_RAW"),
    (r"(?<=\s)LONG(?=\s*[,)]|\s+NOT\b|\s+NULL\b)", "ORA_LONG"),
)
"""Types the parser does not know, or takes for others, under names of our own."""

OWN = {
    "ORA_DAY_TO_SECOND": "interval day to second",
    "ORA_YEAR_TO_MONTH": "interval year to month",
    "ORA_BINARY_FLOAT": "float4",
    "ORA_NCLOB": "ora.nclob",
    "ROWID": "ora.rowid",
    "RAW": "bytea",
    "ORA_LONG_RAW": "ora.blob",
    "ORA_LONG": "ora.clob",
}


def renamed(sql: str) -> str:
    """Return a statement with the parser's blind spots under names of our own."""
    for pattern, name in SPANS:
        sql = re.sub(pattern, name, sql, flags=re.IGNORECASE)
    return re.sub(r"(\(\s*\d+)\s+(?:CHAR|BYTE)\s*\)", r"\1)", sql, flags=re.IGNORECASE)


def postgres_type(kind: exp.DataType) -> str | None:
    """Return PostgreSQL's name of a type; None where it is the same."""
    sizes = [str(size.name if hasattr(size, "name") else size) for size in kind.expressions]
    name = getattr(kind.this, "name", str(kind.this))
    written = kind.sql("oracle").upper()
    for own, known in sorted(OWN.items(), key=lambda pair: -len(pair[0])):
        if re.match(rf"{own}\b", written):
            return known
    if name in INTEGERS:
        return "numeric(38,0)"
    sized = f"({','.join(sizes)})" if sizes else ""
    one = sizes[0].split()[0] if sizes else ""
    fixed = {
        "DECIMAL": f"numeric{sized}",
        "FLOAT": "ora.float",
        "DOUBLE": "float8",
        "DATE": "timestamp(0)",
        "DATETIME": "timestamp(0)",
        "TIMESTAMPLTZ": f"timestamptz({one or KNOWN_DIGITS})",
        "TEXT": "ora.clob",
        "BLOB": "ora.blob",
        "LONGBLOB": "ora.blob",
        "VARBINARY": "ora.blob" if "BLOB" in written else "bytea",
        "BINARY": "ora.blob" if "BLOB" in written else "bytea",
        "VARCHAR": f"varchar({one})" if one else "varchar",
        "NVARCHAR": f"ora.nvarchar({one})" if one else "ora.nvarchar",
        "CHAR": f"char({one or 1})",
        "NCHAR": f"ora.nchar({one or 1})",
    }
    if name in fixed:
        return fixed[name]
    if name in ("TIMESTAMP", "TIMESTAMPNTZ"):
        digits = int(one or KNOWN_DIGITS)
        return f"timestamp({digits})" if digits <= KNOWN_DIGITS else "ora.timestamp9"
    if name == "TIMESTAMPTZ":
        return "ora.zoned" if int(one or KNOWN_DIGITS) <= KNOWN_DIGITS else "ora.zoned9"
    return None
