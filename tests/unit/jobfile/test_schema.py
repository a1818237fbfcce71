"""The examples, the schema of job files, and what a job file shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from mapper_dask import jobfile
from mapper_dask.jobfile import models
from tests.unit.jobfile.files import function_job, parsed, refused

EXAMPLES = Path(__file__).parents[1] / "examples"


# The examples, and the schema.
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_makes_a_flow(path):
    made = jobfile.read(path).flow(run_id="r1")

    assert made.validated().jobs


def test_the_full_example_has_every_key():
    tree = yaml.safe_load((EXAMPLES / "full.yaml").read_text(encoding="utf-8"))

    assert set(tree) == set(models.File.model_fields)
    for section, field in models.Job.model_fields.items():
        if section == "depends_on":
            continue
        model = field.annotation.__args__[0]
        wanted = {f.alias or n for n, f in model.model_fields.items()}
        used = {
            key
            for job in [tree["defaults"], *tree["jobs"].values()]
            for key in job.get(section) or ()
        }
        assert used == wanted - ({"sql"} - used), section


def schema_errors(tree):
    import jsonschema

    schema = jobfile.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = json.loads(json.dumps(tree, default=str))
    return list(jsonschema.Draft202012Validator(schema).iter_errors(plain))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_fits_the_schema(path):
    assert schema_errors(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"jobs": {}},
        {"job": {}},
        {"settings": {"chunk-sise": 1}},
        {"jobs": {"a": {"source": {"tabel": "x"}}}},
        {"jobs": {"a": {"chunking": {"size": "many"}}}},
        {"jobs": {"a": {"execution": {"retries": 0}}}},
        {"jobs": {"a": {"target": {"write_disposition": "apend"}}}},
    ],
)
def test_the_schema_refuses_what_the_file_refuses(change):
    tree = {"version": 1, "jobs": {"a": {"source": {"connection": "env:A", "sql": "SELECT 1"}}}}
    assert schema_errors(tree) == []

    assert schema_errors({**tree, **change})
    assert refused(yaml.safe_dump({**tree, **change}))


def test_the_schema_describes_every_key():
    def undescribed(node, path=()):
        if isinstance(node, dict):
            for name, inner in node.get("properties", {}).items():
                if not {"description", "$ref"} & set(inner):
                    yield (*path, name)
            for key, inner in node.items():
                yield from undescribed(inner, (*path, key))
        elif isinstance(node, list):
            for inner in node:
                yield from undescribed(inner, path)

    schema = jobfile.json_schema()

    found = {p[-1] for p in undescribed(schema)}
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    typed = {"text", "integer", "float", "decimal", "boolean", "date", "datetime"}
    assert found <= typed | {"url", "connections"}


def test_a_job_file_shows_no_value():
    file = parsed(function_job("json:loads", "{key: '${KEY}'}"), KEY="hunter2")

    assert "hunter2" not in repr(file)
