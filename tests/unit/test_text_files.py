"""Files that people write: with a byte order mark, in UTF-16, in Latin-1."""

from __future__ import annotations

import codecs
import json

import pytest

from mapper_dask import jobfile
from mapper_dask.cli import plan_files
from mapper_dask.errors import ConfigurationError, JobFileError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan.saved_plan import read_json
from mapper_dask.text_files import NotTextError, decoded, read_text

TEXT = "SELECT id,\n  'Köln' AS city\nFROM t\n"

JOB = """version: 1
jobs:
  one:
    source: {connection: 'env:SOURCE', sql_file: q.sql}
"""


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF8 + TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
    ],
    ids=["plain", "mark", "CRLF", "mark and CRLF", "CR"],
)
def test_a_text_is_read_as_it_was_written(tmp_path, raw):
    (tmp_path / "q.sql").write_bytes(raw)

    assert read_text(tmp_path / "q.sql") == TEXT


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            TEXT.encode("utf-16"),
            "is UTF-16, not UTF-8: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)",
        ),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "is UTF-16, not UTF-8"),
        (TEXT.encode("utf-32"), "is UTF-32, not UTF-8"),
        (TEXT.encode("utf-16-le"), "holds NUL bytes, as UTF-16 does"),
        (TEXT.encode("utf-16-be"), "holds NUL bytes, as UTF-16 does"),
        (TEXT.encode("latin-1"), "iconv -f LATIN1 -t UTF-8); line 2, character 5"),
        (codecs.BOM_UTF8 + TEXT.encode("latin-1"), "is not UTF-8: save it as UTF-8"),
        (b"\xff", "is not UTF-8"),
        ("SELECT 1 -- ü".encode("cp850"), "line 1, character 13"),
    ],
    ids=["16", "16 big", "32", "16 bare", "16 big, bare", "latin 1", "mixed", "a byte", "cp850"],
)
def test_what_is_no_utf_8_is_refused_with_its_place(raw, said):
    with pytest.raises(NotTextError) as caught:
        decoded(raw)

    assert said in str(caught.value)
    assert "Köln" not in str(caught.value)


def test_saving_it_as_utf_8_as_it_says_mends_it():
    assert decoded(TEXT.encode("latin-1").decode("latin-1").encode("utf-8")) == TEXT
    assert decoded(TEXT.encode("utf-16").decode("utf-16").encode("utf-8")) == TEXT


def query_of(folder, monkeypatch):
    monkeypatch.setenv("SOURCE", "postgresql://db/airline")
    (job,) = jobfile.read(folder / "jobs.yaml").flow().jobs
    return job.job.source_sql


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "mark"])
def test_a_byte_order_mark_is_no_part_of_a_query_or_a_job(tmp_path, monkeypatch, mark):
    (tmp_path / "q.sql").write_bytes(mark + TEXT.encode())
    (tmp_path / "jobs.yaml").write_bytes(mark + JOB.encode())

    assert query_of(tmp_path, monkeypatch) == TEXT


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "names a file that cannot be read as UTF-8 text: it is UTF-16, not UTF-8: save"),
        ("latin-1", "it is not UTF-8: save it as UTF-8 (from Latin-1 by iconv"),
        ("utf-16-le", "it holds NUL bytes, as UTF-16 does"),
    ],
)
def test_a_query_in_another_encoding_is_refused_at_its_place(tmp_path, monkeypatch, encoding, said):
    (tmp_path / "q.sql").write_bytes(TEXT.encode(encoding))
    (tmp_path / "jobs.yaml").write_text(JOB, encoding="utf-8")

    with pytest.raises(JobFileError) as caught:
        query_of(tmp_path, monkeypatch)

    assert str(caught.value).startswith(f"{tmp_path / 'jobs.yaml'}:4:")
    assert "sql_file" in str(caught.value)
    assert said in str(caught.value)


def test_a_query_that_is_read_with_its_mark_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "q.sql").write_bytes(codecs.BOM_UTF8 + TEXT.encode())
    url = "postgresql://db/airline"

    with pytest.raises(ConfigurationError, match="encoding='utf-8-sig'") as caught:
        MapperJob(
            source_conn=url, source_sql=(tmp_path / "q.sql").read_text(encoding="utf-8")
        ).validated()

    assert caught.value.details["field"] == "source_sql"
    sql = (tmp_path / "q.sql").read_text(encoding="utf-8-sig")
    assert MapperJob(source_conn=url, source_sql=sql).validated().source_sql == TEXT


def test_a_plan_that_an_editor_gave_a_mark_is_read(tmp_path):
    plans = plan_files.PlanFile("jobs.yaml", ".", JOB, {}, {})
    path = tmp_path / "plans.json"
    plans.save(str(path))
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())

    assert plan_files.is_plan(str(path))
    assert plan_files.load(str(path)).document == JOB
    (tmp_path / "plan.json").write_bytes(codecs.BOM_UTF8 + json.dumps({"a": 1}).encode())
    assert read_json(tmp_path / "plan.json") == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_plan_in_another_encoding_says_so(tmp_path, encoding):
    path = tmp_path / "plan.json"
    path.write_bytes('{"ü": 1}'.encode(encoding))

    with pytest.raises(ConfigurationError, match="not UTF-8: save it as UTF-8"):
        plan_files.load(str(path))
    with pytest.raises(ConfigurationError, match="not UTF-8: save it as UTF-8"):
        read_json(path)
