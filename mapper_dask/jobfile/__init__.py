"""Job files: YAML → a checked :class:`JobFile` → a :class:`~mapper_dask.flow.Flow`.

Reading a file executes nothing, and imports neither pandas nor Dask nor a driver. Functions are
imported when the flow is built.
"""

from __future__ import annotations

from mapper_dask.jobfile.job_file import JobFile, parse, read
from mapper_dask.jobfile.schema import json_schema

__all__ = ["JobFile", "json_schema", "parse", "read"]
