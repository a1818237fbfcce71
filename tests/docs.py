"""The blocks of code in the README and in docs/, found, and run as a reader would run them.

A block is run in the page's folder, in the order of the page, unless the HTML comment in the line
above it says otherwise:

``<!-- run first -->``       makes the tables of the examples
``<!-- not run: reason -->`` is looked at only, as far as that can tell
``<!-- exit 3 -->``          ends with that code
``<!-- on source -->``       SQL for the source; ``on target`` for the target
``<!-- shows: a | b -->``    prints these, however it is spaced; behind ``exit 3; `` too

A block of Python or YAML whose first line is ``# name.ext`` is a file of that name. Port 8786
stands for a free one.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import psutil
import yaml

from mapper_dask import jobfile
from mapper_dask.cli.app import cli
from tests.database import Databases
from tests.leftovers import public_listeners
from tests.scripts import ROOT

FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"# (?P<name>[\w~./-]+\.(?:py|ya?ml))\n")
PORT = "8786"
"""Where a Dask scheduler listens if nobody says otherwise; taken, maybe, where tests run."""

SECONDS = 150
"""A block that takes longer hangs."""

PATIENCE = 30.0
"""Seconds within which what a block has started ends after it."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def not_run(self) -> str | None:
        """Why it is not run, None when it is."""
        head, _, reason = self.mark.partition(": ")
        return reason if head == "not run" else None

    @property
    def exit_code(self) -> int:
        found = re.match(r"exit (\d+)", self.mark)
        return int(found[1]) if found else 0

    @property
    def shows(self) -> list[str]:
        """What its reader is promised to see, each on one line."""
        found = re.search(r"(?:^|; )shows: (.*)", self.mark)
        return found[1].split(" | ") if found else []

    @property
    def file(self) -> str | None:
        found = FILE.match(self.code) if self.language in {"python", "yaml"} else None
        return found["name"] if found else None


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def in_order() -> list[str]:
    """Return the names of the guide's pages behind its first, in the order it lists them."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    return list(dict.fromkeys(f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)\)", index)))


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks, the one that makes the tables first."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page, text.count("\n", 0, m.start()) + 1, m["language"], m["code"], m["mark"] or "")
        for m in FENCE.finditer(text)
    ]
    return sorted(found, key=lambda block: block.mark != "run first")


@dataclass
class Reader:
    """Somebody who follows a page in a folder of their own."""

    folder: Path
    databases: Databases
    port: int
    ran: list[Block] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    """Process groups of the blocks, in which something may be left in the background."""

    @property
    def environment(self) -> dict[str, str]:
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("DASK_", "MAPPER_"))}
        paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
        return {
            **ours,
            "HOME": str(self.folder),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": os.pathsep.join(paths),
            "SOURCE": self.databases.source.url,
            "TARGET": self.databases.target.url,
        }

    def follow(self, block: Block) -> None:
        """Do what a block says.

        Raises
        ------
        AssertionError
            When it does not end as the page says.
        """
        code = block.code.replace(PORT, str(self.port))
        if block.not_run is not None:
            look_at(block)
            return
        if block.file is not None:
            self._write(block.file, code)
        match block.language:
            case "python" if block.file is None:
                self._run(block, "example.py", code, sys.executable, "-W", "error")
            case "python":
                compile(code, str(block), "exec")
            case "sh":
                self._run(block, "example.sh", code, "bash", "-eu", "-o", "pipefail")
            case "console":
                self._run(block, "example.sh", typed(code), "bash", "-eu", "-o", "pipefail")
            case "yaml":
                self._read(block)
            case "sql":
                getattr(self.databases, block.mark.removeprefix("on ")).execute(code)
            case "json":
                json.loads(code)
            case _:
                raise AssertionError(f"{block}: nothing is known of the language {block.language}")
        self.ran.append(block)

    def _write(self, name: str, code: str) -> None:
        path = self.folder / name.removeprefix("~/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")

    def _read(self, block: Block) -> None:
        """Read a job file as one; anything else as settings of Dask."""
        assert block.file is not None, f"{block}: a job file is named in its first line"
        if "version" in yaml.safe_load(block.code):
            jobfile.read(self.folder / block.file, environ=self.environment)
        else:
            self._run(block, "example.sh", "mapper-dask config", "bash")

    def _run(self, block: Block, name: str, code: str, *command: str) -> None:
        script, told = self.folder / name, self.folder / "output"
        script.write_text(code, encoding="utf-8")
        with told.open("w") as out:  # no pipe: what is left in the background would hold it open
            process = subprocess.Popen(
                [*command, name], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            self.groups.append(process.pid)
            returned = process.wait(SECONDS)
        text = told.read_text(encoding="utf-8")
        assert returned == block.exit_code, f"{block}: ended with {returned}\n{text}"
        lines = " ".join(text.split())
        for promised in block.shows:
            assert promised in lines, f"{block}: does not show {promised!r}\n{text}"
        assert not public_listeners(self._left()), f"{block}: is open to the network"

    def _left(self) -> list[psutil.Process]:
        """Return what the blocks have left running in the background."""
        return [p for p in psutil.process_iter() if _group(p) in self.groups]

    def leave(self) -> list[int]:
        """End what the blocks have left running; return its process groups."""
        left = [group for group in self.groups if not _ends(group)]
        for group in left:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        return left


def _group(process: psutil.Process) -> int | None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getpgid(process.pid)
    return None


def _ends(group: int) -> bool:
    """Return whether a process group is gone, or goes in a moment: helpers of Python end last."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def typed(session: str) -> str:
    """Return what was typed in a session that is shown with what it answered."""
    return "".join(re.findall(r"^\$ ((?:.*\\\n)*.*\n)", session, re.MULTILINE))


def look_at(block: Block) -> None:
    """Check what can be told of a block without running it.

    Raises
    ------
    AssertionError
        When this library has no such name, argument, command or option.
    """
    match block.language:
        case "python":
            check_names(ast.parse(block.code, str(block)))
        case "yaml":
            assert all(isinstance(part, dict) for part in yaml.safe_load_all(block.code)), block
        case "sh" | "console":
            lines = block.code if block.language == "sh" else typed(block.code)
            subprocess.run(["bash", "-n"], input=lines, text=True, check=True)
            for command in re.findall(r"^ *mapper-dask .*$", lines, re.MULTILINE):
                check_command(command)


def check_names(tree: ast.Module) -> None:
    """Check what is taken from this library, and the arguments it is given by name."""
    known: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mapper_dask"):
            module = importlib.import_module(node.module or "")
            known |= {a.asname or a.name: getattr(module, a.name) for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            given = {key.arg: None for key in node.keywords if key.arg}
            inspect.signature(known[node.func.id]).bind_partial(**given)  # type: ignore[arg-type]


def commands(page: Path) -> Iterator[str]:
    """Yield the commands that stand in the text of a page."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from re.findall(r"`(mapper-dask [^`]*)`", text)


def check_command(line: str) -> None:
    """Check that there is such a command, with such options.

    Raises
    ------
    AssertionError
        When there is not.
    """
    words = shlex.split(line.replace("…", ""), comments=True)[1:]
    command: click.Command = cli
    options = {"--version", "-h", "--help"}
    with click.Context(cli) as context:
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                found = command.get_command(context, word)
                assert found is not None, f"{line}: there is no command {word}"
                command = found
                options = {o for p in command.params for o in p.opts} | {"-h", "--help"}
            elif word.startswith("-"):
                assert word.partition("=")[0] in options, f"{line}: there is no option {word}"


def setup() -> Block:
    """Return what makes the tables for the pages in docs/."""
    [first] = [b for b in blocks(ROOT / "docs" / "README.md") if b.mark == "run first"]
    return first


def shares_of(found: list[Block]) -> Mapping[str, int]:
    """Return how many blocks are run, and how many are not."""
    idle = sum(block.not_run is not None for block in found)
    return {"run": len(found) - idle, "not run": idle}
