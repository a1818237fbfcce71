"""What the example's job files call."""

from __future__ import annotations

from mapper_dask import reject


def with_speed(flights, *, fastest):
    """Add the speed in miles an hour; set aside what flies faster than it can."""
    flights = flights.assign(speed=flights.distance / flights.air_time * 60)
    return reject(flights, flights.speed > fastest, "faster than it can fly")
