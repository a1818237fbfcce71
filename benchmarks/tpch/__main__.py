"""``python -m benchmarks.tpch``.

Worker processes import this file again, and must not hold what only the measuring needs.
"""

import sys

if __name__ == "__main__":
    from benchmarks.tpch.command_line import main

    sys.exit(main())
