"""Which characters a database of PostgreSQL can hold, by its encoding."""

from __future__ import annotations

from mapper_dask.dialects.session import Driver
from mapper_dask.schema.fitting import LEDGER, WHOLE, Fitting

HOLD_ALL = ("UTF8", "SQL_ASCII")
"""Encodings of which no text is refused: SQL_ASCII keeps the bytes of UTF-8 as they are sent."""

CODECS = {
    "LATIN1": "iso8859_1", "LATIN2": "iso8859_2", "LATIN3": "iso8859_3", "LATIN4": "iso8859_4",
    "LATIN5": "iso8859_9", "LATIN6": "iso8859_10", "LATIN7": "iso8859_13", "LATIN8": "iso8859_14",
    "LATIN9": "iso8859_15", "LATIN10": "iso8859_16", "ISO_8859_5": "iso8859_5",
    "ISO_8859_6": "iso8859_6", "ISO_8859_7": "iso8859_7", "ISO_8859_8": "iso8859_8",
    "KOI8R": "koi8_r", "KOI8U": "koi8_u", "WIN866": "cp866", "WIN874": "cp874",
    "WIN1250": "cp1250", "WIN1251": "cp1251", "WIN1252": "cp1252", "WIN1253": "cp1253",
    "WIN1254": "cp1254", "WIN1255": "cp1255", "WIN1256": "cp1256", "WIN1257": "cp1257",
    "WIN1258": "cp1258", "EUC_CN": "gb2312", "EUC_JP": "euc_jp",
}  # fmt: skip
"""Encodings whose characters Python knows as the server does: each was compared with the server's
own conversion, as a test does again. Of any other, only ASCII is relied on."""

UNLIKE = {"EUC_JP": frozenset("\xa2\xa3\xa5\xa6\xac\u2016\u203e\u2212\u301c")}
"""Characters that Python's codec has, and that the server's conversion lacks or does not give back:
it takes their wide forms instead."""


def fitting(encoding: str | None) -> Fitting:
    """Return what a database of an encoding holds; of an unknown one, everything."""
    if encoding is None or encoding in HOLD_ALL:
        return WHOLE
    return Fitting(CODECS.get(encoding, "ascii"), UNLIKE.get(encoding, frozenset()))


def of_query(conn: Driver, name: str) -> Fitting:
    """Return how a named query's texts are made to fit: the ledger's alone are."""
    if not name.startswith(LEDGER):
        return WHOLE
    return fitting(conn.info.parameter_status("server_encoding"))
