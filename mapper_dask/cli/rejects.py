"""``rejects`` shows the rejected rows of a run, writes them to a file, or tries them again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.groups import Group
from mapper_dask.cli.ledgers import as_given, ledger_of
from mapper_dask.cli.named import named
from mapper_dask.cli.reply import PARTIAL, Reply, write_file
from mapper_dask.cli.tables import fitted, table
from mapper_dask.errors import ConfigurationError
from mapper_dask.rendering import counted

JOB = ("job",)
"""Columns before the others if a flow's run was named."""

SHOWN_OF_EACH = ("chunk", "stage", "key", "row")

SHOWN = 20
"""Rows that are shown by default."""

FORMATS = ("csv", "jsonl", "parquet")

file_option = click.option(
    "--file", "-f", type=parameters.FilePath(), metavar="FILE", help="The job file of the run."
)


@click.group("rejects", cls=Group)
def rejects() -> None:
    """The rejected rows of a run."""


@rejects.command(
    "show",
    epilog='\b\nJSON: {"run_id", "total", "by_reason": [{"stage", "reason", "rows"}],\n'
    '       "rejects": [{"chunk_id", "stage", "reason", "key", "row"}]}',
)
@click.argument("run_id")
@parameters.several(
    parameters.ledger,
    file_option,
    click.option(
        "--limit",
        type=parameters.Count(min=0),
        default=SHOWN,
        show_default=True,
        help="Rows shown.",
    ),
    parameters.common,
)
def show(
    run_id: str, ledger: str | None, file: str | None, limit: int, *, as_json: bool, debug: bool
) -> Reply:
    """Show why rows were rejected, and the first of them."""
    del as_json, debug
    found = _found(run_id, ledger, file)
    counts: dict[tuple[str, str], int] = {}
    for reject in found:
        place = (reject["stage"], reject["reason"])
        counts[place] = counts.get(place, 0) + 1
    reasons = [{"stage": s, "reason": r, "rows": n} for (s, r), n in counts.items()]
    reasons.sort(key=lambda reason: -int(str(reason["rows"])))
    rows = [
        tuple(
            _json(value) if name in ("key", "row") else value
            for name, value in reject.items()
            if name != "reason"
        )
        for reject in found[:limit]
    ]
    parts = [
        fitted(f"run {run_id}: {counted(len(found), 'row')} rejected"),
        table(("rows", "stage", "reason"), [tuple(_cells(reason)) for reason in reasons]),
        table(((*JOB, *SHOWN_OF_EACH) if found and "job" in found[0] else SHOWN_OF_EACH), rows),
    ]
    data = {
        "run_id": run_id,
        "total": len(found),
        "by_reason": reasons,
        "rejects": found[:limit],
    }
    return Reply(_exact(data), "\n\n".join(parts if found else parts[:1]))


def _cells(reason: dict[str, Any]) -> tuple[Any, ...]:
    return reason["rows"], reason["stage"], reason["reason"]


@rejects.command("export", epilog='\b\nJSON: {"run_id", "rows", "output", "format"}')
@click.argument("run_id")
@parameters.several(
    parameters.ledger,
    file_option,
    click.option(
        "--output", "-o", type=parameters.FilePath(), required=True, metavar="PATH",
        help="File to write: .csv, .jsonl or .parquet.",
    ),
    click.option("--format", "kind", type=click.Choice(FORMATS), help="Else by the file's name."),
    parameters.common,
)  # fmt: skip
def export(
    run_id: str, ledger: str | None, file: str | None, output: str, kind: str | None, *,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Write the rejected rows to a file.

    Each has chunk_id, stage, reason, key and row, those of a flow's run their job before; key and
    row are JSON if the format has no mappings.
    """
    del as_json, debug
    chosen = kind or Path(output).suffix.lstrip(".").lower()
    if chosen not in FORMATS:
        message = f"{output}: give --format, one of {', '.join(FORMATS)}"
        raise ConfigurationError(message, field="output")
    found = _found(run_id, ledger, file)
    {"csv": _write_csv, "jsonl": _write_lines, "parquet": _write_parquet}[chosen](output, found)
    data = {"run_id": run_id, "rows": len(found), "output": output, "format": chosen}
    return Reply(data, f"{len(found):,} rows in {output}")


@rejects.command(
    "retry",
    epilog='\b\nJSON: {"run_id", "tried", "loaded", "rejected",\n'
    '       "chunks": [{"chunk_id", "before", "loaded", "rejected"}]}',
)
@click.argument("run_id")
@parameters.several(
    parameters.ledger, file_option, parameters.source, parameters.trust, parameters.common
)
def retry(
    run_id: str, ledger: str | None, file: str | None, source: str | None, *,
    trust_ledger: bool, as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Try each rejected row again, once.

    Rows at which the function raised, or that it marked, pass it again, as it is now; rows that
    the target refused are loaded as the function returned them. A row that is refused again stays
    rejected, with the new reason. The rows, the counts and the removal of the rejects are
    committed together, so that no row is lost or loaded twice.
    """
    del as_json, debug
    from mapper_dask import ParallelProcessor

    meant = named(ledger_of(ledger, file), run_id, file)
    tried = []
    for run in meant.runs:
        given = as_given(file, run.target, run.run_id, source, trust_ledger=trust_ledger)
        processor = ParallelProcessor(progress=False)
        tried.append(processor.retry_rejects(run.run_id, target_conn=run.target, **given))
    data = {
        "run_id": run_id,
        "tried": sum(done.before for done in tried),
        "loaded": sum(done.loaded for done in tried),
        "rejected": sum(done.rejected for done in tried),
        "chunks": [chunk for done in tried for chunk in done.chunks],
    }
    text = "\n".join(fitted(str(done)) for done in tried)
    return Reply(data, text, PARTIAL if data["rejected"] else 0)


def _found(run_id: str, ledger: str | None, file: str | None) -> list[dict[str, Any]]:
    """Return the rejects of a run; those of a flow's run have their job."""
    meant = named(ledger_of(ledger, file), run_id, file)
    return [
        {**({} if run.job is None else {"job": run.job}), **reject}
        for run in meant.runs
        for reject in _of_run(run)
    ]


def _of_run(run: Any) -> list[dict[str, Any]]:
    from mapper_dask.ledger import stored_runs
    from mapper_dask.ledger.runs import RunLedger

    stored_runs.found(run.target, run.run_id)
    return [
        {
            "chunk_id": chunk_id,
            "stage": reject.stage,
            "reason": reject.reason,
            "key": reject.key,
            "row": reject.row,
        }
        for chunk_id, reject in RunLedger(run.target, run.run_id).rejects()
    ]


def _json(value: Any) -> str | None:
    import simplejson

    if value is None:
        return None
    return str(simplejson.dumps(value, use_decimal=True, ensure_ascii=False))


def _exact(value: Any) -> Any:
    """Return data for JSON, with decimals as floats."""
    import json

    return json.loads(str(_json(value)))


def _columns(found: list[dict[str, Any]]) -> list[str]:
    return list(found[0]) if found else ["chunk_id", "stage", "reason", "key", "row"]


def _written(reject: dict[str, Any]) -> dict[str, Any]:
    """Return a reject for a format that has no mappings."""
    return {**reject, "key": _json(reject["key"]), "row": _json(reject["row"])}


def _write_csv(path: str, found: list[dict[str, Any]]) -> None:
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(_columns(found))
    for reject in found:
        writer.writerow(_written(reject).values())
    write_file(path, made.getvalue())


def _write_lines(path: str, found: list[dict[str, Any]]) -> None:
    write_file(path, "".join(f"{_json(reject)}\n" for reject in found))


def _write_parquet(path: str, found: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"chunk_id": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in _columns(found)])
    rows = [_written(reject) for reject in found]
    try:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise ConfigurationError(message, field="output", file=path) from None


COMMANDS: dict[str, click.Command] = {"rejects": rejects}
