"""What is to go wrong, and where: set by a test, met by the sessions."""

from __future__ import annotations

import re
import threading
from typing import Any


class Faults:
    """Faults by the statements or calls they happen at."""

    def __init__(self) -> None:
        self._due: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def inject(self, pattern: str, times: int = 1, after: int = 0, **fault: Any) -> None:
        """Let a fault happen at what matches; the first ``after`` matches pass."""
        known = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        with self._lock:
            self._due.append({"pattern": known, "times": times, "after": after, **fault})

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._due.clear()

    def take(self, text: str) -> dict[str, Any] | None:
        """Return the fault that is due at a statement or a call, None where none is."""
        with self._lock:
            for fault in self._due:
                if not fault["times"] or not fault["pattern"].search(text):
                    continue
                if fault["after"]:
                    fault["after"] -= 1
                    continue
                fault["times"] -= 1
                return fault
        return None
