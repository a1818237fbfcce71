"""What the text of a query tells before a database reads it. Pure: opens no connection."""
