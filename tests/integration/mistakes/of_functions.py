"""Mistakes in the function that rows go through."""

# ruff: noqa: ARG001, ARG005 - a function takes a frame, whether it needs it or not

from __future__ import annotations

import sys
import threading

import pandas as pd

from mapper_dask import MapperJob, ParallelProcessor, reject
from tests.integration.mistakes.book import BASE, call, job


def forgets_to_return(frame: pd.DataFrame) -> None:
    frame["name"] = frame["name"].str.upper()


def returns_a_column(frame: pd.DataFrame) -> object:
    return frame["name"]


def returns_a_list(frame: pd.DataFrame) -> object:
    return frame.to_dict("records")


def adds_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(rank=1)


def forgets_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["id", "city"]]


def misspells_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(name=frame["nmae"].str.upper())


def takes_two(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
    return frame


def numbers_its_columns(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(range(len(frame.columns)), axis=1)


def makes_texts_of_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(id=frame["id"].astype(str) + "x")


def empties_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(name=None)


def ends_the_program(frame: pd.DataFrame) -> pd.DataFrame:
    sys.exit("no data today")


def changes_its_columns(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="city") if (frame["id"] > 25).any() else frame


def names_two_alike(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"city": "name"})


def sets_all_aside(frame: pd.DataFrame) -> pd.DataFrame:
    return reject(frame, frame["id"] > 0, "not today")


def sets_aside_by_number(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(_reject_reason=5)


def makes_large_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(id=frame["id"] * 10**10)


def makes_some_texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(id=[str(n) if n < 20 else "twenty" for n in frame["id"]])


def needs_a_module(frame: pd.DataFrame) -> pd.DataFrame:
    import my_helpers

    return my_helpers.clean(frame)


lock = threading.Lock()


def function(title: str, remedy: str, made: object, field: str = "transformation_logic", **more):
    return job(title, field, remedy, transformation_logic=made, **more)


MISTAKES = [
    function("a function that returns nothing", "return", forgets_to_return),
    function("a function that returns a column", "DataFrame", returns_a_column),
    function("a function that returns a list", "DataFrame", returns_a_list),
    function("a function that adds a column", "rank", adds_a_column, "target_table"),
    function("a function that forgets a column", "name", forgets_a_column, "target_table"),
    function("a function that misspells a column", "nmae", misspells_a_column),
    function("a function of two arguments", "factor", takes_two),
    function("a function that numbers its columns", "texts", numbers_its_columns),
    function("a function that makes texts of numbers", "id", makes_texts_of_numbers,
        "target_table"),
    function("a function that empties a column", "reject_limit", empties_a_column, "target_table"),
    job("a function's name in place of it", "transformation_logic", "function",
        transformation_logic="clean"),
    job("a function's result in place of it", "transformation_logic", "function",
        given="transformation_logic=clean(frame)", transformation_logic=pd.DataFrame({"id": [1]})),
    call("a function that holds a lock", "transformation_logic", "inside the function",
        lambda _: ParallelProcessor().run(
            MapperJob(**BASE, transformation_logic=lambda frame, lock=lock: frame)),
        given="transformation_logic=lambda frame, lock=threading.Lock(): frame"),
    function("a function that ends the program", "raise", ends_the_program),
    function("a function whose columns change", "let it return the same", changes_its_columns,
        chunk_size=10, key_column="id", atomic=True),
    function("a function that names two columns alike", "once", names_two_alike),
    function("a function that sets aside more than allowed", "reject_limit", sets_all_aside,
        "reject_limit", reject_limit=5),
    function("a function that sets aside by a number", "reject\\(frame", sets_aside_by_number,
        reject_limit=50),
    function("a function that makes numbers too large", "reject_limit", makes_large_numbers,
        "target_table"),
    function("a function that makes texts of a number that is none", "id", makes_some_texts, "id"),
    function("a function that needs a module that is not there", "my_helpers", needs_a_module),
]  # fmt: skip
