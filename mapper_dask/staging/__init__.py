"""Staged rows on their way into a target, as far as no database is asked. Pure."""
