from random import Random

from archwright.space import Choice, Space
from archwright.strategies import LocalSearch, ParetoLocalSearch
from tests.strategies.problems import TWO, flat, history_of, replays, run


def at(rows):
    space = flat()
    return history_of(space, [(dict.fromkeys(space.paths, v), *point) for v, *point in rows], TWO)


def test_proposes_neighbours_of_the_front_only():
    history = at([(0, 5, 5), (1, 9, 9), (2, 4, 6), (3, 5, 5)])
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
    history = at(rows)
    parents = [strategy.propose(history, Random(i)).parent for i in range(300)]
    assert parents.count(2) < parents.count(3) < parents.count(4) + parents.count(0)
    assert min(parents.count(n) for n in range(5)) > 0


def test_a_local_optimum_is_left_at_random():
    space = Space({"a": Choice(range(3)), "b": Choice(range(3))})
    top = space.check({"a": 0, "b": 0})
    around = [(architecture, 1, 1) for architecture in space.neighbours(top)]
    history = history_of(space, [(top, 9, 0), *around], TWO)
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
