from random import Random
from statistics import mean

import numpy as np
import pytest

from archwright.errors import InputError
from archwright.predictors.features import features_of
from archwright.space import Choice, Space
from archwright.strategies import ASHA, MOBSTER, multi_fidelity
from archwright.strategies.rung_model import Results, RungProcess
from archwright.testing import check_strategy
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, TWO, flat, metrics_of, running

SPACE = flat(5, 4)


def score(architecture, budget, full=9.0):
    """The sum of the decisions; what is cheap is off by some part of its own."""
    part = 0.0 if budget is None else 1 - budget / full
    return sum(architecture.values()) + part * Random(architecture.id).gauss(0, 2.0)


def simulate(strategy, seed, cost, *, full=9.0, budgets=None, evaluate=score):
    history = History(SPACE, ONE, full_budget=full, budgets=budgets)
    spent = 0.0
    while spent < cost:
        number = history.next_number
        proposal = strategy.propose(history, Random((seed << 32) + number))
        trial = running(number, proposal)
        earlier = [t.budget for t in history.trials if t.number == proposal.continues]
        spent += proposal.budget - sum(earlier)
        metrics = {"score": evaluate(trial.architecture, trial.budget, full)}
        history.add(
            Trial(
                number,
                trial.architecture,
                metrics=metrics,
                budget=proposal.budget,
                continues=proposal.continues,
            )
        )
    return history


def at(number, architecture, value, budget, **others):
    return Trial(number, architecture, metrics={"score": value}, budget=budget, **others)


def test_conformance_with_one_budget_and_with_many():
    check_strategy(lambda: MOBSTER(min_budget=1, max_budget=1), n_trials=5)
    check_strategy(lambda: MOBSTER(min_budget=1, max_budget=64, eta=2), n_trials=7)


@pytest.mark.parametrize(
    ("full", "budgets", "expected"),
    [(9.0, None, (1, 3, 9)), (200.0, (12, 200), (12, 200)), (200.0, (200,), (200,))],
)
def test_as_much_for_each_rung(full, budgets, expected):
    strategy = MOBSTER()
    history = simulate(strategy, 0, 4 * full, full=full, budgets=budgets)
    assert strategy.budgets(history) == expected
    spent = [b * sum(t.budget == b for t in history.trials) for b in expected]
    # A rung that is due goes first, so it lags by no more than one evaluation of its own.
    for below, above, budget in zip(spent, spent[1:], expected[1:], strict=False):
        assert below - budget <= above <= below
    assert spent[-1] > 0


def test_more_for_the_rung_above():
    history = simulate(MOBSTER(upward=4.0), 0, 81, full=27.0, budgets=(1, 27))
    n_low, n_full = (sum(t.budget == b for t in history.trials) for b in (1, 27))
    assert n_full >= 2
    assert n_full in (n_low * 4 // 27, (n_low - 1) * 4 // 27)


def test_better_than_random_entrants_at_equal_cost():
    def quality(strategy, seed):
        return sum(simulate(strategy, seed, 9 * 5).best.architecture.values())

    ours = mean(quality(MOBSTER(), seed) for seed in range(3))
    theirs = mean(quality(ASHA(), seed) for seed in range(3))
    assert ours > theirs + 1.0


def test_learns_where_small_budgets_say_nothing():
    def useless(architecture, budget, full):
        return sum(architecture.values()) if budget == full else Random(architecture.id).random()

    found = simulate(MOBSTER(), 1, 9 * 16, budgets=(1, 9), evaluate=useless)
    entered = [sum(t.architecture.values()) for t in found.trials if t.budget == 1]
    third = len(entered) // 3
    assert mean(entered[-third:]) > mean(entered[:third]) + 1.0


def test_who_goes_on_is_told_by_more_than_the_rungs_own_result():
    """Two with the same small result: the neighbour of what proved good in full goes on."""
    space = Space({f"d{i}": Choice(("a", "b")) for i in range(6)})
    shapes = [a for a in space.enumerate() if a["d0"] == "a" or a["d1"] == "b"]
    history = History(space, ONE, full_budget=9, budgets=(1, 9))
    good = [a for a in shapes if a["d0"] == "a"][:3]
    poor = [a for a in shapes if a["d0"] == "b"][:3]
    for i, a in enumerate(good + poor):
        history.add(at(i, a, 5.0, 1))
        history.add(at(100 + i, a, 9.0 if a in good else 1.0, 9, continues=i))
    pair = [next(a for a in shapes if a["d0"] == v and a not in good + poor) for v in "ab"]
    for i, a in enumerate(pair):
        history.add(at(10 + i, a, 5.0, 1))
    rest = [a for a in shapes if a not in good + poor + pair][:50]
    for i, a in enumerate(rest):
        history.add(at(20 + i, a, 0.0, 1))
    for i in range(100):
        history.add(Trial(200 + i, rest[i % len(rest)], "failed", budget=1))
    proposal = MOBSTER(beta=0.0).propose(history, Random(0))
    assert (proposal.continues, proposal.budget) == (10, 9)


def test_promotions_under_way_count():
    history = History(SPACE, ONE, full_budget=9, budgets=(1, 9))
    drawn = list(SPACE.enumerate())[:100:10]
    for i, a in enumerate(drawn):
        history.add(at(i, a, float(i), 1))
    first = MOBSTER().propose(history, Random(0))
    assert first.budget == 9
    assert first.continues in MOBSTER().resumable(history)
    history.start(running(10, first))
    second = MOBSTER().propose(history, Random(0))
    assert (second.budget, second.continues) == (1, None)
    assert first.continues not in MOBSTER().resumable(history)


def test_limits_and_several_goals():
    history = History(SPACE, TWO, full_budget=9)
    seen = set()
    for number in range(25):
        proposal = MOBSTER().propose(history, Random(number))
        seen.add(proposal.budget)
        trial = running(number, proposal)
        history.add(
            Trial(
                number,
                trial.architecture,
                metrics=metrics_of(trial.architecture),
                budget=proposal.budget,
                continues=proposal.continues,
            )
        )
    assert seen == {1, 3, 9}


def test_results_lie_where_those_of_the_rung_below_do():
    drawn = list(SPACE.enumerate())[:40]
    low = [at(i, a, float(i), 1) for i, a in enumerate(drawn)]
    high = [at(100 + i, drawn[i], 1000.0 + i, 9, continues=i) for i in (36, 37, 38, 39)]
    results = Results.of([low, high], ONE, 300)
    full = results.targets[results.rungs == 1, 0]
    assert full.mean() > 1.0
    assert (np.diff(full) > 0).all()
    assert abs(results.targets[results.rungs == 0, 0].mean()) < 1e-9
    few = Results.of([low, high], ONE, 12)
    assert len(few.numbers) == 12
    assert set(few.numbers) >= {136, 137, 138, 139}


def test_a_failure_counts_as_the_worst_of_its_rung():
    drawn = list(SPACE.enumerate())[:4]
    trials = [at(i, a, float(i), 1) for i, a in enumerate(drawn[:3])]
    trials.append(Trial(3, drawn[3], "failed", budget=1))
    results = Results.of([trials, []], ONE, 300)
    assert results.targets[3, 0] == results.targets[:, 0].min()


def test_a_small_result_tells_of_the_full_one():
    features = features_of(SPACE)
    drawn = [SPACE.sample(seed=seed) for seed in range(30)]
    trials = [at(i, a, score(a, None), 1) for i, a in enumerate(drawn)]
    results = Results.of([trials, []], ONE, 300)
    process = RungProcess(results, features, 2)
    new = [SPACE.sample(seed=seed) for seed in range(100, 160)]
    means, deviations = process.predict(new)
    truth = [score(a, None) for a in new]
    assert np.corrcoef(means[:, 0], truth)[0, 1] > 0.8
    # Known at the lower rung is less than known, and more than nothing.
    low = process.predict(drawn, np.zeros(30, dtype=np.intp))[1]
    full = process.predict(drawn)[1]
    assert (low < full).all()
    assert full.mean() < deviations.mean()


def test_how_rungs_couple_is_learned():
    features = features_of(SPACE)
    drawn = [SPACE.sample(seed=seed) for seed in range(60)]
    drawn = list(dict.fromkeys(drawn))

    def chosen(full):
        low = [at(i, a, score(a, None), 1) for i, a in enumerate(drawn)]
        high = [at(100 + i, a, full(a), 9, continues=i) for i, a in enumerate(drawn)]
        process = RungProcess(Results.of([low, high], ONE, 300), features, 2)
        return process.coupling.correlation

    agree = chosen(lambda a: score(a, None))
    apart = chosen(lambda a: Random(a.id).random())
    assert (agree, apart) == (0.97, 0.2)


def test_what_is_refused():
    for options in (
        {"eta": 1.0},
        {"upward": 0.0},
        {"n_initial": 1},
        {"min_budget": 9, "max_budget": 3},
    ):
        with pytest.raises(InputError):
            MOBSTER(**options)
    assert multi_fidelity(MOBSTER()) == MOBSTER()
