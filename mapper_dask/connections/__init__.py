"""Connections: references to databases, their secrets, engines and pools."""
