"""Which characters a database of Oracle can hold in its texts, by its character set.

It does not refuse a character it cannot hold: it stores another one in its place.
"""

from __future__ import annotations

from mapper_dask.dialects.oracle import settings
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.fitting import LEDGER, WHOLE, Fitting

HOLD_ALL = ("AL32UTF8", "UTF8", "UTFE")

CODECS = {
    "WE8ISO8859P1": "iso8859_1", "EE8ISO8859P2": "iso8859_2", "CL8ISO8859P5": "iso8859_5",
    "EL8ISO8859P7": "iso8859_7", "WE8ISO8859P9": "iso8859_9", "WE8ISO8859P15": "iso8859_15",
    "EE8MSWIN1250": "cp1250", "CL8MSWIN1251": "cp1251", "WE8MSWIN1252": "cp1252",
    "EL8MSWIN1253": "cp1253", "TR8MSWIN1254": "cp1254", "BLT8MSWIN1257": "cp1257",
}  # fmt: skip
"""Character sets that Python knows; of any other, only ASCII is relied on."""


def fitting(characters: str | None) -> Fitting:
    """Return what a database of a character set holds; of an unknown one, everything."""
    if characters is None or characters in HOLD_ALL:
        return WHOLE
    return Fitting(CODECS.get(characters, "ascii"))


def of_query(conn: Driver, name: str) -> Fitting:
    """Return how a named query's texts are made to fit: the ledger's alone are."""
    return fitting(settings.characters(conn)) if name.startswith(LEDGER) else WHOLE
