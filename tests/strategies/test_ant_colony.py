from random import Random

import pytest

from archwright.space import Choice, Integer, Real, Space, Subset
from archwright.strategies import AntColony
from archwright.strategies.ant_colony import chosen, walk
from archwright.strategies.trails import Trails
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, everything, memory_of


def test_the_transition_rule():
    weights = [0.1, 0.5, 0.2, 0.2]
    drawn = [chosen(weights, Random(seed), greediness=0.0) for seed in range(4000)]
    shares = [drawn.count(i) / 4000 for i in range(4)]
    assert shares == pytest.approx([0.1, 0.5, 0.2, 0.2], abs=0.03)
    drawn = [chosen(weights, Random(seed), greediness=0.4) for seed in range(4000)]
    assert drawn.count(1) / 4000 == pytest.approx(0.4 + 0.6 * 0.5, abs=0.03)
    ties = {chosen([0.3, 0.1, 0.3], Random(seed), greediness=1.0) for seed in range(20)}
    assert ties == {0, 2}


def test_the_update_rules():
    space = Space({"a": Choice(tuple("xyz")), "b": Choice(tuple("xyz"))})
    strategy = AntColony(ants=2, start=0.2, decay=0.5, evaporation=0.25)
    history = History(space, ONE)

    def add(number, a, b, score):
        state = "complete" if score is not None else "failed"
        metrics = {} if score is None else {"score": score}
        history.add(Trial(number, space.check({"a": a, "b": b}), state, metrics=metrics))
        return memory_of(strategy, history).trails

    trails = add(0, "x", "y", 1.0)  # one ant back: only the local rule, towards the start
    assert trails["a", "value", 0] == 0.2
    trails = add(1, "z", "y", 2.0)  # two back: the best path, z y, goes a quarter towards 1
    assert trails["a", "value", 2] == pytest.approx(0.75 * 0.2 + 0.25)
    assert trails["b", "value", 1] == pytest.approx(0.4)
    assert trails["a", "value", 0] == 0.2
    trails = add(2, "z", "z", None)  # failed, and loses pheromone all the same
    assert trails["a", "value", 2] == pytest.approx(0.5 * 0.4 + 0.5 * 0.2)
    assert trails["b", "value", 1] == pytest.approx(0.4)
    add(3, "y", "x", 0.0)
    trails = add(4, "y", "y", 0.0)  # two more back: the best is still z y
    assert trails["a", "value", 2] == pytest.approx(0.75 * 0.3 + 0.25)
    assert trails["b", "value", 1] == pytest.approx(0.75 * 0.3 + 0.25)
    assert trails["a", "value", 1] == pytest.approx(0.2)


def test_ants_under_way_fade_the_trail():
    space = Space({"a": Choice(tuple("xyz"))})
    trails = Trails(space, start=0.1)
    path = space.check({"a": "y"})
    trails.move(path, 0.5, towards=1.0)
    faded = trails.faded([path, path], 0.1)
    assert trails["a", "value", 1] == pytest.approx(0.55)
    assert faded["a", "value", 1] == pytest.approx(0.1 + 0.9 * 0.9 * 0.45)


def test_ants_follow_the_trail():
    space = everything()
    target = space.sample(seed=5)
    trails = Trails(space, start=0.1)
    trails.move(target, 1.0, towards=1.0)
    found = walk(space, trails, Random(0), greediness=1.0)
    assert list(found) == list(target)
    for path, value in target.items():
        domain = space.decision(path).domain
        if isinstance(domain, Real):
            span = 1 / 16 if not domain.log else 1
            assert abs(found[path] - value) <= span * (domain.high - domain.low)
        elif not (isinstance(domain, Integer) and domain.size > 16):
            assert found[path] == value


def test_values_of_each_kind_of_domain():
    domains = {
        "short": Integer(1, 9, step=2),
        "log": Integer(1, 8, log=True),
        "long": Integer(0, 1000),
        "real": Real(1e-4, 1.0, log=True),
        "inputs": Subset(4, low=1, high=3),
        "some": Subset(4, allowed=((0, 1), (2, 3))),
    }
    space = Space(domains)
    trails = Trails(space, start=0.1)
    for seed in range(100):
        architecture = walk(space, trails, Random(seed), greediness=0.3)
        assert space.why_not(architecture) is None
        keys = list(trails.keys(architecture))
        assert {key[0] for key in keys} == set(domains)
        assert all(0 <= key[2] < 16 for key in keys)
