"""TLS and other parameters of libpq reach it as they are written, whichever way a URL is given.

The embedded server is built without TLS. A small proxy of the test's own speaks it in its place: a
real handshake of the real libpq, with certificates made for the test, before a real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask
import pytest
import sqlalchemy as sa

from mapper_dask import MapperError, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines, engine_for, raw_connection
from mapper_dask.connections.reference import reference
from mapper_dask.dialects import dialect_for
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.errors import ConfigurationError, ConnectionFailedError
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.certificates import Authority, Identity, authority, identity, openssl
from tests.database import Databases, Server

ROWS = 40
SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""What a client sends first to ask for TLS; the answer is one byte, S or N."""

PASSWORD = "s3cret of the l0gin"
KEY_PASSWORD = "k3y pass/wörd"


@dataclass(frozen=True)
class Papers:
    """Everybody's certificates."""

    trusted: Authority
    stranger: Authority
    server: Identity
    elsewhere: Identity
    client: Identity
    locked_key: Path


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificates with openssl, which is not installed here")
    folder = tmp_path_factory.mktemp("certificates with blanks & signs")
    trusted, stranger = authority(folder, "trusted"), authority(folder, "stranger")
    client = identity(folder, "postgres", trusted)
    locked = folder / "locked.key"
    openssl("ec", "-in", client.key, "-aes256", "-passout", f"pass:{KEY_PASSWORD}", "-out", locked)
    locked.chmod(0o600)
    return Papers(
        trusted,
        stranger,
        identity(folder, "here", trusted, names="DNS:localhost,IP:127.0.0.1"),
        identity(folder, "elsewhere", trusted, names="DNS:db.example"),
        client,
        locked,
    )


# -- the proxy -------------------------------------------------------------------------------------


@dataclass
class Proxy:
    """Takes TLS off each connection and passes it on to a server's Unix socket."""

    target: Path
    context: ssl.SSLContext | None
    """None: answers that it has no TLS."""
    plain: int = 0
    """Connections that went on without TLS."""
    secured: list[str | None] = field(default_factory=list)
    """The client certificate's name of each that came with TLS, None without one."""
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(len(SSL_REQUEST))
        asked = first == SSL_REQUEST
        if asked:
            writer.write(b"N" if self.context is None else b"S")
            await writer.drain()
            if self.context is not None:
                await writer.start_tls(self.context)
            # A client that does not trust the certificate, or goes without TLS nowhere, hangs up.
            first = await reader.readexactly(len(SSL_REQUEST))
        if asked and self.context is not None:
            self.secured.append(_common_name(writer.get_extra_info("peercert")))
        else:
            self.plain += 1
        inner = await asyncio.open_unix_connection(self.target)
        inner[1].write(first)
        await asyncio.gather(_pump(reader, inner[1]), _pump(inner[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _common_name(certificate: dict[str, Any] | None) -> str | None:
    subject = (certificate or {}).get("subject", ())
    return next((value for part in subject for name, value in part if name == "commonName"), None)


@contextlib.contextmanager
def proxied(directory: Path, context: ssl.SSLContext | None) -> Iterator[Proxy]:
    """Run a proxy before the server whose socket is in a directory."""
    proxy = Proxy(directory / ".s.PGSQL.5432", context)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def work() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),))
    thread.start()
    ready.wait()
    try:
        yield proxy
    finally:
        dispose_engines()  # which ends every connection that a test left in the pool
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def context_of(own: Identity, clients: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    if clients is not None:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# -- a whole run -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Two databases, and where their server's socket is."""

    databases: Databases
    directory: Path

    def url(self, side: str, proxy: Proxy, host: str = "localhost", **query: Any) -> str:
        """Return the URL of a database behind a proxy, as a user would write it."""
        url = sa.make_url(getattr(self.databases, side).url)
        address = {"host": host, "port": proxy.port, "query": {k: str(v) for k, v in query.items()}}
        return url.set(drivername="postgresql", password=PASSWORD, **address).render_as_string(
            hide_password=False
        )

    def job(self, proxy: Proxy, **query: Any) -> MapperJob:
        return MapperJob(
            source_conn=self.url("source", proxy, **query),
            source_sql="SELECT * FROM s",
            target_conn=self.url("target", proxy, **query),
            target_table="d",
            key_column="id",
            chunk_size=10,
        )

    @property
    def arrived(self) -> int:
        return self.databases.target.fetch("SELECT count(*) FROM d")[0][0]


@pytest.fixture
def place(databases: Databases, postgres_server: Server) -> Place:
    if not isinstance(postgres_server, EmbeddedPostgres):
        pytest.skip("stands before the socket of the embedded server; another has its own TLS")
    databases.source.execute(f"CREATE TABLE s AS SELECT generate_series(1, {ROWS}) AS id")
    databases.target.execute("CREATE TABLE d (id int)")
    return Place(databases, postgres_server.directory)


def run(job: MapperJob) -> ParallelProcessingResult:
    return ParallelProcessor(enable_parallel=False, retries=1, progress=False).run(job)


def refused(job: MapperJob) -> str:
    """Return why a run is refused, at its first contact."""
    with pytest.raises(ConnectionFailedError) as caught:
        run(job)
    assert PASSWORD not in repr(caught.value)
    return str(caught.value)


def test_a_run_over_tls_with_both_ends_verified(place: Place, papers: Papers) -> None:
    with proxied(place.directory, context_of(papers.server, papers.trusted)) as proxy:
        run(
            place.job(
                proxy,
                sslmode="verify-full",
                sslrootcert=papers.trusted.certificate,
                sslcert=papers.client.certificate,
                sslkey=papers.locked_key,
                sslpassword=KEY_PASSWORD,
            )
        ).raise_for_status()

    assert place.arrived == ROWS
    assert set(proxy.secured) == {"postgres"}
    assert proxy.plain == 0


def test_workers_in_processes_of_their_own_use_tls_too(place: Place, papers: Papers) -> None:
    with proxied(place.directory, context_of(papers.server)) as proxy:
        query = {"sslmode": "verify-full", "sslrootcert": papers.trusted.certificate}
        job = place.job(proxy, **query)
        ParallelProcessor(max_workers=2, progress=False).run(job).raise_for_status()

        here = len(proxy.secured)

    assert place.arrived == ROWS
    assert here > 2, "the coordinator has two connections, the workers have their own"
    assert proxy.plain == 0


@pytest.mark.parametrize("mode", ["require", "verify-ca"])
def test_a_mode_that_asks_for_less_is_satisfied_with_less(
    place: Place, papers: Papers, mode: str
) -> None:
    root = {"verify-ca": {"sslrootcert": papers.trusted.certificate}}.get(mode, {})
    with proxied(place.directory, context_of(papers.elsewhere)) as proxy:
        run(place.job(proxy, sslmode=mode, **root)).raise_for_status()

    assert (place.arrived, proxy.plain) == (ROWS, 0)
    assert set(proxy.secured) == {None}


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_a_certificate_of_a_stranger_is_refused_before_a_row_moves(
    place: Place, papers: Papers, mode: str
) -> None:
    with proxied(place.directory, context_of(papers.server)) as proxy:
        message = refused(place.job(proxy, sslmode=mode, sslrootcert=papers.stranger.certificate))

    assert "certificate verify failed" in message
    assert (place.arrived, proxy.plain, proxy.secured) == (0, 0, [])


def test_a_certificate_of_another_host_is_refused(place: Place, papers: Papers) -> None:
    with proxied(place.directory, context_of(papers.elsewhere)) as proxy:
        message = refused(
            place.job(proxy, sslmode="verify-full", sslrootcert=papers.trusted.certificate)
        )

    assert "db.example" in message
    assert "does not match host name" in message
    assert (place.arrived, proxy.plain, proxy.secured) == (0, 0, [])


def test_a_server_without_tls_is_refused_where_it_is_required(place: Place) -> None:
    with proxied(place.directory, None) as proxy:
        assert "does not support SSL" in refused(place.job(proxy, sslmode="require"))
        assert (place.arrived, proxy.plain) == (0, 0)

        run(place.job(proxy, sslmode="prefer")).raise_for_status()
        assert place.arrived == ROWS


def test_a_missing_root_certificate_is_named(place: Place, papers: Papers) -> None:
    nowhere = papers.trusted.certificate.with_name("nowhere.crt")
    with proxied(place.directory, context_of(papers.server)) as proxy:
        message = refused(place.job(proxy, sslmode="verify-full", sslrootcert=nowhere))

    assert str(nowhere) in message
    assert (place.arrived, proxy.plain, proxy.secured) == (0, 0, [])


def test_a_wrong_password_of_the_key_is_refused_and_not_shown(place: Place, papers: Papers) -> None:
    wrong = KEY_PASSWORD[::-1]
    with proxied(place.directory, context_of(papers.server, papers.trusted)) as proxy:
        message = refused(
            place.job(
                proxy,
                sslmode="require",
                sslcert=papers.client.certificate,
                sslkey=papers.locked_key,
                sslpassword=wrong,
            )
        )

    assert str(papers.locked_key) in message
    assert wrong not in message
    assert place.arrived == 0


def test_only_the_target_s_side_may_ask_for_more(place: Place, papers: Papers) -> None:
    with proxied(place.directory, context_of(papers.server)) as proxy:
        job = place.job(proxy, sslmode="require")
        strict = {"sslmode": "verify-full", "sslrootcert": papers.stranger.certificate}
        message = refused(job.evolve(target_conn=place.url("target", proxy, **strict)))

    assert "certificate verify failed" in message
    assert place.arrived == 0


# -- what reaches libpq ----------------------------------------------------------------------------

PARAMETERS = {
    "sslmode": "disable",
    "sslrootcert": "/no where/root & co.crt",
    "sslcert": "/no where/client.crt",
    "sslkey": "/no where/client.key",
    "sslcrl": "/no where/list.crl",
    "ssl_min_protocol_version": "TLSv1.3",
    "options": r'-c work_mem=5MB -c search_path="a\ b",public',
    "target_session_attrs": "read-write",
    "connect_timeout": "17",
    "keepalives_idle": "11",
    "gssencmode": "disable",
    "channel_binding": "disable",
}
GIVEN = ["text", "URL", "environment", "profile"]


def given(how: str, url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a connection as users pass one."""
    text = url.render_as_string(hide_password=False)
    monkeypatch.setenv("TLS_SOURCE", text)
    monkeypatch.setitem(dask.config.config, "mapper-dask", {"profiles": {"tls": {"url": text}}})
    return {
        "text": text,
        "URL": url,
        "environment": "env:TLS_SOURCE",
        "profile": "profile:tls",
    }[how]


def reached(connection: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Return what libpq was told, and what the server says of it."""
    ref = reference(connection)
    engine = engine_for(ref, connect_args=dialect_for(ref).connect_args())
    with raw_connection(engine) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings")
        told, settings = conn.info.dsn_parameters, dict(cursor.fetchall())
    dispose_engines()
    return told, settings


OWN = ("connect_timeout", "keepalives_idle")
"""What the library sets too; the user's own word must count."""


@pytest.mark.parametrize(
    "name",
    PARAMETERS,
)
@pytest.mark.parametrize("how", GIVEN)
def test_a_parameter_of_the_url_reaches_libpq(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str, name: str
) -> None:
    url = sa.make_url(place.databases.source.url).update_query_dict(PARAMETERS)

    told, _ = reached(given(how, url, monkeypatch))

    assert told[name] == PARAMETERS[name]


@pytest.mark.parametrize("how", GIVEN)
def test_options_set_the_session(place: Place, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    url = sa.make_url(place.databases.source.url).update_query_dict(PARAMETERS)

    _, settings = reached(given(how, url, monkeypatch))

    assert (settings["work_mem"], settings["search_path"]) == ("5120", '"a b",public')


def test_the_search_path_of_the_options_leads_to_the_tables(place: Place) -> None:
    place.databases.source.execute("CREATE SCHEMA own; ALTER TABLE s SET SCHEMA own")
    place.databases.target.execute("CREATE SCHEMA own; ALTER TABLE d SET SCHEMA own")
    urls = [
        sa.make_url(side.url).update_query_dict({"options": "-csearch_path=own"})
        for side in place.databases
    ]

    run(
        MapperJob(
            source_conn=urls[0],
            source_sql="SELECT * FROM s",
            target_conn=urls[1],
            target_table="d",
            key_column="id",
            chunk_size=10,
        )
    ).raise_for_status()

    tables = place.databases.target.fetch("""
        SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = 'own' AND relkind = 'r' ORDER BY relname""")
    assert [name for (name,) in tables] == [
        "d",
        "mapper_dask_chunk",
        "mapper_dask_reject",
        "mapper_dask_run",
    ]


# -- engines ---------------------------------------------------------------------------------------


def test_an_engine_s_url_keeps_its_parameters(place: Place) -> None:
    url = sa.make_url(place.databases.source.url).update_query_dict(PARAMETERS)
    engine = sa.create_engine(url)

    told, settings = reached(engine)

    engine.dispose()
    assert {name: told[name] for name in PARAMETERS} == PARAMETERS
    assert settings["work_mem"] == "5120"


@pytest.mark.parametrize(
    ("name", "value"),
    [("sslmode", "verify-full"), ("options", "-c work_mem=5MB"), ("sslrootcert", "/root.crt")],
)
def test_an_engine_s_connect_args_reach_libpq_or_are_refused(
    place: Place, name: str, value: str
) -> None:
    engine = sa.create_engine(place.databases.source.url, connect_args={name: value})

    try:
        told, _ = reached(engine)
    except ConfigurationError as error:
        told = {name: value} if name in str(error) else {}
    finally:
        engine.dispose()

    assert told.get(name) == value


def test_an_engine_that_verifies_does_not_become_one_that_does_not(
    place: Place, papers: Papers
) -> None:
    """A server that the user's own engine refuses must not be read from."""
    strict = {"sslmode": "verify-full", "sslrootcert": str(papers.stranger.certificate)}
    with proxied(place.directory, context_of(papers.server)) as proxy:
        job = place.job(proxy)
        engine = sa.create_engine(
            sa.make_url(job.source_conn).set(drivername="postgresql+psycopg2"), connect_args=strict
        )
        with pytest.raises(sa.exc.OperationalError, match="certificate verify failed"):
            engine.connect()

        with pytest.raises(MapperError):
            run(job.evolve(source_conn=engine))

    assert place.arrived == 0


def test_a_password_in_an_engine_s_connect_args_is_kept_and_hidden(place: Place) -> None:
    engine = sa.create_engine(place.databases.source.url, connect_args={"password": PASSWORD})

    ref = reference(engine)

    assert ref.resolve().password == PASSWORD
    assert ref.kind == "vault"
    assert PASSWORD not in repr(ref)


@pytest.mark.parametrize("means", ["creator", "do_connect"])
def test_an_engine_that_connects_in_its_own_way_is_refused(place: Place, means: str) -> None:
    """A token that changes with each login, say: a worker could not ask for one."""
    own: dict[str, Any] = {"creator": lambda: None} if means == "creator" else {}
    engine = sa.create_engine(place.databases.source.url, **own)
    if means == "do_connect":
        sa.event.listen(engine, means, lambda *_: None)

    with pytest.raises(ConfigurationError, match=f"{means}.*env:NAME"):
        reference(engine)
