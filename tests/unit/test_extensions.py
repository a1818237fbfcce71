"""Arrow's extension types go by what they mean: never by the bytes they are stored as."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask.chunk.encode import encode_frame
from mapper_dask.dialects.oracle.types import column_of_table
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import EncodeError
from mapper_dask.schema.facts import TargetTable

LETTERS = uuid.UUID("41424344-4546-4748-494a-4b4c4d4e4f50")
"""Its bytes are letters, so a text of them would look like one."""

RANDOM = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
TEXT = [str(LETTERS), None, str(RANDOM)]
CATEGORIES = {"text": "S", "varchar(36)": "S", "uuid": "U", "text[]": "A", "json": "U"}


def stored(kind: Any, values: list[Any]) -> pd.Series:
    array = pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    return pd.Series(pd.arrays.ArrowExtensionArray(array), name="v")


def uuids() -> dict[str, pd.Series]:
    values = [LETTERS, None, RANDOM]
    return {
        "objects": pd.Series(values, name="v", dtype=object),
        "arrow": stored(pa.uuid(), [v and v.bytes for v in values]),
        "categories": pd.Series(values, name="v", dtype="category"),
    }


def of_postgresql(type_name: str) -> TargetTable:
    base = type_name.partition("(")[0].replace("varchar", "character varying")
    target = column("v", base, base, CATEGORIES.get(type_name, "X"), native=True)
    return TargetTable("s", "t", "s.t", (target,))


def of_oracle(kind: str, length: int | None = None) -> TargetTable:
    target = column_of_table(
        "V", kind, None, None, length, nullable=True, has_default=False, generated=False
    )
    return TargetTable("s", "t", "s.t", (target,))


def values(series: pd.Series, table: TargetTable) -> list[Any]:
    return encode_frame(series.to_frame("v"), table).rows["v"].to_pylist()


@pytest.mark.parametrize("made", ["objects", "arrow", "categories"])
@pytest.mark.parametrize("type_name", ["text", "varchar(36)", "uuid"])
def test_a_uuid_is_its_text(made: str, type_name: str) -> None:
    assert values(uuids()[made], of_postgresql(type_name)) == TEXT


@pytest.mark.parametrize("made", ["objects", "arrow", "categories"])
def test_a_uuid_is_its_text_in_oracle_too(made: str) -> None:
    assert values(uuids()[made], of_oracle("VARCHAR2", 36)) == TEXT


@pytest.mark.parametrize("made", ["objects", "arrow", "categories"])
@pytest.mark.parametrize("table", [of_postgresql("bytea"), of_oracle("RAW", 16)], ids=["pg", "ora"])
def test_a_uuid_is_no_bytes(made: str, table: TargetTable) -> None:
    with pytest.raises(EncodeError, match="'v': uuid does not go into"):
        values(uuids()[made], table)


@pytest.mark.parametrize("type_name", ["integer", "numeric", "date", "boolean", "bytea"])
def test_a_uuid_is_nothing_else(type_name: str) -> None:
    with pytest.raises(EncodeError, match="'v'"):
        values(uuids()["objects"], of_postgresql(type_name))


def test_uuids_beside_texts_of_sixteen_bytes_are_no_uuids() -> None:
    mixed = pd.Series([LETTERS, "ABCDEFGHIJKLMNOP"], name="v", dtype=object)
    assert values(mixed, of_postgresql("text")) == [str(LETTERS), "ABCDEFGHIJKLMNOP"]


@pytest.mark.parametrize("type_name", ["text[]", "json"])
def test_a_list_of_uuids_is_one_of_their_texts(type_name: str) -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 2]), pa.array([LETTERS, RANDOM]))
    for series in (
        pd.Series([[LETTERS, RANDOM]], name="v", dtype=object),
        pd.Series(pd.arrays.ArrowExtensionArray(lists), name="v"),
    ):
        [text] = values(series, of_postgresql(type_name))
        found = json.loads(text) if type_name == "json" else text.replace('"', "")[1:-1].split(",")
        assert found == [str(LETTERS), str(RANDOM)]


def test_bool8_is_a_truth_value() -> None:
    series = stored(pa.bool8(), [0, 1, None, 5])
    assert values(series, of_postgresql("boolean")) == [False, True, None, True]
    assert values(series, of_postgresql("integer")) == [0, 1, None, 1]


def test_arrow_json_is_json() -> None:
    series = stored(pa.json_(), ['{"a": 1}', None])
    assert values(series, of_postgresql("json")) == ['{"a": 1}', None]
    assert values(series, of_postgresql("text")) == ['{"a": 1}', None]
    with pytest.raises(EncodeError, match="json does not go into uuid"):
        values(series, of_postgresql("uuid"))


def test_a_tensor_is_an_array_of_arrays_in_the_order_of_its_axes() -> None:
    plain = stored(pa.fixed_shape_tensor(pa.int32(), [2, 2]), [[1, 2, 3, 4], None])
    assert values(plain, of_postgresql("integer[]")) == ["{{1,2},{3,4}}", None]
    turned = stored(pa.fixed_shape_tensor(pa.int32(), [2, 2], permutation=[1, 0]), [[1, 2, 3, 4]])
    assert values(turned, of_postgresql("integer[]")) == ["{{1,3},{2,4}}"]


class Meters(pa.ExtensionType):
    """A type of the user's own."""

    def __init__(self) -> None:
        super().__init__(pa.int32(), "test.meters")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: Any) -> Any:
        del storage_type, serialized
        return cls()


UNKNOWN = {
    "arrow.opaque": lambda: stored(pa.opaque(pa.binary(), "geometry", "postgis"), [b"\1\2"]),
    "test.meters": lambda: stored(Meters(), [7]),
    "pandas.period": lambda: pd.Series(pd.period_range("2024-01", periods=2, freq="M"), name="v"),
    "pandas.interval": lambda: pd.Series(pd.interval_range(0, 2), name="v"),
    "a list of them": lambda: pd.Series(
        pd.arrays.ArrowExtensionArray(
            pa.ListArray.from_arrays(
                pa.array([0, 1]),
                pa.ExtensionArray.from_storage(Meters(), pa.array([7], pa.int32())),
            )
        ),
        name="v",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("type_name", ["text", "integer", "bytea", "text[]"])
def test_what_nobody_knows_is_refused_by_its_name(name: str, type_name: str) -> None:
    with pytest.raises(EncodeError, match="'v'") as caught:
        values(UNKNOWN[name](), of_postgresql(type_name))
    assert name.replace("a list of them", "test.meters") in str(caught.value)
    assert "has no column type" in str(caught.value)
