"""Descriptions of tables, columns and types, as values. Pure: opens no connection."""
