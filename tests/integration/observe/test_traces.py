"""What tracing systems get of a run: by their own client library, as they get it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from mapper_dask import ParallelProcessor
from mapper_dask.errors import ConfigurationError
from mapper_dask.events import exporters
from mapper_dask.events.exporters.opentelemetry import TraceProgress
from tests.builders import job_between
from tests.integration.observe.runs import ROWS, SECRET, by_itself, fails_once, run


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
    job = job_between(shop.source, "shop", shop.target, "sold", chunk_size=500)
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


WITH_A_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
"""


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
