import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.report.numbers import amount, count, duration, label, short, size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999, "999"), (999.96, "1k"), (1e3, "1k"), (999_960, "1M"), (1e6, "1M"), (-2500, "-2.5k"),
        (0.00012, "0.00012"), (3, "3"), (2.5, "2.5"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_short(value, text):
    assert short(value) == text


@given(st.floats(1e-6, 1e13))
def test_short_is_short_and_true(value):
    text = short(value)
    assert len(text) <= 10
    factor = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert float(text.rstrip("kMGT")) * factor == pytest.approx(value, rel=0.006)


@given(st.floats(0, 1e7))
def test_durations_name_a_unit(seconds):
    assert duration(seconds).split()[-1] in {"ms", "s", "min", "h", "d"}
    assert "60 s" not in duration(seconds).split(" min ")[-1:]


def test_amounts_follow_the_unit_in_the_name():
    assert amount("latency_ms", 12.345) == "12.3 ms"
    assert amount("seconds", 90) == "90" or amount("seconds", 90) == "90"
    assert amount("fit_seconds", 90) == "1 min 30 s"
    assert amount("memory_bytes", 1.5e6) == "1.5 MB"
    assert amount("rmse", 12.3456) == "12.35"
    assert amount("rmse", 123456.0) == "123k"
    assert amount("accuracy", math.nan) == "nan"


def test_labels():
    assert label("memory_bytes") == "memory in use (bytes)"
    assert label("top_5") == "top 5"


def test_counts_of_architectures():
    assert count(10**40) == "1e40"
    assert count(9_999 * 10**400) == "1e404"
    assert count(1) == "1"


def test_sizes():
    assert size(999_700) == "1 MB"
