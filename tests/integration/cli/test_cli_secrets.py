"""A password in the environment is in nothing that any command says, writes or stores."""

from __future__ import annotations

from tests.integration.cli.workshop import JOB_FILE, PASSWORD, Workshop

LEDGER = ("--ledger", "env:TARGET")
COMMANDS = (
    ("check", "shop.yaml"),
    ("plan", "shop.yaml", "-o", "shop.plan"),
    ("run", "shop.plan", "--run-id", "r", "--sequential"),
    ("run", "broken.yaml", "--run-id", "b", "--sequential"),
    ("resume", "b", *LEDGER, "--sequential"),
    ("status", *LEDGER),
    ("status", "r", *LEDGER),
    ("reconcile", "r.goods", *LEDGER, "-f", "shop.yaml"),
    ("rejects", "show", "r.goods", *LEDGER),
    ("rejects", "retry", "r.goods", *LEDGER, "-f", "shop.yaml"),
    ("report", "r", *LEDGER, "-o", "report.html"),
    ("config", "-f", "shop.yaml", "--set", "profiles.shop.url=env:SOURCE"),
    ("init", "--source", "env:SOURCE", "--table", "goods", "-o", "i.yaml"),
    ("cancel", "r", *LEDGER),
    ("clean", *LEDGER, "--older-than", "1d"),
)  # fmt: skip


def test_a_password_is_nowhere(shop: Workshop) -> None:
    assert PASSWORD in shop.environment["SOURCE"]
    failing = JOB_FILE.replace("priced", "failing").replace("      with: {factor: 3}\n", "")
    shop.write("broken.yaml", failing.replace("name: shop", "name: broken"))
    ends = {}
    for command in COMMANDS:  # each asserts that the password is not in what it says
        for more in ((), ("--json", "--debug")):
            ends[command[:2]] = shop.run(*command, *more).code
    assert ends["check", "shop.yaml"] == ends["run", "shop.plan"] == 0
    assert ends["run", "broken.yaml"] == 1
    written = [path for path in shop.folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {"shop.plan", "report.html", "i.yaml"} <= {path.name for path in written}
    assert [path for path in written if PASSWORD in path.read_text(encoding="utf-8")] == []
    for table in ("run", "chunk", "reject", "flow", "flow_job"):
        stored = shop.target.fetch(f"SELECT t::text FROM mapper_dask_{table} t")
        assert not [row for (row,) in stored if PASSWORD in row], table


def test_a_wrong_password_is_not_shown_either(shop: Workshop) -> None:
    wrong = f"postgresql://nobody_of_this_name:{PASSWORD}@127.0.0.1:1/x"
    for command in COMMANDS:
        shop.run(*command, SOURCE=wrong, TARGET=wrong)


def test_a_saved_plan_holds_variables_as_they_were_written(shop: Workshop) -> None:
    text = JOB_FILE.replace("      table: goods\n    transform", """      sql: |
        SELECT * FROM goods WHERE id > ${LEAST}
    transform""")  # fmt: skip
    shop.write("shop.yaml", text)
    planned = shop.run("plan", "shop.yaml", "-o", "shop.plan", LEAST="731")
    assert planned.code == 0, planned.err
    stored = (shop.folder / "shop.plan").read_text(encoding="utf-8")
    assert "${LEAST}" in stored
    assert "id > 731" not in stored
    other = shop.run("run", "shop.plan", "--json", "--sequential", LEAST="100")
    assert (other.code, other.data["state"]) == (2, "refused")
    assert "another query" in other.data["jobs"][0]["error"]
    same = shop.run("run", "shop.plan", "--json", "--sequential", LEAST="731")
    assert (same.code, same.data["jobs"][0]["rows_loaded"]) == (0, 269)
