"""Arrow's values as PostgreSQL writes them; what it writes is compared in test_neighbours.py."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest

from mapper_dask.chunk.spelling import spelled
from mapper_dask.dialects.oracle import written_times

MICROS = 1_710_106_320_000_000
"""2024-03-10 21:32:00"""

CASES = [
    (pa.timestamp("us"), [MICROS, None], ["2024-03-10 21:32:00", None]),
    (pa.timestamp("us"), [MICROS + 120_000], ["2024-03-10 21:32:00.12"]),
    (pa.timestamp("us"), [MICROS, MICROS + 1], [
        "2024-03-10 21:32:00", "2024-03-10 21:32:00.000001"]),
    (pa.timestamp("us", "UTC"), [MICROS, None], ["2024-03-10 21:32:00+00", None]),
    (pa.timestamp("us", "Asia/Tokyo"), [MICROS], ["2024-03-10 21:32:00+00"]),
    (pa.timestamp("us", "+02:00"), [MICROS + 500_000], ["2024-03-10 21:32:00.5+00"]),
    (pa.timestamp("s"), [1_710_106_320, 0], ["2024-03-10 21:32:00", "1970-01-01 00:00:00"]),
    (pa.timestamp("ms"), [1_710_106_320_010], ["2024-03-10 21:32:00.01"]),
    (pa.timestamp("ns"), [1_710_106_320_000_000_010], ["2024-03-10 21:32:00.00000001"]),
    (pa.timestamp("ns", "UTC"), [-(2**63) + 1, 2**63 - 1], [
        "1677-09-21 00:12:43.145224193+00", "2262-04-11 23:47:16.854775807+00"]),
    (pa.timestamp("us"), [-62_135_596_800_000_000, -62_135_596_800_000_001], [
        "0001-01-01 00:00:00", "0001-12-31 23:59:59.999999 BC"]),
    (pa.timestamp("us", "UTC"), [253_402_300_799_999_999, 253_402_300_800_000_000], [
        "9999-12-31 23:59:59.999999+00", "10000-01-01 00:00:00+00"]),
    (pa.timestamp("us", "UTC"), [-63_549_187_200_000_000 - 500_000], [
        "0045-03-16 23:59:59.5+00 BC"]),
    (pa.timestamp("s"), [2**40], ["36812-02-20 00:36:16"]),
    (pa.date32(), [0, -719_162, -719_163, 2_932_897, None], [
        "1970-01-01", "0001-01-01", "0001-12-31 BC", "10000-01-01", None]),
    (pa.date64(), [86_400_000], ["1970-01-02"]),
    (pa.time64("us"), [0, 10_000_000, 1, None], ["00:00:00", "00:00:10", "00:00:00.000001", None]),
    (pa.time32("s"), [10], ["00:00:10"]),
    (pa.time64("ns"), [1_000], ["00:00:00.000001"]),
    (pa.float64(), [1e15, 1e14, 1e10, 100.0, 0.0001, 0.00001, -0.0, 1e300, None], [
        "1e+15", "100000000000000", "10000000000", "100", "0.0001", "1e-05", "-0", "1e+300", None]),
    (pa.float64(), [float("nan"), float("inf"), -float("inf"), 5e-324], [
        "NaN", "Infinity", "-Infinity", "5e-324"]),
    (pa.float64(), [2.009769426948132e17, 9007199254740993.0, 1e23, 1.7976931348623157e308], [
        "2.0097694269481318e+17", "9.007199254740992e+15", "9.999999999999999e+22",
        "1.7976931348623157e+308"]),
    (pa.float32(), [1e6, 999999.0, 0.1, 1e-4, 1e-5, 16777216.0], [
        "1e+06", "999999", "0.1", "0.0001", "1e-05", "1.6777216e+07"]),
    (pa.float16(), [np.float16(0.5)], ["0.5"]),
    (pa.bool_(), [True, None], ["true", None]),
    (pa.int64(), [2**62], [str(2**62)]),
    (pa.decimal128(12, 10), [1, None], ["1.0000000000", None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "texts"), CASES)
def test_each_value_has_one_spelling(kind, values, texts):
    array = pa.array(values, kind)
    empty = pa.array([], kind)
    assert spelled(pa.chunked_array([array, empty, array])).to_pylist() == [*texts, *texts]
    for value, text in zip(values, texts, strict=True):  # whatever stands beside it
        assert spelled(pa.chunked_array([pa.array([value], kind)])).to_pylist() == [text]


def test_no_values_have_no_texts():
    for kind, *_ in CASES:
        assert spelled(pa.chunked_array([], kind)).type == pa.string()


def test_every_float_is_read_back_as_itself():
    random = np.random.default_rng(7)
    for code, dtype in (("<i8", "<f8"), ("<i4", "<f4")):
        bits = np.iinfo(code)
        floats = random.integers(bits.min, bits.max, 5000, code).view(dtype)
        floats = floats[np.isfinite(floats)]
        texts = spelled(pa.chunked_array([pa.array(floats)])).to_pylist()
        assert [np.dtype(dtype).type(text) for text in texts] == list(floats)
    assert struct.calcsize("d") == 8


ORACLE = [
    (" 2024-03-10 21:32:00.500000000", "2024-03-10 21:32:00.5"),
    (" 2024-03-10 21:32:00.000000000", "2024-03-10 21:32:00"),
    ("-0044-03-15 12:00:10.000000001", "0044-03-15 12:00:10.000000001{} BC"),
    (None, None),
]


@pytest.mark.parametrize("zoned", [False, True])
@pytest.mark.parametrize(("oracle", "form"), ORACLE)
def test_oracles_texts_pass_on_in_one_form(oracle, form, zoned):
    zone = "+00" if zoned else ""
    expected = form and (form.format(zone) if "{}" in form else form + zone)
    made = written_times.passed_on(pa.chunked_array([[oracle]], pa.string()), zoned=zoned)
    assert made.to_pylist() == [expected]
    back = written_times.of_oracle(made).to_pylist()
    assert back == [oracle and oracle.strip().rstrip("0").rstrip(".")]


@pytest.mark.parametrize("text", ["infinity", "-infinity", "2024-03-10 21:32:00"])
def test_other_texts_go_to_oracle_as_they_are(text):
    assert written_times.of_oracle(pa.chunked_array([[text]])).to_pylist() == [text]
