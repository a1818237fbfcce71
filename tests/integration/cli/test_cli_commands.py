"""Each command, run in a process of its own: what it says, and the code it ends with."""

from __future__ import annotations

import csv
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.integration.cli.workshop import JOB_FILE, Workshop

LEDGER = ("--ledger", "env:TARGET")


def moved(shop: Workshop, *options: object, code: int = 0) -> Any:
    """Run the job file as run r; return what the command says."""
    answer = shop.run("run", "shop.yaml", "--run-id", "r", "--sequential", "--json", *options)
    assert answer.code == code, answer.err + answer.out
    return answer.data


def assert_moved(shop: Workshop) -> None:
    sql = "SELECT id, name, {price}, changed FROM goods ORDER BY id"
    assert shop.target.fetch(sql.format(price="price")) == shop.source.fetch(
        sql.format(price="price * 3")
    )


def picky(shop: Workshop, limit: int = 50) -> None:
    text = JOB_FILE.replace("function: shop_functions:priced", "function: shop_functions:picky")
    text = text.replace("      with: {factor: 3}\n", "")
    shop.write("shop.yaml", f"{text}    execution: {{reject_limit: {limit}}}\n")


def test_run_moves_every_row(shop: Workshop) -> None:
    data = moved(shop)
    [job] = data["jobs"]
    assert (data["flow"], data["run_id"], data["state"]) == ("shop", "r", "done")
    assert (job["rows_read"], job["rows_loaded"], job["chunks"], job["chunks_done"]) == (
        1000, 1000, 10, 10,
    )  # fmt: skip
    assert_moved(shop)


def test_run_in_parallel_tells_people(shop: Workshop) -> None:
    answer = shop.run("run", "shop.yaml", "--workers", 2)
    assert answer.code == 0, answer.err
    assert "flow shop succeeded" in answer.out
    assert "goods  SUCCEEDED, 1,000 rows" in answer.out
    assert_moved(shop)


def test_quiet_says_nothing_while_it_works(shop: Workshop) -> None:
    answer = shop.run("run", "shop.yaml", "--sequential", "--quiet")
    assert (answer.code, answer.err) == (0, "")


def test_a_setting_of_the_call_wins(shop: Workshop) -> None:
    assert moved(shop, "--set", "chunk-size=500")["jobs"][0]["chunks"] == 2


def test_rejects_make_a_run_partial(shop: Workshop) -> None:
    picky(shop)
    data = moved(shop, code=3)
    assert (data["state"], data["jobs"][0]["rows_rejected"]) == ("partial", 10)


def test_a_chunk_that_is_passed_over_makes_a_run_partial(shop: Workshop) -> None:
    text = JOB_FILE.replace("priced", "failing").replace("      with: {factor: 3}\n", "")
    shop.write("shop.yaml", f"{text}    execution: {{on_error: continue}}\n")
    data = moved(shop, code=3)
    assert (data["jobs"][0]["state"], data["jobs"][0]["chunks_failed"]) == ("PARTIAL", 1)


def test_a_chunk_that_fails_fails_the_run(shop: Workshop) -> None:
    text = JOB_FILE.replace("priced", "failing").replace("      with: {factor: 3}\n", "")
    shop.write("shop.yaml", text)
    assert moved(shop, code=1)["state"] == "failed"


def test_resume_finishes_what_failed(shop: Workshop) -> None:
    picky(shop, limit=5)
    moved(shop, code=1)
    picky(shop, limit=50)
    answer = shop.run("resume", "r.goods", "shop.yaml", "--sequential", "--json")
    assert answer.code in (1, 3), answer.err
    again = shop.run("resume", "r", "shop.yaml", "--sequential", "--json")
    assert again.code == 3, again.err + again.out
    assert again.data["jobs"][0]["rows_rejected"] == 10


def test_status_lists_and_shows(shop: Workshop) -> None:
    empty = shop.run("status", *LEDGER)
    assert (empty.code, empty.out) == (0, "the ledger holds no run\n")
    moved(shop)
    listed = shop.run("status", *LEDGER, "--json").data
    assert [flow["run_id"] for flow in listed["flows"]] == ["r"]
    assert [run["run_id"] for run in listed["runs"]] == ["r.goods"]
    assert listed["runs"][0]["rows_loaded"] == 1000
    flow = shop.run("status", "r", *LEDGER)
    assert flow.code == 0
    assert "flow shop succeeded, run r, " in flow.out
    run = shop.run("status", "r.goods", *LEDGER, "--json").data
    assert (run["state"], run["chunks_done"], run["errors"]) == ("SUCCEEDED", 10, [])
    unknown = shop.run("status", "nope", *LEDGER)
    assert (unknown.code, unknown.out) == (2, "")
    assert "no run 'nope'" in unknown.err


def test_cancel_of_what_has_ended_changes_nothing(shop: Workshop) -> None:
    moved(shop)
    data = shop.run("cancel", "r", *LEDGER, "--json").data
    assert data == {"run_id": "r", "cancelled": [], "state": "SUCCEEDED"}


def test_reconcile_finds_and_mends(shop: Workshop) -> None:
    text = JOB_FILE.replace(
        "    transform:\n      function: shop_functions:priced\n      with: {factor: 3}\n", ""
    )
    shop.write("shop.yaml", text)
    moved(shop)
    good = shop.run("reconcile", "r.goods", *LEDGER, "--checksum")
    assert good.code == 0, good.err
    shop.target.execute("DELETE FROM goods WHERE id = 250")
    bad = shop.run("reconcile", "r.goods", *LEDGER, "--json")
    assert bad.code == 1
    assert [c["chunk_id"] for c in bad.data["chunks"] if c["differs"]] == [2]
    mended = shop.run("reconcile", "r.goods", *LEDGER, "--repair", "--json")
    assert (mended.code, mended.data["repaired"]) == (0, [2]), mended.err
    assert shop.target.fetch("SELECT count(*) FROM goods") == [(1000,)]


def test_rejects_are_shown_exported_and_tried_again(shop: Workshop) -> None:
    picky(shop)
    moved(shop, code=3)
    data = shop.run("rejects", "show", "r.goods", *LEDGER, "--json").data
    assert data["total"] == 10
    assert data["by_reason"] == [{"stage": "transform", "reason": "ends in 07", "rows": 10}]
    assert data["rejects"][0]["row"]["id"] == 7
    assert "ends in 07" in shop.run("rejects", "show", "r.goods", *LEDGER).out
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        assert shop.run("rejects", "export", "r.goods", *LEDGER, "-o", name).code == 0
    with (shop.folder / "out.csv").open(encoding="utf-8", newline="") as file:
        ids = [json.loads(row["row"])["id"] for row in csv.DictReader(file)]
    lines = (shop.folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    table = pq.read_table(shop.folder / "out.parquet").to_pylist()
    assert ids == [json.loads(line)["row"]["id"] for line in lines]
    assert ids == [json.loads(row["row"])["id"] for row in table] == list(range(7, 1000, 100))
    refused = shop.run("rejects", "retry", "r.goods", *LEDGER, "-f", "shop.yaml", "--json")
    assert (refused.code, refused.data["rejected"]) == (3, 10), refused.err
    text = (shop.folder / "shop_functions.py").read_text(encoding="utf-8")
    shop.write("shop_functions.py", text.replace('== "07"', '== "never"'))
    mended = shop.run("rejects", "retry", "r.goods", *LEDGER, "-f", "shop.yaml", "--json")
    assert (mended.code, mended.data["loaded"]) == (0, 10), mended.err
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM goods") == [(1000, 1000)]


def test_report_is_a_page_that_needs_nothing_beside_it(shop: Workshop) -> None:
    picky(shop)
    moved(shop, code=3)
    for run_id in ("r", "r.goods"):
        answer = shop.run("report", run_id, *LEDGER, "-o", "report.html")
        assert answer.code == 0, answer.err
        page = (shop.folder / "report.html").read_text(encoding="utf-8")
        assert page.count("<rect") == 10, "a bar for each chunk"
        assert "ends in 07" in page
        assert "http" not in page.replace("http-equiv", "")
        assert "990" in answer.out
    data = shop.run("report", "r.goods", *LEDGER, "--json").data
    [run] = data["runs"]
    assert run["rows_loaded"] == 990
    assert all(0 <= chunk["begun"] <= chunk["ended"] for chunk in run["chunks"])


def test_a_report_shows_nothing_as_html_that_was_text(shop: Workshop) -> None:
    shop.write(
        "shop_functions.py",
        """
        from mapper_dask import reject

        def picky(frame):
            return reject(frame, frame["id"] == 7, "<script>alert(1)</script>")
    """,
    )
    picky_text = JOB_FILE.replace("priced", "picky").replace("      with: {factor: 3}\n", "")
    shop.write("shop.yaml", f"{picky_text}    execution: {{reject_limit: 5}}\n")
    moved(shop, code=3)
    shop.run("report", "r.goods", *LEDGER, "-o", "report.html")
    page = (shop.folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_clean_removes_what_is_old_and_keeps_what_can_go_on(shop: Workshop) -> None:
    moved(shop)
    shop.run("run", "shop.yaml", "--run-id", "broken", "--sequential")  # the key is there already
    young = shop.run("clean", *LEDGER, "--older-than", "30d", "--json").data
    assert (young["runs"], young["flows"], young["kept"]) == ([], [], 2)
    dry = shop.run("clean", *LEDGER, "--older-than", "0s", "--dry-run", "--json").data
    assert [run["run_id"] for run in dry["runs"]] == ["r.goods"]
    assert dry["flows"] == ["r"]
    assert shop.target.fetch("SELECT count(*) FROM mapper_dask_run") == [(2,)]
    done = shop.run("clean", *LEDGER, "--older-than", "0s")
    assert done.code == 0, done.err
    assert shop.target.fetch("SELECT run_id FROM mapper_dask_run") == [("broken.goods",)]
    assert shop.target.fetch("SELECT flow_run_id FROM mapper_dask_flow") == [("broken",)]
    assert shop.target.fetch("SELECT count(*) FROM goods") == [(1000,)]
    shop.run("clean", *LEDGER, "--older-than", "0s", "--unfinished")
    assert shop.target.fetch("SELECT run_id FROM mapper_dask_run") == []


def test_check_tells_all_that_is_wrong(shop: Workshop) -> None:
    shop.write(
        "shop.yaml",
        JOB_FILE
        + """
  second:
    source: {connection: source, table: nowhere}
    target: {connection: target, table: missing_too}
  third:
    source: {connection: source, sql: "SELECT id, name AS label FROM goods"}
    target: {connection: target, table: goods}
""",
    )
    answer = shop.run("check", "shop.yaml", "--json")
    assert answer.code == 2, answer.err
    errors = [f for f in answer.data["findings"] if f["level"] == "error"]
    assert {error["job"] for error in errors} == {"second", "third"}
    assert any("nowhere" in error["message"] for error in errors)
    assert any("no column 'label'" in error["message"] for error in errors)
    assert shop.run("check", "shop.yaml", "--job", "goods").code == 0
    text = shop.run("check", "shop.yaml").out
    assert "1 of 3 jobs can run; 2 problems" in text
    assert shop.target.fetch("SELECT to_regclass('mapper_dask_run')::text") == [(None,)]


def test_plan_shows_chunks_and_writes_nothing(shop: Workshop) -> None:
    text = shop.run("plan", "shop.yaml")
    assert "KEY_BASED into 10 chunks" in text.out
    [job] = shop.run("plan", "shop.yaml", "--json").data["jobs"]
    assert (job["job"], len(job["chunks"]), job["keys"]) == ("goods", 10, ["id"])
    assert shop.target.fetch("SELECT to_regclass('mapper_dask_run')::text") == [(None,)]


@pytest.mark.parametrize("target", [(), ("--target", "env:TARGET")])
def test_init_writes_a_job_file_that_passes_check_as_it_is(
    shop: Workshop, target: tuple[str, ...]
) -> None:
    shop.source.execute(
        'CREATE TABLE "Odd: #{x}" (id bigint PRIMARY KEY, "${HOME}" text, "a\nb" int, '
        "made timestamptz)"
    )
    for table in ("goods", "public.goods", "Odd: #{x}"):
        answer = shop.run(
            "init", "--source", "env:SOURCE", "--table", table, *target, "-o", "new.yaml", "--force"
        )
        assert answer.code == 0, answer.err
        checked = shop.run("check", "new.yaml")
        assert checked.code == 0, checked.out + checked.err
    text = (shop.folder / "new.yaml").read_text(encoding="utf-8")
    assert "id: bigint NOT NULL" in text
    assert "column: made" in text
    if target:
        assert "CREATE TABLE" in text
    assert (
        shop.run("init", "--source", "env:SOURCE", "--table", "goods", "-o", "new.yaml").code == 2
    )


def test_a_drafted_file_runs(shop: Workshop) -> None:
    shop.run("init", "--source", "env:SOURCE", "--table", "goods", "--target", "env:TARGET",
             "-o", "new.yaml")  # fmt: skip
    assert shop.run("run", "new.yaml", "--sequential").code == 0
    assert shop.target.fetch("SELECT count(*), sum(price) FROM goods") == shop.source.fetch(
        "SELECT count(*), sum(price) FROM goods"
    )


def test_config_says_where_each_value_came_from(shop: Workshop) -> None:
    answer = shop.run("config", "-f", "shop.yaml", "--json", DASK_MAPPER_DASK__RETRIES="3")
    rows = {row["key"]: (row["value"], row["origin"]) for row in answer.data["settings"]}
    assert rows["chunk-size"] == (100, "job file shop.yaml")
    assert rows["retries"][0] == 3
    assert "DASK_MAPPER_DASK__RETRIES" in rows["retries"][1]
    assert rows["lock-timeout"][1] == "packaged default"


def test_a_dry_run_needs_no_ledger(shop: Workshop) -> None:
    text = JOB_FILE.partition("    target:")[0]
    shop.write("dry.yaml", text)
    answer = shop.run("run", "dry.yaml", "--sequential", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["jobs"][0]["rows_read"] == 1000
