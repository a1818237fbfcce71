"""dlt: its SQL source by Arrow, through files, into its PostgreSQL destination, two workers."""

from __future__ import annotations

import os
import tempfile

os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="ERROR",
    EXTRACT__WORKERS="2",
    NORMALIZE__WORKERS="2",
    LOAD__WORKERS="2",
    DATA_WRITER__FILE_MAX_ITEMS="100000",
)  # dlt reads them when it is imported

import dlt
import pandas as pd
import pyarrow as pa
from dlt.sources.sql_database import sql_table

from benchmarks.tpch.peers.protocol import Move, main, sqlalchemy_url
from benchmarks.tpch.transform import transform

DATASET = "dlt_tpch"
CHUNK = 50_000


def transformed(table: pa.Table) -> pa.Table:
    frame = transform(table.to_pandas(types_mapper=pd.ArrowDtype))
    return pa.Table.from_pandas(frame, preserve_index=False)


def move_rows(move: Move) -> None:
    rows = sql_table(
        sqlalchemy_url(move.source_tcp), table=move.table, backend="pyarrow", chunk_size=CHUNK,
        reflection_level="full_with_precision",
    )  # fmt: skip
    if move.transforms:
        rows = rows.add_map(transformed)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "tpch", pipelines_dir=folder, dataset_name=DATASET,
            destination=dlt.destinations.postgres(move.sink_tcp),
        )  # fmt: skip
        pipeline.run(
            rows, table_name=move.target, write_disposition="append", loader_file_format="csv"
        )


if __name__ == "__main__":
    main(move_rows, ["dlt", "pyarrow", "pandas"])
