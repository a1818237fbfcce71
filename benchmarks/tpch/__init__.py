"""TPC-H lineitem through this library, against the limit and against others; see ../README.md."""
