"""The command line's commands, errors and exit codes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.groups import Group
from mapper_dask.cli.reply import (
    CANCELLED,
    DONE,
    FAILED,
    USAGE,
    Reply,
    as_document,
    code_of,
    error_document,
    message_of,
    say,
    without_urls,
)
from mapper_dask.cli.tables import harmless
from mapper_dask.errors import MapperError

PROGRAM = "mapper-dask"

EPILOG = """\b
Exit codes:
  0    done
  1    failed
  2    usage or configuration: nothing was moved
  3    partial: rows were rejected, or chunks failed and were passed over
  130  cancelled (Ctrl-C, SIGTERM); `resume` finishes it

With --json a command prints one JSON document on standard output, and
everything for people on standard error. An error is
{"error": {"kind", "message", "field", "file", "line", "column"}}.
"""


class Commands(Group):
    """The commands, each imported at its first use."""

    homes = {  # noqa: RUF012 - never changed
        "cancel": "runs",
        "check": "planning",
        "clean": "housekeeping",
        "completion": "about",
        "config": "about",
        "demo": "about",
        "init": "drafting",
        "plan": "planning",
        "reconcile": "runs",
        "rejects": "rejects",
        "report": "reports",
        "resume": "running",
        "rewind": "housekeeping",
        "run": "running",
        "schema": "about",
        "status": "runs",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        del ctx
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of them."""
        del ctx
        home = self.homes.get(cmd_name)
        return None if home is None else _commands_of(home)[cmd_name]


def _commands_of(home: str) -> dict[str, click.Command]:
    """Return the commands of one module, imported now."""
    match home:
        case "about":
            from mapper_dask.cli.about import COMMANDS
        case "drafting":
            from mapper_dask.cli.drafting import COMMANDS
        case "housekeeping":
            from mapper_dask.cli.housekeeping import COMMANDS
        case "planning":
            from mapper_dask.cli.planning import COMMANDS
        case "rejects":
            from mapper_dask.cli.rejects import COMMANDS
        case "reports":
            from mapper_dask.cli.reports import COMMANDS
        case "running":
            from mapper_dask.cli.running import COMMANDS
        case _:
            from mapper_dask.cli.runs import COMMANDS
    return COMMANDS


def _version() -> str:
    from importlib.metadata import version

    return version(PROGRAM)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False,
              callback=lambda ctx, _, asked: _show_version(ctx, asked=asked),
              help="Show the version and exit.")  # fmt: skip
def cli() -> None:
    """Move the results of SQL queries through pandas functions into tables: in parallel, from one
    snapshot, every row exactly once.
    """  # noqa: D205 - click joins the lines


def _show_version(ctx: click.Context, *, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {_version()}")
        ctx.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    as_json, debug = "--json" in typed, "--debug" in typed
    _here_on_path()
    try:
        with _terminable(), _logged() if debug else contextlib.nullcontext():
            return _answered(cli.main(typed, prog_name=PROGRAM, standalone_mode=False), as_json)
    except (KeyboardInterrupt, click.exceptions.Abort) as error:
        return _interrupted(str(error.__cause__ or error), as_json=as_json)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _misused(error, typed, as_json=as_json)
    except BrokenPipeError:  # the reader of our output has closed it
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    except Exception as error:  # noqa: BLE001 - no traceback to a user who did not ask
        return _failed(error, typed, as_json=as_json, debug=debug)
    return FAILED


def _answered(reply: Any, as_json: bool) -> int:  # noqa: FBT001 - as it was typed
    """Print a command's reply; return the exit code."""
    if isinstance(reply, Reply):
        say(reply, as_json=as_json)
        return reply.code
    return reply if isinstance(reply, int) else DONE


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Write the library's log to stderr; a program that calls us keeps its own logging."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("mapper_dask")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _here_on_path() -> None:
    """Add the current directory to the import path, as ``python -m`` does."""
    if "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109 - compared as text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, and the end of a terminal, cancel as Ctrl-C does."""

    def interrupt(number: int, frame: Any) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = {}
    with contextlib.suppress(ValueError):  # not in the main thread, where a program calls us
        for heard in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(heard) is not signal.SIG_IGN:  # as under nohup
                before[heard] = signal.signal(heard, interrupt)
    try:
        yield
    finally:
        for heard, handler in before.items():
            signal.signal(heard, handler)


def _interrupted(line: str, *, as_json: bool) -> int:
    message = line or "cancelled; what is committed stays, and resume finishes it"
    if as_json:
        document = {"error": {"kind": "Cancelled", "message": message, "field": None,
                              "file": None, "line": None, "column": None}}  # fmt: skip
        say(Reply(document, ""), as_json=True)
    else:
        with contextlib.suppress(OSError):  # the terminal was closed
            sys.stderr.write(f"{harmless(message)}\n")
    return CANCELLED


def _options_of(context: click.Context | None) -> list[str]:
    """Return the options of the command that was typed."""
    parameters = [] if context is None else context.command.params
    return [name for parameter in parameters for name in parameter.opts]


def _misused(error: click.ClickException, typed: Sequence[str], *, as_json: bool) -> int:
    message = without_urls(error.format_message(), typed)
    context = getattr(error, "ctx", None)
    field = getattr(getattr(error, "param", None), "name", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(message, err=True)
    elif as_json:
        document = error_document(error, message)
        document["error"].update(kind="UsageError", field=field)
        say(Reply(document, ""), as_json=True)
    else:
        extra = "unexpected extra argument" in message and "--run-id" in _options_of(context)
        message += "; a run is named by --run-id" if extra else ""
        hint = "" if context is None else f" (see `{context.command_path} --help`)"
        _complain(f"{message}{hint}")
    return USAGE


def _failed(error: Exception, typed: Sequence[str], *, as_json: bool, debug: bool) -> int:
    if debug:
        sys.stderr.write(without_urls(traceback.format_exc(), typed))
    message = message_of(error, typed)
    if not isinstance(error, MapperError):
        message = f"{type(error).__name__}: {message} (this should not happen; --debug shows more)"
    if as_json:
        sys.stdout.write(as_document(error_document(error, message)) + "\n")
    else:
        _complain(message)
    return code_of(error)


def _complain(message: str) -> None:
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    head = click.style("error:", fg="red", bold=True) if colour else "error:"
    sys.stderr.write(f"{head} {harmless(message)}\n")


__all__ = ["cli", "main", "parameters"]
