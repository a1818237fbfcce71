"""Processing of one chunk by a worker: extract, transform, encode, load."""
