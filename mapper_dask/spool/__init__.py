"""Files in which the rows of a query that is read once wait for their chunks."""
