"""Every command takes the same names of a run: a flow's, a job's own, and a job's within a flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.database import Server, fresh_databases
from tests.integration.cli.workshop import JOB_FILE, Workshop, opened

LEDGER = ["--ledger", "env:TARGET"]
LONG = "nightly-" + "n" * 75
"""Longer than what a job's run keeps of it in its own name."""
DOTTED = "goods.eu"
"""A job whose run has a digest in its name, since the dot tells no flow from a job."""

TWO = JOB_FILE.replace("priced", "picky").replace("      with: {factor: 3}\n", "") + (
    "    execution: {reject_limit: 50}\n"
)


@pytest.fixture(scope="module")
def shop(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A flow of two jobs, run under a short name and a long one; both set rows aside."""
    with fresh_databases(postgres_server) as databases:
        shop = opened(tmp_path_factory.mktemp("names"), databases)
        one = TWO.partition("  goods:\n")[2].replace("table: goods", "table: eu", 2)
        shop.write("shop.yaml", f"{TWO}  {DOTTED}:\n{one}")
        shop.source.execute("CREATE TABLE eu AS SELECT * FROM goods")
        shop.source.execute("ALTER TABLE eu ADD PRIMARY KEY (id)")
        shop.target.execute("CREATE TABLE eu (LIKE goods)")
        for name in ("n80", LONG):
            shop.target.execute("TRUNCATE eu, goods")
            done = shop.run("run", "shop.yaml", "--run-id", name, "--sequential", "-q")
            assert done.code == 3, done.err
        yield shop


COMMANDS = {
    "status": ["status"],
    "reconcile": ["reconcile", "--file", "shop.yaml", "--source", "env:SOURCE"],
    "report": ["report"],
    "resume": ["resume", "shop.yaml", "--sequential", "-q"],
    "cancel": ["cancel"],
    "show": ["rejects", "show"],
    "export": ["rejects", "export", "-o", "out.jsonl"],
    "retry": ["rejects", "retry", "--file", "shop.yaml"],
}


def asked(shop: Workshop, what: str, name: str) -> Any:
    head, *rest = COMMANDS[what]
    words = [head, *rest[:1], name, *rest[1:]] if head == "rejects" else [head, name, *rest]
    ledger = [] if "shop.yaml" in rest else LEDGER
    answer = shop.run(*words, *ledger, "--json")
    assert answer.code in (0, 1, 3), (what, name, answer.err)
    return answer.data


def test_all_commands_know_the_same_names(shop: Workshop) -> None:
    for name in ("n80.goods", f"n80.{DOTTED}"):
        for what in COMMANDS:
            asked(shop, what, name)


def test_what_a_name_stands_for_is_what_is_told(shop: Workshop) -> None:
    flow = {what: asked(shop, what, LONG) for what in COMMANDS}
    one = {what: asked(shop, what, f"{LONG}.{DOTTED}") for what in COMMANDS}

    assert flow["reconcile"]["matches"]
    assert [run["target_rows"] for run in flow["reconcile"]["runs"]] == [990, 990]
    assert one["reconcile"]["target_rows"] == 990
    assert (
        one["status"]["run_id"] == one["reconcile"]["run_id"] == one["report"]["runs"][0]["title"]
    )
    assert "~" in one["status"]["run_id"]
    assert (flow["show"]["total"], one["show"]["total"]) == (20, 10)
    assert {reject["job"] for reject in flow["show"]["rejects"]} == {"goods", DOTTED}
    assert "job" not in one["show"]["rejects"][0]
    assert (flow["retry"]["tried"], one["retry"]["tried"]) == (20, 10)
    assert len((shop.folder / "out.jsonl").read_text().splitlines()) == 10
    assert [run["title"] for run in flow["report"]["runs"]] == ["job goods", f"job {DOTTED}"]


def test_a_name_of_nothing_is_refused_by_all(shop: Workshop) -> None:
    name = "n80.goods.x"
    for what, (head, *rest) in COMMANDS.items():
        words = [head, *rest[:1], name, *rest[1:]] if head == "rejects" else [head, name, *rest]
        answer = shop.run(*words, *([] if "shop.yaml" in rest else LEDGER))
        assert (answer.code, answer.out) == (2, ""), what
        assert f"no run {name!r}" in answer.err, what
    for other in ("n80.", ".goods", "."):
        assert shop.run("status", other, *LEDGER).code == 2


def test_rewind_names_the_flow_of_a_job(shop: Workshop) -> None:
    for name in ("n80.goods", f"{LONG}.{DOTTED}"):
        answer = shop.run("rewind", name, *LEDGER)
        assert answer.code == 2
        assert f"name its flow's, '{name.rpartition('.')[0].removesuffix('.goods')}'" in answer.err


def test_people_are_told_of_each_job(shop: Workshop) -> None:
    answer = shop.run("reconcile", LONG, "--file", "shop.yaml")
    assert answer.code == 0, answer.err
    assert "job goods: run adds up" in answer.out
    assert f"job {DOTTED}: run adds up" in answer.out
    shown = shop.run("rejects", "show", LONG, *LEDGER, "--limit", "1").out
    assert "20 rows rejected" in shown
    assert "job" in shown.split("\n\n")[2].split()
