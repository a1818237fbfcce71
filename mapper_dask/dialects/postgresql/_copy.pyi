from collections.abc import Callable

def copy_out(
    functions: tuple[int, ...],
    connection: int,
    sql: bytes,
    sink: Callable[[bytes], object] | None,
    fd: int,
    wanted: int,
    /,
) -> int | tuple[str | None, str]: ...
