"""The library's shape: imports run one way, drivers keep to their place, files are small."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mapper_dask

LIBRARY = Path(__file__).parents[2] / "mapper_dask"
MODULES = sorted(LIBRARY.rglob("*.py"))
BENCHMARKS = sorted((LIBRARY.parent / "benchmarks").rglob("*.py"))

LAYERS = (
    "errors",
    "users_code",
    "raised",
    ("bounds", "cycles"),
    "halting",
    "near",
    "options",
    "retries",
    "rendering",
    ("log", "naming", "numpy_times"),
    "tracebacks",
    "stored",
    "text_files",
    "parallel_models",
    "parallel_result",
    "mapping",
    "job_fields",
    "mapper_job",
    "incremental",
    "flow",
    "settings",
    ("schema", "query_text"),
    "staging",
    "connections",
    "resolved_job",
    "dialects",
    "spool",
    "ledger",
    ("plan", "chunk"),
    "events",
    "limits",
    "workers",
    "interrupts",
    "preflight",
    "run",
    "repair",
    ("parallel_processor", "processor_arguments"),
    "flows",
    "frames",
    "jobfile",
    ("embedded", "demo", "cli"),
)
"""In the order a reader meets them. A module imports from earlier layers and from its own."""

STRANGERS = {("plan", "chunk"), ("chunk", "plan")}
"""Neighbours of one layer that do not know each other."""

DASK_CONFIG_ONLY = {"connections/reference.py", "settings.py"}
"""Profiles and settings live in Dask's configuration, where cluster users keep theirs:
``dask.config`` and no more of Dask is named there."""

DASK_FOLDERS, DASK_FILES = ("workers/", "run/", "flows/"), ("frames.py", "parallel_processor.py")
"""Where Dask is named: who does the work, and whose callers may bring a client."""

DRIVERS = {"psycopg2": "dialects/postgresql", "oracledb": "dialects/oracle"}
AT_THE_TOP = ("embedded.py", "demo.py")

TWINS = ("dialects/oracle/", "dialects/postgresql/")
"""What does the same for one database and another may have one name."""

LONGEST_MODULE, LONGEST_FUNCTION = 450, 60
LARGEST_PART, LONGEST_RUN = 0.25, 2_500
"""A folder's share of the library's lines; lines of ``run/``, which is one run and no more."""
LONGEST_TEST_FILE = 600


def name_of(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


def rank(part: str) -> int:
    for place, layer in enumerate(LAYERS):
        if part == layer or (isinstance(layer, tuple) and part in layer):
            return place
    raise AssertionError(f"mapper_dask/{part} stands in no layer: give it a place in LAYERS")


def part_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Yield the full names a module imports when it runs, not those for a type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in checked:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> Iterator[str]:
    """Yield the parts of this library a module imports."""
    names = (name.split(".")[1] for name in imports(path) if name.startswith("mapper_dask."))
    # What is taken from the package itself is the public face, which stands above the frames.
    yield from ("cli" if name in mapper_dask.__all__ else name for name in names)


def outside_imports(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - {"mapper_dask"}


@pytest.mark.parametrize(
    "path", [m for m in MODULES if m.parent != LIBRARY or m.stem != "__init__"], ids=name_of
)
def test_a_module_imports_nothing_that_stands_after_it(path):
    own = part_of(path)

    late = {part for part in own_imports(path) if rank(part) > rank(own)}
    unknown_to_each_other = {part for part in own_imports(path) if (own, part) in STRANGERS}

    assert not late
    assert not unknown_to_each_other


def module_of(path: Path) -> str:
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_imported(path: Path, known: dict[str, Path]) -> set[str]:
    """Return which of some modules a module imports, within functions too."""
    found = set()
    for name in imports(path):
        package, _, last = name.rpartition(".")
        if name in known:
            found.add(name)
        elif package in known and not (known[package].parent / f"{last}.c").exists():
            found.add(package)
    return found - {module_of(path)}


@pytest.mark.parametrize("paths", [MODULES, BENCHMARKS], ids=["library", "benchmarks"])
def test_no_modules_import_each_other_in_a_circle(paths):
    known = {module_of(path): path for path in paths}
    needs = {name: modules_imported(path, known) for name, path in known.items()}

    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def are_twins(files: list[str]) -> bool:
    each_once = all(any(file.startswith(twin) for file in files) for twin in TWINS)
    return each_once and len(files) == len(TWINS)


def test_no_two_classes_have_one_name():
    homes = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name_of(path))

    twice = {name for name, files in homes.items() if len(files) > 1 and not are_twins(files)}
    assert twice == set()


def test_only_what_runs_and_the_frames_import_dask():
    named = {name_of(p) for p in MODULES if outside_imports(p) & {"dask", "distributed"}}

    allowed = {n for n in named if n.startswith(DASK_FOLDERS) or n in (*DASK_FILES, *AT_THE_TOP)}
    assert named - allowed <= DASK_CONFIG_ONLY


@pytest.mark.parametrize("name", sorted(DASK_CONFIG_ONLY))
def test_settings_use_nothing_of_dask_but_its_configuration(name):
    tree = ast.parse((LIBRARY / name).read_text(encoding="utf-8"))

    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "dask"
    }
    assert used == {"config"}


@pytest.mark.parametrize(("driver", "home"), DRIVERS.items())
def test_a_driver_is_named_in_its_own_dialect_only(driver, home):
    named = {name_of(path) for path in MODULES if driver in outside_imports(path)}

    assert {n for n in named if not n.startswith(f"{home}/") and n not in AT_THE_TOP} == set()


def test_a_database_is_opened_by_one_door():
    named = {
        name_of(path)
        for path in MODULES
        if any(name.endswith((".engine_for", ".raw_connection")) for name in imports(path))
    }

    assert named == {"dialects/opening.py"}


def lines_of(function: ast.FunctionDef) -> int:
    """Return a function's length without its docstring, which may be as long as it helps."""
    first = function.body[0]
    described = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - described


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]

    long = [f.name for f in functions if lines_of(f) > LONGEST_FUNCTION]

    assert len(text.splitlines()) <= LONGEST_MODULE
    assert not long


def test_test_files_stay_readable():
    files = Path(__file__).parents[1].rglob("*.py")
    long = {f.name: n for f in files if (n := len(f.read_text().splitlines())) > LONGEST_TEST_FILE}

    assert long == {}


def test_no_folder_outgrows_the_others():
    lines = Counter()
    for path in MODULES:
        lines[part_of(path)] += len(path.read_text(encoding="utf-8").splitlines())

    assert {part: n for part, n in lines.items() if n > LARGEST_PART * lines.total()} == {}
    assert lines["run"] <= LONGEST_RUN


@pytest.mark.parametrize(
    "path", [m for m in MODULES if m.name != "demo.py" and part_of(m) != "cli"], ids=name_of
)
def test_the_library_prints_only_to_a_stream_it_was_given(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "print"
    ]

    assert not [c.lineno for c in calls if "file" not in {keyword.arg for keyword in c.keywords}]


def test_every_module_opens_with_what_it_is_for():
    silent = [name_of(p) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]

    assert silent == []


def test_sql_files_say_their_purpose_in_one_line():
    files = sorted(LIBRARY.rglob("*.sql"))

    assert files
    assert [f.name for f in files if not f.read_text("utf-8").startswith("-- ")] == []
