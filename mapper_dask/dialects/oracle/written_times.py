"""Times as texts, in the one form that passes between databases, and in Oracle's own. Pure.

The form is PostgreSQL's: ``0044-03-15 12:00:00.5+00 BC``, a fraction no longer than it must be, a
zone (UTC) where the type has one. Oracle's formats write nine digits, and a sign before the year.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def passed_on(texts: pa.ChunkedArray, *, zoned: bool) -> pa.ChunkedArray:
    """Return texts of SYYYY-MM-DD HH24:MI:SS.FF9 in the form that passes between databases."""
    texts = pc.ascii_rtrim(pc.ascii_rtrim(pc.utf8_trim_whitespace(texts), "0"), ".")
    texts = pc.binary_join_element_wise(texts, "+00", "") if zoned else texts
    return pc.replace_substring_regex(texts, "^-(.*)$", r"\1 BC")


def of_oracle(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts that came from any database as SYYYY-MM-DD HH24:MI:SS.FF9 reads them."""
    signed = pc.replace_substring_regex(texts, "^(.*) BC$", r"-\1")
    return pc.replace_substring_regex(signed, r"\+00$", "")
