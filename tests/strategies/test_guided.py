"""The strategies that are guided by a model of the score: what holds for all of them."""

from random import Random
from statistics import median

import pytest

from archwright.strategies import (
    BANANAS,
    NASBOWL,
    NPENAS,
    PNAS,
    GaussianProcessSearch,
    RandomSearch,
    TreeEnsembleSearch,
)
from archwright.trials import History, Objective, Trial
from tests.strategies.problems import (
    additive,
    bests,
    everything,
    flat,
    replays,
    run,
    run_abreast,
    zoo,
)

NAMES = ("bananas", "gp", "nas_bowl", "npenas", "pnas", "trees")
QUICK = {
    "bananas": lambda: BANANAS(depth=2, epochs=60),
    "gp": GaussianProcessSearch,
    "nas_bowl": lambda: NASBOWL(max_h=2, n_candidates=100),
    "npenas": lambda: NPENAS(epochs=60),
    "pnas": lambda: PNAS(epochs=60),
    "trees": lambda: TreeEnsembleSearch(n_random=60, n_starts=2),
}


@pytest.mark.parametrize("name", NAMES)
def test_beats_random(name):
    ours = bests(QUICK[name], flat(6, 4), 40, seeds=3)
    theirs = bests(RandomSearch, flat(6, 4), 40, seeds=3)
    assert median(ours) > max(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_decision(name):
    history = run(QUICK[name](), everything(), 16)
    assert len(history) == 16
    assert {t.origin for t in history.trials} - {"random"}


@pytest.mark.parametrize("zoo_name", ["chain_cnn", "nasbench201"])
@pytest.mark.parametrize("name", NAMES)
def test_zoo(name, zoo_name):
    history = run(QUICK[name](), zoo(zoo_name), 14)
    assert len(history) == 14


@pytest.mark.parametrize("name", NAMES)
def test_workers_abreast(name):
    history = run_abreast(QUICK[name](), flat(4, 4), 24)
    assert len(history.trials) == 21
    assert len({t.architecture for t in history.trials}) == len(history.trials)


@pytest.mark.parametrize("name", NAMES)
def test_only_failures_and_broken_limits(name):
    space = flat(3, 3)
    objective = Objective.of(maximize="score", limits={"cost": 1.0})
    history = History(space, objective)
    strategy = QUICK[name]()
    for number in range(27):
        proposal = strategy.propose(history, Random(number))
        state = "failed" if number % 2 else "infeasible"
        metrics = {} if number % 2 else {"cost": 2.0}
        history.add(Trial(number, proposal.architecture, state, metrics=metrics))
    assert strategy.propose(history, Random(0)) is None


@pytest.mark.parametrize("name", NAMES)
def test_keeps_away_from_what_fails(name):
    # Half of the space fails: what is proposed later fails less often than at random.
    space = flat(5, 4)

    def evaluate(architecture):
        bad = architecture["d0"] in (0, 1)
        return None if bad else {"score": additive(architecture), "cost": 0.0}

    history = run(QUICK[name](), space, 44, evaluate=evaluate)
    late = history.trials[24:]
    assert sum(t.state == "failed" for t in late) <= 6


@pytest.mark.parametrize("name", NAMES)
def test_replays(name):
    assert replays(QUICK[name], run_abreast(QUICK[name](), flat(3, 4), 20))
