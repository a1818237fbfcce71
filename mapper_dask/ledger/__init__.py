"""What the target remembers: runs with their chunks and rejects, flows, what proves their rows."""
