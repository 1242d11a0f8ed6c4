import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.report.charts import Chart, Rule, Series, dot_rows, legend, n_beyond, svg, thin

NUMBERS = st.one_of(
    st.floats(-1e9, 1e9), st.floats(0, 1), st.just(math.nan), st.just(math.inf), st.just(0.98)
)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30),
    st.sampled_from(["line", "step", "dots", "rings", "diamonds"]),
    st.booleans(),
    st.booleans(),
    st.floats(-10, 10),
)
def test_any_numbers_give_a_well_formed_drawing(points, mark, x_log, whole, limit):
    series = Series("a<&>", [x for x, _ in points], [y for _, y in points], mark)
    chart = Chart("t", "x<", "y&", [series], [Rule(limit, "l")], x_log=x_log, x_whole=whole)
    drawing = svg(chart, width=400, height=300)
    if drawing:
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing
        assert "inf" not in drawing


def texts(drawing, kind):
    root = ElementTree.fromstring(drawing)
    return [e.text for e in root.iter("text") if e.get("class") == kind]


def test_ticks_labels_and_units():
    chart = Chart("t", "parameters", "accuracy", [Series("s", [10_000, 90_000], [0.91, 0.99])])
    drawing = svg(chart)
    assert "20k" in texts(drawing, "tick")
    assert texts(drawing, "label") == ["parameters", "accuracy"]


def test_a_logarithmic_axis_has_enough_ticks():
    chart = Chart("t", "x", "y", [Series("s", [1e3, 1.2e3], [1, 2])], x_log=True)
    assert len(texts(svg(chart), "tick")) >= 6
    wide = Chart("t", "x", "y", [Series("s", [1, 1e9], [1, 2])], x_log=True)
    assert "1M" in texts(svg(wide), "tick")


def test_stray_points_do_not_flatten_the_rest_and_are_still_shown():
    ys = [0.98, 0.981, 0.979, 0.982, 0.98, 0.983, 0.981, 0.98, 0.1]
    dots = Series("trial", list(range(9)), ys, "dots", frames=False)
    chart = Chart("t", "x", "y", [dots])
    assert n_beyond(chart) == 1
    assert "beyond the axis (1)" in legend(chart)
    assert svg(chart).count("<polygon") == 1


def test_limits_are_drawn_when_they_are_near():
    series = Series("s", [10.0, 50.0], [1.0, 2.0], "dots")
    near = svg(Chart("t", "x", "y", [series], [Rule(60.0, "x ≤ 60")]))
    far = svg(Chart("t", "x", "y", [series], [Rule(6000.0, "x ≤ 6000")]))
    assert "x ≤ 60" in near
    assert "x ≤ 6000" not in far


@pytest.mark.parametrize("n", [0, 1, 5, 499, 5000])
def test_thinning_keeps_both_ends(n):
    kept = thin(n, 50)
    assert len(kept) <= max(50, 1)
    if n:
        assert kept[0] == 0
        assert kept[-1] == n - 1
    assert kept == sorted(set(kept))


def test_rows_of_dots():
    rows = [
        {"name": "found", "validation": 0.9, "test": 0.91, "interval": (0.88, 0.93), "mine": True},
        {"name": "<forest>", "validation": None, "test": 0.8, "interval": None, "mine": False},
        {"name": "none", "validation": None, "test": math.nan, "interval": None, "mine": False},
    ]
    drawn = dot_rows(rows, "accuracy", 400)
    ElementTree.fromstring(f"<div>{drawn}</div>")
    assert "&lt;forest&gt;" in drawn
    assert ">none<" not in drawn
    assert dot_rows([], "x", 400) == ""
