"""``python -m mapper_dask.cli``, which is ``mapper-dask``."""

import sys

from mapper_dask.cli.app import main

if __name__ == "__main__":  # worker processes import the main module again
    sys.exit(main())
