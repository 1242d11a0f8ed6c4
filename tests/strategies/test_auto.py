"""The default strategy: whom it asks, and when."""

from random import Random

import pytest

from archwright.errors import InputError
from archwright.space import Choice, Space
from archwright.strategies import Auto
from archwright.strategies.additive_gp import AdditiveGP
from archwright.strategies.evolution import RegularizedEvolution
from archwright.testing import check_strategy
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, flat

SPACE = flat(5, 4)


def _history(n, space=SPACE):
    history = History(space, ONE)
    for number in range(n):
        architecture = space.sample(seed=number)
        if history.is_new(architecture):
            score = float(sum(architecture.values()))
            history.add(Trial(number, architecture, metrics={"score": score}))
    return history


@pytest.mark.parametrize("n_guided", [0, 5])
def test_it_keeps_what_every_strategy_promises(n_guided):
    check_strategy(lambda: Auto(n_guided=n_guided), n_trials=12)


def test_the_model_proposes_first_and_evolution_later():
    history = _history(30)
    n = len(history)
    early, late = Auto(n_guided=n + 1), Auto(n_guided=n)
    assert early.propose(history, Random(1)) == AdditiveGP().propose(history, Random(1))
    assert late.propose(history, Random(1)) == RegularizedEvolution().propose(history, Random(1))


def test_a_dynamic_space_is_searched_by_evolution():
    class Dynamic(Space):
        dynamic = True

    history = _history(30, Dynamic({f"d{i}": Choice(range(4)) for i in range(5)}))
    assert Auto().propose(history, Random(1)).origin == "mutation"


def test_a_negative_number_is_refused():
    with pytest.raises(InputError, match="at least 0"):
        Auto(n_guided=-1)
