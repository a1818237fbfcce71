"""Options, clusters, functions and scripts refused before the first row moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.errors import (
    ConfigurationError,
    TargetError,
    UnknownOptionError,
)
from tests.database import Databases
from tests.integration.refusals.shop import (
    ROWS,
    SECRET,
    SIZE,
    Refused,
    assert_untouched,
    move,
    secretive,
    tables,
)
from tests.scripts import run_script


@pytest.mark.parametrize("name", ["chunk_size", "max_workers", "retries"])
@pytest.mark.parametrize("value", [0, -1, True, "100", 1.5, 100.0, [100]], ids=repr)
def test_a_count_that_is_none(name: str, value: Any) -> None:
    """A processor that could not run is not made."""
    with pytest.raises(ConfigurationError) as caught:
        ParallelProcessor(**{name: value})
    other = " or 'auto'" if name == "chunk_size" else ""
    assert str(caught.value) == f"{name} must be an integer of at least 1{other}, got {value!r}"
    assert caught.value.details["field"] == name


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        *(
            ("chunk_size", value, "must be an integer of at least 1")
            for value in (0, -1, True, "100", 1.5, None)
        ),
        *(
            ("reject_limit", value, "must be an integer of at least 0")
            for value in (-1, True, "1", 0.5)
        ),
        *(
            ("strategy", value, "must be one of OFFSET_LIMIT, KEY_BASED, ROWID_BASED or None")
            for value in ("fastest", "", 1, ["KEY_BASED"])
        ),
        *(
            ("on_error", value, "must be 'abort' or 'continue'")
            for value in ("ignore", "", None, ["abort"])
        ),
        *(
            ("write_disposition", value, "must be 'append', 'replace' or 'merge'")
            for value in ("upsert", "", None, ["append"])
        ),
        *(
            ("dtype_backend", value, "must be 'pyarrow' or 'numpy_nullable'")
            for value in ("numpy", None)
        ),
        *(
            ("transformation_logic", value, "must be a function DataFrame → DataFrame or None")
            for value in (5, "lambda f: f", pd.DataFrame())
        ),
        *(
            ("columns", value, "must be a list of column names, each once")
            for value in ([], "id", ["id", "id"], [1])
        ),
        (
            "columns",
            ["id", "nothing"],
            "'nothing' is not a column of the query; it has: id, name, price",
        ),
        *(
            ("primary_key", value, "must be a column name, a list of them, or None")
            for value in (5, [], ["id", "id"])
        ),
        ("newest_by", "id", "needs write_disposition='merge'"),
        *(("target_table", value, "must be a name or None") for value in (5, "", ["sold"])),
        *(("target_schema", value, "must be a name or None") for value in (5, "", ["public"])),
        *(("run_id", value, "must be a name or None") for value in (5, "", ["r"])),
        *(("atomic", value, "must be True or False") for value in ("no", 1, None)),
        *(("consistent", value, "must be True or False") for value in ("no", 0, None)),
        ("retires", 3, "it has atomic, chunk_size, "),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_an_option_of_no_use(refused: Refused, field: str, value: Any, remedy: str) -> None:
    kind = UnknownOptionError if field == "retires" else ConfigurationError
    assert remedy in str(refused(kind, field, **{field: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"primary_key": "nothing"},
        {"primary_key": ["id", "nothing"]},
        {"primary_key": "id", "newest_by": "nothing"},
    ],
    ids=str,
)
def test_a_merge_by_a_column_that_is_not_there(
    refused: Refused, changes: dict[str, Any], shop: Databases
) -> None:
    shop.target.execute("ALTER TABLE sold ADD PRIMARY KEY (id)")
    field = "newest_by" if "newest_by" in changes else "primary_key"
    assert "nothing" in str(refused(TargetError, field, write_disposition="merge", **changes))


def test_a_merge_without_a_key(refused: Refused) -> None:
    refused(TargetError, "primary_key", write_disposition="merge")


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({"client": "tcp://127.0.0.1:8786"}, "client"),
        ({"client": SimpleNamespace(submit=None), "scheduler_address": "s"}, "scheduler_address"),
    ],
    ids=["an address as client", "two clusters"],
)
def test_a_cluster_that_is_none(where: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match="scheduler_address") as caught:
        ParallelProcessor(**where)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize("address", ["nowhere", "nonsense://127.0.0.1:1"])
def test_an_address_that_is_none(refused: Refused, address: str) -> None:
    processor = ParallelProcessor(2, SIZE, scheduler_address=address)
    refused(ConfigurationError, "scheduler_address", processor=processor)


def _holding(lock: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def function(frame: pd.DataFrame) -> pd.DataFrame:
        with lock:
            return frame

    return function


def test_a_function_that_does_not_pickle(refused: Refused, shop: Databases) -> None:
    """The error says what it holds and where to open that; in this process it may run."""
    function = _holding(threading.Lock())
    error = refused(ConfigurationError, "transformation_logic", transformation_logic=function)
    assert "cannot pickle '_thread.lock' object" in str(error)
    assert "inside the function, or pass enable_parallel=False" in str(error)
    here = ParallelProcessor(chunk_size=SIZE, enable_parallel=False)
    move(shop, processor=here, transformation_logic=function).raise_for_status()


# -- scripts ---------------------------------------------------------------------------------------


SCRIPT = """\
from mapper_dask import ParallelProcessor

def dearer(frame):
    return frame.assign(price=frame.price * 2)

processor = ParallelProcessor(max_workers=2, chunk_size=100, enable_parallel={parallel})
result = processor.process_mapper_job(
    "env:SOURCE", "SELECT * FROM shop", dearer, "env:TARGET", None, "sold"
)
print(result.raise_for_status().total_rows_successful)
"""


def run_mover(shop: Databases, path: Path, *, parallel: bool) -> Any:
    path.write_text(SCRIPT.format(parallel=parallel))
    urls = [secretive(database).render_as_string(hide_password=False) for database in shop]
    return run_script(path, SOURCE=urls[0], TARGET=urls[1])


def test_a_script_without_a_guard(shop: Databases, tmp_path: Path) -> None:
    """Two lines at the end of one short traceback, instead of one a worker and an attempt."""
    script = tmp_path / "mover.py"
    run = run_mover(shop, script, parallel=True)
    assert (run.returncode, run.stdout) == (1, "")
    where, remedy = run.stderr.splitlines()[-2:]
    assert f"MainGuardError: {script}, line 7: " in where
    assert 'if __name__ == "__main__":' in remedy
    assert "enable_parallel=False" in remedy
    assert run.stderr.count("Traceback") == 1
    assert len(run.stderr) < 3_000
    assert SECRET not in run.stderr
    assert_untouched(shop)


def test_an_unguarded_script_may_do_without_workers(shop: Databases, tmp_path: Path) -> None:
    """The second remedy that the error names."""
    run = run_mover(shop, tmp_path / "mover.py", parallel=False)
    assert (run.returncode, run.stdout) == (0, f"{ROWS}\n"), run.stderr
    assert tables(shop.target)["public.sold"] == ROWS
