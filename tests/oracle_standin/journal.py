"""What clients said: every statement once, with what became of it."""

from __future__ import annotations

import json
import os
import threading


class Journal:
    """A file of JSON lines that several processes may append to."""

    def __init__(self, path):
        self.path, self.seen, self.lock = path, set(), threading.Lock()

    def note(self, statement, outcome):
        """Write down a statement, unless it is known with this outcome."""
        with self.lock:
            if (statement, outcome) in self.seen:
                return
            self.seen.add((statement, outcome))
            line = json.dumps({"statement": statement, "outcome": outcome}) + "\n"
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(descriptor, line.encode())
            os.close(descriptor)
