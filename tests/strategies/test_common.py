"""What holds for many strategies alike, whatever they are made of."""

import math
from random import Random
from statistics import median

import pytest

from archwright.errors import InputError
from archwright.strategies import (
    BANANAS,
    NASBOWL,
    NPENAS,
    NSGA2,
    NSGA3,
    PNAS,
    PPO,
    TPE,
    AntColony,
    DifferentialEvolution,
    GaussianProcessSearch,
    Genetic,
    ParetoLocalSearch,
    ParticleSwarm,
    QLearning,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    TreeEnsembleSearch,
    name_of,
)
from archwright.strategies.additive_gp import AdditiveGP
from archwright.testing import check_strategy
from archwright.trials import hypervolume
from tests.strategies.problems import (
    ONE,
    THREE,
    TWO,
    bests,
    everything,
    flat,
    history_of,
    metrics_of,
    replays,
    run,
    run_abreast,
    running,
    space_named,
    three,
    total,
    zoo,
)

FOR_ONE_GOAL = (
    AntColony,
    DifferentialEvolution,
    Genetic,
    ParticleSwarm,
    PPO,
    QLearning,
    Reinforce,
    BANANAS,
    GaussianProcessSearch,
    NASBOWL,
    NPENAS,
    PNAS,
    TreeEnsembleSearch,
)


@pytest.mark.parametrize(
    ("kind", "options", "n"),
    [
        (AntColony, {"ants": 1}, 40),
        (AntColony, {"ants": 3}, 40),
        (DifferentialEvolution, {"population": 4}, 40),
        (DifferentialEvolution, {"population": 7}, 40),
        (ParticleSwarm, {"population": 1}, 40),
        (ParticleSwarm, {"population": 4}, 40),
        (Genetic, {"population": 5, "replacement": "generational"}, 40),
        (Genetic, {"population": 5, "replacement": "truncation"}, 40),
        (Genetic, {"population": 5, "replacement": "steady"}, 40),
        (RegularizedEvolution, {"population": 4, "sample": 2}, 40),
        (RegularizedEvolution, {"population": 5, "sample": 3, "crossover": 1.0}, 40),
        (NSGA2, {"population": 5}, 40),
        (NSGA2, {"population": 6, "offspring": 1}, 40),
        (NSGA3, {"population": 5}, 40),
        (NSGA3, {"population": 6, "offspring": 2}, 40),
        (ParetoLocalSearch, {"starts": 1}, 40),
        (ParetoLocalSearch, {"starts": 3}, 40),
        (Reinforce, {"batch": 3}, 15),
        (PPO, {"batch": 1, "epochs": 2}, 15),
        (PPO, {"batch": 4}, 15),
    ],
)
def test_conforms_with_options(kind, options, n):
    check_strategy(lambda: kind(**options), several_objectives=kind not in FOR_ONE_GOAL, n_trials=n)


@pytest.mark.parametrize(
    ("kind", "options", "name", "objective", "evaluate"),
    [
        (AntColony, {}, "mobilenet", ONE, metrics_of),
        (AntColony, {}, "branched_cnn", ONE, metrics_of),
        (DifferentialEvolution, {"population": 5}, "mobilenet", ONE, metrics_of),
        (DifferentialEvolution, {"population": 5}, "chain_cnn", ONE, metrics_of),
        (ParticleSwarm, {"population": 5}, "mobilenet", ONE, metrics_of),
        (ParticleSwarm, {"population": 5}, "chain_cnn", ONE, metrics_of),
        (Genetic, {"population": 8}, "chain_cnn", ONE, metrics_of),
        (Genetic, {"population": 8}, "mobilenet", ONE, metrics_of),
        (NSGA2, {"population": 8}, "chain_cnn", TWO, metrics_of),
        (NSGA2, {"population": 8}, "nasbench201", TWO, metrics_of),
        (NSGA3, {"population": 10}, "mobilenet", THREE, three),
        (ParetoLocalSearch, {"starts": 5}, "chain_cnn", TWO, metrics_of),
        (ParetoLocalSearch, {"starts": 5}, "nasbench201", TWO, metrics_of),
    ],
)
def test_zoo(kind, options, name, objective, evaluate):
    history = run(kind(**options), zoo(name), 40, objective=objective, evaluate=evaluate)
    assert len(history.trials) == 40


@pytest.mark.parametrize(
    ("kind", "options", "origin", "objective"),
    [
        (AntColony, {"ants": 4}, "ant", ONE),
        (DifferentialEvolution, {"population": 5}, "difference", ONE),
        (ParticleSwarm, {"population": 5}, "particle", ONE),
        (Genetic, {"population": 6}, "child", ONE),
        (RegularizedEvolution, {"population": 6, "sample": 3}, "mutation", ONE),
        (NSGA2, {"population": 6}, "child", TWO),
        (NSGA3, {"population": 6}, "child", TWO),
        (ParetoLocalSearch, {"starts": 4}, "neighbour", TWO),
    ],
)
def test_every_kind_of_decision_and_workers(kind, options, origin, objective):
    history = run_abreast(kind(**options), everything(), 60, objective=objective)
    assert {t.origin for t in history.trials} == {"random", origin}
    assert replays(lambda: kind(**options), history)


@pytest.mark.parametrize("kind", [DifferentialEvolution, ParticleSwarm])
def test_children_under_way_count(kind):
    history = history_of(flat(), [(flat().sample(seed=i), i + 1) for i in range(4)])
    strategy = kind(population=4)
    targets = []
    for number in range(4, 8):
        proposal = strategy.propose(history, Random(number))
        targets.append(proposal.parent)
        history.start(running(number, proposal))
    assert targets == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "options"), [(Reinforce, {}), (PPO, {}), (QLearning, {"horizon": 10})]
)
@pytest.mark.parametrize(
    "name",
    [
        "mlp",
        "chain_cnn",
        "branched_cnn",
        "mobilenet",
        "nasnet",
        "nasbench201",
        "resnet_cnn",
        "everything",
    ],
)
def test_every_space_with_pending_and_failed_trials(kind, options, name):
    history = run_abreast(kind(**options), space_named(name), 14)
    assert replays(lambda: kind(**options), history)


@pytest.mark.parametrize(
    ("kind", "space", "n", "seeds", "evaluate", "margin"),
    [
        (AntColony, flat(), 120, 5, metrics_of, 0),
        (DifferentialEvolution, flat(), 150, 5, metrics_of, 0),
        (ParticleSwarm, flat(), 120, 5, metrics_of, 0),
        (Genetic, flat(), 120, 5, metrics_of, 0),
        (RegularizedEvolution, flat(), 150, 7, total, 0),
        (QLearning, flat(), 120, 3, metrics_of, 0),
        (Reinforce, flat(), 100, 3, metrics_of, 0.3),
        (PPO, flat(), 100, 3, metrics_of, 0.3),
        (TPE, flat(6, 4), 40, 3, metrics_of, 0),
    ],
)
def test_beats_random_search(kind, space, n, seeds, evaluate, margin):
    ours = median(bests(kind, space, n, seeds=seeds, evaluate=evaluate))
    theirs = median(bests(RandomSearch, space, n, seeds=seeds, evaluate=evaluate))
    assert ours > theirs + margin


@pytest.mark.parametrize(
    ("kind", "n", "objective", "evaluate", "reference", "factor"),
    [
        (NSGA2, 150, TWO, metrics_of, (2.0, -4.0), 1.1),
        (NSGA3, 150, THREE, three, (0.0, 0.0, -8.0), 1),
        (ParetoLocalSearch, 100, TWO, metrics_of, (2.0, -4.0), 1.1),
    ],
)
def test_beats_random_search_in_hypervolume(kind, n, objective, evaluate, reference, factor):
    def volume(strategy, seed):
        history = run(strategy, flat(), n, seed=seed, objective=objective, evaluate=evaluate)
        return hypervolume([objective.values(t.metrics) for t in history.front], reference)

    ours = median(volume(kind(), seed) for seed in range(5))
    theirs = median(volume(RandomSearch(), seed) for seed in range(5))
    assert ours > factor * theirs


@pytest.mark.parametrize("kind", FOR_ONE_GOAL)
def test_refuses_several_objectives(kind):
    with pytest.raises(InputError, match=f"'{name_of(kind())}' works towards one goal.*'nsga2'"):
        kind().check(flat(), TWO)
    kind().check(flat(), ONE)


CONTROLLERS = [
    (kind, option, value)
    for kind in (Reinforce, PPO)
    for option, value in [
        ("batch", 0),
        ("units", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("decay", 1.5),
        ("entropy", -0.1),
    ]
]


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (AntColony, "ants", 0),
        (AntColony, "greediness", 1.5),
        (AntColony, "start", 0),
        (AntColony, "decay", -0.5),
        (AntColony, "evaporation", 2),
        (DifferentialEvolution, "population", 3),
        (DifferentialEvolution, "factor", 0),
        (DifferentialEvolution, "crossover", 1.5),
        (ParticleSwarm, "population", 0),
        (ParticleSwarm, "inertia", -1),
        (ParticleSwarm, "max_speed", 0),
        (Genetic, "population", 1),
        (Genetic, "tournament", 0),
        (Genetic, "crossover", -0.1),
        (Genetic, "mutation", 1.1),
        (Genetic, "replacement", "worst"),
        (Genetic, "elite", 20),
        (RegularizedEvolution, "population", 0),
        (RegularizedEvolution, "n_mutations", 0),
        (RegularizedEvolution, "crossover", 1.5),
        (NSGA2, "population", 1),
        (NSGA2, "offspring", 0),
        (NSGA2, "crossover", 2),
        (NSGA2, "mutation", -1),
        (NSGA3, "population", 1),
        (NSGA3, "divisions", 0),
        (ParetoLocalSearch, "starts", 0),
        (QLearning, "learning_rate", 0.0),
        (QLearning, "learning_rate", 1.5),
        (QLearning, "replay", -1),
        (QLearning, "horizon", 0),
        (QLearning, "memory", -1),
        *CONTROLLERS,
        (PPO, "epochs", 0),
        (PPO, "clip", 0.0),
        (BANANAS, "batch", 0),
        (GaussianProcessSearch, "n_candidates", 0),
        (NASBOWL, "max_h", -1),
        (NPENAS, "n_children", 0),
        (PNAS, "beam", 0),
        (TreeEnsembleSearch, "random_share", 1.5),
        (TreeEnsembleSearch, "n_trees", True),
        (AdditiveGP, "n_initial", 1),
        (AdditiveGP, "n_candidates", 0),
        (AdditiveGP, "max_points", 1),
        (AdditiveGP, "rounds", -1),
        (AdditiveGP, "beta", -0.1),
    ],
)
def test_refuses_options(kind, option, value):
    with pytest.raises(InputError, match=option):
        kind(**{option: value})


def test_evolution_refuses_a_sample_larger_than_the_population():
    with pytest.raises(InputError, match="sample"):
        RegularizedEvolution(population=4, sample=5)
