"""What a job brings is data: no file of the library runs it as code or unpickles it from a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper_dask.errors import ConfigurationError
from mapper_dask.ledger import stored_job as job_record

LIBRARY = Path(__file__).parents[2] / "mapper_dask"
MODULES = sorted(LIBRARY.rglob("*.py"))

BUILTINS = {"eval", "exec", "compile", "__import__", "globals", "breakpoint"}
"""Names that turn text into running code when they are called, or even only passed on."""

CODE_LOADERS = {
    "_pickle",
    "code",
    "codeop",
    "dill",
    "imp",
    "jsonpickle",
    "joblib",
    "marshal",
    "pickle",
    "pty",
    "runpy",
    "shelve",
    "timeit",
    "xmlrpc",
}
"""Modules whose very purpose is to run what they read. Nothing here needs one."""

PICKLES = {"cloudpickle"}
WRITES = (".dumps", ".register_pickle_by_value")
"""May write: a function is tried before it is sent, and goes along where no worker has it. Reading
is the workers' affair."""

READS_ITS_OWN = ("mapping/transform.py", "raised.py", "workers/remote.py")
"""A job file's function pickles its parts inside the pickle it is in already; so does what a
worker's function raised, in the result that Dask brings, and what goes to a worker in a task."""

PROGRAM_STARTERS = {"subprocess", "multiprocessing"}
STARTS_PROGRAMS = ("embedded.py", "workers/local_cluster.py", "connections/vault.py")
"""A server, the workers, and a shell that removes a secret's file when its process has ended."""

IMPORTS_BY_NAME = ("__init__.py", "ledger/stored_job.py", "jobfile/functions.py")
"""The public names come from a table of the library's own; a resumed run finds its function by the
name that the ledger holds, and a flow by the name that its job file says."""

ATTRIBUTES = {
    "Unpickler": "reads a pickle",
    "allow_pickle": "reads a pickle",
    "execfile": "runs a file",
    "exec_module": "runs a file",
    "full_load": "a YAML that makes objects",
    "load_module": "runs a file",
    "os.popen": "starts a shell",
    "os.spawn": "starts a program",
    "os.startfile": "starts a program",
    "os.system": "starts a shell",
    "read_pickle": "reads a pickle",
    "spec_from_file_location": "imports a file by its path",
    "unsafe_load": "a YAML that makes objects",
    "UnsafeLoader": "a YAML that makes objects",
    "yaml.FullLoader": "a YAML that makes objects",
    "yaml.Loader": "a YAML that makes objects",
    "yaml.load": "a YAML that makes objects; safe_load does not",
    "yaml.load_all": "a YAML that makes objects; safe_load_all does not",
}
"""Ends of dotted names, wherever they stand, with or without a call."""

FRAME_METHODS = ("eval", "query")
"""pandas runs their text as an expression; it must be the library's own, so it is a literal."""


def name_of(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` of such an expression; a part that is no name is left empty."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for: ``from yaml import load as l`` is no way round."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def faults(source: str, name: str) -> list[str]:
    """Return every place of a module that could run what it reads."""
    tree = ast.parse(source)
    modules = imported(tree)
    found = [f"{line}: imports {module}" for line, module in modules if _barred(module, name)]
    known = aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            found += _barred_name(node, known, name)
        if isinstance(node, ast.Call):
            found += _barred_call(node)
    return sorted(set(found))


def _barred(module: str, name: str) -> bool:
    top = module.partition(".")[0]
    return top in CODE_LOADERS or (top in PROGRAM_STARTERS and name not in STARTS_PROGRAMS)


def _barred_name(node: ast.Name | ast.Attribute, known: dict[str, str], name: str) -> list[str]:
    first, _, rest = dotted(node).partition(".")
    full = ".".join(part for part in (known.get(first, first), rest) if part)
    found = [
        f"{node.lineno}: {full}, {why}"
        for end, why in ATTRIBUTES.items()
        if full == end or full.endswith(f".{end}")
    ]
    if isinstance(node, ast.Name) and known.get(first, first).removeprefix("builtins.") in BUILTINS:
        found.append(f"{node.lineno}: {full} runs code")
    if isinstance(node, ast.Attribute) and full.removeprefix("builtins.") in BUILTINS:
        found.append(f"{node.lineno}: {full} runs code")
    reads = full.partition(".")[0] in PICKLES and "." in full and not full.endswith(WRITES)
    if reads and name not in READS_ITS_OWN:
        found.append(f"{node.lineno}: {full} reads a pickle")
    if full.endswith("import_module") and name not in IMPORTS_BY_NAME:
        found.append(f"{node.lineno}: {full} runs a module named in data")
    return found


def _barred_call(node: ast.Call) -> list[str]:
    name = dotted(node.func)
    shell = [
        f"{node.lineno}: shell={ast.unparse(k.value)}" for k in node.keywords if k.arg == "shell"
    ]
    pickled = [f"{node.lineno}: allow_pickle" for k in node.keywords if k.arg == "allow_pickle"]
    method = name.rpartition(".")[2] if "." in name else ""
    evaluated = method in FRAME_METHODS and not all(
        isinstance(argument, ast.Constant) for argument in node.args
    )
    return shell + pickled + [f"{node.lineno}: {name} of a text made here"] * evaluated


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_runs_nothing_it_reads(path):
    assert faults(path.read_text(encoding="utf-8"), name_of(path)) == []


FORBIDDEN = (
    "eval(job)",
    "exec(job)",
    "builtins.eval(job)",
    "import builtins as b\nb.exec(job)",
    "run = eval",
    "from builtins import exec as run\nrun(job)",
    "compile(job, '', 'exec')",
    "__import__(job)",
    "import pickle",
    "from pickle import loads as read",
    "import shelve, json",
    "import joblib",
    "import marshal",
    "import subprocess",
    "from subprocess import run",
    "import multiprocessing.connection",
    "import cloudpickle\ncloudpickle.loads(job)",
    "import cloudpickle as c\nc.load(job)",
    "from cloudpickle import loads\nloads(job)",
    "from cloudpickle import loads as read\nread(job)",
    "import pandas as pd\npd.read_pickle(job)",
    "import numpy as np\nnp.load(job, allow_pickle=True)",
    "import yaml\nyaml.load(job)",
    "import yaml as y\ny.load(job, Loader=y.UnsafeLoader)",
    "from yaml import load\nload(job)",
    "import yaml\nyaml.unsafe_load(job)",
    "import os\nos.system(job)",
    "from os import popen\npopen(job)",
    "frame.eval(job)",
    "frame.query(f'{job} > 1')",
    "run(job, shell=True)",
    "import importlib.util\nimportlib.util.spec_from_file_location('x', job)",
    "import runpy",
    "import importlib\nimportlib.import_module(job)",
    "from importlib import import_module as load\nload(job)",
)

ALLOWED = (
    "import re\nre.compile(job)",
    "import json\njson.loads(job)",
    "import simplejson\nsimplejson.load(job)",
    "import tomllib\ntomllib.load(job)",
    "import yaml\nyaml.safe_load(job)",
    "import cloudpickle\ncloudpickle.dumps(job)",
    "import ast\nast.parse(job)",
    "cursor.execute(job)",
    "dialect.load(job)",
    "frame.query('a > 1')",
    "plan.query.columns",
)


@pytest.mark.parametrize("source", FORBIDDEN)
def test_the_scan_finds(source):
    assert faults(source, "chunk/load.py")


@pytest.mark.parametrize("source", ALLOWED)
def test_the_scan_passes(source):
    assert faults(source, "chunk/load.py") == []


def test_no_other_files_start_programs():
    starters = {
        name_of(path)
        for path in MODULES
        for _, module in imported(ast.parse(path.read_text(encoding="utf-8")))
        if module.partition(".")[0] in PROGRAM_STARTERS
    }

    assert starters == {*STARTS_PROGRAMS}


def test_the_library_has_modules_to_scan():
    assert len(MODULES) > 30


@pytest.mark.parametrize("name", ["subprocess:call", "subprocess:run", "subprocess:Popen.__init__"])
def test_a_function_of_the_standard_library_is_not_taken_from_the_ledger(name):
    require_not_taken(name)


@pytest.mark.parametrize("name", ["setuptools._distutils.spawn:spawn", "pexpect.run:run"])
def test_a_function_of_an_installed_package_is_not_taken_from_the_ledger(name):
    pytest.importorskip(name.partition(":")[0])

    require_not_taken(name)


def require_not_taken(name):
    try:
        found = job_record._imported(name, "a run")
    except ConfigurationError as error:
        assert "pass transformation_logic" in str(error)  # noqa: PT017 - else is no error at all
    else:
        raise AssertionError(f"{found} would be called with a frame")
