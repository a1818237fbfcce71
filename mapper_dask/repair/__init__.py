"""What mends a run afterwards: its rows counted again, chunks repaired, rejects tried again."""
