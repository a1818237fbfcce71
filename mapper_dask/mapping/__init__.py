"""What a job file does to columns without Python: names, types, constants, expressions.

Light to import: whoever only checks an expression loads no pandas for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapper_dask.mapping.transform import Transform

__all__ = ["Transform"]


def __getattr__(name: str) -> Any:
    if name != "Transform":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from mapper_dask.mapping.transform import Transform

    return Transform
