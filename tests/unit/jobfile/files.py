"""Job files as text, and the flow that comes of them."""

from __future__ import annotations

import pytest

from mapper_dask import jobfile
from mapper_dask.errors import JobFileError

ENVIRON = {"SOURCE": "postgresql://db/airline", "TARGET": "postgresql://db/warehouse"}


def parsed(text, directory=".", **environ):
    return jobfile.parse(
        text, path="flow.yaml", directory=str(directory), environ={**ENVIRON, **environ}
    )


def one(section="", source="{connection: 'env:SOURCE', sql: SELECT 1 AS id}"):
    return f"version: 1\njobs:\n  one:\n    source: {source}\n{section}"


def job_of(text, directory=".", **environ):
    (made,) = parsed(text, directory, **environ).flow().jobs
    return made


def refused(text, directory="."):
    with pytest.raises(JobFileError) as caught:
        parsed(text, directory).flow()
    return str(caught.value)


def function_job(name, arguments=""):
    more = f"      with: {arguments}\n" if arguments else ""
    return one(f"    transform:\n      function: {name}\n{more}")
