from random import Random

from archwright.strategies import Genetic
from archwright.trials import History, Objective, Trial
from tests.strategies.problems import flat, history_of, memory_of


def scored(space, scores):
    return history_of(space, zip(space.enumerate(), scores, strict=False))


def alive(strategy, history):
    return [trial.number for _, trial in memory_of(strategy, history).all]


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
    history = history_of(space, [(dict.fromkeys(space.paths, value), 1.0) for value in (0, 4)])
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
