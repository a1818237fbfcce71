"""``init``: a job file from a live table."""

from __future__ import annotations

from pathlib import Path

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.reply import Reply, write_file
from mapper_dask.errors import ConfigurationError


@click.command("init", epilog='\b\nJSON: {"output", "document", "table", "key", "candidates"}')
@parameters.several(
    click.option("--source", type=parameters.Connection(), required=True, metavar="CONNECTION",
                 help="Where the table is: env:NAME, profile:NAME, a URL without a password."),
    click.option("--table", required=True, metavar="NAME", help="The table: name or schema.name."),
    click.option("--target", type=parameters.Connection(), metavar="CONNECTION",
                 help="Where its rows are to go."),
    click.option("--output", "-o", type=parameters.FilePath(), metavar="FILE",
                 help="File to write; without it, standard output."),
    click.option("--force", is_flag=True, help="Write over a file that is there."),
    parameters.common,
)  # fmt: skip
def init(
    source: str, table: str, target: str | None, output: str | None, *, force: bool,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Write a commented job file from a live table.

    It has the table's columns with their types, the key by which it is cut, columns that may
    identify new rows, and the statement that creates the table in the target.
    """
    del as_json, debug
    from mapper_dask.connections.reference import reference
    from mapper_dask.jobfile import scaffold as draft

    if output is not None and Path(output).exists() and not force:
        message = f"{output} is there already; give another name, or --force"
        raise ConfigurationError(message, field="output", file=output)
    found = draft.draft(
        reference(source, "source"),
        table,
        None if target is None else reference(target, "target"),
    )
    text = draft.written(found)
    if output is not None:
        write_file(output, text)
    data = {
        "output": output,
        "document": text,
        "table": f"{found.table.schema}.{found.table.name}",
        "key": found.plan.config.key_columns,
        "candidates": found.candidates,
    }
    return Reply(data, text if output is None else f"written to {output}")


COMMANDS = {"init": init}
