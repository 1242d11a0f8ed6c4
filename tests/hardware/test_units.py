import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import InputError
from archwright.hardware import format_quantity, parse_quantity
from archwright.hardware.units import unit_of


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ("50k", "params", 50_000),
        ("50K", "params", 50_000),
        ("1.5M", "params", 1.5e6),
        ("2G", "flops", 2e9),
        ("2 GFLOPs", "flops", 2e9),
        ("300 MMACs", "macs", 3e8),
        ("1B params", "params", 1e9),
        ("5e5", "params", 5e5),
        ("50_000", "params", 50_000),
        (".5", "accuracy", 0.5),
        ("0.9", "accuracy", 0.9),
        ("90%", "accuracy", 0.9),
        ("-0.5", "r2", -0.5),
        ("5ms", "latency_ms", 5),
        ("5", "latency_ms", 5),
        ("5 MS", "latency_ms", 5),
        ("0.005s", "latency_ms", 5),
        ("250us", "latency_ms", 0.25),
        ("250 µs", "latency_ms", 0.25),
        ("2min", "train_seconds", 120),
        ("1h", "budget_minutes", 60),
        ("1MB", "size_bytes", 1e6),
        ("1mb", "size_bytes", 1e6),
        ("1M", "size_bytes", 1e6),
        ("64KiB", "memory_bytes", 65_536),
        ("64Ki", "memory_bytes", 65_536),
        ("1.5 GiB", "memory_bytes", 1.5 * 2**30),
        ("512 B", "memory_bytes", 512),
        ("512", "memory_bytes", 512),
        ("5ms", None, 5),
        ("64KiB", None, 65_536),
        ("1MB", None, 1e6),
        ("50k", None, 50_000),
        ("0.9", None, 0.9),
        (50_000, "params", 50_000),
        (0.25, "latency_ms", 0.25),
    ],
)
def test_known(text, metric, value):
    assert parse_quantity(text, metric) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "metric", "message"),
    [
        ("5ms", "params", "params is a count, but '5ms' is a time"),
        ("1MB", "params", "is a size in bytes"),
        ("5s", "size_bytes", "size_bytes is a size in bytes, but '5s' is a time"),
        ("1MB", "latency_ms", "latency_ms is a time"),
        ("50k", "latency_ms", "latency_ms is a time, but '50k' is a count"),
        ("50%", "latency_ms", "is a percentage"),
        ("1.5m", "params", "did you mean 1.5M"),
        ("5 apples", "params", "unknown unit 'apples'"),
        ("50,000", "params", "without a comma"),
        ("lots", "params", "not a quantity for params"),
        ("", "params", "not a quantity"),
        ("k", None, "not a quantity"),
        ("nan", "params", "not a quantity"),
        ("1e999", "params", "must be finite"),
        (math.nan, "params", "must be finite"),
        (math.inf, None, "must be finite"),
        (True, "params", "expected a quantity for params"),
        (None, "size_bytes", "such as '1MB'"),
        (["1"], None, "expected a quantity such as"),
    ],
)
def test_errors_say_what_is_wrong(text, metric, message):
    with pytest.raises(InputError) as caught:
        parse_quantity(text, metric)
    assert message in str(caught.value)


@given(
    st.floats(1e-3, 1e15),
    st.sampled_from(["params", "flops", "latency_ms", "size_bytes", "seconds", "accuracy", None]),
)
def test_format_reads_back(value, metric):
    text = format_quantity(value, metric)
    rounding = 0.5 if unit_of(metric) == "bytes" else 0
    assert parse_quantity(text, metric) == pytest.approx(value, rel=6e-3, abs=rounding)


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (48_213, "params", "48.2k"),
        (999, "params", "999"),
        (1000, "params", "1000"),
        (1_814_073_344, "macs", "1.81G"),
        (999_999, "params", "1M"),
        (1_500_000, "size_bytes", "1.5 MB"),
        (12, "size_bytes", "12 B"),
        (5.25, "latency_ms", "5.25 ms"),
        (0.0312, "latency_ms", "0.0312 ms"),
        (1234.0, "latency_ms", "1234 ms"),
        (0.98712, "accuracy", "0.9871"),
        (math.nan, "accuracy", "nan"),
    ],
)
def test_format(value, metric, text):
    assert format_quantity(value, metric) == text


@pytest.mark.parametrize(
    ("metric", "unit"),
    [("latency_ms", "ms"), ("seconds", "s"), ("size_bytes", "bytes"), ("params", ""), (None, "")],
)
def test_unit_of(metric, unit):
    assert unit_of(metric) == unit
