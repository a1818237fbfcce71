"""The JSON Schema of job files, for editors: JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

from mapper_dask import settings
from mapper_dask.jobfile.models import File

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_VARIABLE = {"type": "string", "pattern": r"\$\{"}
"""A variable, which is allowed in place of a number or a word."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a job file, with a description of every key."""
    schema = File.model_json_schema(by_alias=True)
    made = _with_variables(schema)
    made["properties"]["settings"] = {
        **_with_variables(settings.json_schema()),
        "description": schema["properties"]["settings"]["description"],
    }
    return {"$schema": DIALECT, **made, "title": "mapper_dask job file"}


def _with_variables(schema: Any) -> Any:
    """Return a schema that also allows a variable for each value that is not a text."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: _with_variables(value) if key not in ("default", "enum", "const") else value
        for key, value in schema.items()
        if not (key == "default" and value is None)
    }
    named = (
        made.get("type") in ("integer", "number", "boolean") or "enum" in made or "const" in made
    )
    if not named or "anyOf" in made:
        return made
    notes = {key: made.pop(key) for key in ("description", "default", "title") if key in made}
    return {**notes, "anyOf": [made, _VARIABLE]}
