"""From what a user calls a connection to an engine, on whichever process needs it."""
