"""PostgreSQL, through psycopg2 and COPY."""

from mapper_dask.dialects.postgresql import links  # noqa: F401 - it makes itself known
from mapper_dask.dialects.postgresql.dialect import PostgreSQL

__all__ = ["PostgreSQL"]
