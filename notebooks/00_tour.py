# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tour of mapper_dask
#
# A year of flights goes from one PostgreSQL database through a pandas function into another. On
# the way one chunk fails, the function is mended, and the run is finished. Nothing has to be
# installed but `mapper-dask[demo,notebook]`: the server comes from a wheel and lasts as long as
# this notebook.

# %%
from contextlib import ExitStack

from mapper_dask.demo import (
    SOURCE_SQL,
    clean_flights,
    count_rows,
    create_flights_clean,
    load_flights,
)
from mapper_dask.embedded import embedded_postgres

stack = ExitStack()
server = stack.enter_context(embedded_postgres())
source, target = server.create_database("airline"), server.create_database("warehouse")

create_flights_clean(target)
load_flights(source)

# %% [markdown]
# ## Plan
#
# A job is a value: what to read, what to do to it, where it goes. Planning writes nothing. It cuts
# the query into chunks that are disjoint and complete by construction, and says by what, and why.

# %%
from mapper_dask import ChunkManager, MapperJob

job = MapperJob(
    source_conn=source,
    source_sql=SOURCE_SQL,
    transformation_logic=clean_flights,
    target_conn=target,
    target_table="flights_clean",
    chunk_size=25_000,
)
plan = ChunkManager().plan(job)
plan

# %% [markdown]
# The first and the last chunk are open: estimates may be wrong, no row is left out. What a chunk
# reads is the query, wrapped:

# %%
print(ChunkManager().create_chunked_query(source, plan, 1))

# %% [markdown]
# ## Look
#
# `read_sql_query` gives the same chunks as a Dask DataFrame, one task each. The key here is
# `tailnum`, which is NULL for flights whose aircraft is not known. Those rows are a partition too.

# %%
from mapper_dask import read_sql_query

flights = read_sql_query("SELECT * FROM flights", source, index_col="tailnum", npartitions=8)
flights

# %%
flights[["carrier", "origin", "dest", "air_time", "distance"]].head()

# %%
rows = flights.map_partitions(len).compute()
assert rows.sum() == count_rows(source, "flights")
rows.rename("rows").reset_index(drop=True).to_frame().style.bar(color="#9ecae1")

# %% [markdown]
# The last partition holds the NULL keys; the others have about as many rows as each other.
#
# ## Run
#
# The function is ordinary pandas. This one refuses what it does not believe: no airliner flies 700
# miles an hour. With `on_error="continue"` a chunk that fails is named and the others go on.


# %%
def with_plausible_speed(flights):
    clean = clean_flights(flights)
    too_fast = clean.speed_mph > 700
    if too_fast.any():
        raise ValueError(f"too fast: {clean.loc[too_fast, ['carrier', 'flight', 'speed_mph']]}")
    return clean


# %%
from mapper_dask import ParallelProcessor

processor = ParallelProcessor(max_workers=2)
result = processor.run(
    job.evolve(transformation_logic=with_plausible_speed, on_error="continue", run_id="tour")
)
result

# %% [markdown]
# One chunk of fourteen is missing, and the result says which rows it stands for and where the
# function raised. Its rows are not in the target: a chunk is committed as a whole or not at all.

# %%
chunks = result.to_frame()
chunks[["chunk_id", "bounds", "state", "rows_read", "rows_loaded", "attempts"]].style.bar(
    subset=["rows_loaded"], color="#9ecae1"
)

# %%
assert result.chunks_succeeded == result.chunks_total - 1
assert result.total_rows_successful == count_rows(target, "flights_clean")

# %% [markdown]
# ## Mend and resume
#
# The ledger in the target database knows which chunks are committed. `resume` reads the stored
# plan and does what is left. A function of this notebook has no name that another session could
# import, so it is passed again, mended.


# %%
def with_plausible_speed(flights):
    clean = clean_flights(flights)
    return clean.assign(speed_mph=clean.speed_mph.where(clean.speed_mph <= 700))


resumed = processor.resume("tour", target_conn=target, transformation_logic=with_plausible_speed)
resumed

# %% [markdown]
# Every chunk is committed. The note on the snapshot is honest: the last chunk was read from a
# later state of the source than the others. Resuming once more finds nothing to do.

# %%
again = processor.resume("tour", target_conn=target, transformation_logic=with_plausible_speed)
assert again.rows_this_run == 0
assert again.chunk_results == resumed.chunk_results

# %% [markdown]
# ## Verify
#
# Not the report's word, but two counts, asked of the two databases.

# %%
moved = count_rows(target, "flights_clean")
assert moved == count_rows(source, "flights") == resumed.total_rows_successful
print(f"{moved:,} rows, each once")

# %%
delays = read_sql_query("SELECT * FROM flights_clean", target, index_col="id")
delays.groupby("delay").speed_mph.agg(["count", "mean"]).compute().round(1)

# %%
stack.close()  # stops the server and removes its data
