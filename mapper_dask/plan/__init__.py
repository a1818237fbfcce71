"""What to read: the query analysed, the key space cut, the plan made."""
