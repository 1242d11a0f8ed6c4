"""Elastic values: arithmetic means what it means for numbers."""

import math
import operator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright.nn as aw
from archwright.errors import SpaceError
from archwright.nn import elastic
from archwright.nn.elastic import Active, Elastic, Leaf, narrowest, now, widest
from archwright.space import Choice, Integer

ACTIVE = Active()
LEAVES = [
    Leaf(ACTIVE, "a", Integer(1, 5), "net.py:1"),
    Leaf(ACTIVE, "b", Choice([2, 8, 3]), "net.py:2"),
]
BINARY = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod]
CALLS = [aw.maximum, aw.minimum, lambda x, y: aw.divisible(x, 4), lambda x, y: -x]


def values():
    return [{"a": a, "b": b} for a in range(1, 6) for b in (2, 8, 3)]


@st.composite
def expressions(draw, depth=3):
    """An expression, as a function of the values of a and b."""
    if depth == 0 or draw(st.booleans()):
        return draw(
            st.one_of(
                st.integers(1, 9).map(lambda n: lambda env: n),
                st.sampled_from(["a", "b"]).map(lambda name: lambda env: env[name]),
            )
        )
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    function = draw(st.sampled_from(BINARY + CALLS))
    return lambda env: function(left(env), right(env))


@settings(max_examples=100, deadline=None)
@given(expressions())
def test_arithmetic(expression):
    try:
        expected = [expression(env) for env in values()]
    except ZeroDivisionError:
        return
    found = expression({leaf.path: leaf for leaf in LEAVES})
    if not isinstance(found, Elastic):
        assert set(expected) == {found}
        return
    assert (narrowest(found), widest(found)) == (min(expected), max(expected))
    for env, value in zip(values(), expected, strict=True):
        ACTIVE.switch(env)
        assert now(found) == value
        ACTIVE.switch(None)


@settings(max_examples=60, deadline=None)
@given(expressions())
def test_intervals_contain_the_bounds(expression):
    try:
        expected = [expression(env) for env in values()]
    except ZeroDivisionError:
        return
    most, elastic._MOST_COMBINATIONS = elastic._MOST_COMBINATIONS, 1
    try:
        found = expression({leaf.path: leaf for leaf in LEAVES})
        low, high = narrowest(found), widest(found)
    except SpaceError:  # an interval may hold a zero that no architecture has
        return
    finally:
        elastic._MOST_COMBINATIONS = most
    assert low <= min(expected)
    assert high >= max(expected)


def test_is_a_number_while_active():
    a = LEAVES[0]
    ACTIVE.switch({"a": 4, "b": 2})
    try:
        assert a == 4
        assert a > 3
        assert bool(a)
        assert int(a) == 4
        assert list(range(a)) == [0, 1, 2, 3]
        assert float(a) == 4.0
        assert {4: "x"}[a] == "x"
        assert type(a * 2) is int
        assert f"{a:03d}" == "004"
        assert torch.zeros(8, 2).view(a, -1).shape == (4, 4)
        assert torch.equal(torch.ones(2) * a, torch.full((2,), 4.0))
        assert torch.equal(a * torch.ones(2), torch.full((2,), 4.0))
    finally:
        ACTIVE.switch(None)


@pytest.mark.parametrize(
    "use",
    [bool, int, float, range, hash, iter, lambda a: a == 3, lambda a: a < 3, lambda a: max(a, 3)],
)  # fmt: skip
def test_has_no_value_while_none_is_active(use):
    with pytest.raises(SpaceError, match=r"'a' \(net.py:1\) has no value: no architecture is act"):
        use(LEAVES[0])


def test_reads_as_an_expression():
    a, b = LEAVES
    assert str(2 * a) == "2 * a"
    assert str((a + 1) * b // 2) == "((a + 1) * b) // 2"
    assert str(aw.divisible(a * 3)) == "divisible(a * 3, 8)"
    assert repr(math.ceil(a / 2)) == "<elastic ceil(a / 2)>"
    assert f"{a}" == "a"


def test_not_live():
    active = Active()
    active.switch({"b": 2})
    leaf = Leaf(active, "op=x/w", Integer(1, 2), "net.py:3")
    with pytest.raises(SpaceError, match=r"op=x/w.*net.py:3.* is not live .*aw.last"):
        now(leaf)


def test_last_follows_what_is_live():
    active = Active()
    leaves = [Leaf(active, f"d.{i}/w", Choice([i, 10 * i]), "") for i in (1, 2)]
    last = aw.last([3, *leaves])
    assert (narrowest(last), widest(last)) == (1, 20)
    for live, expected in (({}, 3), ({"d.1/w": 10}, 10), ({"d.1/w": 1, "d.2/w": 2}, 2)):
        active.switch(live)
        assert now(last) == expected
    assert aw.last([3, 4]) == 4
    with pytest.raises(SpaceError, match="at least one"):
        aw.last([])


def test_bounds_of_what_follows_depth():
    active = Active()
    leaves = [
        Leaf(active, f"d.{i}/w", Choice(values), "") for i, values in enumerate([[8, 64], [4]])
    ]
    last = aw.last([2, *leaves])
    double = 2 * aw.last([1, last])
    assert narrowest(double) <= 4
    assert widest(double) == 128
    for live, expected in (({}, 4), ({"d.0/w": 64}, 128), ({"d.0/w": 64, "d.1/w": 4}, 8)):
        active.switch(live)
        assert now(double) == expected
    active.switch(None)
    assert (last // last, last % last, last - last) == (1, 0, 0)


@given(st.floats(1, 4000), st.sampled_from([1, 2, 4, 8, 16]))
def test_divisible(x, by):
    found = aw.divisible(x, by)
    assert found % by == 0
    assert found >= max(by, 0.9 * x)
    assert found - x <= by


def test_divisible_refuses():
    with pytest.raises(SpaceError, match="by must be a whole number of at least 1, got 0"):
        aw.divisible(8, 0)
