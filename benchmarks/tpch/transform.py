"""The transform workload, as a data scientist writes it."""

from __future__ import annotations

from typing import Literal

import pandas as pd

Double = Literal["double[pyarrow]", "float64"]

ARROW_DOUBLE: Double = "double[pyarrow]"
NUMPY_DOUBLE: Double = "float64"


def transform(lineitem: pd.DataFrame, double: Double = ARROW_DOUBLE) -> pd.DataFrame:
    """Drop the seventh lines, add a revenue, put the comments in upper case."""
    kept = lineitem[lineitem.l_linenumber < 7]
    price, discount = kept.l_extendedprice.astype(double), kept.l_discount.astype(double)
    return kept.assign(revenue=price * (1 - discount), l_comment=kept.l_comment.str.upper())
