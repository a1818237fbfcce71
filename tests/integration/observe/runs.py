"""Runs that are observed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from tests.builders import job_between
from tests.database import Databases
from tests.scripts import run_script

ROWS, SIZE = 1000, 100
SECRET = "Tr0ub4dor"


def with_password(url: str) -> str:
    return sa.make_url(url).set(password=SECRET).render_as_string(hide_password=False)


def run(shop: Databases, progress: Any, *, workers: int = 1, **options):
    usual = {
        "source_conn": with_password(shop.source.url),
        "target_conn": with_password(shop.target.url),
        "chunk_size": SIZE,
    }
    job = job_between(shop.source, "shop", shop.target, "sold", **{**usual, **options})
    return ParallelProcessor(workers, progress=progress).run(job)


def fails_once(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame.id == 350).any():
        raise ValueError(f"cannot use {frame.name.iloc[0]}")
    return frame


BY_ITSELF = """
import sys
from mapper_dask import MapperJob, ParallelProcessor
{setup}
ParallelProcessor(1, chunk_size=500).process_mapper_job(
    "env:SOURCE", "SELECT * FROM shop", None, "env:TARGET", None, "sold"
).raise_for_status()
{ask}
"""


def by_itself(shop: Databases, folder: Path, setup: str, ask: str, **environment: str) -> str:
    """Return what a program prints that runs a job and says nothing of hooks."""
    script = folder / "script.py"
    script.write_text(BY_ITSELF.format(setup=setup, ask=ask))
    variables = {"SOURCE": shop.source.url, "TARGET": shop.target.url, **environment}
    done = run_script(script, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout
