import math
from random import Random

import pytest

from archwright.errors import InputError, SpaceError, UnknownNameError
from archwright.space import Choice, Real, Space
from archwright.strategies import (
    STRATEGIES,
    Grid,
    LocalSearch,
    RandomSearch,
    RegularizedEvolution,
    as_strategy,
    name_of,
)
from archwright.testing import check_strategy
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, TWO, best, flat, history_of, run, total

SLOW = {"optuna_gp"}  # Optuna's Gaussian process takes a second for each proposal
PACKAGES = {"cmaes": "cmaes", "optuna_gp": "greenlet"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in sorted(STRATEGIES)],
)
def test_conformance(name):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason="pip install 'archwright[samplers]'")
    one_goal_only = name == "cmaes"
    check_strategy(STRATEGIES[name], several_objectives=not one_goal_only)


def test_names():
    for name in STRATEGIES:
        assert name_of(as_strategy(name)) == name
    with pytest.raises(UnknownNameError, match="did you mean 'evolution'"):
        as_strategy("evolutoin")
    with pytest.raises(InputError, match="propose"):
        as_strategy(object())
    with pytest.raises(InputError, match="got the class RandomSearch: make one"):
        as_strategy(RandomSearch)


def test_evolution_takes_the_best_of_the_youngest():
    space = Space({"a": Choice(range(10)), "b": Choice(range(10))})
    rows = [({"a": 0, "b": 0}, 9), ({"a": 5, "b": 5}, 1), ({"a": 7, "b": 7}, 2)]
    history = history_of(space, rows)
    strategy = RegularizedEvolution(population=2, sample=2)
    parents = {strategy.propose(history, Random(seed)).parent for seed in range(30)}
    # The best of all has aged out; a sample of two (with replacement) may hold trial 1 twice.
    assert parents <= {1, 2}
    assert 2 in parents
    child = strategy.propose(history, Random(0))
    assert child.parent in (1, 2)
    parent = history.trials[child.parent]
    assert sum(child.architecture[p] != parent.architecture[p] for p in space.paths) == 1


def test_evolution_with_two_objectives_takes_undominated_parents():
    space = Space({"a": Choice(range(10)), "b": Choice(range(10))})
    rows = [({"a": 0, "b": 0}, 2, 5), ({"a": 1, "b": 1}, 1, 1), ({"a": 2, "b": 2}, 0.5, 9)]
    history = history_of(space, rows, TWO)
    strategy = RegularizedEvolution(population=3, sample=3)
    parents = [strategy.propose(history, Random(seed)).parent for seed in range(60)]
    assert {0, 1} <= set(parents)
    assert parents.count(2) < 10  # only when the sample holds nothing else


def test_local_search_climbs_to_the_top_of_a_smooth_hill():
    history = run(LocalSearch(), flat(4, 4), 80, evaluate=total)
    assert best(history) == 12.0


def test_grid_lists_everything_once_in_order():
    space = Space({"a": Choice((1, 2)), "lr": Real(1e-4, 1.0, log=True)})
    history = History(space, ONE)
    seen = []
    while (proposal := Grid(levels=5).propose(history, Random(0))) is not None:
        seen.append(tuple(proposal.architecture.values()))
        history.add(Trial(len(seen) - 1, proposal.architecture, metrics={"score": 0.0}))
    assert len(seen) == 10
    assert seen[0] == (1, 1e-4)
    assert seen[-1] == (2, 1.0)
    assert math.isclose(seen[2][1], 1e-2)
    with pytest.raises(InputError, match="levels"):
        Grid(levels=1)


def test_canonical_duplicates_are_not_proposed():
    space = Space({"a": Choice((1, 2, 3))})
    history = History(space, ONE, [Trial(0, space.default, metrics={"score": 1.0})])
    left = set()
    for number in range(1, 3):
        proposal = RandomSearch().propose(history, Random(number))
        left.add(proposal.architecture["a"])
        history.add(Trial(number, proposal.architecture, metrics={"score": 1.0}))
    assert left == {2, 3}
    assert RandomSearch().propose(history, Random(3)) is None


def test_unknown_decision_is_refused():
    with pytest.raises(SpaceError, match="b"):
        Space({"a": Choice((1,))}).decision("b")


def test_a_grid_over_two_numbers():
    space = Space({"x": Real(1.0, 1.0000000000000002)})
    history = History(space, ONE)
    for number in range(2):
        proposal = Grid().propose(history, Random(0))
        history.add(Trial(number, proposal.architecture, metrics={"score": 0.0}))
    assert Grid().propose(history, Random(0)) is None
