from random import Random

import pytest

from archwright.errors import InputError
from archwright.strategies import Genetic, RandomSearch
from archwright.testing import check_strategy
from archwright.trials import History, Objective, Trial
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


@pytest.mark.parametrize("replacement", ["generational", "truncation", "steady"])
def test_conforms(replacement):
    check_strategy(lambda: Genetic(population=5, replacement=replacement), several_objectives=False)


def scored(space, scores, **kwargs):
    trials = [
        Trial(i, architecture, metrics={"score": float(s)})
        for i, (s, architecture) in enumerate(zip(scores, space.enumerate(), strict=False))
    ]
    return History(space, ONE, trials, **kwargs)


def alive(strategy, history):
    strategy.propose(history, Random(0))
    return [trial.number for _, trial in history.memory[strategy].all]


def test_replacement():
    space = flat()
    scores = [5, 1, 3, 4, 2, 0]  # four members, then a generation that is not complete yet
    steady = Genetic(population=4, replacement="steady")
    assert alive(steady, scored(space, scores)) == [0, 3, 2, 4]
    generational = Genetic(population=4, replacement="generational", elite=2)
    assert alive(generational, scored(space, scores)) == [0, 3, 4, 5]
    assert alive(generational, scored(space, scores[:5])) == [0, 3, 2, 1]
    truncation = Genetic(population=3, replacement="truncation")
    assert alive(truncation, scored(space, scores)) == [0, 3, 2]
    assert alive(truncation, scored(space, scores[:5])) == [0, 2, 1]


def test_tournaments_prefer_the_best():
    space = flat()
    history = scored(space, range(10))
    strategy = Genetic(population=10, tournament=10)
    parents = [strategy.propose(history, Random(i)).parent for i in range(200)]
    # The best is in a tournament of ten out of ten with probability 1 - .9^10 = .65.
    assert 0.55 < parents.count(9) / 200 < 0.75
    assert strategy.propose(history, Random(0)).origin == "child"


def test_children_take_their_values_from_two_parents():
    space = flat(n=8, k=5)
    history = History(space, ONE)
    for number, value in enumerate((0, 4)):
        parent = space.check(dict.fromkeys(space.paths, value))
        history.add(Trial(number, parent, metrics={"score": 1.0}))
    strategy = Genetic(population=2, crossover=1.0, mutation=0.0)
    for seed in range(20):
        child = strategy.propose(history, Random(seed)).architecture
        foreign = sum(value not in (0, 4) for value in child.values())
        assert foreign <= 1  # one only where a copy of a parent came out at first
    assert any(
        set(strategy.propose(history, Random(s)).architecture.values()) == {0, 4} for s in range(5)
    )


def test_what_breaks_a_limit_stands_behind_what_keeps_it_by_excess():
    space = flat()
    objective = Objective.of(maximize="score", limits={"cost": 10})
    items = list(space.enumerate())
    trials = [
        Trial(0, items[0], "infeasible", metrics={"cost": 30.0}),
        Trial(1, items[1], "infeasible", metrics={"cost": 12.0}),
        Trial(2, items[2], metrics={"cost": 5.0, "score": 0.1}),
        Trial(3, items[3], "failed"),
        Trial(4, items[4], "infeasible", metrics={}),
    ]
    strategy = Genetic(population=4)
    assert alive(strategy, History(space, objective, trials)) == [2, 1, 0, 4]


@pytest.mark.parametrize("name", ["chain_cnn", "mobilenet"])
def test_zoo(name):
    assert len(run(Genetic(population=8), zoo(name), 40).trials) == 40


def test_every_kind_of_decision_and_workers():
    history = run_abreast(Genetic(population=6), everything(), 60)
    assert {t.origin for t in history.trials} == {"random", "child"}
    assert replays(lambda: Genetic(population=6), history)


def test_beats_random_search():
    space = flat()
    ours = median(best(run(Genetic(), space, 120, seed=s)) for s in range(5))
    theirs = median(best(run(RandomSearch(), space, 120, seed=s)) for s in range(5))
    assert ours > theirs


def test_refuses():
    with pytest.raises(InputError, match=r"'genetic' works towards one goal.*'nsga2'"):
        Genetic().check(flat(), TWO)
    Genetic().check(flat(), ONE)
    for options, word in (
        ({"population": 1}, "population"),
        ({"tournament": 0}, "tournament"),
        ({"crossover": -0.1}, "crossover"),
        ({"mutation": 1.1}, "mutation"),
        ({"replacement": "worst"}, "replacement"),
        ({"elite": 20}, "elite"),
    ):
        with pytest.raises(InputError, match=word):
            Genetic(**options)
