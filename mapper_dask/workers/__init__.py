"""The engines and workers that process chunks: the only package that calls Dask."""
