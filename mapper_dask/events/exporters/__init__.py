"""What a run tells to systems that gather such things, where this process is set up for them.

Both are found without being asked for, because that is what their users expect: a process whose
program has set a tracer provider gets spans, one whose environment names an OpenLineage collector
sends it events. Where there is neither, neither library is imported.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mapper_dask.log import log

TRACER_VARIABLE = "OTEL_PYTHON_TRACER_PROVIDER"
"""Names a provider that the API of OpenTelemetry itself loads."""

LINEAGE_FILE = "openlineage.yml"


def configured() -> Iterator[Any]:
    """Yield the hooks of one run that this process is set up for.

    One that cannot be made, because its library is missing or its configuration is wrong, is told
    to the log; no run fails for it.
    """
    for wanted, make in ((traces_wanted, _traces), (lineage_wanted, _lineage)):
        hook = _made(make) if wanted() else None
        if hook is not None:
            yield hook


def _made(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - a library's own, of any kind
        missing = f"; pip install 'mapper-dask[{make.__name__[1:]}]'"
        note = f"{error}{missing if isinstance(error, ImportError) else ''}"
        kind = type(error).__name__
        log("hook_failed", logging.WARNING, hook=make.__name__[1:], error=kind, note=note)
        return None


def traces_wanted() -> bool:
    """Return whether a tracer provider can have been set: only what is imported can be."""
    return "opentelemetry.trace" in sys.modules or TRACER_VARIABLE in os.environ


def lineage_wanted() -> bool:
    """Return whether the environment names a collector, in one of the places its client looks."""
    if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OPENLINEAGE_URL") or os.environ.get("OPENLINEAGE_CONFIG"):
        return True
    if any(name.startswith("OPENLINEAGE__TRANSPORT") for name in os.environ):
        return True
    return any((place / LINEAGE_FILE).is_file() for place in _places())


def _places() -> Iterator[Path]:
    yield Path.cwd()
    yield Path("~/.openlineage").expanduser()


def _traces() -> Any:
    from mapper_dask.events.exporters.opentelemetry import TraceProgress, current_provider

    provider = current_provider()
    return None if provider is None else TraceProgress(provider)


def _lineage() -> Any:
    from mapper_dask.events.exporters.openlineage import LineageProgress, configured_client

    client = configured_client()
    return None if client is None else LineageProgress(client)
