"""A protocol stand-in for an Oracle server; see the README beside."""

from tests.oracle_standin.process import Running, running_standin

__all__ = ["Running", "running_standin"]
