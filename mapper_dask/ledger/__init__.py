"""The ledger in the target: runs with their chunks and rejects, flows, evidence of their rows."""
