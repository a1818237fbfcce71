"""Several jobs as one: which runs when, and which rows of an incremental one are new."""
