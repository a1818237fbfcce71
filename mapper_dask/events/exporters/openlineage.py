"""OpenLineage events of a run: which table was made of which, by which job, with how many rows.

A run sends START, and then COMPLETE, FAIL or ABORT (when it was cancelled); one that is refused
sends START and FAIL. Each attempt at a run, the first and every resumption, is a run to
OpenLineage. Its job is named after the flow and the job, or after the target table; its namespace
is ``OPENLINEAGE_NAMESPACE``, or ``default``.

=========  ========================================================================================
event      facets
=========  ========================================================================================
run        ``processing_engine``; ``executionParameters``: run_id, chunks, strategy; ``parent``, in
           a flow or by ``OPENLINEAGE_PARENT_ID``; ``errorMessage``: the kind of the error
job        ``sql``, ``jobType``
inputs     the tables of the query as the parser finds them: ``dataSource``
outputs    the target table: ``dataSource``, ``schema``, ``lifecycleStateChange`` (replace), and at
           the end ``outputStatistics``: the rows that are in it for good
=========  ========================================================================================

Datasets are named as OpenLineage names tables of that database. A table without a schema in the
query is taken to be in the schema its database takes by default. Events are sent by a thread of
their own: a run never waits for a collector, and a process that ends waits a few seconds at most.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
import sqlglot
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    datasource_dataset,
    error_message_run,
    execution_parameters_run,
    job_type_job,
    lifecycle_state_change_dataset,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    set_producer,
    sql_job,
)
from openlineage.client.naming.dataset import DatasetNaming, Oracle, Postgres
from openlineage.client.transport.noop import NoopConfig, NoopTransport
from openlineage.client.uuid import generate_static_uuid
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect
from mapper_dask.events.exporters.sender import sender
from mapper_dask.events.run_events import Progress, RunEnded, RunRefused, RunStarted
from mapper_dask.ledger import run_record as ledger_runs
from mapper_dask.log import FlowPlace
from mapper_dask.schema.facts import TargetTable

PRODUCER = f"urn:python:mapper-dask:{version('mapper-dask')}"
"""The producer of an event, as a URI."""

NAMESPACE = "OPENLINEAGE_NAMESPACE"
PARENT = "OPENLINEAGE_PARENT_ID"
"""``namespace/name/run``: set by a scheduler that starts this process as a part of its own run."""

ENDINGS = {
    ledger_runs.RunState.SUCCEEDED: RunState.COMPLETE,
    ledger_runs.RunState.CANCELLED: RunState.ABORT,
}


def configured_client() -> OpenLineageClient | None:
    """Return a client of the collector that the environment names, None where it names none."""
    if os.environ.get("OPENLINEAGE_URL"):
        return OpenLineageClient()
    # A client without a transport would print to the console.
    probe = OpenLineageClient(transport=NoopTransport(NoopConfig()))
    return OpenLineageClient() if (probe.config.transport or {}).get("type") else None


class LineageProgress(Progress):
    """Sends the events of runs; added to every run where a collector is configured.

    Parameters
    ----------
    client
        Sends them; None: one that the environment configures.
    namespace
        Of the jobs; None: ``OPENLINEAGE_NAMESPACE``, or ``default``.
    job_name
        Of the job; None: named after the flow and the job, or after the target table.
    """

    def __init__(
        self,
        client: OpenLineageClient | None = None,
        *,
        namespace: str | None = None,
        job_name: str | None = None,
    ) -> None:
        set_producer(PRODUCER)
        self._client = client or OpenLineageClient()
        self._namespace = namespace or os.environ.get(NAMESPACE) or "default"
        self._job_name = job_name
        self._sender = sender("openlineage")

    def run_refused(self, refused: RunRefused) -> None:
        """Send START and FAIL of a run that never began."""
        job = Job(self._namespace, self._name(refused.place, refused.table), facets=_job_type())
        run_id = _run_id(refused.run_id or "", refused.began)
        for state, when, error in (
            (RunState.START, refused.began, None),
            (RunState.FAIL, refused.ended, refused.error),
        ):
            facets = self._run_facets(refused.place, {"run_id": refused.run_id}, error)
            self._send(state, when, Run(run_id, facets=facets), job, [], [])

    def run_started(self, started: RunStarted) -> None:
        """Send START."""
        self._send_of(started, RunState.START, started.planning_began)

    def run_ended(self, ended: RunEnded) -> None:
        """Send COMPLETE, FAIL or ABORT, with the rows."""
        state = ENDINGS.get(ended.state, RunState.FAIL)
        rows = None if ended.result is None else ended.result.total_rows_successful
        self._send_of(ended.started, state, ended.ended, rows=rows, error=ended.error)

    def flush(self, timeout: float) -> bool:
        """Wait until all events are sent, at most so many seconds; return whether they are."""
        return self._sender.flush(timeout)

    def _send_of(
        self,
        started: RunStarted,
        state: RunState,
        when: float,
        *,
        rows: int | None = None,
        error: str | None = None,
    ) -> None:
        parameters = {
            "run_id": started.run_id,
            "chunks": started.chunks,
            "strategy": started.plan.config.strategy.name,
            "write_disposition": started.write_disposition,
        }
        facets = self._run_facets(started.place, parameters, error)
        run = Run(_run_id(started.run_id, started.planning_began), facets=facets)
        table = None if started.table is None else f"{started.table.schema}.{started.table.name}"
        grammar = dialect_for(started.source).grammar
        sql = sql_job.SQLJobFacet(started.plan.query.sql, dialect=grammar)
        name = self._name(started.place, table)
        job = Job(self._namespace, name, facets={"sql": sql, **_job_type()})
        self._send(state, when, run, job, _inputs(started), _outputs(started, rows))

    def _send(
        self,
        state: RunState,
        when: float,
        run: Run,
        job: Job,
        inputs: Sequence[InputDataset],
        outputs: Sequence[OutputDataset],
    ) -> None:
        event = RunEvent(
            eventType=state,
            eventTime=dt.datetime.fromtimestamp(when, dt.UTC).isoformat(),
            run=run,
            job=job,
            producer=PRODUCER,
            inputs=list(inputs),
            outputs=list(outputs),
        )
        self._sender.send(lambda: self._client.emit(event))

    def _name(self, place: FlowPlace | None, table: str | None) -> str:
        if self._job_name is not None:
            return self._job_name
        if place is not None:
            return f"{place.flow}.{place.job}"
        return f"mapper_dask.{table or 'dry_run'}"

    def _run_facets(
        self, place: FlowPlace | None, parameters: dict[str, Any], error: str | None
    ) -> dict[str, Any]:
        engine = processing_engine_run.ProcessingEngineRunFacet(
            version=version("mapper-dask"), name="mapper_dask"
        )
        listed = [
            execution_parameters_run.ExecutionParameter(key=key, value=str(value))
            for key, value in parameters.items()
            if value is not None
        ]
        facets: dict[str, Any] = {
            "processing_engine": engine,
            "executionParameters": execution_parameters_run.ExecutionParametersRunFacet(listed),
        }
        parent = self._parent(place)
        if parent is not None:
            facets["parent"] = parent
        if error is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "Python")
        return facets

    def _parent(self, place: FlowPlace | None) -> parent_run.ParentRunFacet | None:
        if place is not None:
            named = (self._namespace, place.flow, as_uuid(place.flow_run))
        else:
            parts = os.environ.get(PARENT, "").rsplit("/", 2)
            if len(parts) != len(("namespace", "name", "run")):
                return None
            named = (parts[0], parts[1], parts[2])
        namespace, name, run = named
        return parent_run.ParentRunFacet(parent_run.Run(run), parent_run.Job(namespace, name))


def _run_id(run_id: str, began: float) -> str:
    """Return the UUID of an attempt at a run, which is the same whenever it is computed."""
    return str(generate_static_uuid(dt.datetime.fromtimestamp(began, dt.UTC), run_id.encode()))


def as_uuid(run_id: str) -> str:
    """Return a run's name as the UUID that OpenLineage requires, or one derived from it."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PRODUCER.rpartition(':')[0]}:{run_id}"))


def _job_type() -> dict[str, Any]:
    kind = job_type_job.JobTypeJobFacet("BATCH", "MAPPER_DASK", jobType="JOB")
    return {"jobType": kind}


def _inputs(started: RunStarted) -> list[InputDataset]:
    dialect = dialect_for(started.source)
    url = started.source.resolve()
    names = tables_of(started.plan.query.sql, dialect)
    found = dict.fromkeys(_dataset(dialect, url, schema, table) for schema, table in names)
    return [InputDataset(ns, name, facets=_source(started.source, ns)) for ns, name in found]


def _outputs(started: RunStarted, rows: int | None) -> list[OutputDataset]:
    table, target = started.table, started.target
    if table is None or target is None:
        return []
    namespace, name = _dataset(dialect_for(target), target.resolve(), table.schema, table.name)
    facets: dict[str, Any] = {**_source(target, namespace), "schema": _schema(table)}
    if started.write_disposition == "replace":
        overwritten = lifecycle_state_change_dataset.LifecycleStateChange.OVERWRITE
        facets["lifecycleStateChange"] = (
            lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(overwritten)
        )
    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    statistics: dict[str, Any] = {} if rows is None else {"outputStatistics": counted}
    return [OutputDataset(namespace, name, facets=facets, outputFacets=statistics)]


def _source(ref: ConnectionRef, namespace: str) -> dict[str, Any]:
    facet = datasource_dataset.DatasourceDatasetFacet(name=ref.address, uri=namespace)
    return {"dataSource": facet}


def _schema(table: TargetTable) -> schema_dataset.SchemaDatasetFacet:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(c.name, c.type_name, ordinal_position=place)
        for place, c in enumerate(table.columns, 1)
    ]
    return schema_dataset.SchemaDatasetFacet(fields)


def tables_of(sql: str, dialect: Dialect) -> list[tuple[str, str]]:
    """Return the tables a query reads, each once: schema (may be empty) and name, as held.

    Names of its own, such as those of WITH, are none. Empty where the parser does not understand
    the query: its text is exported in any case.
    """
    try:
        tree = sqlglot.parse_one(sql, read=dialect.grammar)
        scopes = traverse_scope(tree)
    except sqlglot.errors.SqlglotError:
        return []
    tables = (s for scope in scopes for s in scope.sources.values() if isinstance(s, exp.Table))
    named = ((_held(t.args.get("db"), dialect), _held(t.this, dialect)) for t in tables)
    return [name for name in dict.fromkeys(named) if name[1]]


def _held(identifier: Any, dialect: Dialect) -> str:
    if not isinstance(identifier, exp.Identifier):
        return ""
    return dialect.folded(identifier.name, quoted=bool(identifier.quoted))


def _dataset(dialect: Dialect, url: sa.URL, schema: str, table: str) -> tuple[str, str]:
    """Return namespace and name of a table, as OpenLineage names those of its database."""
    naming = NAMINGS[dialect.name](dialect, url, schema, table)
    return naming.get_namespace(), naming.get_name()


def _in_postgresql(_: Dialect, url: sa.URL, schema: str, table: str) -> DatasetNaming:
    database = url.database or url.username or "postgres"
    port = str(url.port or url.query.get("port") or 5432)
    return Postgres(_host(url), port, database, schema or "public", table)


def _in_oracle(dialect: Dialect, url: sa.URL, schema: str, table: str) -> DatasetNaming:
    service = url.query.get("service_name") or url.query.get("sid") or url.database or "ORCL"
    owner = schema or dialect.folded(url.username or "unknown", quoted=False)
    return Oracle(_host(url), str(url.port or 1521), str(service), owner, table)


def _host(url: sa.URL) -> str:
    host = str(url.host or url.query.get("host") or "localhost")
    return "localhost" if host.startswith("/") else host  # a socket's folder


NAMINGS = {"postgresql": _in_postgresql, "oracle": _in_oracle}
"""By a dialect's name. The values are OpenLineage's names, so they are not in the dialects."""
