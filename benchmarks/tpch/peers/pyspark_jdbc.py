"""PySpark on two local cores, JDBC at both ends: partitioned read, batched multi-row inserts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from sqlalchemy import make_url

from benchmarks.tpch.peers.protocol import Move, asked, report

JAR = os.environ.get("TPCH_JDBC_JAR", "/usr/share/java/postgresql.jar")
"""PostgreSQL's JDBC driver; Debian's package libpostgresql-jdbc-java puts it there."""

BATCH = 10_000


def options(url: str, table: str) -> dict[str, str]:
    parts = make_url(url)
    return {
        "url": f"jdbc:postgresql://{parts.host}:{parts.port}/{parts.database}"
        "?reWriteBatchedInserts=true",
        "dbtable": table, "user": str(parts.username), "password": str(parts.password),
        "driver": "org.postgresql.Driver",
    }  # fmt: skip


def transformed(frame: DataFrame) -> DataFrame:
    revenue = F.col("l_extendedprice").cast("double") * (1 - F.col("l_discount").cast("double"))
    kept = frame.filter("l_linenumber < 7")
    return kept.withColumn("revenue", revenue).withColumn("l_comment", F.upper("l_comment"))


def move_rows(spark: SparkSession, move: Move) -> None:
    source = options(move.source_tcp, move.table)
    bounds = f"(SELECT min(l_orderkey) AS a, max(l_orderkey) + 1 AS b FROM {move.table}) AS keys"
    a, b = spark.read.format("jdbc").options(**{**source, "dbtable": bounds}).load().first()
    frame = spark.read.format("jdbc").options(
        **source, partitionColumn="l_orderkey", lowerBound=a, upperBound=b,
        numPartitions=max(2, move.rows // 500_000 * 2), fetchsize=BATCH,
    ).load()  # fmt: skip
    ready = transformed(frame) if move.transforms else frame
    sink = options(move.sink_tcp, move.target)
    ready.write.format("jdbc").options(**sink, batchsize=BATCH).mode("append").save()


def session() -> SparkSession:
    if not Path(JAR).exists():
        sys.exit(f"no JDBC driver at {JAR}; install libpostgresql-jdbc-java or set TPCH_JDBC_JAR")
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.jars", JAR)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def run() -> None:
    move, spark = asked(), session()
    spark.sparkContext.setLogLevel("ERROR")
    spark.range(10).count()  # the first job starts what every later one finds running
    started = time.perf_counter()
    move_rows(spark, move)
    report(time.perf_counter() - started, {"pyspark": pyspark.__version__})
    spark.stop()


if __name__ == "__main__":
    run()
