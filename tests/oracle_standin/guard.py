"""Refuses what the parser takes but Oracle 19c does not, so that a PostgreSQL-ism cannot pass."""

from __future__ import annotations

import re

from sqlglot import exp

from tests.oracle_standin.errors import OracleError

QUIET = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Texts, quoted names and comments: nothing in them is a part of the language."""

NOT_ENDED = "SQL command not properly ended"
FOREIGN = (
    (r"::|\$\d|%\(|`|==|;", 911, "invalid character"),
    (
        r"\bLIMIT\b|\bILIKE\b|\bON\s+CONFLICT\b|\bTABLESAMPLE\b|\bSELECT\s+TOP\b",
        933,
        NOT_ENDED,
    ),
    (r"\bUSING\s+\w+\s*$|\bSERIAL\b(?!#)|\bARRAY\s*\[|\[\s*\w+\s*\]", 933, NOT_ENDED),
    (r"\b(?:DROP|CREATE)\s+TABLE\s+IF\b", 933, NOT_ENDED),
    (r"\bFROM\s+[\w.$#]+\s+AS\s+(?!OF\b)\w", 933, NOT_ENDED),
    (r",\s*FROM\b|\bSELECT\s+FROM\b|\bGROUP\s+BY\s*$", 936, "missing expression"),
    (r"(?:=|<|>|\bIS|\bSELECT|,|\()\s*\b(?:TRUE|FALSE)\b", 904, '"TRUE": invalid identifier'),
)

LONGEST_LIST, LONGEST_NAME = 1000, 128


def require_oracle(sql: str, tree: exp.Expression) -> None:
    """Raise what Oracle would answer to a statement of another database."""
    bare = QUIET.sub(" '' ", sql)
    for pattern, code, message in FOREIGN:
        found = re.search(pattern, bare, re.IGNORECASE)
        if found:
            raise OracleError(code, f"{message} (near {found.group(0)!r})", found.start())
    if isinstance(tree, exp.Update) and tree.args.get("from_"):
        raise OracleError(933, f"{NOT_ENDED} (UPDATE ... FROM)")
    for query in tree.find_all(exp.Select):
        if not query.args.get("from_") and not query.args.get("from"):
            raise OracleError(923, "FROM keyword not found where expected")
    if any(len(found.expressions) > LONGEST_LIST for found in tree.find_all(exp.In)):
        raise OracleError(1795, "maximum number of expressions in a list is 1000")
    if any(len(name.name.encode()) > LONGEST_NAME for name in tree.find_all(exp.Identifier)):
        raise OracleError(972, "identifier is too long")
    if any(len(values.expressions) > 1 for values in tree.find_all(exp.Values)):
        raise OracleError(933, f"{NOT_ENDED} (multi-row VALUES needs 23ai)")
