from random import Random

from archwright.space import Choice, Space
from archwright.strategies import LocalSearch, ParetoLocalSearch
from archwright.trials import History, Trial
from tests.strategies.problems import TWO, flat, replays, run


def history_of(rows):
    space = flat()
    trials = [
        Trial(
            i,
            space.check(dict.fromkeys(space.paths, value)),
            metrics={"score": float(a), "cost": float(b)},
        )
        for i, (value, a, b) in enumerate(rows)
    ]
    return History(space, TWO, trials)


def test_proposes_neighbours_of_the_front_only():
    history = history_of([(0, 5, 5), (1, 9, 9), (2, 4, 6), (3, 5, 5)])
    strategy = ParetoLocalSearch(starts=2)
    proposals = [strategy.propose(history, Random(i)) for i in range(60)]
    assert {p.parent for p in proposals} == {0, 1}  # 2 is dominated, 3 equals 0
    for proposal in proposals:
        parent = history.trials[proposal.parent].architecture
        assert sum(proposal.architecture[p] != parent[p] for p in parent) == 1
        assert proposal.origin == "neighbour"


def test_members_with_room_are_preferred():
    rows = [(0, 0, 0), (1, 1, 1.1), (2, 1.1, 1.2), (3, 8, 8), (4, 10, 10)]
    strategy = ParetoLocalSearch(starts=2)
    history = history_of(rows)
    parents = [strategy.propose(history, Random(i)).parent for i in range(300)]
    assert parents.count(2) < parents.count(3) < parents.count(4) + parents.count(0)
    assert min(parents.count(n) for n in range(5)) > 0


def test_a_local_optimum_is_left_at_random():
    space = Space({"a": Choice(range(3)), "b": Choice(range(3))})
    history = History(space, TWO)
    top = space.check({"a": 0, "b": 0})
    history.add(Trial(0, top, metrics={"score": 9.0, "cost": 0.0}))
    for number, architecture in enumerate(space.neighbours(top), 1):
        history.add(Trial(number, architecture, metrics={"score": 1.0, "cost": 1.0}))
    proposal = ParetoLocalSearch(starts=1).propose(history, Random(0))
    assert proposal.origin == "random"
    assert history.is_new(proposal.architecture)


def test_replays_when_neighbourhoods_are_exhausted():
    space = Space({"a": Choice(range(4)), "b": Choice(range(4)), "c": Choice(range(4))})
    history = run(ParetoLocalSearch(starts=1), space, 45, objective=TWO)
    assert replays(lambda: ParetoLocalSearch(starts=1), history)


def test_local_search_takes_it_for_several_objectives():
    one = run(LocalSearch(), flat(), 60, objective=TWO)
    other = run(ParetoLocalSearch(), flat(), 60, objective=TWO)
    assert [t.architecture for t in one.trials] == [t.architecture for t in other.trials]
