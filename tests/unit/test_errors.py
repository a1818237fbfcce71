"""The error tree: as its docstring draws it, picklable, and honest about what may pass."""

from __future__ import annotations

import pickle
import re

import pytest

from mapper_dask import errors
from mapper_dask.errors import ConfigurationError, DatabaseError, MapperError, RunNotFoundError

CLASSES = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, MapperError)]
DRAWN = re.compile(r"^ {4}((?:│   )*)(?:[├└]── )?([A-Z]\w+Error)\b", re.MULTILINE)


def drawn_tree() -> dict[str, str | None]:
    """Return class → parent as the docstring draws them."""
    path: list[str] = []
    tree: dict[str, str | None] = {}
    for indent, name in DRAWN.findall(errors.__doc__):
        depth = 0 if name == "MapperError" else len(indent) // 4 + 1
        path = [*path[:depth], name]
        tree[name] = path[depth - 1] if depth else None
    return tree


def test_the_docstring_draws_every_class_and_no_other():
    assert sorted(drawn_tree()) == sorted(cls.__name__ for cls in CLASSES)


def test_the_docstring_draws_each_class_under_its_parent():
    actual = {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES if cls is not MapperError}

    assert drawn_tree() == {"MapperError": None, **actual}


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("transient", [True, False])
def test_an_error_pickles_with_its_details(cls, transient):
    error = cls("it failed", chunk_id=3, bounds="[1, 2)", sqlstate="40001", transient=transient)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is cls
    assert str(again) == again.message == "it failed"
    assert again.details == error.details
    assert again.transient is transient


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_does_not_pass_unless_it_is_said_to(cls):
    assert cls("no").transient is False


@pytest.mark.parametrize("cls", [c for c in CLASSES if issubclass(c, ConfigurationError)])
def test_bad_input_is_a_value_error(cls):
    assert issubclass(cls, ValueError)


def test_an_unknown_run_is_a_lookup_error():
    assert issubclass(RunNotFoundError, LookupError)


def test_a_database_error_tells_its_sqlstate():
    assert DatabaseError("no", sqlstate="42P01").sqlstate == "42P01"
    assert DatabaseError("gone").sqlstate is None


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_says_in_its_docstring_when_it_is_raised(cls):
    assert cls.__doc__
