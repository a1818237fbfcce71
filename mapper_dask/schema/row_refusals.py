"""Remedies for rows that a target refuses because of their values. Pure."""

from __future__ import annotations

APART = "set such rows aside by reject_limit"

NO_VALUE = f"fill it in source_sql or in the function, or {APART}"
RULE = f"leave such rows out in source_sql or in the function, or {APART}"
PARENT = f"load the rows that it refers to before, or {APART}"
TOO_LONG = f"make the column wider, shorten the value in source_sql or in the function, or {APART}"
