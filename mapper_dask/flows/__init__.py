"""Flows: scheduling of several jobs, and the new rows of incremental ones."""
