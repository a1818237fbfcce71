"""Oracle, through python-oracledb."""

from mapper_dask.dialects.oracle.dialect import Oracle

__all__ = ["Oracle"]
