"""Who is told of a run while it works, and how it is shown."""
