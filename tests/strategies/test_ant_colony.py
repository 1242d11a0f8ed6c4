from random import Random

import pytest

from archwright.errors import InputError
from archwright.space import Choice, Integer, Real, Space, Subset
from archwright.strategies import AntColony, RandomSearch
from archwright.strategies.ant_colony import chosen, walk
from archwright.strategies.trails import Trails
from archwright.testing import check_strategy
from archwright.trials import History, Trial
from tests.strategies.synthetic import (
    ONE,
    TWO,
    best,
    everything,
    flat,
    median,
    replays,
    run,
    run_abreast,
    zoo,
)


@pytest.mark.parametrize("ants", [1, 3])
def test_conforms(ants):
    check_strategy(lambda: AntColony(ants=ants), several_objectives=False)


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
        strategy.propose(history, Random(0))
        return history.memory[strategy].trails

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
        assert all(0 <= key[2] < 16 for key in keys)


@pytest.mark.parametrize("name", ["mobilenet", "branched_cnn"])
def test_zoo(name):
    assert len(run(AntColony(), zoo(name), 40).trials) == 40


def test_every_kind_of_decision_and_workers():
    history = run_abreast(AntColony(ants=4), everything(), 60)
    assert "ant" in {t.origin for t in history.trials}
    assert replays(lambda: AntColony(ants=4), history)


def test_beats_random_search():
    space = flat()
    ours = median([best(run(AntColony(), space, 120, seed=s)) for s in range(5)])
    theirs = median([best(run(RandomSearch(), space, 120, seed=s)) for s in range(5)])
    assert ours > theirs


def test_refuses():
    with pytest.raises(InputError, match="one goal"):
        AntColony().check(flat(), TWO)
    for options, word in (
        ({"ants": 0}, "ants"),
        ({"greediness": 1.5}, "greediness"),
        ({"start": 0}, "start"),
        ({"decay": -0.5}, "decay"),
        ({"evaporation": 2}, "evaporation"),
    ):
        with pytest.raises(InputError, match=word):
            AntColony(**options)
