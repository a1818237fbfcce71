"""The listener, its sessions, its faults and its state numbers."""

from __future__ import annotations

import re
import socket
import threading
from collections import OrderedDict

import psycopg

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.session import Session


class StandIn:
    def __init__(
        self,
        pgdsn,
        users,
        services=("standin",),
        port=0,
        sdu=8192,
        trace=False,
        scn_keep=32,
        journal=None,
    ):
        self.pgdsn, self.users, self.services, self.sdu, self.trace = (
            pgdsn,
            {k.upper(): v for k, v in users.items()},
            {s.lower() for s in services},
            sdu,
            trace,
        )
        self.journal = journal
        self.dp_autocommit = True  # documented: "Data is implicitly committed"
        self.stats = {}
        self.sessions = set()
        self.faults = []
        self.lock = threading.Lock()
        self.scns = OrderedDict()
        self.scn_keep = scn_keep
        with psycopg.connect(pgdsn, autocommit=True) as c:
            self.oids = dict(
                c.execute(
                    "SELECT typname, t.oid::int FROM pg_type t JOIN pg_namespace n ON n.oid=typnamespace WHERE nspname='ora'"
                ).fetchall()
            )
        self.ls = socket.create_server(("127.0.0.1", port))
        self.port = self.ls.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def dsn(self):
        return f"127.0.0.1:{self.port}/standin"

    def accept(self):
        while True:
            try:
                s, _ = self.ls.accept()
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ses = Session(self, s)
            self.sessions.add(ses)
            threading.Thread(target=ses.run, daemon=True).start()

    def inject(self, pattern, times=1, after=0, **fault):
        """Let a fault happen at what matches; the first ``after`` matches pass."""
        with self.lock:
            known = re.compile(pattern, re.IGNORECASE | re.DOTALL)
            self.faults.append({"pattern": known, "times": times, "after": after, **fault})

    def clear_faults(self):
        """Let nothing go wrong any more."""
        with self.lock:
            self.faults.clear()

    def take_fault(self, text):
        """Return the fault that is due at a statement or a call, None where none is."""
        with self.lock:
            for fault in self.faults:
                if not fault["times"] or not fault["pattern"].search(text):
                    continue
                if fault["after"]:
                    fault["after"] -= 1
                    continue
                fault["times"] -= 1
                return fault
        return None

    def lose_snapshots(self):
        """Forget every state number: who reads as of one learns that it is too old."""
        with self.lock:
            for _, connection in self.scns.values():
                connection.close()
            self.scns.clear()

    def register_scn(self, scn):  # an SCN is an exported PostgreSQL snapshot kept open
        c = psycopg.connect(self.pgdsn, autocommit=True)
        c.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        sid = c.execute("SELECT pg_export_snapshot()").fetchone()[0]
        with self.lock:
            self.scns[scn] = (sid, c)
            while len(self.scns) > self.scn_keep:
                self.scns.popitem(last=False)[1][1].close()

    def scn_conn(self, spec, vals, user):
        m = re.search(r"ora_b(\d+)", spec)
        scn = int(float(vals[int(m.group(1)) - 1])) if m else int(spec)
        with self.lock:
            ent = self.scns.get(scn)
        if ent is None:
            raise OracleError(
                1555, 'snapshot too old: rollback segment number 1 with name "_STANDIN" too small'
            )
        c = psycopg.connect(self.pgdsn, autocommit=True)
        c.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        c.execute(f"SET TRANSACTION SNAPSHOT '{ent[0]}'")
        c.execute(
            f"SET LOCAL search_path=\"{user}\", ora, oracle, public, pg_catalog; SET LOCAL timezone='UTC'"
        )
        return c

    def close(self):
        self.ls.close()
        for s in list(self.sessions):
            try:
                s.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for _, c in self.scns.values():
            c.close()
