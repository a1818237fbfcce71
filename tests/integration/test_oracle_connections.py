"""TNS names and wallets reach the driver as they are given, and their passwords reach nobody else.

The stand-in speaks no TLS. A small proxy of the test's own does so before it, with certificates
made for the test: the handshake is the real driver's.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.errors import MapperError
from tests.certificates import authority, identity, openssl
from tests.contract import sides

KINDS = {"id": "key", "v": "text"}
ROWS = [(n, f"x{n}") for n in range(300)]
WALLET_PASSWORD = "wallet s3cret"

DESCRIPTION = """(DESCRIPTION =
  (ADDRESS = (PROTOCOL = {protocol})(HOST = localhost)(PORT = {port}))
  (CONNECT_DATA = (SERVICE_NAME = standin)))
"""


@pytest.fixture
def tables(standin):
    source, target = (sides.oracle(standin.url(role)) for role in ("source", "target"))
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, ROWS)
    yield there, target, here
    dispose_engines()
    source.clean()
    target.clean()


@contextlib.contextmanager
def tls_before(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Run a server that takes TLS off and hands the rest on; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):  # a client that refuses the certificate goes away
                secure = context.wrap_socket(client, server_side=True)
                server = socket.create_connection(("127.0.0.1", port))
                for ends in ((secure, server), (server, secure)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def names_file(folder: Path, alias: str, protocol: str, port: int) -> None:
    text = DESCRIPTION.format(protocol=protocol, port=port)
    (folder / "tnsnames.ora").write_text(f"{alias} = {text}")


def wallet(folder: Path) -> tuple[Path, Path]:
    """Fill a wallet that trusts a new authority; return a server's certificate and key."""
    by = authority(folder, "test-authority")
    server = identity(folder, "localhost", by, names="DNS:localhost,IP:127.0.0.1")
    client = identity(folder, "client", by)
    locked = folder / "locked.key"
    openssl(
        *("pkcs8", "-topk8", "-in", client.key, "-out", locked),
        *("-passout", f"pass:{WALLET_PASSWORD}"),
    )
    parts = (locked, client.certificate, by.certificate)
    (folder / "ewallet.pem").write_text("".join(part.read_text() for part in parts))
    return server.certificate, server.key


def moved(source_url: str, tables, **options):
    there, target, here = tables
    job = MapperJob(
        source_conn=source_url,
        source_sql=f"SELECT * FROM {there}",
        target_conn=target.url,
        target_table=here,
        key_column="id",
        chunk_size=100,
    )
    return ParallelProcessor(progress=False, **options).run(job)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_name_of_a_tnsnames_file_leads_to_its_server(standin, tables, tmp_path, parallel):
    names_file(tmp_path, "sales", "TCP", standin.port)
    url = f"oracle+oracledb://source:tiger@sales?config_dir={tmp_path}"
    moved(url, tables, enable_parallel=parallel, max_workers=2).raise_for_status()
    _, target, here = tables
    assert target.rows(here, KINDS) == Counter(ROWS)


def test_a_wallet_opens_a_tls_connection_in_worker_processes(standin, tables, tmp_path):
    certificate, key = wallet(tmp_path)
    with tls_before(standin.port, certificate, key) as port:
        names_file(tmp_path, "sales", "TCPS", port)
        url = (
            f"oracle+oracledb://source:tiger@sales?config_dir={tmp_path}"
            f"&wallet_location={tmp_path}&wallet_password={WALLET_PASSWORD.replace(' ', '%20')}"
        )
        moved(url, tables, max_workers=2).raise_for_status()
        told = [
            repr(reference(url)),
            str(reference(url)),
            pickle.dumps(reference(url)).decode("latin1"),
        ]
        dispose_engines()
    _, target, here = tables
    assert target.rows(here, KINDS) == Counter(ROWS)
    assert not any(secret in text for text in told for secret in (WALLET_PASSWORD, "tiger"))


def test_a_server_the_wallet_does_not_trust_is_told_and_no_row_moves(standin, tables, tmp_path):
    trusted, other = tmp_path / "trusted", tmp_path / "other"
    trusted.mkdir()
    other.mkdir()
    wallet(trusted)
    certificate, key = wallet(other)
    with tls_before(standin.port, certificate, key) as port:
        names_file(tmp_path, "sales", "TCPS", port)
        url = (
            f"oracle+oracledb://source:tiger@sales?config_dir={tmp_path}"
            f"&wallet_location={trusted}&wallet_password={WALLET_PASSWORD.replace(' ', '%20')}"
        )
        with pytest.raises(MapperError, match="source_conn") as raised:
            moved(url, tables, enable_parallel=False)
    assert WALLET_PASSWORD not in str(raised.value)
    assert "tiger" not in str(raised.value)
    _, target, here = tables
    assert target.rows(here, KINDS) == Counter()


def test_an_unknown_name_is_told(tables, tmp_path):
    (tmp_path / "tnsnames.ora").write_text("")
    url = f"oracle+oracledb://source:tiger@nowhere?config_dir={tmp_path}"
    with pytest.raises(MapperError, match="source_conn") as raised:
        moved(url, tables, enable_parallel=False)
    assert "nowhere" in str(raised.value)
