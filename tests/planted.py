"""Values that somebody plants where a name, a number or a query is kept: hundreds of them."""

from __future__ import annotations

import itertools
import random
from typing import Any

VICTIMS = (
    "public.victim", "victim", '"public"."victim"', 'public"."victim', "VICTIM", "public.shown",
    "mapper_dask_run", "mapper_dask_chunk", "other.mapper_dask_run", "pg_catalog.pg_authid",
    "other.mapper_dask_stage_0123456789abcdef", "mapper_dask_stage_0123456789abcdef",
)  # fmt: skip

PAYLOADS = (
    "; CREATE ROLE planted SUPERUSER; --",
    "; DROP TABLE public.victim; --",
    "; DELETE FROM public.victim; --",
    "; INSERT INTO public.canary VALUES (1); --",
    '"; DROP TABLE public.victim; --',
    '" ; INSERT INTO public.canary VALUES (1) ; COMMIT ; --',
    "'; DROP TABLE public.victim; --",
    "' OR pg_catalog.pg_sleep(0) IS NULL; INSERT INTO public.canary VALUES (1); --",
    "$$; DROP TABLE public.victim; $$",
    "\\'; DROP TABLE public.victim; --",
    " CASCADE",
    ", public.victim",
    " USING public.victim WHERE true RETURNING *; --",
    "/**/;/**/DROP/**/TABLE/**/public.victim;--",
    "\n; DROP TABLE public.victim;\n--",
    "); INSERT INTO public.canary VALUES (1); --",
    "",
)

ODD = (
    "", " ", ".", "..", '"', '""', "'", "''", "\\", "%", "%s", "%(run_id)s", "{}", "{0}", ":1",
    ":x", "-- ", "/*", "*/", "$1", "$$", "$a$", "é", "\u202epublic.victim", "\ufeffvictim",
    "\uff56ictim", "\u0130", "\uff07; DROP TABLE public.victim; --", "a" * 63, "a" * 64, "a" * 5000,
    "\x1b[2J", "\r", "\t", "x\ny", "NaN", "infinity", "-infinity", "null", "true", "0", "-1",
    "1e999", "9" * 400, "0x10", "00000003-0000001B-1", "../../../etc/passwd",
    "12345; DROP TABLE public.victim",
)  # fmt: skip

SHAPES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 10**400, 1.5, -0.0, 1e308, [], {}, [[]],
    [None], [1], ["victim"], ["id", "id"], [["id"]], {"a": 1}, {"schema": "public"}, [{}], [""],
    ["id", 'v"; DROP TABLE public.victim; --'], {"columns": None}, [["id", "int"], ["v"]],
)  # fmt: skip


def texts() -> list[str]:
    """Return hostile texts, more than two hundred."""
    made = [f"{name}{payload}" for name, payload in itertools.product(VICTIMS, PAYLOADS)]
    return [*made, *ODD]


def values(seed: str, number: int) -> list[Any]:
    """Return some of them, and what is no text at all: another choice for each seed."""
    found = [*texts(), *SHAPES]
    random.Random(seed).shuffle(found)
    return found[:number]
