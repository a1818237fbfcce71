"""What a database says of its tables, columns and types, as values. Pure: opens no connection."""
