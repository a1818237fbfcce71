"""A coordinator that is killed, and what another one makes of the ledger it has left."""

from __future__ import annotations

from subprocess import Popen

import pytest

from tests.fault.gate import closed_gate
from tests.integration.cli.workshop import JOB_FILE, Workshop

LEDGER = ("--ledger", "env:TARGET")

FLOW = """
version: 1
name: shop
connections: {source: env:SOURCE, target: env:TARGET}
settings: {chunk-size: 100}
jobs:
  first:
    source: {connection: source, sql: "SELECT id, name FROM goods"}
    target: {connection: target, table: names}
  d:
    source: {connection: source, table: goods}
    transform: {function: "shop_functions:priced", with: {factor: 3}}
    target: {connection: target, table: d}
    depends_on: [first]
  last:
    source:
      connection: source
      sql: SELECT id, changed FROM goods
      incremental: {column: changed}
    target: {connection: target, table: changes}
    depends_on: [d]
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_flow_is_finished_from_the_ledger_alone(shop: Workshop, workers: int) -> None:
    shop.write("shop.yaml", FLOW.replace("name: shop\n", ""))  # its name is the file's
    shop.target.execute("ALTER TABLE goods RENAME TO d")
    shop.target.execute("CREATE TABLE names (id int PRIMARY KEY, name text)")
    shop.target.execute("CREATE TABLE changes (id int PRIMARY KEY, changed timestamp)")
    with closed_gate(shop.target) as gate:
        running = shop.start("run", "shop.yaml", "--run-id", "r", "--workers", workers, "-q")
        gate.crowd(workers, lambda: running.poll() is not None)
        running.kill()
        running.communicate()
    (shop.folder / "shop.yaml").unlink()
    assert running.returncode == -9
    answer = shop.apart("resume", "r", *LEDGER, "--workers", 2, "--json", "-q")
    assert answer.code == 0, answer.err + answer.out
    assert [job["state"] for job in answer.data["jobs"]] == ["SUCCEEDED"] * 3
    for table, sql in (
        ("d", "SELECT id, name, price * 3 AS price, changed FROM goods"),
        ("names", "SELECT id, name FROM goods"),
        ("changes", "SELECT id, changed FROM goods"),
    ):
        there = shop.target.fetch(f"SELECT * FROM {table} ORDER BY id")
        assert there == shop.source.fetch(f"{sql} ORDER BY id"), table
    again = shop.run("resume", "r", *LEDGER, "--json")
    assert (again.code, again.data["state"]) == (0, "done")


def test_the_ledger_s_word_alone_imports_functions_of_this_folder_only(shop: Workshop) -> None:
    shop.target.execute("DROP TABLE goods")
    assert shop.run("run", "shop.yaml", "--run-id", "r", "-q").code == 2
    other = shop.folder / "elsewhere"
    other.mkdir()
    (other / "shop_functions.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    moved = shop.target.execute("UPDATE mapper_dask_flow SET directory = %s", str(other))
    assert moved == 1
    answer = shop.run("resume", "r", *LEDGER)
    assert answer.code == 2
    assert "not imported on the ledger's word" in answer.err
    document = JOB_FILE.replace("shop_functions:priced", "antigravity:fly")
    shop.target.execute("UPDATE mapper_dask_flow SET directory = %s, document = %s",
                        str(shop.folder), document)  # fmt: skip
    assert "names the function antigravity:fly" in shop.run("resume", "r", *LEDGER).err


def rejecting(shop: Workshop) -> None:
    """Let a run set aside every row of 10 chunks whose id ends in 07."""
    text = JOB_FILE.replace("priced", "picky").replace("      with: {factor: 3}\n", "")
    text = text.replace("target\n      table: goods", "target\n      table: d")
    shop.write("shop.yaml", f"{text}    execution: {{reject_limit: 50}}\n")
    shop.target.execute("ALTER TABLE goods RENAME TO d")
    assert shop.run("run", "shop.yaml", "--run-id", "r", "--sequential").code == 3
    functions = (shop.folder / "shop_functions.py").read_text(encoding="utf-8")
    shop.write("shop_functions.py", functions.replace('== "07"', '== "never"'))


def stands_before(shop: Workshop, *running: Popen[str]) -> None:
    """Wait until retries wait: the first at the gate, another for it or for the first."""
    waiting = (
        "SELECT wait_event = 'advisory' FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    while len(found := shop.target.fetch(waiting)) < len(running) or (True,) not in found:
        for one in running:
            assert one.poll() is None, f"it ended before it came to the gate: {one.communicate()}"


def accounted(shop: Workshop) -> tuple[int, int]:
    """Return rows in the target and rejects, after holding them against the ledger's counts."""
    [(rows, distinct)] = shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM d")
    [(aside,)] = shop.target.fetch("SELECT count(*) FROM mapper_dask_reject")
    counts = shop.target.fetch(
        "SELECT sum(rows_loaded), sum(rows_rejected), sum(rows_out) FROM mapper_dask_chunk"
    )
    assert counts == [(rows, aside, rows + aside)]
    assert rows == distinct
    assert rows + aside == 1000
    return rows, aside


@pytest.mark.parametrize(("passing", "loaded"), [(0, 990), (500, 995)])
def test_a_killed_retry_of_rejects_loses_and_doubles_nothing(
    shop: Workshop, passing: int, loaded: int
) -> None:
    rejecting(shop)
    with closed_gate(shop.target):
        shop.target.execute(
            "CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON d FOR EACH ROW "
            f"WHEN (new.id > {passing}) EXECUTE FUNCTION gate()"
        )
        running = shop.start("rejects", "retry", "r.goods", *LEDGER, "-f", "shop.yaml")
        stands_before(shop, running)
        running.kill()
        running.communicate()
    answer = shop.apart("rejects", "retry", "r.goods", *LEDGER, "-f", "shop.yaml", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["loaded"] == 1000 - loaded, "what the killed one committed stays"
    assert accounted(shop) == (1000, 0)


def test_two_retries_at_a_time_load_each_row_once(shop: Workshop) -> None:
    rejecting(shop)
    with closed_gate(shop.target):
        arguments = ("rejects", "retry", "r.goods", *LEDGER, "-f", "shop.yaml", "--json")
        first, second = shop.start(*arguments), shop.start(*arguments)
        stands_before(shop, first, second)
    for running in (first, second):
        _, err = running.communicate(timeout=120)
        assert running.returncode == 0, err
    assert accounted(shop) == (1000, 0)
