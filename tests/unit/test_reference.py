"""The reference that ``make docs`` builds has every public name."""

from __future__ import annotations

import re
from pathlib import Path

import mapper_dask

PAGE = (Path(__file__).parents[2] / "docs" / "api.rst").read_text(encoding="utf-8")


def test_every_public_name_is_in_the_reference():
    head = PAGE.partition("automodule::")[0]

    named = re.findall(r"^\.\. auto(?:class|exception|function):: (\w+)", head, re.MULTILINE)

    assert sorted(named) == mapper_dask.__all__
