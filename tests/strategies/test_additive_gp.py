from functools import partial
from random import Random

import numpy as np

from archwright.predictors.features import features_of
from archwright.space import Branch, Choice, Decision, Integer, Real, Space, Subset
from archwright.strategies import RandomSearch
from archwright.strategies.additive_examples import Examples, log_feasibility
from archwright.strategies.additive_gp import AdditiveGP
from archwright.testing import check_strategy
from archwright.trials import History, Objective, Trial
from tests.strategies.problems import ONE, TWO, bests, run

light = partial(AdditiveGP, n_candidates=60, rounds=2)


def layers(n=8):
    """Chains of up to n layers, each with a kernel and a width, as the zoo's spaces have."""
    kinds = []
    for i in range(n):
        own = [
            Decision(f"depth.{i}/kernel", Choice((3, 5, 7))),
            Decision(f"depth.{i}/width", Choice((8, 16, 32))),
        ]
        kinds.append(Branch(range(i + 1, n + 1), own))
    depth = Decision("depth", Integer(1, n), branches=tuple(kinds))
    return Space([depth, Decision("lr", Real(1e-4, 1e-1, log=True)), Decision("in", Subset(3))])


def score(a):
    kernels = sum(v == 5 for p, v in a.items() if p.endswith("kernel"))
    widths = sum(v == 32 for p, v in a.items() if p.endswith("width"))
    return kernels + 0.5 * widths - abs(np.log10(a["lr"]) + 2) + (1 in a["in"])


def cost(a):
    return float(sum(v for p, v in a.items() if p.endswith("width")))


def measured(a):
    return {"score": float(score(a)), "cost": cost(a)}


def test_conformance():
    check_strategy(light, n_trials=10)


def test_beats_random_search_on_a_conditional_space():
    ours = bests(light, layers(), 30, seeds=3, evaluate=measured)
    theirs = bests(RandomSearch, layers(), 90, seeds=3, evaluate=measured)
    assert min(ours) > max(theirs)  # with a third of the evaluations


def test_keeps_to_a_limit_that_it_has_met():
    objective = Objective.of(maximize="score", limits={"cost": 60})
    history = run(light(), layers(), 40, objective=objective, evaluate=measured)
    broken = [t.state == "infeasible" for t in history.trials]
    by_chance = [cost(layers().sample(seed=s)) > 60 for s in range(300)]
    # The score draws towards the wide, which the limit forbids.
    assert np.mean(broken[20:]) < 0.6 * np.mean(by_chance)


def test_the_feasibility_is_that_of_the_predicted_metric():
    space = layers()
    features = features_of(space)
    drawn = [space.sample(seed=s) for s in range(60)]
    trials = [Trial(i, a, "infeasible", {"cost": cost(a)}) for i, a in enumerate(drawn)]
    history = History(space, Objective.of(maximize="score", limits={"cost": 60}), trials)
    feasible = log_feasibility(history, features, 100)
    fresh = [space.sample(seed=s) for s in range(100, 200)]
    found = feasible(features.encode(fresh))
    holds = np.array([cost(a) <= 60 for a in fresh])
    assert np.mean((found > np.log(0.5)) == holds) > 0.85
    few = History(space, history.objective, trials[:2])
    assert log_feasibility(few, features, 100)(features.encode(fresh)) == 0.0


def test_failed_trials_count_as_the_worst_and_no_more_than_others():
    space = layers()
    drawn = [space.sample(seed=s) for s in range(9)]
    trials = [Trial(i, a, "complete", {"score": float(i)}) for i, a in enumerate(drawn[:3])]
    trials += [Trial(i, a, "failed") for i, a in enumerate(drawn[3:], 3)]
    examples = Examples.of(History(space, ONE, trials), 100)
    assert examples.numbers == [0, 1, 2, 6, 7, 8]
    assert examples.n_good == 3
    assert examples.targets[3:].max() == examples.targets[:3].min()


def test_of_many_the_best_and_the_latest_are_learnt_from():
    space = layers()
    values = [5.0, 1.0, 9.0, 2.0, 3.0, 4.0]
    trials = [
        Trial(i, space.sample(seed=i), "complete", {"score": v}) for i, v in enumerate(values)
    ]
    examples = Examples.of(History(space, ONE, trials), 4)
    assert examples.numbers == [0, 2, 4, 5]


def test_what_runs_is_counted_with():
    space = layers(4)
    history = run(light(), space, 12, evaluate=measured)
    first = light().propose(history, Random(7))
    history.start(Trial(12, first.architecture, "running"))
    second = light().propose(history, Random(7))
    assert second.architecture != first.architecture


def test_two_objectives_give_a_front_from_end_to_end():
    history = run(light(), layers(), 40, objective=TWO, evaluate=measured)
    costs = [t.metrics["cost"] for t in history.front]
    assert len(costs) >= 5
    assert min(costs) <= 24 < 100 <= max(costs)
