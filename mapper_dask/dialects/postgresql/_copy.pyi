from collections.abc import Callable
from typing import TypeAlias

_Refusal: TypeAlias = tuple[str | None, str | None, str | None, str | None]

def copy_out(
    functions: tuple[int, ...],
    connection: int,
    sql: bytes,
    sink: Callable[[memoryview], object],
    wanted: int,
    /,
) -> int | _Refusal: ...
def relay(
    functions: tuple[int, ...], source: int, target: int, out: bytes, into: bytes, wanted: int, /
) -> tuple[int | _Refusal | None, int | _Refusal | None]: ...
