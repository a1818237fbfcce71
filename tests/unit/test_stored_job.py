"""What a ledger keeps of a job, literally: a run of an earlier version can still be resumed."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from mapper_dask import MapperJob
from mapper_dask.connections.reference import reference
from mapper_dask.errors import LedgerError
from mapper_dask.jobfile import models
from mapper_dask.ledger import stored_job
from mapper_dask.ledger.records import plan_of
from mapper_dask.mapper_job import FIELDS

URL = "postgresql+psycopg2://reader@db.example:5432/shop"


def clean(frame):
    return frame


clean.__module__, clean.__qualname__ = "shop", "clean"

PLAIN = MapperJob(source_conn=URL, source_sql="SELECT * FROM t", target_conn=URL, target_table="c")
MERGED = PLAIN.evolve(
    source_sql=" SELECT id, v FROM t ;\n", transformation_logic=clean, target_schema="out",
    key_column="id", strategy="KEY_BASED", chunk_size=1_000, columns=("id", "v"),
    write_disposition="merge", primary_key=["id", "v"], newest_by="v", on_error="continue",
    reject_limit=7, consistent=False, dtype_backend="numpy_nullable", params={"a": 1}, run_id="r",
)  # fmt: skip
DIRECT = PLAIN.evolve(
    source_sql="SELECT 1", key_column=("a", "b"), strategy="rowid_based", chunk_size="auto",
    columns=["a"], atomic=True, direct_path=True, primary_key="a",
)  # fmt: skip

PLAIN_RECORD = {
    "source_sql": "SELECT * FROM t", "target_schema": None, "target_table": "c",
    "chunk_size": 50000, "write_disposition": "append", "atomic": False, "direct_path": False,
    "newest_by": None, "on_error": "abort", "reject_limit": 0, "consistent": True,
    "dtype_backend": "pyarrow", "key_column": None, "columns": None, "primary_key": None,
    "strategy": None, "source_conn": URL, "transformation_logic": None,
}  # fmt: skip
MERGED_RECORD = {
    "source_sql": " SELECT id, v FROM t ;\n", "target_schema": "out", "target_table": "c",
    "chunk_size": 1000, "write_disposition": "merge", "atomic": False, "direct_path": False,
    "newest_by": "v", "on_error": "continue", "reject_limit": 7, "consistent": False,
    "dtype_backend": "numpy_nullable", "key_column": ["id"], "columns": ["id", "v"],
    "primary_key": ["id", "v"], "strategy": "KEY_BASED", "source_conn": URL,
    "transformation_logic": "shop:clean",
}  # fmt: skip
DIRECT_RECORD = {
    "source_sql": "SELECT 1", "target_schema": None, "target_table": "c", "chunk_size": "auto",
    "write_disposition": "append", "atomic": True, "direct_path": True, "newest_by": None,
    "on_error": "abort", "reject_limit": 0, "consistent": True, "dtype_backend": "pyarrow",
    "key_column": ["a", "b"], "columns": ["a"], "primary_key": ["a"], "strategy": "ROWID_BASED",
    "source_conn": URL, "transformation_logic": None,
}  # fmt: skip

STORED = [
    (PLAIN, PLAIN_RECORD, "1fc31df129e4bc51", "ef6567730b58cbfb"),
    (MERGED, MERGED_RECORD, "d03a186eb0ac8bda", "a9060bcae2669758"),
    (DIRECT, DIRECT_RECORD, "5f3532136934054b", "19cbc80ee1a2ef02"),
]
MARKS = {
    "source_conn": "c9cd55b7016d340a", "key_column": "17346ae92dd5535c",
    "columns": "89fd64959db1f119", "chunk_size": "6aeec896a9fff0be",
    "target_schema": "c93a4aa5dd0c042a", "target_table": "49f79b267409ed55",
    "write_disposition": "3e178149fbb34e9d", "primary_key": "e8f8e5f17a16ccb2",
    "transformation_logic": "080c465f8cdc5229",
}  # fmt: skip

SOURCE = reference(URL)


@pytest.mark.parametrize(("job", "record", "fingerprint", "moves"), STORED)
def test_the_record_and_the_digests_are_those_of_earlier_versions(job, record, fingerprint, moves):
    job = job.validated()

    assert stored_job.record(job, SOURCE) == record
    assert stored_job.job_fingerprint(job, SOURCE) == fingerprint
    assert stored_job.moves(job, SOURCE, '"c"') == moves


def test_the_marks_of_a_saved_plan_are_those_of_earlier_versions():
    assert stored_job.marks(MERGED.validated(), SOURCE) == MARKS


@pytest.mark.parametrize(("record", "fingerprint", "moves"), [row[1:] for row in STORED])
def test_a_record_of_an_earlier_version_is_read_as_the_job_it_was(record, fingerprint, moves):
    stored = plan_of("r", json.dumps(plan(record))).job
    function = clean if record["transformation_logic"] else None
    made = stored_job.restored(
        stored, run_id="r", target_conn=URL, source_conn=None, transformation_logic=function
    )

    assert stored_job.record(made, SOURCE) == record
    assert stored_job.job_fingerprint(made, SOURCE) == fingerprint
    assert stored_job.moves(made, SOURCE, '"c"') == moves


def plan(record):
    return {
        "job": record, "sql": "SELECT 1", "columns": [], "keys": [], "strategy": "KEY_BASED",
        "chunk_size": 1, "total_rows": 0, "reason": "", "consistent": True, "target": None,
        "warnings": [],
    }  # fmt: skip


NAMES = "a list of texts"
WRONG = {
    "source_sql": (None, "a text"), "target_schema": (1, "a text"),
    "target_table": (None, "a text"), "chunk_size": (0, "a whole number of at least 1"),
    "write_disposition": ("drop", "one of append, replace, merge"),
    "atomic": (None, "true or false"), "direct_path": (1, "true or false"),
    "newest_by": (1, "a text"), "on_error": (None, "one of abort, continue"),
    "reject_limit": (-1, "a whole number of at least 0"), "consistent": ("yes", "true or false"),
    "dtype_backend": ("numpy", "one of pyarrow, numpy_nullable"), "key_column": ("id", NAMES),
    "columns": (["a", "a"], "a list of names, each once"), "primary_key": ([1], NAMES),
    "strategy": ("other", "one of OFFSET_LIMIT, KEY_BASED, ROWID_BASED"),
    "source_conn": (1, "a text"), "transformation_logic": ([], "a text"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN_RECORD)
def test_a_field_of_a_record_that_is_not_what_was_written_is_refused_by_its_name(name):
    value, wanted = WRONG[name]

    with pytest.raises(LedgerError) as refused:
        plan_of("r", json.dumps(plan({**PLAIN_RECORD, name: value})))

    assert f"its plan.job.{name} must be {wanted}; it is {value!r}" in str(refused.value)
    assert refused.value.details["field"] == f"plan.job.{name}"


@pytest.mark.parametrize("name", PLAIN_RECORD)
def test_a_record_that_lacks_a_field_is_refused_by_its_name(name):
    record = {key: value for key, value in PLAIN_RECORD.items() if key != name}

    with pytest.raises(LedgerError, match=rf"its plan.job.{name} must be .*; it is missing"):
        plan_of("r", json.dumps(plan(record)))


def test_every_field_is_said_under_a_key_that_job_files_have():
    sections = models.Sections.model_fields

    for section, key in (one.key for one in FIELDS.values() if one.key):
        model, _ = get_args(sections[section].annotation)
        assert key in model.model_fields


def test_no_two_fields_have_one_place_in_the_digest():
    numbered = sorted(one.digest for one in FIELDS.values() if one.digest)

    assert numbered == list(range(1, len(numbered) + 1))
