"""Displays that show the progress of a run."""
