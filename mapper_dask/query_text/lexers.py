"""Finds texts that the database's lexer may read otherwise than the parser. Pure."""

from __future__ import annotations

import re

_SEEN_ALIKE = re.compile(
    r"""
      (?<![\w$]) [eE]'(?:[^'\\]|''|\\.)*+' (?!\s*[\r\n](?:\s|--[^\r\n]*[\r\n])*')
    | (?<![eE&]) '(?:[^'\\]|\\(?!'))*+'
    | (?<!&) "[^"]*"
    | (?<![\w$]) \$(\w*)\$ .*? \$\1\$
    | --[^\r\n\f\v\x85\u2028\u2029]*
    | /\*(?:(?!/\*|\*/).|/\*(?:(?!/\*|\*/).)*+\*/)*+\*/
    """,
    re.DOTALL | re.VERBOSE,
)
"""Strings, names and comments on which lexers agree: no backslash of a plain string precedes a
quote, no string with escapes continues on another line, comments nest by one level at most."""

_READ_OTHERWISE = re.compile(r"""['"$]|/\*|\r(?!\n)|[\f\v\x85\u2028\u2029]""")

NOTHING = re.compile(r"(?:[; \t\r\n]|--[^\r\n]*(?=[\r\n]|\Z)|/\*[^*/]*\*/)*")
"""Blanks, semicolons and comments that every lexer sees."""


def differ(text: str, grammar: str) -> bool:
    """Return whether a text holds what PostgreSQL's lexer and the parser's may see differently.

    Such a text is not looked into: a table that is found in a string of the database's is none.
    It is a backslash before a quote (an escape or not, as a setting says), a dollar in a name, a
    string with escapes that continues, and what ends a comment or a line for one of them only.
    """
    if grammar != "postgres":
        return False
    return _READ_OTHERWISE.search(_SEEN_ALIKE.sub(" ", text)) is not None
