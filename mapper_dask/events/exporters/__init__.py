"""Exporters to OpenTelemetry and OpenLineage, where this process is configured for them.

Both are enabled without an option, because that is what their users expect: a process whose
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
"""Names a provider that OpenTelemetry's API loads by itself."""

LINEAGE_FILE = "openlineage.yml"


def configured() -> Iterator[Any]:
    """Yield the hooks of one run that this process is configured for.

    If one cannot be made, because its library is missing or its configuration is wrong, a warning
    is logged; no run fails for it.
    """
    for wanted, make in ((traces_wanted, _traces), (lineage_wanted, _lineage)):
        hook = _made(make) if wanted() else None
        if hook is not None:
            yield hook


def _made(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - of any kind that a library raises
        missing = f"; pip install 'mapper-dask[{make.__name__[1:]}]'"
        note = f"{error}{missing if isinstance(error, ImportError) else ''}"
        kind = type(error).__name__
        log("hook_failed", logging.WARNING, hook=make.__name__[1:], error=kind, note=note)
        return None


def traces_wanted() -> bool:
    """Return whether a tracer provider may be set: only if its module was imported."""
    return "opentelemetry.trace" in sys.modules or TRACER_VARIABLE in os.environ


def lineage_wanted() -> bool:
    """Return whether a collector is configured in a place where OpenLineage's client looks."""
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
