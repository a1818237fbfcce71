"""Statements: binds in, rows or counts out."""

from __future__ import annotations

import re
import sys

from psycopg import pq

from tests.oracle_standin.errors import OracleError, ora_error
from tests.oracle_standin.packets import Interrupted, Writer
from tests.oracle_standin.translation import translate
from tests.oracle_standin.types import (
    BDOUBLE,
    BFLOAT,
    BLOB,
    CLOB,
    DATE,
    LONG,
    LONGRAW,
    NUM,
    RAW,
    ROWID_T,
    TS,
    TSLTZ,
    TSTZ,
    dec_bd,
    dec_bf,
    dec_date,
    dec_number,
    make_col,
    pg_bytea,
)


class Cur:
    def __init__(s, cid):
        s.id, s.sql, s.tr, s.binds, s.cols, s.res, s.pos, s.define, s.total = (
            cid,
            None,
            None,
            [],
            None,
            None,
            0,
            None,
            0,
        )


class Execution:
    """Statements: binds in, rows or counts out."""

    def read_meta(self):
        r = self.r
        t = r.u1()
        r.u1()
        r.u1()
        r.u1()
        size = r.ub()
        r.ub()
        r.ub()
        if r.ub():
            r.val()
        r.ub()
        r.ub()
        cs = r.u1()
        r.ub()
        r.ub()
        return (t, size, cs)

    def read_rows(self, binds, n, plsql):
        r = self.r
        rows = []
        order = list(range(len(binds)))
        if not plsql:
            order = [i for i in order if binds[i][1] <= 32767] + [
                i for i in order if binds[i][1] > 32767
            ]
        for _ in range(n):
            assert r.u1() == 7
            row = [None] * len(binds)
            for i in order:
                t = binds[i][0]
                row[i] = r.lval() or None if t in (CLOB, BLOB) else r.val()
            rows.append(row)
        return rows

    def execute(self, fc):
        r = self.r
        rows = []
        cur = None
        if fc == 94:
            opts, cid = r.ub(), r.ub()
            r.u1()
            sqlen = r.ub()
            r.u1()
            r.ub()
            r.u1()
            r.u1()
            r.ub()
            niter = r.ub()
            r.ub()
            r.u1()
            nb = r.ub()
            r.take(5)
            r.u1()
            nd = r.ub()
            r.ub()
            r.u1()
            r.u1()
            r.u1()
            r.ub()
            r.u1()
            r.ub()
            r.ub()
            r.u1()
            r.ub()
            r.u1()  # dml row counts
            r.u1()
            r.ub()
            r.u1()
            r.ub()
            r.u1()  # sql signature / sql id
            r.u1()
            r.ub()  # chunk ids (12.2 ext 1)
            sql = r.val().decode() if sqlen else None
            a = [r.ub() for _ in range(13)]
            nexec, eflags = a[1], a[9]
            cur = self.cursors.get(cid)
            if sql is not None:
                if cur is None:
                    cid = self.next_cur
                    self.next_cur += 1
                    cur = self.cursors[cid] = Cur(cid)
                cur.sql = sql
                cur.cols = None
                cur.res = None
                cur.define = None
                cur.tr = None
            if nd:
                cur.define = [self.read_meta() for _ in range(nd)]
            elif nb:
                cur.binds = [self.read_meta() for _ in range(nb)]
                is_plsql = not opts & 0x8000
                rows = self.read_rows(cur.binds, max(1, nexec) if not a[7] else 1, is_plsql)
            elif opts & 0x20:  # a statement that is only parsed keeps what it was executed with
                cur.binds = []
        else:
            cid, niter, o1, o2 = r.ub(), r.ub(), r.ub(), r.ub()
            cur = self.cursors[cid]
            nexec = niter if fc == 4 else 1
            opts = 0x20 | (0x40 if fc == 78 else 0) | (0x100 if o2 & 1 else 0)
            eflags = 0
            nd = 0
            if cur.binds:
                rows = self.read_rows(cur.binds, nexec, False)
        try:
            if cur.tr is None:
                cur.tr = translate(cur.sql)
            if nd and cur.tr["kind"] == "query":  # define only: rows come with FETCH
                w = Writer()
                if opts & 0x40:
                    self.rows(w, cur, niter)
                else:
                    self.error(w, None, cur.id)
                return self.send(w)
            self.fault(cur.sql)
            k = cur.tr["kind"]
            if self.srv.trace:
                print(f"[{self.user}] {k} x{nexec}: {cur.sql[:100]!r}", file=sys.stderr)
            if k == "query":
                self.run_query(cur, rows, niter, opts)
            elif k == "dml" and not opts & 0x20:
                self.run_parse(cur)
            elif k == "dml":
                self.run_dml(cur, rows, nexec, opts, eflags)
            else:
                self.run_other(cur, rows, k, opts)
            self.note(cur.sql, "ok")
        except OracleError as e:
            self.note(cur.sql, f"ORA-{e.code:05d}")
            self.send(self.error(Writer(), e, cur.id))

    def note(self, statement, outcome):
        if self.srv.journal is not None:
            self.srv.journal.note(statement, outcome)

    def params(self, cur, row):
        vals, types = [], []
        for (t, size, cs), v in zip(cur.binds, row):
            if t in (CLOB, BLOB) and v is not None:
                v = bytes(self.lobs.get(v, b""))
                v = v.decode("utf-16-be").encode() if t == CLOB else v
            if t in (NUM, 3):
                types.append(1700)
                vals.append(dec_number(v) if v else None)
            elif t in (DATE, TS):
                types.append(1114)
                vals.append(dec_date(v) if v else None)
            elif t in (TSTZ, TSLTZ):
                types.append(1184)
                vals.append(dec_date(v) + (b"+00" if v and len(v) < 13 else b"") if v else None)
            elif t == BDOUBLE:
                types.append(701)
                vals.append(repr(dec_bd(v)).encode() if v else None)
            elif t == BFLOAT:
                types.append(700)
                vals.append(repr(dec_bf(v)).encode() if v else None)
            elif t in (RAW, LONGRAW, BLOB):
                types.append(17)
                vals.append(b"\\x" + v.hex().encode() if v else None)
            else:
                if v and cs == 2:
                    v = v.decode("utf-16-be").encode()
                types.append(0)
                vals.append(v or None)
        return vals, types

    def run_query(self, cur, rows, niter, opts):
        vals, types = self.params(cur, rows[0]) if rows else ([], [])
        conn = None
        if cur.tr["scn"]:
            conn = self.srv.scn_conn(cur.tr["scn"], vals, self.user)
        if re.search(r"\bFOR\s+UPDATE\b", cur.sql, re.IGNORECASE):
            self.begin()
        wait = re.search(r"\bFOR\s+UPDATE\s+WAIT\s+(\d+)", cur.sql, re.IGNORECASE)
        if wait:
            self.x(f"SET LOCAL lock_timeout = '{wait.group(1)}s'".encode())
        sp = conn is None and self.in_txn()
        if sp:
            self.x(b"SAVEPOINT ora_q")
        try:
            cur.res = self.xp(cur.tr["sql"].encode(), vals, types, conn=conn)
        except (OracleError, Interrupted) as error:  # statement-level rollback, as in Oracle
            if sp:
                self.x(b"ROLLBACK TO ora_q")
            if wait and isinstance(error, OracleError) and error.code == 54:
                raise OracleError(
                    30006, "resource busy; acquire with WAIT timeout expired"
                ) from None
            raise
        finally:
            if conn is not None:
                conn.close()
        if "nextscn" in cur.tr["sql"] or "CURRENT_SCN" in cur.tr["sql"]:
            self.srv.register_scn(int(cur.res.get_value(0, 0)))
        if wait:
            self.x(b"SET LOCAL lock_timeout = 0")
        cur.pos = 0
        res = cur.res
        cols = [
            make_col(self.srv, (res.fname(i) or b"?").decode(), res.ftype(i), res.fmod(i))
            for i in range(res.nfields)
        ]
        w = Writer()
        cur.cols = cols
        d = Writer().ub(sum(c.buf for c in cols)).ub(len(cols)).u1(1)
        for c in cols:
            c.describe(d)
        d.ub(0).ub(0).ub(0).ub(0).ub(0).ub(0)
        w.u1(16).u1(0).raw(d)
        lob = any(c.t in (CLOB, BLOB) for c in cols)
        if opts & 0x40 and (not lob or cur.define):
            self.rows(w, cur, niter)
        else:
            w.u1(8).ub(0).ub(0).ub(0).ub(0)
            self.error(w, None, cur.id)
        self.send(w)

    def rows(self, w, cur, n):
        res, cols, a = cur.res, cur.cols, cur.pos
        b = min(a + n, res.ntuples)
        w.u1(6).u1(0).ub(1).ub(a).ub(n).ub(0).ub(0).ub(0)
        get = res.get_value
        define = cur.define
        encs = [(i, c.enc, c.t, define[i][0] if define else c.t) for i, c in enumerate(cols)]
        for k in range(a, b):
            w.append(7)
            for i, enc, t, dt in encs:
                v = get(k, i)
                if v is None or v == b"":
                    if t in (CLOB, BLOB) and dt in (CLOB, BLOB):
                        w.ub(0) if v is None else None
                    if t in (CLOB, BLOB) and dt in (CLOB, BLOB):
                        if v is not None:
                            w.ub(40).ub(0).ub(8132).val(self.new_lob(b"", t == CLOB))
                    else:
                        w.append(0)
                elif t in (CLOB, BLOB):
                    if t == BLOB:
                        v = pg_bytea(v)
                    if dt in (CLOB, BLOB):
                        loc = self.new_lob(v, t == CLOB)
                        w.ub(40).ub(len(v.decode()) if t == CLOB else len(v)).ub(8132).val(loc)
                    else:
                        w.val(v)
                elif t == ROWID_T:
                    w += enc(v)
                else:
                    if enc:
                        v = enc(v)
                    if len(v) <= 252:
                        w.append(len(v))
                        w += v
                    else:
                        w.val(v)
                if dt in (LONG, LONGRAW):
                    w.sb(0).ub(0)
        cur.pos = b
        w.u1(8).ub(0).ub(0).ub(0).ub(0)
        self.error(w, OracleError(1403, "no data found") if b >= res.ntuples else None, cur.id, b)

    def run_dml(self, cur, rows, nexec, opts, eflags):
        sql = cur.tr["sql"].encode()
        upd = sql[:6] == b"UPDATE"
        self.begin()
        total = 0
        counts = []
        batch = []
        err = None
        rows = rows or [[]] * max(1, nexec)
        self.x(b"SAVEPOINT ora_stmt")
        pgc = self.pg.pgconn
        many = len(rows) > 1
        if many:
            _, types = self.params(cur, rows[0])
            res = pgc.prepare(b"ora_p", sql, types)
            if res.status == pq.ExecStatus.FATAL_ERROR:
                e = ora_error(res)
                self.x(b"ROLLBACK TO ora_stmt")
                raise e
        be = opts & 0x80000
        try:
            for i, row in enumerate(rows):
                vals, types = self.params(cur, row)
                try:
                    if be:
                        self.x(b"SAVEPOINT ora_row")
                    if many:
                        res = pgc.exec_prepared(b"ora_p", vals)
                        if res.status == pq.ExecStatus.FATAL_ERROR:
                            raise ora_error(res, upd)
                    else:
                        res = self.xp(sql, vals, types, upd)
                    n = int(res.command_tuples or 0)
                    total += n
                    counts.append(n)
                    if be:
                        self.x(b"RELEASE ora_row")
                except OracleError as e:
                    if be:
                        self.x(b"ROLLBACK TO ora_row")
                        batch.append((i, e))
                        counts.append(0)
                        continue
                    # Oracle keeps the rows before the failing one of an array DML; here: whole call undone unless single
                    self.x(b"ROLLBACK TO ora_stmt")
                    err = e
                    if i:  # redo the rows that worked, as Oracle leaves them
                        for r2 in rows[:i]:
                            pgc.exec_prepared(b"ora_p", self.params(cur, r2)[0])
                    total = i
                    break
        finally:
            if many:
                pgc.exec_(b"DEALLOCATE ora_p")
        self.x(b"RELEASE ora_stmt")
        if opts & 0x100 and not err:
            self.commit()
        w = Writer()
        if eflags & 0x4000:
            w.u1(8).ub(0).ub(0).ub(0).ub(0).ub(len(counts))
            for n in counts:
                w.ub(n)
        if batch and not err:
            err = OracleError(24381, "error(s) in array DML")
        self.send(self.error(w, err, cur.id, total, batch))

    def run_parse(self, cur):
        self.begin()
        self.x(b"SAVEPOINT ora_parse")
        res = self.pg.pgconn.prepare(b"ora_parse", cur.tr["sql"].encode())
        self.x(b"ROLLBACK TO ora_parse")
        if res.status == pq.ExecStatus.FATAL_ERROR:
            raise ora_error(res)
        self.x(b"DEALLOCATE ora_parse")
        self.send(self.error(Writer(), None, cur.id))

    def run_other(self, cur, rows, k, opts):
        sql = cur.tr["sql"]
        w = Writer()
        if k == "ddl":
            self.commit()  # Oracle commits before DDL
            self.xp(sql.encode(), [], [])
        elif k == "plsql":
            vals, types = self.params(cur, rows[0]) if rows else ([], [])
            self.begin()
            self.x(b"SAVEPOINT ora_pl")
            for s in sql:
                use = sorted({int(x) for x in re.findall(r"\$(\d+)", s)})
                for new, old in enumerate(use, 1):
                    s = re.sub(r"\$%d\b" % old, f"$\x00{new}", s)
                s = s.replace("\x00", "")
                try:
                    self.xp(
                        s.encode(), [vals[i - 1] for i in use], [types[i - 1] or 25 for i in use]
                    )
                except OracleError:
                    self.x(b"ROLLBACK TO ora_pl")
                    raise
            if opts & 0x100:
                self.commit()
            if cur.binds:
                w.u1(11).u1(0).ub(len(cur.binds)).ub(0).ub(1).ub(0).ub(0).ub(0)
                for _ in cur.binds:
                    w.u1(32)
        elif k == "set":  # Oracle SERIALIZABLE is snapshot isolation = PostgreSQL REPEATABLE READ
            self.commit()
            self.x(
                b"BEGIN ISOLATION LEVEL REPEATABLE READ"
                + (b" READ ONLY" if re.search("READ ONLY", sql, re.IGNORECASE) else b"")
                if re.search("SERIALIZABLE|READ ONLY", sql, re.IGNORECASE)
                else b"BEGIN"
            )
            self.dirty = True
        elif k == "savepoint" or k == "lock":
            self.begin()
            self.x(sql.encode())
        self.send(self.error(w, None, cur.id))
