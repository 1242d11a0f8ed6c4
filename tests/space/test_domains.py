import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.errors import SpaceError
from archwright.space import Choice, Integer, Real, Subset, domain_from_dict, integer, real
from tests.space.random_spaces import domains

fixed = settings(derandomize=True, deadline=None, max_examples=80, database=None)


@fixed
@given(domains(reals=True), st.integers(0, 9))
def test_what_every_domain_promises(domain, seed):
    rng = random.Random(seed)
    assert domain.contains(domain.default)
    assert domain_from_dict(domain.to_dict()) == domain
    names = domain.feature_names("p")
    for draw in (domain.sample, domain.sample_uniform):
        value = draw(rng)
        assert domain.contains(value)
        row = domain.features(value)
        assert len(row) == len(names)
        assert all(-1e-12 <= x <= 1 + 1e-12 for x in row)
        near = domain.neighbours(value)
        assert value not in near
        assert len(set(near)) == len(near)
        assert all(domain.contains(v) for v in near)
        if domain.size > 1:
            other = domain.other(value, rng)
            assert domain.contains(other)
            assert other != value
    if domain.size < math.inf:
        values = list(domain.values())
        assert len(values) == len(set(values)) == domain.size
        assert all(domain.normalise(v) == v for v in values)
        kept = domain.narrow(values[:1])
        assert list(kept.values()) == values[:1]
        assert list(domain.narrow(domain).values()) == values


@pytest.mark.parametrize("domain", [Choice(["a", "c", 3]), Integer(2, 9, 3), Subset(3, 1)])
def test_sampling_and_others_are_even(domain):
    rng = random.Random(0)
    counts = Counter(domain.sample(rng) for _ in range(7000))
    assert set(counts) == set(domain.values())
    assert max(counts.values()) - min(counts.values()) < 0.2 * 7000 / domain.size * 2
    value = next(iter(domain.values()))
    others = Counter(domain.other(value, rng) for _ in range(3000))
    assert set(others) == set(domain.values()) - {value}


def test_logarithmic_sampling():
    rng = random.Random(0)
    drawn = [Integer(1, 1000, log=True).sample(rng) for _ in range(3000)]
    assert min(drawn) == 1
    assert 0.6 < sum(v <= 100 for v in drawn) / 3000 < 0.8  # log(100.5/.5) / log(1000.5/.5) = .70
    rates = [Real(1e-4, 1e-1, log=True).sample(rng) for _ in range(3000)]
    assert 0.3 < sum(v < 1e-3 for v in rates) / 3000 < 0.37
    assert all(1e-4 <= v <= 1e-1 for v in rates)
    even = [Integer(1, 1000, log=True).sample_uniform(rng) for _ in range(2000)]
    assert 440 < sum(even) / 2000 < 560


def test_scaling_follows_the_logarithm():
    assert Integer(1, 100, log=True).features(10) == pytest.approx((0.5,))
    assert Real(1e-4, 1e-2, log=True).features(1e-3) == pytest.approx((0.5,))
    assert Integer(0, 10).features(5) == (0.5,)
    assert Integer(3, 3).features(3) == (0.0,)


def test_neighbours():
    assert Choice(("a", "b", "c")).neighbours("b") == ("a", "c")
    assert Integer(1, 4).neighbours(1) == (2,)
    assert Integer(0, 10, 5).neighbours(5) == (0, 10)
    assert Integer(0, 80).neighbours(40) == (30, 39, 41, 50)
    assert Integer(1, 256, log=True).neighbours(16) == (8, 15, 17, 32)
    assert Real(0, 32).neighbours(16) == (12, 15, 17, 20)
    assert Real(0, 32).neighbours(0) == (1, 4)
    assert Subset(3, 1, 2).neighbours((0,)) == ((1,), (2,), (0, 1), (0, 2))
    assert Subset(3, 2, 2).neighbours((0, 1)) == ((0, 2), (1, 2))


def test_normalising():
    assert type(Choice((16, 32)).normalise(32.0)) is int
    assert type(Real(0, 1).normalise(1)) is float
    assert Integer(1, 4).normalise(2.0) == 2
    assert Integer(1, 4).normalise(np.int64(3)) == 3
    assert type(Integer(1, 4).normalise(np.int64(3))) is int
    assert Subset(3).normalise([2, 0]) == (0, 2)
    assert Subset(3).normalise({1}) == (1,)
    assert Choice((None, "a")).contains(None)
    assert not Choice(("a",)).contains(None)
    assert Choice((True, False)).contains(True)
    assert not Choice((True, False)).contains(1)
    assert not Choice((1, 2)).contains(True)
    assert not Choice((1, 2)).contains([1])
    assert not Choice((1, 2)).contains(float("nan"))
    assert not Integer(1, 4).contains(True)
    assert not Integer(1, 4).contains("2")
    assert not Integer(1, 9, 2).contains(2)
    assert not Real(0, 1).contains(True)
    assert not Real(0, 1).contains(float("nan"))
    assert not Subset(3).contains((0, 0))
    assert not Subset(3).contains((0, 3))
    assert not Subset(3).contains("01")
    assert not Subset(3).contains(1)
    assert not Subset(3).contains((True,))
    assert Choice(np.arange(3)).values_ == (0, 1, 2)
    assert type(Choice(np.array([0.5])).values_[0]) is float


def test_narrowing():
    assert Integer(1, 8).narrow([2, 4, 6]) == Integer(2, 6, 2)
    assert Integer(1, 8).narrow([1, 2, 8]) == Choice((1, 2, 8))
    assert Integer(1, 8).narrow([3]) == Integer(3, 3)
    assert Integer(1, 8).narrow([9]) is None
    assert Integer(1, 9, 2).narrow(Integer(4, 8)) == Integer(5, 8, 2)
    assert Integer(1, 9, 2).narrow(Integer(4, 4)) is None
    assert Integer(1, 9).narrow(Choice((2, 3))) == Integer(2, 3)
    assert Integer(0, 10**12).narrow(Integer(5, 10**11)).size == 10**11 - 4
    assert Integer(0, 10**12).narrow([7, 8]) == Integer(7, 8)
    assert Choice(("a", "b", "c")).narrow(["c", "a"]) == Choice(("a", "c"))
    assert Choice((1, 2, 4)).narrow(Integer(2, 9)) == Choice((2, 4))
    assert Choice((True, False)).narrow([1]) is None
    assert Real(0, 1).narrow(Real(0.5, 2)) == Real(0.5, 1)
    assert Real(0, 1).narrow(Real(1, 2)) == Choice((1.0,))
    assert Real(0, 1).narrow(Real(2, 3)) is None
    assert Real(0, 10).narrow([1, 2, 30]) == Choice((1.0, 2.0))
    assert Real(0, 3).narrow(Integer(2, 9)) == Choice((2.0, 3.0))
    assert Subset(3).narrow(Subset(3, 1, 1)) == Subset(3, 1, 1)
    assert Subset(3).narrow([(0,), (1,)]).narrow(Subset(3, 0, 3)).size == 2
    assert Subset(3).narrow([(0,), (1,)]).narrow([(2,)]) is None


def test_subsets():
    assert Subset(5, 2, 2).size == 10
    assert Subset(30).size == 2**30
    assert Subset(3).containing(1) == {(1,), (0, 1), (1, 2), (0, 1, 2)}
    assert Subset(3, 2).default == (0, 1)
    assert Subset(3).default == (0,)
    assert Subset(0).default == ()
    big = Subset(200, 3, 3)
    drawn = big.sample(random.Random(0))
    assert big.contains(drawn)
    assert big.size == math.comb(200, 3)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: Choice([]), ["values", "at least one"]),
        (lambda: Choice("ab"), ["values", "'ab'"]),
        (lambda: Choice(3), ["values", "3"]),
        (lambda: Choice([1, 2, 1]), ["differ", "1", "position 0", "position 2"]),
        (lambda: Choice([1, True]), ["differ", "True"]),
        (lambda: Choice([object()]), ["string, a number", "name it"]),
        (lambda: Choice([float("nan")]), ["finite", "nan"]),
        (lambda: Integer(4, 1), ["low=4", "high=1"]),
        (lambda: Integer(1.5, 3), ["low", "integer", "1.5"]),
        (lambda: Integer(1, True), ["high", "True"]),
        (lambda: Integer(1, 4, step=0), ["step", "0"]),
        (lambda: integer(0, 4, log=True), ["low", "log", "0"]),
        (lambda: Real(2, 1), ["low=2.0", "high=1.0"]),
        (lambda: Real(1, 1), ["low", "below"]),
        (lambda: Real(0, float("nan")), ["high", "finite", "nan"]),
        (lambda: Real(float("-inf"), 1), ["low", "finite"]),
        (lambda: Real("0", 1), ["low", "'0'"]),
        (lambda: real(0, 1, log=True), ["low", "log"]),
        (lambda: Subset(-1), ["n", "-1"]),
        (lambda: Subset(3, 2, 1), ["low=2", "high=1"]),
        (lambda: Subset(3, 0, 4), ["high=4", "n=3"]),
        (lambda: Subset(3, 0, 1, ((0, 1),)), ["(0, 1)"]),
        (lambda: Subset(3, allowed=()), ["allowed"]),
        (lambda: domain_from_dict({"kind": "complex"}), ["'complex'", "choice"]),
    ],
)
def test_what_is_no_domain(make, parts):
    with pytest.raises(SpaceError) as caught:
        make()
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("domain", "wrong", "nearest"),
    [
        (Choice((16, 32, 64)), 40, 32),
        (Choice((16, 32, 64)), "33", 32),
        (Choice(("conv", "pool")), "convv", "conv"),
        (Integer(0, 10, 5), 7, 5),
        (Integer(0, 10), 99, 10),
        (Real(0, 1), 3, 1.0),
        (Subset(4, 2, 2), (0, 1, 2), (0, 1)),
    ],
)
def test_the_nearest_value(domain, wrong, nearest):
    assert domain.closest(wrong) == nearest


def test_words():
    assert Integer(1, 9, 2, log=True).describe() == "integer 1..9 step 2 log"
    assert Real(1e-4, 0.1, log=True).describe() == "real 0.0001..0.1 log"
    assert Choice(("a", None, 2)).describe() == "a | None | 2"
    assert Subset(4, 1, 2).describe() == "1..2 of 4"
    assert Subset(4, 2, 2).describe() == "2 of 4"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Real(-1e308, 1e308), "high - low must be finite"),
        (
            lambda: Real(0, 10**400),
            r"high must be at most 1e\+300 in size, got an integer of about",
        ),
        (lambda: Integer(0, 10**400), r"high must be at most 1e\+300 in size"),
        (lambda: Integer(-(10**5000), 1), r"low must be at most 1e\+300 in size"),
        (lambda: Integer(0, 1, step=10**400), "step must be at most"),
    ],
)
def test_ranges_that_no_float_can_span_are_refused(make, said):
    with pytest.raises(SpaceError, match=said):
        make()


@pytest.mark.parametrize(
    "domain",
    [
        Real(-8e307, 8e307),
        Real(5e-324, 1e308, log=True),
        Integer(-(10**299), 10**299),
        Integer(1, 10**299, log=True),
    ],
)
def test_the_widest_ranges_are_drawn_from_and_scaled(domain):
    rng = random.Random(0)
    for value in (domain.default, *(domain.sample(rng) for _ in range(20))):
        assert domain.contains(value)
        (scaled,) = domain.features(value)
        assert 0 <= scaled <= 1
        assert all(domain.contains(one) for one in domain.neighbours(value))


@pytest.mark.parametrize(
    "domain", [Choice((1, 2.5)), Choice((1, 10**400)), Integer(0, 9), Real(0, 1)]
)
def test_integers_beyond_all_floats_have_a_nearest_value(domain):
    assert domain.contains(domain.closest(10**400))
    assert not domain.contains(-(10**400))
    assert domain.contains(domain.closest(-(10**400)))
