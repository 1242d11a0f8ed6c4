import math
from functools import partial
from importlib.util import find_spec
from random import Random
from statistics import median

import optuna
import pytest

from archwright.errors import InputError, MissingExtraError, UnknownNameError
from archwright.space import Choice, Integer, Real, Space, Subset
from archwright.strategies import (
    CMAES,
    TPE,
    OptunaGP,
    OptunaNSGA2,
    OptunaSampler,
    RandomSearch,
    RegularizedEvolution,
    as_optuna_sampler,
)
from archwright.strategies.optuna_parameters import Parameters
from archwright.testing import check_strategy
from tests.strategies.problems import (
    ONE,
    TWO,
    bests,
    everything,
    flat,
    replays,
    run,
    run_abreast,
    zoo,
)


@pytest.fixture(autouse=True)
def quiet():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(level)


@pytest.mark.parametrize(
    "make", [TPE, OptunaNSGA2, lambda: OptunaSampler(optuna.samplers.RandomSampler, replay=False)]
)
def test_conforms(make):
    check_strategy(make, n_trials=20)


def test_parameters_there_and_back():
    for space in (everything(), flat(2, 3)):
        for numeric in (False, True):
            parameters = Parameters(space, numeric=numeric)
            for seed in range(10):
                architecture = space.sample(seed=seed)
                assert parameters.read(parameters.of(architecture)) == architecture
    assert Parameters(flat(2, 3)).read({"d0": 1}) is None
    assert Parameters(flat(2, 3)).read({"d0": 1, "d1": 77}) is None


def test_large_subsets_are_one_parameter_a_thing():
    space = Space({"taken": Subset(12, low=2, high=4)})
    parameters = Parameters(space)
    assert list(parameters.distributions("taken")) == [f"taken[{j}]" for j in range(12)]
    history = run(TPE(n_initial=3), space, 12)
    assert len(history.trials) == 12
    assert all(2 <= len(t.architecture["taken"]) <= 4 for t in history.trials)


@pytest.mark.parametrize("zoo_name", ["mobilenet", "nasbench201"])
def test_zoo(zoo_name):
    assert len(run(TPE(), zoo(zoo_name), 14)) == 14


@pytest.mark.parametrize("make", [TPE, lambda: OptunaNSGA2(population=5)])
def test_every_kind_of_decision_and_workers(make):
    assert len(run(make(), everything(), 16)) == 16
    history = run_abreast(make(), flat(4, 4), 20)
    assert replays(make, history)


def test_tpe_is_optunas():
    """Given the same trials and seed, ours proposes what a plain study of Optuna would."""
    space = Space({"op": Choice(("a", "b", "c", "d")), "n": Integer(1, 60), "x": Real(0.1, 9.0)})
    history = run(RandomSearch(), space, 25)
    for number in range(5):
        proposal = TPE().propose(history, Random(number))
        seed = Random(number).getrandbits(32)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        )
        for trial in history.trials:
            study.add_trial(
                optuna.create_trial(
                    value=trial.metrics["score"],
                    params=dict(trial.architecture),
                    distributions={
                        "op": optuna.distributions.CategoricalDistribution(("a", "b", "c", "d")),
                        "n": optuna.distributions.IntDistribution(1, 60),
                        "x": optuna.distributions.FloatDistribution(0.1, 9.0),
                    },
                )
            )
        asked = study.ask()
        plain = {
            "op": asked.suggest_categorical("op", ("a", "b", "c", "d")),
            "n": asked.suggest_int("n", 1, 60),
            "x": asked.suggest_float("x", 0.1, 9.0),
        }
        assert dict(proposal.architecture) == plain


def test_nsga2_reaches_generations():
    # Without the notes that replaying leaves, it would draw at random for ever.
    make = partial(OptunaNSGA2, population=8)
    ours = bests(make, flat(6, 4), 56, seeds=3)
    theirs = bests(RandomSearch, flat(6, 4), 56, seeds=3)
    assert median(ours) > median(theirs)
    assert len(run(make(), flat(4, 4), 20, objective=TWO)) == 20


def test_any_sampler_with_options():
    make = partial(optuna.samplers.TPESampler, multivariate=True, n_startup_trials=4)
    history = run(OptunaSampler(make, replay=False), flat(3, 3), 12)
    assert len(history) == 12
    with pytest.raises(InputError, match="called with seed="):
        OptunaSampler(optuna.samplers.TPESampler(seed=0))


def test_missing_packages_are_named():
    for strategy, package in ((CMAES(), "cmaes"), (OptunaGP(), "greenlet")):
        if find_spec(package) is None:
            with pytest.raises(MissingExtraError, match=f"{package}.*archwright\\[samplers\\]"):
                strategy.check(flat(2, 2), ONE)
        else:
            strategy.check(flat(2, 2), ONE)
    with pytest.raises(InputError, match="one goal"):
        CMAES().check(flat(2, 2), TWO)
    with pytest.raises(InputError, match="population"):
        CMAES(population=2)


@pytest.mark.skipif(find_spec("cmaes") is None, reason="needs the package cmaes")
def test_cmaes_moves_to_the_optimum():
    space = Space({"x": Real(-5.0, 5.0), "y": Real(-5.0, 5.0)})

    def evaluate(a):
        return {"score": -((a["x"] - 2) ** 2) - (a["y"] + 1) ** 2, "cost": 0.0}

    ours = bests(CMAES, space, 80, seeds=3, evaluate=evaluate)
    theirs = bests(RandomSearch, space, 80, seeds=3, evaluate=evaluate)
    assert median(ours) > median(theirs)


# ---------------------------------------------------------------- ours as Optuna's


def test_ours_in_optuna_proposes_what_it_would_alone():
    space = flat(5, 4)
    strategy = RegularizedEvolution(population=6, sample=3)
    study = optuna.create_study(
        direction="maximize", sampler=as_optuna_sampler(strategy, space, seed=3)
    )

    def twos(values):
        return {"score": float(sum(v == 2 for v in values.values()))}

    def objective(trial):
        values = {p: trial.suggest_categorical(p, tuple(range(4))) for p in space.paths}
        return twos(values)["score"]

    study.optimize(objective, n_trials=30)
    alone = run(strategy, space, 30, seed=3, evaluate=twos)
    assert [t.params for t in study.trials] == [dict(t.architecture) for t in alone.trials]


def test_ours_in_optuna_with_conditions_failures_and_other_parameters():
    space = everything()
    sampler = as_optuna_sampler("evolution", space)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    parameters = Parameters(space)

    def objective(trial):
        architecture = parameters.suggested(trial, Random(0))
        assert architecture is not None
        assert math.isfinite(trial.suggest_float("something else", 0.0, 1.0))
        if trial.number % 5 == 3:
            raise ValueError("fails now and then")
        return len(architecture["a"])

    study.enqueue_trial(parameters.of(space.default))
    study.optimize(objective, n_trials=25, catch=(ValueError,))
    assert parameters.read(study.trials[0].params) == space.default
    assert len(study.trials) == 25
    known = [parameters.read(t.params) for t in study.trials]
    assert None not in known
    assert len(set(known)) == 25
    assert study.best_value == 1


def test_ours_in_optuna_with_several_objectives():
    space = flat(4, 4)
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=as_optuna_sampler("nsga2", space)
    )

    def objective(trial):
        values = [trial.suggest_categorical(p, tuple(range(4))) for p in space.paths]
        return sum(values), sum(v * v for v in values)

    study.optimize(objective, n_trials=20)
    assert len(study.best_trials) >= 2
    single = optuna.create_study(
        directions=["maximize", "minimize"], sampler=as_optuna_sampler("bananas", space)
    )
    with pytest.raises(InputError, match="one goal"):
        single.optimize(objective, n_trials=1)


def test_ours_in_optuna_goes_on_when_the_space_is_exhausted():
    space = Space({"a": Choice((1, 2, 3))})
    study = optuna.create_study(sampler=as_optuna_sampler("random", space))
    study.optimize(lambda t: t.suggest_categorical("a", (1, 2, 3)), n_trials=6)
    assert sorted(t.params["a"] for t in study.trials[:3]) == [1, 2, 3]
    assert len(study.trials) == 6
    with pytest.raises(UnknownNameError, match="evolution"):
        as_optuna_sampler("evolutio", space)
