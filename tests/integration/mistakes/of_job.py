"""Mistakes in how rows are cut, and how they enter the target."""

# ruff: noqa: E501 - a mistake reads better on one line

from __future__ import annotations

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from tests.integration.mistakes.book import BASE, call, job


class Cluster:
    """What LocalCluster and its like have; to start one takes a second."""

    scheduler_address = "tcp://127.0.0.1:8786"


MISTAKES = [
    job("an option is misspelt", "write_dispositon", "did you mean 'write_disposition'", write_dispositon="merge"),
    job("an option of another library", "if_exists", "write_disposition", if_exists="append"),
    job("an option of the processor's", "max_workers", "ParallelProcessor", max_workers=4),
    call("an option of a job is misspelt", "chunksize", "did you mean 'chunk_size'", lambda _: MapperJob(**BASE, chunksize=10), given="MapperJob(…, chunksize=10)"),
    call("an option of the processor is misspelt", "max_worker", "did you mean 'max_workers'", lambda _: ParallelProcessor(max_worker=2), given="ParallelProcessor(max_worker=2)"),
    call("a changed job's option is misspelt", "strateg", "did you mean 'strategy'", lambda _: MapperJob(**BASE).evolve(strateg="KEY_BASED"), given='job.evolve(strateg="KEY_BASED")'),
    job("a disposition is misspelt", "write_disposition", "did you mean 'merge'", write_disposition="merg"),
    job("a disposition by another name", "write_disposition", "did you mean 'merge'", write_disposition="upsert"),
    job("a disposition of SQL's", "write_disposition", "did you mean 'replace'", write_disposition="overwrite"),
    job("a size as a text", "chunk_size", "10000|integer", chunk_size="10k"),
    job("a size of nothing", "chunk_size", "at least 1", chunk_size=0),
    job("a size as a float", "chunk_size", "integer", chunk_size=1e4),
    job("a key's name is misspelt", "key_column", "did you mean 'id'", key_column="idd"),
    job("a key that is not read", "key_column", "it has: id", key_column="since"),
    job("a key in other letters", "key_column", "did you mean 'id'", key_column="ID"),
    job("a key with its table", "key_column", "did you mean 'id'", key_column="customers.id"),
    job("two keys in one text", "key_column", "\\['id', 'name'\\]", key_column="id, name"),
    job("a column's name is misspelt", "columns", "did you mean 'name'", columns=["id", "nmae"]),
    job("columns in one text", "columns", "list", columns="id, name"),
    job("a column twice", "columns", "once", columns=["id", "name", "id"]),
    job("columns by others' names", "columns", "list|AS", columns={"id": "id", "name": "city"}),
    job("a strategy is misspelt", "strategy", "did you mean 'KEY_BASED'", strategy="KEY_BASE"),
    job("addresses of rows of a join", "strategy", "single table|KEY_BASED", strategy="ROWID_BASED", source_sql="SELECT c.id, name, city FROM sales.customers c JOIN sales.orders o ON o.id = c.id"),
    job("windows without an order", "OFFSET_LIMIT", "key_column|unique", strategy="OFFSET_LIMIT", source_sql="SELECT id, note AS name FROM sales.orders", key_column="name"),
    job("a merge without a key", "primary_key", "CREATE UNIQUE INDEX", target_table="heap", write_disposition="merge"),
    job("a merge by a column that is no key", "primary_key", "primary_key|UNIQUE", primary_key="city", write_disposition="merge"),
    job("a merge by a misspelt key", "primary_key", "it has id", primary_key="idd", write_disposition="merge"),
    job("a merge of two rows with one key", "newest_by", "newest_by", source_sql="SELECT customer_id, amount FROM sales.orders", target_table="orders", write_disposition="merge"),
    job("the newest by a misspelt column", "newest_by", "did you mean 'name'", newest_by="nmae", write_disposition="merge"),
    job("the newest of an append", "newest_by", "write_disposition='merge'", newest_by="id"),
    job("an append of rows that are there", "write_disposition", "merge", source_sql="SELECT 7 AS id, name, city FROM sales.customers"),
    job("a limit of rejects as a share", "reject_limit", "integer", reject_limit=0.01),
    job("a limit below nothing", "reject_limit", "at least 0", reject_limit=-1),
    job("what to do about errors is misspelt", "on_error", "did you mean 'continue'", on_error="contineu"),
    job("a text for a yes", "consistent", "True or False", consistent="yes"),
    job("dtypes of pandas'", "dtype_backend", "numpy_nullable", dtype_backend="numpy"),
    job("the direct path of PostgreSQL", "direct_path", "leave it out", direct_path=True),
    job("a number for a run's name", "run_id", "name", run_id=20240131),
    call("a size of the planner's", "chunk_size", "integer", lambda _: ChunkManager(chunk_size="1e4").plan(MapperJob(**BASE, chunk_size="1e4")), given='ChunkManager(chunk_size="1e4")'),
    call("workers below one", "max_workers", "at least 1", lambda _: ParallelProcessor(0), given="ParallelProcessor(max_workers=0)"),
    call("an address for a client", "client", "scheduler_address", lambda _: ParallelProcessor(client="tcp://host:8786"), given='ParallelProcessor(client="tcp://host:8786")'),
    call("a word for yes or no", "enable_parallel", "True or False", lambda _: ParallelProcessor(enable_parallel="no"), given='ParallelProcessor(enable_parallel="no")'),
    call("a cluster in place of its client", "client", r"Client\(cluster\)", lambda _: ParallelProcessor(client=Cluster()), given="ParallelProcessor(client=cluster)"),
    call("an address without a protocol", "scheduler_address", "tcp://", lambda _: ParallelProcessor(scheduler_address="host").run(MapperJob(**BASE, chunk_size=5)), given='ParallelProcessor(scheduler_address="host")'),
    call("an address of a page", "scheduler_address", "tcp://host:8786", lambda _: ParallelProcessor(scheduler_address="http://host:8787/status").run(MapperJob(**BASE, chunk_size=5)), given='ParallelProcessor(scheduler_address="http://host:8787/status")'),
    call("seconds as a text", "lock_timeout", "seconds", lambda _: ParallelProcessor(lock_timeout="30s"), given='ParallelProcessor(lock_timeout="30s")'),
    call("a yes for progress", "progress", "True", lambda _: ParallelProcessor(progress="yes"), given='ParallelProcessor(progress="yes")'),
    job("a limit of rejects as a text", "reject_limit", "integer", reject_limit="10"),
    job("a yes for atomic", "atomic", "True or False", atomic="yes"),
    job("a key that is none", "key_column", "name", key_column=5),
    job("an empty list of keys", "key_column", "name", key_column=[]),
    job("no columns at all", "columns", "list", columns=[]),
    job("a cut by what no row differs in", "key_column", "KEY_BASED|columns", strategy="OFFSET_LIMIT", source_sql="SELECT id, name, city FROM sales.customers", key_column="city"),
    call("a query in place of a job", "job", "MapperJob", lambda _: ParallelProcessor(enable_parallel=False).run("SELECT 1"), given='ParallelProcessor().run("SELECT 1")'),
    call("a word for what a failure does", "on_failure", "'raise' or 'return'", lambda _: ParallelProcessor(on_failure="ignore"), given='ParallelProcessor(on_failure="ignore")'),
    call("fewer retries than none", "retries", "at least", lambda _: ParallelProcessor(retries=-1), given="ParallelProcessor(retries=-1)"),
    call("a file's name for a plan", "plan", "mapper-dask plan --output", lambda _: ParallelProcessor(enable_parallel=False).run(MapperJob(**BASE), plan="nightly.plan"), given='ParallelProcessor().run(job, plan="nightly.plan")'),
]  # fmt: skip
