"""Settings: which place wins, where each value came from, and what is wrong with those that are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
import yaml

import mapper_dask
from mapper_dask import parallel_models, retries, settings
from mapper_dask.errors import ConfigurationError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.settings import IN_PROCESS, PACKAGED, Settings, resolve

SECRET = "tr0ub4dor"


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Dask's configuration with one folder of files, and no variables; as it was at the end."""
    for name in list(settings.os.environ):
        if name.startswith((settings.VARIABLE, settings.INHERITED)):
            monkeypatch.delenv(name)
    monkeypatch.setattr(dask.config, "paths", [str(tmp_path)])
    before = dict(dask.config.config)
    reread()
    yield tmp_path
    dask.config.config.clear()
    dask.config.config.update(before)


def reread() -> None:
    """Let Dask read its files and variables once more, as a new process would."""
    dask.config.refresh(paths=dask.config.paths)


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    reread()
    return path


def row(known: Settings, key: str) -> settings.SettingRow:
    return next(row for row in known.rows() if row.key == key)


# -- defaults --------------------------------------------------------------------------------------


def test_the_packaged_defaults_are_those_that_the_code_knows():
    job = MapperJob(source_conn="env:S", source_sql="SELECT 1")
    assert settings.packaged() == {
        "chunk-size": parallel_models.DEFAULT_CHUNK_SIZE,
        "max-workers": None,
        "parallel": True,
        "retries": retries.DEFAULT_ATTEMPTS,
        "lock-timeout": retries.DEFAULT_LOCK_TIMEOUT,
        "progress": None,
        "on-error": job.on_error,
        "on-failure": "raise",
        "reject-limit": job.reject_limit,
        "scheduler-address": None,
        "spool-folder": None,
        "max-parallel-jobs": 4,
        "connections.limit": None,
        "connections.wait": retries.DEFAULT_CONNECTION_WAIT,
    }


def test_every_setting_has_a_default_that_it_accepts_and_a_comment_that_says_what_it_is():
    assert list(settings.packaged()) == list(settings.KINDS)
    assert set(settings.docs()) == {*settings.KINDS, "profiles"}
    assert all(len(said) > 20 and said.endswith(".") for said in settings.docs().values())
    assert settings.checked(settings.packaged(), "the package") == settings.packaged()


def test_dask_knows_the_defaults_and_is_not_changed_otherwise():
    program = (
        "import {}, {}\n"
        "import dask, json, mapper_dask.settings\n"
        "mapper_dask.settings.resolve()\n"
        "assert dask.config.get('mapper-dask.chunk-size') == 50_000\n"
        "assert dask.config.get('mapper_dask.connections.wait') == 300\n"
        "mine = [d for d in dask.config.defaults if 'mapper-dask' in d]\n"
        "others = {{k: v for k, v in dask.config.config.items() if k != 'mapper-dask'}}\n"
        "print(len(mine), json.dumps(others, sort_keys=True, default=str))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program.format(*order)],
            capture_output=True, text=True, check=True,
        ).stdout
        for order in [("mapper_dask", "dask"), ("dask", "mapper_dask"),
                      ("mapper_dask.settings", "dask.config")]
    }  # fmt: skip
    alone = (
        "import dask, json; print(1, json.dumps(dask.config.config, sort_keys=True, default=str))"
    )
    printed.add(
        subprocess.run(
            [sys.executable, "-c", alone], capture_output=True, text=True, check=True
        ).stdout
    )

    assert len(printed) == 1


ORDERS = [
    "import dask, mapper_dask",
    "from mapper_dask import ParallelProcessor",
    "import mapper_dask, dask\nmapper_dask.ParallelProcessor",
]


@pytest.mark.parametrize("order", ORDERS)
def test_dask_knows_the_defaults_once_the_library_is_used(order):
    program = f"{order}\nimport dask\nassert dask.config.get('mapper-dask.chunk-size') == 50_000"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_the_library_imports_no_dask_and_reads_no_file():
    program = (
        "import builtins, sys, mapper_dask\n"
        "import mapper_dask.settings as s\n"
        "assert not {'dask', 'yaml', 'pandas', 'sqlalchemy'} & set(sys.modules)\n"
        "s.checked({'chunk-size': 5}, 'a file')\n"
        "assert 'dask' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_dask_reads_its_files_once():
    program = (
        "import sys, builtins\n"
        "opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None)\n"
        "import mapper_dask, dask\n"
        "from mapper_dask.settings import resolve\n"
        "resolve(); resolve()\n"
        "print(sum(name.endswith('/seen.yaml') for name in opened),\n"
        "      sum(name.endswith('/mapper-dask.yaml') for name in opened))"
    )
    here = Path(dask.config.paths[0])
    (here / "seen.yaml").write_text("mapper-dask: {chunk-size: 7}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**settings.os.environ, "DASK_CONFIG": str(here)},
    )  # fmt: skip

    assert done.stdout.split() == ["1", "1"]


# -- places ----------------------------------------------------------------------------------------


def test_a_later_place_wins_and_says_so(config: Path, monkeypatch: pytest.MonkeyPatch):
    def found(**more: Any) -> tuple[Any, str]:
        shown = row(resolve(**more), "retries")
        return shown.value, shown.origin

    assert found() == (10, PACKAGED)
    first = written(config, "mapper-dask: {retries: 1}", "a.yaml")
    assert found() == (1, f"file {first}")
    second = written(config, "mapper_dask:\n  retries: 2", "b.yaml")
    assert found() == (2, f"file {second}")
    monkeypatch.setenv("DASK_MAPPER_DASK__RETRIES", "3")
    reread()
    assert found() == (3, "environment variable DASK_MAPPER_DASK__RETRIES")
    with dask.config.set({"mapper-dask.retries": 4}):
        assert found() == (4, IN_PROCESS)
        assert found(file={"retries": 5}, file_name="f.yaml") == (5, "job file f.yaml")
        both = {"file": {"retries": 5}, "call": {"retries": 6}}
        assert found(**both) == (6, "the call")
        assert found(file={"retries": 5}, call={"retries": None})[0] == 5
    assert found()[0] == 3


def test_what_the_session_set_back_is_the_session_s(config: Path):
    written(config, "mapper-dask: {retries: 1}")
    with dask.config.set({"mapper_dask.retries": 10}):
        assert row(resolve(), "retries").origin == IN_PROCESS


def test_what_a_process_inherits_is_named(monkeypatch: pytest.MonkeyPatch):
    given = dask.config.serialize({"mapper-dask": {"retries": 2}})
    monkeypatch.setenv("DASK_INTERNAL_INHERIT_CONFIG", given)
    reread()
    shown = row(resolve(), "retries")
    assert (shown.value, shown.origin) == (2, settings.IN_PARENT)


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("CHUNK_SIZE", "1000", "chunk-size", 1000),
        ("CHUNK_SIZE", "auto", "chunk-size", "auto"),
        ("PARALLEL", "false", "parallel", False),
        ("PROGRESS", "True", "progress", True),
        ("LOCK_TIMEOUT", "2.5", "lock-timeout", 2.5),
        ("ON_ERROR", "continue", "on-error", "continue"),
        ("SCHEDULER_ADDRESS", "tcp://h:8786", "scheduler-address", "tcp://h:8786"),
        ("CONNECTIONS__LIMIT", "20", "connections.limit", 20),
        ("MAX_WORKERS", "null", "max-workers", None),
    ],
)
def test_a_variable_says_it(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, key: str, value: Any
):
    monkeypatch.setenv(f"DASK_MAPPER_DASK__{name}", text)
    reread()
    found = resolve().value(key)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "layer",
    [
        {"connections": {"limit": 9}, "chunk-size": 5},
        {"connections.limit": 9, "chunk_size": 5},
        {"connections": {"limit": 9, "wait": None} | {"wait": 1}, "chunk_size": 5},
    ],
    ids=["as a file nests it", "as a call names it", "mixed"],
)
def test_names_may_be_nested_or_dotted_or_underscored(layer: dict[str, Any]):
    for place in ("file", "call"):
        known = resolve(**{place: layer})
        assert (known.value("connections.limit"), known.value("chunk-size")) == (9, 5)


def test_a_group_whose_lines_are_comments_says_nothing(config: Path):
    written(config, "mapper-dask:\n  connections:\n  profiles:\n")
    assert resolve(file={"connections": None}).value("connections.wait") == 300.0


def test_what_a_job_does_not_say_itself():
    known = resolve(file={"chunk-size": "auto", "on-error": "continue", "reject-limit": 3})
    assert known.job_fields == {"chunk_size": "auto", "on_error": "continue", "reject_limit": 3}


# -- profiles --------------------------------------------------------------------------------------


def test_profiles_are_shown_without_their_urls(config: Path):
    path = written(
        config,
        "mapper-dask:\n  profiles:\n    open: {url: env:WAREHOUSE}\n"
        f"    shut: {{url: 'postgresql://me:{SECRET}@h/d'}}",
    )
    known = resolve()

    assert set(known.value("profiles")) == {"open", "shut"}
    assert row(known, "profiles.open").value == {"url": "env:WAREHOUSE"}
    assert row(known, "profiles.shut").origin == f"file {path}"
    assert SECRET not in repr(known.rows()) + repr(known)


@pytest.mark.parametrize("profile", [f"postgresql://me:{SECRET}@h/d", {"uri": SECRET}, {"url": 5}])
def test_a_profile_that_is_none_is_refused_without_its_text(profile: Any):
    with pytest.raises(ConfigurationError, match=r"profiles\.w must be a mapping of one url") as e:
        resolve(file={"profiles": {"w": profile}}, file_name="f.yaml")
    assert SECRET not in str(e.value)
    assert "job file f.yaml" in str(e.value)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "must"),
    [
        *(("chunk-size", v, "an integer of at least 1 or 'auto'")
          for v in (0, "many", 1.5, True, None, [5])),
        *(("max-workers", v, "an integer of at least 1, or null") for v in (0, "4", False)),
        *(("parallel", v, "true or false") for v in ("yes", 1, None)),
        *(("retries", v, "an integer of at least 1") for v in (0, None, "3")),
        *(("lock-timeout", v, "a number of seconds above 0")
          for v in (0, "30s", None, True, float("nan"), float("inf"))),
        *(("progress", v, "true, false or null") for v in ("on", 1)),
        *(("on-error", v, "'abort' or 'continue'") for v in ("stop", None, [])),
        *(("on-failure", v, "'raise' or 'return'") for v in ("stop", None, [], True)),
        *(("reject-limit", v, "an integer of at least 0") for v in (-1, "1", None)),
        *(("scheduler-address", v, "an address such as tcp://host:8786, or null")
          for v in ("", 8786)),
        *(("max-parallel-jobs", v, "an integer of at least 1") for v in (0, None)),
        *(("connections.limit", v, "an integer of at least 1, or null") for v in (0, "6")),
        *(("connections.wait", v, "a number of seconds of at least 0") for v in (-1, None, "5m")),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_with_its_place(key: str, value: Any, must: str):
    with pytest.raises(ConfigurationError) as caught:
        resolve(file={key: value}, file_name="jobs.yaml")

    assert str(caught.value) == f"{key} must be {must}, got {value!r} (in job file jobs.yaml)"
    assert caught.value.details == {"field": key, "setting": key}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("chunk-sise", "chunk-size"),
        ("worker", "max-workers"),
        ("connection.limit", "connections.limit"),
        ("connections.waits", "connections.wait"),
        ("on-errors", "on-error"),
        ("profile", "profiles"),
    ],
)
def test_a_name_that_nothing_has_is_refused_with_the_nearest_right_one(wrong: str, right: str):
    with pytest.raises(ConfigurationError) as caught:
        resolve(call={wrong: 1})

    assert str(caught.value) == (
        f"no setting is named {wrong} (in the call); did you mean {right}?"
    )


def test_each_place_is_named_in_its_error(config: Path, monkeypatch: pytest.MonkeyPatch):
    def told() -> str:
        with pytest.raises(ConfigurationError) as caught:
            resolve()
        return str(caught.value)

    path = written(config, "mapper-dask: {retires: 1}")
    assert told() == f"no setting is named retires (in file {path}); did you mean retries?"
    written(config, "mapper-dask: {retries: few}")
    assert f"(in file {path})" in told()
    path.unlink()
    monkeypatch.setenv("DASK_MAPPER_DASK__CONNECTIONS__LIMIT", "some")
    reread()
    assert "environment variable DASK_MAPPER_DASK__CONNECTIONS__LIMIT" in told()
    monkeypatch.delenv("DASK_MAPPER_DASK__CONNECTIONS__LIMIT")
    reread()
    with dask.config.set({"mapper-dask.parallel": "no"}):
        assert IN_PROCESS in told()


def test_a_setting_that_is_none_cannot_be_asked_for():
    with pytest.raises(ConfigurationError, match="did you mean retries"):
        resolve().value("retires")


# -- schema ----------------------------------------------------------------------------------------


def test_the_schema_holds_for_the_packaged_file_and_knows_each_setting():
    schema = settings.json_schema()
    json.dumps(schema)
    text = (Path(mapper_dask.__file__).parent / "mapper-dask.yaml").read_text(encoding="utf-8")
    packaged = yaml.safe_load(text)["mapper-dask"]

    assert set(schema["properties"]) == set(packaged)
    assert set(schema["properties"]["connections"]["properties"]) == set(packaged["connections"])
    assert schema["properties"]["chunk-size"]["default"] == 50_000
    assert all(entry.get("description") for entry in schema["properties"].values()
               if "default" in entry)  # fmt: skip


# -- the processor ---------------------------------------------------------------------------------


def test_a_processor_takes_what_it_is_not_told_from_the_settings():
    there = {
        "mapper-dask.chunk-size": 5, "mapper-dask.max-workers": 3, "mapper-dask.parallel": False,
        "mapper-dask.retries": 2, "mapper-dask.lock-timeout": 1.5, "mapper-dask.progress": False,
        "mapper-dask.scheduler-address": "tcp://h:1", "mapper-dask.connections.limit": 9,
        "mapper-dask.connections.wait": 4, "mapper-dask.on-error": "continue",
    }  # fmt: skip
    with dask.config.set(there):
        made = mapper_dask.ParallelProcessor()
        told = mapper_dask.ParallelProcessor(
            7,
            6,
            True,  # noqa: FBT003
            retries=1,
            lock_timeout=9,
            progress=True,
            scheduler_address="tcp://g:1",
        )

    assert (made.max_workers, made.asked_workers, made.chunk_size) == (3, 3, 5)
    assert (made.enable_parallel, made.progress) == (False, False)
    assert made.retry_policy == retries.RetryPolicy(2, 1.5, 4)
    assert made.scheduler_address == "tcp://h:1"
    assert (made.budget.limit, made.budget.wait) == (9, 4)
    assert made._job_fields["on_error"] == "continue"
    assert (told.max_workers, told.chunk_size, told.enable_parallel) == (7, 6, True)
    assert told.retry_policy == retries.RetryPolicy(1, 9, 4)
    assert (told.progress, told.scheduler_address) == (True, "tcp://g:1")


def test_a_processor_may_be_given_settings_that_were_resolved():
    known = resolve(file={"chunk-size": 5, "retries": 4})
    made = mapper_dask.ParallelProcessor(settings=known)
    assert (made.chunk_size, made.retry_policy.attempts) == (5, 4)


def test_without_settings_a_processor_is_what_it_was():
    made = mapper_dask.ParallelProcessor()
    assert (made.chunk_size, made.enable_parallel, made.asked_workers) == (50_000, True, None)
    assert made.retry_policy == retries.RetryPolicy()
    assert made.scheduler_address is None
