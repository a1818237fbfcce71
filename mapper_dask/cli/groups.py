"""Groups of commands that correct a misspelt one."""

from __future__ import annotations

from pathlib import Path

import click

from mapper_dask.near import did_you_mean, listed

OTHERS = {
    **dict.fromkeys(("ls", "list", "show", "runs", "ps", "history"), "status"),
    **dict.fromkeys(("validate", "lint", "test", "verify"), "check"),
    **dict.fromkeys(("explain", "dry-run", "preview"), "plan"),
    **dict.fromkeys(("start", "exec", "execute", "load", "move"), "run"),
    **dict.fromkeys(("continue", "restart", "retry"), "resume"),
    **dict.fromkeys(("stop", "kill", "abort"), "cancel"),
    **dict.fromkeys(("prune", "purge", "delete", "remove", "rm", "vacuum"), "clean"),
    **dict.fromkeys(("new", "create", "draft", "scaffold"), "init"),
    **dict.fromkeys(("compare", "count", "diff"), "reconcile"),
    **dict.fromkeys(("settings", "env"), "config"),
    **dict.fromkeys(("logs", "html", "summary"), "report"),
}
"""Commands of other programs, and the same in this one."""


class Group(click.Group):
    """A group that answers an unknown command with the one that was meant, or with all."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was typed; refuse an unknown one."""
        name = str(args[0])
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            if name.startswith("-"):
                return super().resolve_command(ctx, args)
            ctx.fail(f"No such command {name!r}{self._meant(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, name: str) -> str:
        known = self.list_commands(ctx)
        if "run" in known and Path(name).is_file():
            return f"; it is a file: `mapper-dask run {name}`"
        other = OTHERS.get(name.lower())
        if other in known:
            return f"; did you mean {other!r}?"
        return did_you_mean(name, known, otherwise=f"; there are {listed(known, 20)}")
