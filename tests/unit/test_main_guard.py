"""A script that starts workers outside a ``__main__`` guard is told so before any is spawned."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from mapper_dask.errors import MainGuardError
from mapper_dask.workers.main_guard import require_main_guard
from tests.scripts import run_script

GUARDED = {
    "under a guard": 'if __name__ == "__main__":\n    start()\n',
    "single quotes": "if __name__ == '__main__':\n    start()\n",
    "the other way round": 'if "__main__" == __name__:\n    start()\n',
    "on one line": 'if __name__ == "__main__": start()\n',
    "with another condition": 'import sys\nif __name__ == "__main__" and sys.argv:\n    start()\n',
    "through a function": (
        'def main():\n    start()\n\n\nif __name__ == "__main__":\n    main()\n'
    ),
    "over several lines": 'if __name__ == "__main__":\n    [\n        0,\n        start()]\n',
    "deep inside the guard": (
        'if __name__ == "__main__":\n    for _ in range(2):\n        try:\n            start()\n'
        "        finally:\n            pass\n"
    ),
    "a guard in a try": (
        'try:\n    if __name__ == "__main__":\n        start()\nfinally:\n    pass\n'
    ),
    "a guard in a branch": (
        'if False:\n    pass\nelif __name__ == "__main__":\n    start()\n'
    ),
    "the else of its opposite": (
        'if __name__ != "__main__":\n    pass\nelse:\n    start()\n'
    ),
}  # fmt: skip

UNGUARDED = {
    "at the top": ("start()\n", 1),
    "after other lines": ("x = 1\n\n# why\nstart()\n", 4),
    "through a function": ("def main():\n    start()\n\n\nmain()\n", 5),
    "in a block": ("for _ in [0]:\n    start()\n", 2),
    "under another condition": ("if True:\n    start()\n", 2),
    "beside a guard": ('if __name__ == "__main__":\n    pass\nstart()\n', 3),
    "before a guard": ('start()\nif __name__ == "__main__":\n    pass\n', 1),
    "the guard's text elsewhere": ('x = "__main__"; start()\n', 1),
    "a coding line": ("# -*- coding: latin-1 -*-\nx = 'é'\nstart()\n", 3),
    "in a class": ("class A:\n    start()\n", 1),
    "in a comprehension": ("[start() for _ in [0]]\n", 1),
}


def run_as_main(
    monkeypatch: pytest.MonkeyPatch, path: Path, source: str, encoding: str = "utf-8"
) -> None:
    """Run a text as the script of this process; its ``start`` asks for the guard."""
    main = ModuleType("__main__")
    main.__dict__.update({"__file__": str(path), "start": require_main_guard})
    path.write_text(source, encoding=encoding)
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(compile(path.read_bytes(), path, "exec"), main.__dict__)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.mark.parametrize("case", GUARDED)
def test_a_guarded_script_may_start_workers(monkeypatch, script, case):
    run_as_main(monkeypatch, script, GUARDED[case])


@pytest.mark.parametrize("case", UNGUARDED)
def test_an_unguarded_script_is_told_the_line_and_the_remedy(monkeypatch, script, case):
    source, line = UNGUARDED[case]
    encoding = "latin-1" if "latin-1" in source else "utf-8"

    with pytest.raises(MainGuardError) as caught:
        run_as_main(monkeypatch, script, source, encoding)

    where, remedy = str(caught.value).splitlines()
    assert where.startswith(f"{script}, line {line}: ")
    assert 'if __name__ == "__main__":' in remedy
    assert "enable_parallel=False" in remedy


def test_a_byte_order_mark_hides_nothing(monkeypatch, script):
    with pytest.raises(MainGuardError, match="line 1:"):
        run_as_main(monkeypatch, script, "start()\n", "utf-8-sig")


def test_a_module_that_the_script_imports_is_laid_to_the_scripts_line(monkeypatch, script):
    (script.parent / "helper_that_starts.py").write_text("import __main__\n__main__.start()\n")
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.delitem(sys.modules, "helper_that_starts", raising=False)

    with pytest.raises(MainGuardError, match="line 2:"):
        run_as_main(monkeypatch, script, "x = 1\nimport helper_that_starts\n")


@pytest.mark.parametrize("where", [{}, {"__file__": None}, {"__file__": "/missing/script.py"}])
def test_a_prompt_or_a_notebook_has_no_script_to_import(monkeypatch, where):
    main = ModuleType("__main__")
    main.__dict__.update({**where, "start": require_main_guard})
    monkeypatch.setitem(sys.modules, "__main__", main)

    exec("start()", main.__dict__)


def test_a_process_without_a_main_module_may_start_workers(monkeypatch):
    monkeypatch.delitem(sys.modules, "__main__")

    require_main_guard()


def test_a_script_that_is_no_longer_python_is_let_through(monkeypatch, script):
    source = "import pathlib\npathlib.Path(__file__).write_text('%%magic')\nstart()\n"

    run_as_main(monkeypatch, script, source)


def test_a_thread_of_an_unguarded_script_stands_on_no_line_of_it(monkeypatch, script):
    monkeypatch.setattr(threading, "excepthook", lambda args: pytest.fail(str(args.exc_value)))
    source = "import threading\nt = threading.Thread(target=start)\nt.start()\nt.join()\n"

    run_as_main(monkeypatch, script, source)


@pytest.mark.parametrize("guard", ["if __name__ == '__main__':", "if True:"])
def test_a_script_of_its_own_ends_in_the_two_lines(script, guard):
    script.write_text(
        "from mapper_dask.workers.main_guard import require_main_guard\n"
        f"{guard}\n    require_main_guard()\n    print('started')\n"
    )

    run = run_script(script)

    if "__main__" in guard:
        assert (run.returncode, run.stdout) == (0, "started\n"), run.stderr
    else:
        assert (run.returncode, run.stdout) == (1, "")
        assert f"MainGuardError: {script}, line 3: " in run.stderr.splitlines()[-2]
        assert "enable_parallel=False" in run.stderr.splitlines()[-1]
