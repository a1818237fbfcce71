"""Analysis of a query's text before a database reads it. Pure: opens no connection."""
