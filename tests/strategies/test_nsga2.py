import math
from random import Random

from archwright.strategies import NSGA2
from archwright.strategies.fronts import Candidate, sorted_fronts
from archwright.trials import Objective, Trial
from tests.strategies.problems import TWO, flat, history_of, memory_of, run


def at(points):
    rows = [(a, *point) for a, point in zip(flat().enumerate(), points, strict=False)]
    return history_of(flat(), rows, TWO)


def alive(strategy, history):
    return [c.trial.number for c in memory_of(strategy, history).alive]


def test_survivors_are_the_first_fronts_and_the_emptiest_of_the_last():
    # A front of five (numbers 0-4) in which 1 and 2 are close together, and three behind it.
    points = [(0, 0), (4, 4.5), (4.5, 5), (7, 8), (10, 10), (0, 1), (0, 2), (0, 3)]
    found = alive(NSGA2(population=4), at(points))
    assert set(found) == {0, 4, 3, 1}  # 2 has least room
    assert set(found[:2]) == {0, 4}  # the ends stand first
    early = alive(NSGA2(population=4), at(points[:7]))
    assert set(early) == {0, 1, 2, 3}  # no generation yet


def test_a_generation_is_complete_when_enough_have_finished():
    points = [(i, 0) for i in range(6)]
    assert set(alive(NSGA2(population=3), at(points[:5]))) == {0, 1, 2}
    assert set(alive(NSGA2(population=3), at(points))) == {5, 4, 3}
    assert set(alive(NSGA2(population=3, offspring=1), at(points[:4]))) == {3, 2, 1}


def test_constrained_domination():
    def candidate(number, values, excess):
        return Candidate(Trial(number, flat().default), values, excess)

    worse, better, far, near = (
        candidate(0, (1.0, 1.0), 0.0),
        candidate(1, (2.0, 2.0), 0.0),
        candidate(2, (), math.inf),
        candidate(3, (), 0.5),
    )
    fronts = sorted_fronts([worse, far, near, better], n_at_least=4)
    assert [[c.trial.number for c in front] for front in fronts] == [[1], [0], [3], [2]]
    assert [c.rank for c in (better, worse, near, far)] == [0, 1, 2, 3]
    assert len(sorted_fronts([worse, far, near, better], n_at_least=2)) == 2


def test_parents_win_by_front_then_by_room():
    points = [(0, 0), (4, 4.5), (4.5, 5), (10, 10), (0, 9)]
    strategy = NSGA2(population=5)
    history = at(points)
    parents = [strategy.propose(history, Random(i)).parent for i in range(400)]
    shares = {number: parents.count(number) / 400 for number in range(5)}
    # Binary tournaments of five, ranked 0 = 3 (ends) > 1 > 2 > 4: shares 9, 7, 5, 3, 1 in 25.
    assert shares[4] < 0.09
    assert shares[0] + shares[3] > 0.55
    assert shares[1] > shares[4]


def test_ends_of_a_front_win_alike():
    strategy = NSGA2(population=2)
    history = at([(0, 0), (10, 10)])
    parents = [strategy.propose(history, Random(i)).parent for i in range(400)]
    assert 0.42 < parents.count(0) / 400 < 0.58  # were the first to win a tie: 0.75


def test_limits_lead_into_the_region_that_keeps_them():
    objective = Objective.of(maximize="score", minimize="cost", limits={"size": (20, 24)})

    def evaluate(architecture):
        total = float(sum(architecture.values()))
        return {"score": total, "cost": -float(architecture["d0"]), "size": total}

    history = run(NSGA2(population=10), flat(), 120, objective=objective, evaluate=evaluate)
    states = [t.state for t in history.trials]
    assert states[:10].count("complete") < 3
    assert states[60:].count("complete") > 10  # of 60; one in 75 at random
