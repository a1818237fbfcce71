"""Why a function fails is told, whether its rows are loaded one by one or enter all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessor, reject
from mapper_dask.errors import ConfigurationError, DatabaseError, TargetError
from mapper_dask.mapping.transform import Transform
from tests.builders import job_of, make_shop
from tests.database import Databases

ADVICE = "let it take an empty frame"
DISPOSITIONS: dict[str, dict[str, Any]] = {
    "replace": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge", "primary_key": ["id"]},
    "atomic": {"atomic": True},
}


@pytest.fixture
def shop(databases: Databases) -> Databases:
    columns = "g * 2 AS dist, 'secret ' || g AS v"
    return make_shop(databases, 30, columns, target="d (id int PRIMARY KEY, dist int, v text)")


def job(shop: Databases, function: Any, **options: Any) -> MapperJob:
    return job_of(shop, **{"transformation_logic": function, **options})


def refused(shop: Databases, function: Any, **options: Any) -> TargetError | ConfigurationError:
    """A step whose column no row has is no matter of the target's."""
    with pytest.raises((TargetError, ConfigurationError)) as found:
        ParallelProcessor(enable_parallel=False).run(job(shop, function, **options))
    assert shop.target.fetch("SELECT count(*) FROM d") == [(0,)]
    return found.value


def nothing(_frame: pd.DataFrame) -> Any:
    return None


def unknown_key(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(dist=frame["distanc"])


def picky(_frame: pd.DataFrame) -> pd.DataFrame:
    message = "nothing suits me"
    raise ValueError(message)


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame], axis=1)


def divides(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(dist=1 // len(frame[frame.id < 0]))


FUNCTIONS: dict[Callable[..., Any], str] = {
    nothing: "the function returned NoneType, it must return a pandas DataFrame",
    unknown_key: "the function raised KeyError: 'distanc'",
    picky: "the function raised ValueError: nothing suits me",
    twice: "the function returned columns",
    divides: "the function raised ZeroDivisionError: ",
}

STEPS: list[tuple[Transform, str, str]] = [
    (Transform(rename={"distanc": "dist"}), "transform.rename", "there is no column 'distanc'"),
    (Transform(cast={"distanc": "int64"}), "transform.cast", "there is no column 'distanc'"),
    (Transform(expression={"dist": "distanc / 2"}), "transform.expression", "expression dist: "),
    (Transform(drop=["distanc"]), "transform.drop", "there is no column 'distanc'"),
    (Transform(function=unknown_key, drop=["v"]), "transformation_logic", "KeyError: 'distanc'"),
]


@pytest.mark.parametrize("how", DISPOSITIONS)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_functions_own_failure_is_told_first(
    shop: Databases, function: Callable[..., Any], how: str
) -> None:
    error = refused(shop, function, **DISPOSITIONS[how])

    assert str(error).startswith(f"transformation_logic: {FUNCTIONS[function]}")
    assert error.details["field"] == "transformation_logic"
    assert ADVICE not in str(error)
    assert f"to {job(shop, None, **DISPOSITIONS[how]).write_disposition} rows" in str(error)


def test_it_is_what_a_chunk_tells(shop: Databases) -> None:
    appended = ParallelProcessor(enable_parallel=False).run(job(shop, unknown_key))
    told = str(refused(shop, unknown_key, write_disposition="replace"))

    head, *trace = str(appended.errors[0]).partition("the function raised")[2].splitlines()
    assert f"the function raised{head}" in told
    assert f"{unknown_key.__code__.co_filename}, line " in told.splitlines()[0]
    assert any(unknown_key.__code__.co_filename in line for line in trace)


@pytest.mark.parametrize(("steps", "field", "why"), STEPS, ids=[s[1] + s[2][:9] for s in STEPS])
def test_a_step_of_a_job_file_is_named(
    shop: Databases, steps: Transform, field: str, why: str
) -> None:
    error = refused(shop, steps, write_disposition="replace")

    assert error.details["field"] == field
    assert str(error).startswith(f"{field}: ")
    assert why in str(error).splitlines()[0]
    assert "secret" not in str(error)
    assert ADVICE not in str(error)
    if field != "transformation_logic":
        assert "function" not in str(error).splitlines()[0]


@pytest.mark.parametrize(
    "steps", [Transform(cast={"v": "int64"}), Transform(expression={"dist": "dist / 0"})]
)
def test_what_only_values_do_not_fit_is_told_by_a_chunk(shop: Databases, steps: Transform) -> None:
    moved = job(shop, steps, write_disposition="replace")
    result = ParallelProcessor(enable_parallel=False).run(moved)

    assert ": transform." in str(result.errors[0])
    assert "empty frame" not in str(result.errors[0])


def test_the_advice_is_given_where_only_no_rows_fail(shop: Databases) -> None:
    shop.source.execute("TRUNCATE s")

    error = refused(shop, picky, write_disposition="replace")

    assert str(error).startswith("transformation_logic: the function raised ValueError")
    assert "over no rows" in str(error)
    assert ADVICE in str(error)


def test_the_advice_is_given_where_single_rows_may_fail(shop: Databases) -> None:
    error = refused(shop, picky, write_disposition="replace", reject_limit=5)

    assert f"{ADVICE}, if single rows are to be rejected" in str(error)

    def takes_none(frame: pd.DataFrame) -> pd.DataFrame:
        return reject(frame, frame.id == 7, "no seven") if len(frame) == 0 else picky_of(frame)

    def picky_of(frame: pd.DataFrame) -> pd.DataFrame:
        return picky(frame) if (frame.id == 7).any() else frame

    done = job(shop, takes_none, write_disposition="replace", reject_limit=5)
    ParallelProcessor(enable_parallel=False).run(done).raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM d") == [(29,)]


def test_what_the_database_answers_is_told_as_its_own(shop: Databases) -> None:
    sql = "SELECT id, dist / (id - 5) AS dist, v FROM s"
    made = job(shop, picky, source_sql=sql, write_disposition="replace")
    with pytest.raises(DatabaseError, match="division by zero"):
        ParallelProcessor(enable_parallel=False).run(made)
