"""Who does the chunks of a run, and which worker does which: the only part that speaks to Dask."""
