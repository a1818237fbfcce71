"""The command line ``mapper-dask``: what the library does, from a shell. Imports nothing heavy."""

from mapper_dask.cli.app import main

__all__ = ["main"]
