"""Imported by nothing: whoever reads a job file runs none of what it names."""

from __future__ import annotations

import os
from pathlib import Path

Path(os.environ["MARK"]).touch()


def clean(frame):
    return frame
