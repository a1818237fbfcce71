"""What the whole run guarantees: one snapshot, a ledger, an engine, a report."""
