"""``config``, ``schema``, ``completion`` and ``demo``, which need no ledger."""

from __future__ import annotations

import sys
from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.reply import Reply, as_document
from mapper_dask.cli.tables import table
from mapper_dask.errors import ConfigurationError


@click.command("config", epilog='\b\nJSON: {"settings": [{"key", "value", "origin", "doc"}]}')
@parameters.several(
    click.option("--file", "-f", type=parameters.FilePath(), metavar="FILE",
                 help="With the settings of a job file."),
    parameters.settings,
    click.option("--doc", is_flag=True, help="Say what each means."),
    parameters.common,
)  # fmt: skip
def config(
    file: str | None, changes: tuple[tuple[str, Any], ...], *, doc: bool, as_json: bool, debug: bool
) -> Reply:
    """Show each setting, its value, and where it came from.

    Later places win: the packaged defaults; Dask's configuration files; environment variables
    such as DASK_MAPPER_DASK__CHUNK_SIZE=10000; the job file's settings; --set.
    """
    del as_json, debug
    rows = settings_of(file, changes).rows()
    if doc:
        shown = table(
            ("setting", "value", "from", "meaning"),
            [(r.key, _value(r.value), r.origin, r.doc) for r in rows],
        )
    else:
        shown = table(
            ("setting", "value", "from"), [(r.key, _value(r.value), r.origin) for r in rows]
        )
    return Reply({"settings": rows}, shown)


def settings_of(file: Any, changes: tuple[tuple[str, Any], ...] | dict[str, Any]) -> Any:
    """Return the settings with those of a job file and the options of a call."""
    from mapper_dask import settings

    if isinstance(file, str):
        from mapper_dask import jobfile

        file = jobfile.read(file)
    own = None if file is None else file.settings
    name = "" if file is None else str(file.path)
    return settings.resolve(file=own, file_name=name, call=dict(changes))


def _value(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.command("schema", epilog="\b\nJSON: the JSON Schema of job files, with or without --json.")
@parameters.common
def schema(*, as_json: bool, debug: bool) -> Reply:
    """Print the JSON Schema of job files, by which editors complete and check them."""
    del as_json, debug
    from mapper_dask import jobfile

    made = jobfile.json_schema()
    return Reply(made, as_document(made))


@click.command("completion", epilog='\b\nJSON: {"shell", "script"}')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@parameters.common
def completion(shell: str, *, as_json: bool, debug: bool) -> Reply:
    """Print what completes commands and options in a shell.

    \b
    bash: mapper-dask completion bash > ~/.local/share/bash-completion/completions/mapper-dask
    zsh:  mapper-dask completion zsh > a file of your fpath named _mapper-dask
    fish: mapper-dask completion fish > ~/.config/fish/completions/mapper-dask.fish
    """  # noqa: D301 - click's own mark for lines that stay
    del as_json, debug
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root()
    found = get_completion_class(shell)
    if found is None:  # pragma: no cover - the choice above knows those there are
        message = f"no completion for {shell}"
        raise ConfigurationError(message, field="shell")
    program = str(root.info_name)
    script = found(root.command, {}, program, "_MAPPER_DASK_COMPLETE").source()
    return Reply({"shell": shell, "script": script}, script)


@click.command("demo", epilog='\b\nJSON: {"done"}; what it prints goes to standard error.')
@parameters.several(
    click.option("--workers", type=parameters.Count(min=1), default=2, show_default=True,
                 help="Worker processes."),
    click.option("--chunk-size", type=parameters.Count(min=1), default=25_000, show_default=True,
                 help="Rows a chunk."),
    click.option("--rows", type=parameters.Count(min=1), help="Only the year's first flights."),
    parameters.common,
)  # fmt: skip
def demo(
    workers: int, chunk_size: int, rows: int | None, *, as_json: bool, debug: bool
) -> Reply | int:
    """Start a throwaway PostgreSQL, move 336,776 flights through a function, check the result.

    Needs the extra: pip install 'mapper-dask[demo]'.
    """
    del debug
    import contextlib

    try:
        from mapper_dask import demo as script
    except ImportError as error:
        message = f"the demo needs its extra, pip install 'mapper-dask[demo]': {error}"
        raise ConfigurationError(message, field="demo") from None
    options = [f"--workers={workers}", f"--chunk-size={chunk_size}"]
    options += [f"--rows={rows}"] if rows else []
    if not as_json:
        return script.main(options)
    with contextlib.redirect_stdout(sys.stderr):
        code = script.main(options)
    return Reply({"done": code == 0}, "", code)


COMMANDS = {"config": config, "schema": schema, "completion": completion, "demo": demo}
