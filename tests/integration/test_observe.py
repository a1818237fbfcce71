"""What tracing and lineage systems get of a run: by their own client libraries, as they get it."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import sqlalchemy as sa
from openlineage.client import OpenLineageClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from referencing import Registry, Resource

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.dialects.oracle import Oracle
from mapper_dask.dialects.postgresql import PostgreSQL
from mapper_dask.errors import ConfigurationError
from mapper_dask.events import exporters
from mapper_dask.events.exporters.openlineage import LineageProgress, as_uuid, tables_of
from mapper_dask.events.exporters.opentelemetry import TraceProgress
from mapper_dask.events.exporters.sender import Sender
from mapper_dask.log import flow_job
from tests.database import Databases
from tests.scripts import run_script

ROWS, SIZE = 1000, 100
SECRET = "Tr0ub4dor"
SPEC = Path(__file__).parent / "openlineage_spec"


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute("CREATE TABLE shop (id int PRIMARY KEY, name text)")
    rows = "SELECT i, 'value-' || i FROM generate_series(1, 1000) i"
    databases.source.execute(f"INSERT INTO shop {rows}")
    databases.source.execute("ANALYZE shop")
    databases.target.execute("CREATE TABLE sold (id int PRIMARY KEY, name varchar(20))")
    return databases


def with_password(url: str) -> str:
    return sa.make_url(url).set(password=SECRET).render_as_string(hide_password=False)


def run(shop: Databases, progress: Any, *, workers: int = 1, **options):
    job = MapperJob(
        **{
            "source_conn": with_password(shop.source.url),
            "source_sql": "SELECT * FROM shop",
            "target_conn": with_password(shop.target.url),
            "target_table": "sold",
            "chunk_size": SIZE,
            **options,
        }
    )
    return ParallelProcessor(workers, progress=progress).run(job)


def fails_once(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame.id == 350).any():
        raise ValueError(f"cannot use {frame.name.iloc[0]}")
    return frame


# Spans


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    spans = exporter.get_finished_spans()
    return [span for span in spans if span.name == f"mapper_dask.{name}"]


def attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(f"mapper_dask.{name}")


def test_a_run_has_a_span_with_one_for_its_plan_and_one_for_each_chunk(shop, provider, exporter):
    result = run(shop, [TraceProgress(provider), False], workers=2, run_id="r").raise_for_status()

    [whole], [plan], chunks = (named(exporter, name) for name in ("run", "plan", "chunk"))
    assert {span.parent.span_id for span in [plan, *chunks]} == {whole.context.span_id}
    assert {span.context.trace_id for span in [plan, *chunks]} == {whole.context.trace_id}
    assert sorted(attribute(span, "chunk_id") for span in chunks) == list(range(10))
    assert sum(attribute(span, "rows_loaded") for span in chunks) == ROWS
    workers = {chunk.worker for chunk in result.chunk_results}
    assert {attribute(span, "worker") for span in chunks} == workers
    assert {attribute(span, "run_id") for span in [whole, plan, *chunks]} == {"r"}
    assert (attribute(whole, "state"), attribute(whole, "rows_loaded")) == ("SUCCEEDED", ROWS)
    assert whole.status.status_code is StatusCode.UNSET


def test_spans_have_the_times_of_what_they_stand_for(shop, provider, exporter):
    result = run(shop, TraceProgress(provider)).raise_for_status()

    [whole], [plan], chunks = (named(exporter, name) for name in ("run", "plan", "chunk"))
    chunks.sort(key=lambda span: attribute(span, "chunk_id"))
    assert whole.start_time == plan.start_time
    assert plan.end_time <= chunks[0].start_time
    assert chunks[-1].end_time <= whole.end_time
    # In a loop one chunk ends before the next begins; clocks are read a moment apart.
    assert all(one.end_time <= two.start_time + 1_000_000 for one, two in pairwise(chunks))
    seconds = {c.chunk_id: c.processing_time for c in result.chunk_results}
    for span in chunks:
        lasted = (span.end_time - span.start_time) / 1e9
        assert lasted == pytest.approx(seconds[attribute(span, "chunk_id")], abs=1e-3)


def test_what_failed_is_an_error_without_a_value_of_a_row_or_a_secret(shop, provider, exporter):
    run(shop, TraceProgress(provider), transformation_logic=fails_once, on_error="continue")

    failed = [s for s in named(exporter, "chunk") if s.status.status_code is StatusCode.ERROR]
    assert [attribute(span, "chunk_id") for span in failed] == [3]
    assert failed[0].attributes["error.type"].endswith("Error")
    [whole] = named(exporter, "run")
    assert (whole.status.status_code, attribute(whole, "state")) == (StatusCode.ERROR, "FAILED")
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "value-" not in told
    assert SECRET not in told


def test_a_refused_run_is_one_span_with_an_error(shop, provider, exporter):
    with pytest.raises(ConfigurationError):
        run(shop, TraceProgress(provider), target_table="nowhere")

    [span] = exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == ("mapper_dask.run", StatusCode.ERROR)
    assert span.attributes["error.type"] == "TargetError"


@pytest.mark.parametrize("background", [False, True])
def test_the_span_of_a_run_is_a_child_of_the_callers(shop, provider, exporter, background):
    job = MapperJob(
        source_conn=shop.source.url, source_sql="SELECT * FROM shop", chunk_size=500,
        target_conn=shop.target.url, target_table="sold",
    )  # fmt: skip
    processor = ParallelProcessor(1, progress=TraceProgress(provider))
    with provider.get_tracer("test").start_as_current_span("nightly") as caller:
        if background:
            with processor.start(job) as handle:
                handle.result()
        else:
            processor.run(job)

    [whole] = named(exporter, "run")
    assert whole.parent.span_id == caller.get_span_context().span_id


def test_one_hook_may_serve_runs_that_go_on_at_a_time(shop, provider, exporter):
    for name in ("one", "two"):
        shop.target.execute(f"CREATE TABLE {name} (LIKE sold)")
    hook = TraceProgress(provider)
    threads = [
        threading.Thread(target=run, args=(shop, hook), kwargs={"target_table": name})
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    runs = {span.context.span_id: attribute(span, "run_id") for span in named(exporter, "run")}
    chunks = named(exporter, "chunk")
    assert len(runs) == 2
    assert len(chunks) == 20
    assert all(runs[span.parent.span_id] == attribute(span, "run_id") for span in chunks)


BY_ITSELF = """
import sys
from mapper_dask import MapperJob, ParallelProcessor
{setup}
ParallelProcessor(1, chunk_size=500).process_mapper_job(
    "env:SOURCE", "SELECT * FROM shop", None, "env:TARGET", None, "sold"
).raise_for_status()
{ask}
"""

WITH_A_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
"""


def by_itself(shop: Databases, folder: Path, setup: str, ask: str, **environment: str) -> str:
    """Return what a program prints that runs a job and says nothing of hooks."""
    script = folder / "script.py"
    script.write_text(BY_ITSELF.format(setup=setup, ask=ask))
    variables = {"SOURCE": shop.source.url, "TARGET": shop.target.url, **environment}
    done = run_script(script, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_provider_that_the_program_has_set_gets_the_spans(shop, tmp_path):
    ask = "print(*sorted(span.name for span in exporter.get_finished_spans()))"

    assert by_itself(shop, tmp_path, WITH_A_PROVIDER, ask).split() == [
        *["mapper_dask.chunk"] * 2, "mapper_dask.plan", "mapper_dask.run",
    ]  # fmt: skip


def test_nothing_of_either_library_is_imported_where_nobody_asks(shop, tmp_path):
    ask = "print(*[name for name in ('opentelemetry', 'openlineage') if name in sys.modules])"

    assert by_itself(shop, tmp_path, "", ask).split() == []


def test_the_api_alone_makes_no_spans(monkeypatch):
    from mapper_dask.events.exporters import opentelemetry

    monkeypatch.setattr(
        opentelemetry.trace, "get_tracer_provider", opentelemetry.trace.ProxyTracerProvider
    )

    assert exporters.traces_wanted()
    assert list(exporters.configured()) == []


# Lineage


class Collector:
    """An OpenLineage collector: takes events over HTTP, and answers when it may."""

    def __init__(self, url: str, may_answer: threading.Event) -> None:
        self.url = url
        self.may_answer = may_answer
        self.events: list[dict[str, Any]] = []

    def of(self, kind: str) -> dict[str, Any]:
        [event] = [event for event in self.events if event["eventType"] == kind]
        return event


@contextmanager
def collector_answering(status: int) -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            collector.events.append(body)
            collector.may_answer.wait()
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    may_answer = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}", may_answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collector_answering(200) as collector:
        collector.may_answer.set()
        yield collector


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No collector of this machine's, and nothing left of what the client writes there itself."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        del os.environ[name]
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    monkeypatch.undo()
    os.environ.clear()
    os.environ.update(before)


def client_of(url: str) -> OpenLineageClient:
    transport = {"type": "http", "url": url, "timeout": 30, "retry": {"total": 0}}
    return OpenLineageClient(config={"transport": transport})


def lineage(shop: Databases, collector: Collector, **options: Any) -> Any:
    hook = LineageProgress(client_of(collector.url))
    try:
        return run(shop, [hook, False], **options)
    finally:
        assert hook.flush(60)


def schemas() -> Registry:
    contents = [json.loads(path.read_text("utf-8")) for path in SPEC.glob("*.json")]
    return Registry().with_resources((c["$id"], Resource.from_contents(c)) for c in contents)


def facets(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every facet of an event, by its key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict) and "_schemaURL" in inner:
                yield key, inner
            yield from facets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from facets(inner)


def require_valid(event: dict[str, Any]) -> list[str]:
    """Hold an event and each of its facets against the specification; return the facets' keys."""
    registry = schemas()

    def check(what: Any, schema: dict[str, Any]) -> None:
        validator = jsonschema.Draft202012Validator(
            schema, registry=registry, format_checker=jsonschema.FormatChecker()
        )
        validator.validate(what)

    core = json.loads((SPEC / "OpenLineage.json").read_text("utf-8"))
    check(event, {"$ref": f"{core['$id']}#/$defs/RunEvent"})
    found = []
    for key, facet in facets(event):
        name = facet["_schemaURL"].rpartition("/")[2]
        schema = json.loads((SPEC / f"{name}.json").read_text("utf-8"))
        assert key in schema["properties"], f"{key} is not what the specification calls it"
        check({key: facet}, {"$ref": schema["$id"]})
        found.append(key)
    return found


def test_a_run_tells_what_was_made_of_what(shop, collector):
    lineage(shop, collector, source_sql="SELECT s.* FROM shop s JOIN public.shop t USING (id)")

    begin, end = collector.of("START"), collector.of("COMPLETE")
    assert begin["run"]["runId"] == end["run"]["runId"]
    assert begin["eventTime"] < end["eventTime"]
    assert end["job"]["namespace"] == "default"
    assert end["job"]["name"] == "mapper_dask.public.sold"
    query = end["job"]["facets"]["sql"]
    assert query["query"].startswith("SELECT s.* FROM shop s")
    assert query["dialect"] == "postgres"
    source, target = (sa.make_url(database.url).database for database in shop)
    url = sa.make_url(shop.source.url)
    namespace = f"postgres://{url.host or 'localhost'}:{url.port or 5432}"
    assert [(i["namespace"], i["name"]) for i in end["inputs"]] == [
        (namespace, f"{source}.public.shop")
    ]
    [output] = end["outputs"]
    assert (output["namespace"], output["name"]) == (namespace, f"{target}.public.sold")
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == ROWS
    columns = output["facets"]["schema"]["fields"]
    assert [(c["name"], c["type"]) for c in columns] == [
        ("id", "integer"), ("name", "character varying(20)"),
    ]  # fmt: skip


def test_events_are_what_the_specification_says(shop, collector, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"cron/nightly/{as_uuid('nightly-7')}")
    lineage(shop, collector, write_disposition="replace")
    lineage(shop, collector, transformation_logic=fails_once, write_disposition="replace")

    found = {key for event in collector.events for key in require_valid(event)}
    assert [event["eventType"] for event in collector.events] == [
        "START", "COMPLETE", "START", "FAIL",
    ]  # fmt: skip
    assert found >= {
        "sql", "jobType", "processing_engine", "executionParameters", "parent", "errorMessage",
        "dataSource", "schema", "lifecycleStateChange", "outputStatistics",
    }  # fmt: skip


def test_a_failed_run_ends_in_fail_without_a_value_of_a_row_or_a_secret(
    shop, collector, tmp_path, monkeypatch
):
    checkout = tmp_path / ".git"
    checkout.mkdir()
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / "config").write_text(
        f'[remote "origin"]\n\turl = https://me:{SECRET}@example.org/jobs\n'
    )
    monkeypatch.chdir(tmp_path)
    lineage(shop, collector, transformation_logic=fails_once)

    event = collector.of("FAIL")
    assert event["run"]["facets"]["errorMessage"]["message"].endswith("Error")
    assert event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 300
    told = json.dumps(collector.events)
    assert "value-" not in told
    assert SECRET not in told


def test_a_cancelled_run_ends_in_abort(shop, collector):
    def interrupt(_):
        raise KeyboardInterrupt

    hook = LineageProgress(client_of(collector.url))
    with pytest.raises(KeyboardInterrupt):
        run(shop, [hook, interrupt])
    assert hook.flush(60)

    assert [event["eventType"] for event in collector.events] == ["START", "ABORT"]


def test_a_refused_run_begins_and_fails(shop, collector):
    hook = LineageProgress(client_of(collector.url))
    with pytest.raises(ConfigurationError):
        run(shop, hook, target_table="nowhere")
    assert hook.flush(60)

    assert [event["eventType"] for event in collector.events] == ["START", "FAIL"]
    assert len({event["run"]["runId"] for event in collector.events}) == 1
    for event in collector.events:
        require_valid(event)


def test_a_job_of_a_flow_is_named_after_both_and_has_the_flow_as_parent(shop, collector):
    with flow_job(flow="nightly", flow_run="nightly-7", job="shop"):
        lineage(shop, collector)

    event = collector.of("COMPLETE")
    parent = event["run"]["facets"]["parent"]
    assert event["job"]["name"] == "nightly.shop"
    assert parent["job"]["name"] == "nightly"
    assert parent["run"]["runId"] == as_uuid("nightly-7")
    require_valid(event)


def test_each_attempt_at_a_run_is_a_run_of_its_own(shop, collector):
    hook = LineageProgress(client_of(collector.url))
    broken = [hook, False]
    run(shop, broken, transformation_logic=fails_once, run_id="r", on_error="continue")
    run(shop, broken, transformation_logic=fails_once, run_id="r", on_error="continue")
    assert hook.flush(60)

    ids = [event["run"]["runId"] for event in collector.events]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    parameters = collector.events[2]["run"]["facets"]["executionParameters"]["parameters"]
    assert {"key": "run_id", "value": "r"} in parameters


def test_no_run_waits_for_a_collector_that_does_not_answer(shop):
    """The collector answers only after the run has ended: had it waited, it would never end."""
    with collector_answering(200) as collector:
        hook = LineageProgress(client_of(collector.url))
        run(shop, [hook, False]).raise_for_status()
        assert shop.target.fetch("SELECT count(*) FROM sold") == [(ROWS,)]
        assert not hook.flush(0)

        collector.may_answer.set()
        assert hook.flush(60)
        assert [event["eventType"] for event in collector.events] == ["START", "COMPLETE"]


def test_a_collector_that_refuses_is_told_to_the_log_once(shop, caplog):
    with collector_answering(500) as collector:
        collector.may_answer.set()
        hook = LineageProgress(client_of(collector.url))
        hook._sender = Sender("openlineage")
        for name in ("a", "b"):
            shop.target.execute("TRUNCATE sold")
            run(shop, [hook, False], run_id=name).raise_for_status()
        assert hook.flush(60)

    assert len(collector.events) == 4
    complaints = [r for r in caplog.records if "hook_failed" in r.getMessage()]
    assert [(r.levelno, r.mapper["hook"]) for r in complaints] == [(logging.WARNING, "openlineage")]


def test_events_that_nobody_takes_are_dropped_and_do_not_pile_up(caplog):
    sender, hold = Sender("test", capacity=2), threading.Event()
    taken = []
    begun = threading.Event()

    def first():
        begun.set()
        hold.wait()

    sender.send(first)
    begun.wait()
    for number in range(5):
        sender.send(lambda number=number: taken.append(number))
    hold.set()

    assert sender.flush(60)
    assert taken == [0, 1]
    assert [r.mapper["error"] for r in caplog.records] == ["Full"]


def test_a_program_ends_though_its_collector_never_answers(shop, tmp_path):
    with collector_answering(200) as silent:
        setup = "from mapper_dask.events.exporters import sender\nsender.EXIT_WAIT = 0.1"

        by_itself(shop, tmp_path, setup, "", OPENLINEAGE_URL=silent.url)

    assert shop.target.fetch("SELECT count(*) FROM sold") == [(ROWS,)]


def test_a_collector_in_the_environment_gets_the_events(shop, collector, tmp_path):
    by_itself(shop, tmp_path, "", "", OPENLINEAGE_URL=collector.url, OPENLINEAGE_NAMESPACE="shop")

    assert [event["eventType"] for event in collector.events] == ["START", "COMPLETE"]
    assert {event["job"]["namespace"] for event in collector.events} == {"shop"}


def test_a_file_may_be_the_collector(shop, tmp_path):
    file = tmp_path / "events.json"
    config = tmp_path / "openlineage.yml"
    config.write_text(f"transport: {{type: file, log_file_path: {file}, append: true}}")

    by_itself(shop, tmp_path, "", "", OPENLINEAGE_CONFIG=str(config))

    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    for event in events:
        require_valid(event)


def test_a_configuration_without_a_collector_sends_nothing(tmp_path, monkeypatch):
    config = tmp_path / "openlineage.yml"
    config.write_text("tags: {job: {team: shop}}")
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))

    assert exporters.lineage_wanted()
    assert [hook for hook in exporters.configured() if isinstance(hook, LineageProgress)] == []


def test_a_collector_that_is_switched_off_gets_nothing(monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")

    assert not exporters.lineage_wanted()


def test_a_missing_library_is_told_and_stops_nothing(shop, caplog, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "mapper_dask.events.exporters.openlineage", None)

    run(shop, None).raise_for_status()

    [record] = [r for r in caplog.records if r.mapper["event"] == "hook_failed"]
    assert "pip install 'mapper-dask[lineage]'" in record.getMessage()


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM a", [("", "a")]),
        ("SELECT * FROM s.a JOIN b ON true JOIN s.a c ON true", [("s", "a"), ("", "b")]),
        ("WITH a AS (SELECT * FROM b) SELECT * FROM a", [("", "b")]),
        (
            "SELECT (SELECT max(i) FROM c) FROM a WHERE x IN (SELECT x FROM d)",
            [("", "a"), ("", "c"), ("", "d")],
        ),
        ("SELECT 1 FROM a UNION ALL SELECT 2 FROM b", [("", "a"), ("", "b")]),
        ('SELECT * FROM "Mixed"."Case"', [("Mixed", "Case")]),
        ("SELECT * FROM generate_series(1, 3)", []),
        ("SELECT * FROM a WHERE ((", []),
    ],
)
def test_the_tables_of_a_query_are_found(sql, tables):
    assert sorted(tables_of(sql, PostgreSQL())) == sorted(tables)


def test_names_are_folded_as_the_database_does():
    assert tables_of("SELECT * FROM APP.Orders", Oracle()) == tables_of(
        "SELECT * FROM app.orders", Oracle()
    )
