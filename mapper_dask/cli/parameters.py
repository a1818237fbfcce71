"""Types of options, and the options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from mapper_dask.cli.reply import NOT_SHOWN

Command = Callable[..., Any]


class Connection(click.ParamType[str]):
    """A connection: a reference, or a URL without a secret."""

    name = "connection"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; refuse a password, which the list of processes would show."""
        text = str(value)
        if text.startswith(("env:", "profile:")) and text.partition(":")[2]:
            return text
        if "://" not in text:
            self.fail("must be env:NAME, profile:NAME or a URL without a password", param, ctx)
        if holds_secret(text):
            self.fail(
                f"{NOT_SHOWN} holds a password, which everybody on this machine can read in the "
                "list of processes; put the URL into an environment variable and give env:NAME",
                param,
                ctx,
            )
        return text


def holds_secret(url: str) -> bool:
    """Return whether a URL holds a secret, or may, since it cannot be read."""
    from mapper_dask.connections.masking import secrets_of
    from mapper_dask.connections.urls import parse_url
    from mapper_dask.errors import ConfigurationError

    try:
        return bool(secrets_of(parse_url(url)))
    except ConfigurationError:
        return True


class FilePath(click.ParamType[str]):
    """The path of a file, which is not checked."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path; refuse a URL."""
        text = str(value)
        if "://" in text:
            self.fail("must be the path of a file, not a URL", param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Let the shell complete it."""
        from click.shell_completion import CompletionItem

        del ctx, param
        return [CompletionItem(incomplete, type="file")]


class Address(click.ParamType[str]):
    """The address of a Dask scheduler."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address, which is not connected to."""
        protocol, _, place = str(value).partition("://")
        web = protocol in ("http", "https")  # of its dashboard
        if not protocol.isalnum() or web or not place or "@" in place:
            self.fail("must be an address such as tcp://host:8786", param, ctx)
        return str(value)


class Count(click.IntRange):
    """A whole number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return it."""
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or number < (self.min or 0):
            shown = str(value)[:40]
            what = f"must be a whole number of at least {self.min or 0}, got {shown!r}"
            self.fail(what, param, ctx)
        return number


class Duration(click.ParamType[float]):
    """A time such as 30d, 12h or 15m, in seconds."""

    name = "duration"
    digits = 9
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}  # noqa: RUF012 - never changed

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return it in seconds."""
        if isinstance(value, float):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if not number.isdecimal() or unit not in self.units or len(number) > self.digits:
            self.fail("must be a number and s, m, h, d or w, such as 30d", param, ctx)
        return float(int(number) * self.units[unit])


class Setting(click.ParamType[tuple[str, Any]]):
    """``key=value``: a setting of this call."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return key and value; the value is parsed as YAML."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail("must be key=value, such as chunk-size=10000", param, ctx)
        if "://" in text and holds_secret(text):
            self.fail(f"{key}: {NOT_SHOWN} may hold a password; use env:NAME", param, ctx)
        import yaml

        try:
            return key, yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # an integer of too many digits
            self.fail(f"{key}: its value cannot be read", param, ctx)


def common(function: Command) -> Command:
    """Add the options that every command has."""
    for option in (
        click.option("--debug", is_flag=True, help="Log everything; show tracebacks of errors."),
        click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document."),
    ):
        function = option(function)
    return function


def several(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds some options, shown in the order given."""

    def add(function: Command) -> Command:
        return functools.reduce(lambda made, option: option(made), reversed(options), function)

    return add


ledger = click.option(
    "--ledger",
    "-l",
    type=Connection(),
    metavar="CONNECTION",
    help="Where the ledger is: env:NAME, profile:NAME, or a URL without a password.",
)
jobs = click.option(
    "--job", "names", multiple=True, metavar="NAME", help="Only this job; may be repeated."
)
settings = click.option(
    "--set",
    "changes",
    multiple=True,
    type=Setting(),
    metavar="KEY=VALUE",
    help="A setting for this call, such as chunk-size=10000; see `mapper-dask config`.",
)
trust = click.option(
    "--trust-ledger",
    is_flag=True,
    help="Take query, connection and functions from a ledger that others can write.",
)
source = click.option(
    "--source", type=Connection(), metavar="CONNECTION", help="The source, where it was not stored."
)
