"""Files that hold the rows of a query that is read once, until their chunks are loaded."""
