"""The benchmarks run, at a scale that measures nothing."""

from __future__ import annotations

import shutil
import socket

import pytest

from benchmarks.tpch.bench import Bench, measure
from benchmarks.tpch.checks import checks
from benchmarks.tpch.data import generated, load
from benchmarks.tpch.figures import to_limit
from benchmarks.tpch.limit import two_streams
from benchmarks.tpch.lineitem import source_table
from benchmarks.tpch.render import document
from benchmarks.tpch.results import Results
from benchmarks.tpch.run_peer import Answer, NotRunError, run_peer
from benchmarks.tpch.scaling import groups
from benchmarks.tpch.server import running
from benchmarks.tpch.timing import Timing
from benchmarks.tpch.verify import WrongRowsError, verify
from benchmarks.tpch.ways import LIMIT, Way
from tests.scripts import ROOT, run_script

TINY = ("--scale", 0.001, "--rounds", 1, "--scaling-rounds", 1, "--chunk-rows", 1_000)
FEW = (
    *("--only", "identity-rowid-auto", "identity-key-fixed", "transform-key-fixed"),
    *("identity-pandas", "transform-dask", "--peers", "dask", "pandas", "--workers"),
)
ROWS = 6_005


@pytest.fixture(scope="module")
def tpch(tmp_path_factory):
    """The folder with the document of a tiny run, with the peers that need no installation."""
    folder = tmp_path_factory.mktemp("tpch")
    done = run_script(
        *("-m", "benchmarks.tpch", *TINY, *FEW),
        *("--out", folder / "docs", "--cache", folder / "cache"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "docs"


def lines_of(document: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its header."""
    below = document.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = [line.strip("| ").split(" | ") for line in below.splitlines() if line.startswith("|")]
    return table[2:]


@pytest.mark.long_only
def test_tpch_verifies_every_way_and_writes_a_table_of_them(tpch):
    document = (tpch / "benchmarks.md").read_text()

    ways = {
        "Identity": {
            "mapper_dask, ROWID_BASED, chunks: auto",
            "mapper_dask, KEY_BASED, chunks: 1,000",
            "pandas `read_sql` + `to_sql`",
        },
        "Transform": {
            "mapper_dask, KEY_BASED, chunks: 1,000",
            "Dask `read_sql_query` + `to_sql`",
        },
    }
    for workload, expected in ways.items():
        table = lines_of(document, workload)
        assert {(line[0].strip("*"), line[1], line[5]) for line in table} == {
            (way, f"{ROWS:,}", "1") for way in expected | {"two streams of binary COPY"}
        }
    assert "interrupted" not in document
    assert "Not run" not in document


@pytest.mark.long_only
def test_tpch_scales_rows(tpch):
    table = lines_of((tpch / "benchmarks.md").read_text(), "Scaling")

    assert [tuple(line[:3]) for line in table] == [
        *(("ROWID_BASED", "2", rows) for rows in ("1,001", "3,002", "6,005")),
        *(("KEY_BASED", "2", rows) for rows in ("1,001", "3,002", "6,005")),
        *(("OFFSET_LIMIT", "2", rows) for rows in ("1,001", "3,002")),
    ]
    # MB of a process with pandas in it; a single chunk runs in this one, so they do not compare.
    assert all(int(idle) > 50 and int(peak) > 50 for *_, idle, peak in table)


def test_tpch_scales_workers_at_the_middle_size():
    found = groups([1, 3, 6], rounds=2, workers=[1, 4])

    assert [(one.strategy, one.workers, one.sizes, one.rounds) for one in found] == [
        *(("ROWID_BASED", *rest) for rest in ((2, (1, 3, 6), 2), (1, (3,), 2), (4, (3,), 2))),
        *(("KEY_BASED", *rest) for rest in ((2, (1, 3, 6), 2), (1, (3,), 2), (4, (3,), 2))),
        ("OFFSET_LIMIT", 2, (1, 3), 1),
    ]


@pytest.mark.long_only
def test_tpch_renders_again_from_the_results_alone(tpch, tmp_path):
    shutil.copy(tpch / "benchmarks.json", tmp_path)

    done = run_script("-m", "benchmarks.tpch", "--render", "--out", tmp_path)

    assert done.returncode == 0, done.stderr
    for name in ("benchmarks.md", "benchmarks-ways.svg", "benchmarks-scaling.svg"):
        assert (tmp_path / name).read_bytes() == (tpch / name).read_bytes()


@pytest.mark.long_only
def test_tpch_check_names_what_does_not_show(tpch, tmp_path):
    shutil.copy(tpch / "benchmarks.json", tmp_path)

    done = run_script("-m", "benchmarks.tpch", "--render", "--check", "--out", tmp_path)

    assert done.returncode == 1
    assert "not measured: transform: times as fast as ADBC" in done.stdout


@pytest.mark.long_only
def test_tpch_results_name_no_host_and_no_folder(tpch):
    written = "".join(path.read_text() for path in tpch.iterdir())

    assert str(tpch.parent) not in written
    assert str(ROOT) not in written
    assert socket.gethostname() not in written.replace("localhost", "")


def results(*, seconds: dict[str, float], complete: bool = True) -> Results:
    """Return results of one round without a scaling section."""
    facts = dict.fromkeys(
        ("command", "date", "cpu", "cores", "memory_gb", "system", "python", "postgresql"), 1
    )
    facts |= {"rows": 100, "scaling_rows": [1, 3, 6], "chunk_rows": 10, "limit_client": "psql"}
    facts |= {"settings": {}, "libraries": {}}
    timings = {name: Timing(100, took) for name, took in seconds.items()}
    return Results(facts, {}, [timings], [], complete)


def verdict(measured: Results, claim: str) -> str:
    return next(check.verdict for check in checks(measured) if check.claim.startswith(claim))


@pytest.mark.parametrize(
    ("claim", "ours", "bound"),
    [
        ("identity: share of the limit's rate", "identity-rowid-auto", 1 / 0.95),
        ("transform: share of the limit's rate", "transform-key-fixed", 1 / 0.85),
        ("transform: times as fast as pgcopydb", "transform-rowid-auto", 2),
        ("identity: times as fast as Dask `read_sql", "identity-key-auto", 80 / 35),
        ("transform: times as fast as ADBC, numerics as dec", "transform-key-auto", 6 / 1.5),
    ],
)
def test_tpch_claims_are_met_up_to_their_bound_and_missed_beyond(claim, ours, bound):
    peers = {"limit": 1, "identity-pgcopydb": 2, "identity-dask": 80, "transform-adbc": 6}

    assert verdict(results(seconds={**peers, ours: bound * 0.999}), claim) == "met"
    assert verdict(results(seconds={**peers, ours: bound * 1.001}), claim) == "**missed**"
    assert verdict(results(seconds=peers), claim) == "not measured"


def test_tpch_ratios_are_taken_within_a_round():
    measured = results(seconds={"limit": 1, "identity-rowid-auto": 2})
    for limit, ours in ((10, 30), (100, 100)):
        measured.rounds.append(
            {"limit": Timing(100, limit), "identity-rowid-auto": Timing(100, ours)}
        )

    assert to_limit(measured, "identity-rowid-auto") == 2


def test_tpch_document_of_an_interrupted_run_says_so():
    assert "interrupted" in document(results(seconds={"limit": 1}, complete=False))


@pytest.fixture(scope="module")
def loaded_server(tmp_path_factory):
    with running() as server:
        load(server, generated(0.001, tmp_path_factory.mktemp("lineitem")))
        yield server


EXACT = "l_extendedprice::float8 * (1 - l_discount::float8)"
COMPUTED = f"""
CREATE TABLE computed AS
SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount,
       l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct,
       l_shipmode, upper(l_comment) AS l_comment, {EXACT} AS revenue
FROM copied WHERE l_linenumber < 7
"""


@pytest.fixture
def computed(loaded_server):
    """A target as the transform should leave it, made by the server."""
    table = source_table(ROWS)
    loaded_server.execute("target", "TRUNCATE copied", "DROP TABLE IF EXISTS computed")
    two_streams(loaded_server, table, "copied")
    loaded_server.execute("target", COMPUTED)
    return loaded_server


def test_tpch_verification_accepts_the_right_rows(computed):
    verify(computed, source_table(ROWS), "identity", "copied")
    verify(computed, source_table(ROWS), "transform", "computed")


def test_tpch_verification_accepts_the_last_bit_of_a_double(computed):
    computed.execute("target", f"UPDATE computed SET revenue = revenue * (1 + {2**-51})")

    verify(computed, source_table(ROWS), "transform", "computed")


ONE = "ctid = (SELECT min(ctid) FROM computed)"


@pytest.mark.parametrize(
    "sabotage",
    [
        f"DELETE FROM computed WHERE {ONE}",
        f"INSERT INTO computed SELECT * FROM computed WHERE {ONE}",
        f"UPDATE computed SET l_orderkey = l_orderkey + 1 WHERE {ONE}",
        f"UPDATE computed SET l_tax = l_tax + 0.01 WHERE {ONE}",
        f"UPDATE computed SET l_shipdate = l_shipdate + 1 WHERE {ONE}",
        f"UPDATE computed SET l_comment = lower(l_comment) WHERE {ONE}",
        f"UPDATE computed SET revenue = revenue + 0.0001 WHERE {ONE}",
        f"UPDATE computed SET revenue = 'NaN' WHERE {ONE}",
        f"DELETE FROM computed WHERE {ONE}; INSERT INTO computed SELECT * FROM computed LIMIT 1",
        """UPDATE computed SET l_quantity = (ARRAY[b.l_quantity, a.l_quantity])[
               CASE computed.l_orderkey WHEN a.l_orderkey THEN 1 ELSE 2 END]
           FROM (SELECT * FROM computed ORDER BY l_quantity LIMIT 1) a,
                (SELECT * FROM computed ORDER BY l_quantity DESC LIMIT 1) b
           WHERE (computed.l_orderkey, computed.l_linenumber)
              IN ((a.l_orderkey, a.l_linenumber), (b.l_orderkey, b.l_linenumber))""",
    ],
    ids=[
        "a row less", "a row more", "a key", "a cent", "a day", "a case", "a revenue", "a NaN",
        "one row twice for another", "two rows' values exchanged",
    ],
)  # fmt: skip
def test_tpch_verification_refuses_a_wrong_target(computed, sabotage):
    computed.execute("target", sabotage)

    with pytest.raises(WrongRowsError):
        verify(computed, source_table(ROWS), "transform", "computed")


@pytest.fixture
def bench(loaded_server, tmp_path):
    sizes = dict.fromkeys(("all", "large", "middle", "small"), ROWS)
    return Bench(loaded_server, sizes, Results({}), tmp_path)


def test_tpch_limit_moves_the_rows_without_psql_too(bench, monkeypatch):
    monkeypatch.setattr("benchmarks.tpch.limit.programs", lambda: None)

    assert measure(bench, None, LIMIT).rows == ROWS


def test_tpch_wrong_rows_of_the_limit_end_the_run(bench, monkeypatch):
    monkeypatch.setattr("benchmarks.tpch.limit.two_streams", lambda *_: 1.0)

    with pytest.raises(WrongRowsError):
        measure(bench, None, LIMIT)


def test_tpch_wrong_rows_of_a_peer_end_the_peer(bench, monkeypatch):
    moved = []

    def move_nothing(*_):
        moved.append(1)
        return Answer(Timing(ROWS, 1.0), {})

    monkeypatch.setattr("benchmarks.tpch.bench.run_peer", move_nothing)
    way = Way("lazy", "", "peer", "identity", "copied")

    assert measure(bench, None, way) is None
    assert measure(bench, None, way) is None
    assert moved == [1]
    assert "copied has (rows, digest) (0, None), expected" in bench.results.ways["lazy"]["not_run"]


@pytest.mark.parametrize(
    ("module", "why"), [("no_such_peer", "no_such_peer"), ("protocol", "no answer")]
)
def test_tpch_peer_that_fails_says_why(loaded_server, module, why):
    way = Way("peer", "", "peer", "identity", "copied", module=module, own_environment=False)

    with pytest.raises(NotRunError, match=why):
        run_peer(loaded_server, way, ROWS)


def test_tpch_refuses_names_that_are_none(tmp_path):
    for option in ("--peers", "--only"):
        done = run_script("-m", "benchmarks.tpch", option, "nothing", "--out", tmp_path)
        assert done.returncode == 2
        assert "nothing" in done.stderr


@pytest.mark.slow
def test_memory_prints_a_line_a_size():
    done = run_script("benchmarks/memory.py", "--rows", 4_000, 8_000, "--chunk-size", 1_000)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines] == ["| rows", "| 4,000", "| 8,000"]


def test_one_worker_is_refused_where_workers_are_measured():
    done = run_script("benchmarks/memory.py", "--rows", 1_000, "--chunk-size", 500, "--workers", 1)

    assert done.returncode == 1
    assert "no worker process" in done.stderr


@pytest.mark.slow
def test_rejects_verifies_every_kind_and_prints_a_table():
    done = run_script(
        *("benchmarks/rejects.py", "--rows", 6_000, "--rounds", 1, "--chunk-size", 2_000)
    )

    assert done.returncode == 0, done.stdout + done.stderr
    kinds = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert kinds == ["| bad rows", "| marked", "| unfit", "| constraint", "| mixed", "| raised"]


def test_cancel_stops_and_prints_a_table():
    done = run_script("benchmarks/cancel.py", "--rounds", 1)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| 1 | " in done.stdout


@pytest.mark.slow
@pytest.mark.workers
def test_scaling_counts_the_rows_of_each_way_and_prints_a_table():
    done = run_script(
        "-m", "benchmarks.scaling", "--only", "joining",
        "--rounds", 1, "--chunks", 12, "--seconds", 0.02,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split("|")[1].strip() for line in done.stdout.splitlines() if "|" in line]
    assert lines[2:] == ["3 all along", "1, scaled to 3", "adaptive, 1 to 3"]
