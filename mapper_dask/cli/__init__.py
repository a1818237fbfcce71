"""The command line ``mapper-dask``. Imports nothing heavy."""

from mapper_dask.cli.app import main

__all__ = ["main"]
