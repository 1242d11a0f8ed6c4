from dataclasses import replace
from random import Random

import numpy as np
import pytest

from archwright.errors import InputError
from archwright.space import Choice, Integer, Real, Space
from archwright.strategies import ASHA, BOHB, Hyperband, RandomSearch, SuccessiveHalving
from archwright.strategies.densities import Codes, Density
from archwright.strategies.fidelity import best_first, known_budgets, ladder, multi_fidelity
from archwright.testing import check_strategy
from archwright.testing.strategies import example_spaces
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, TWO, finished, flat, running, zoo

FLAT = flat()
ALL = [SuccessiveHalving, Hyperband, ASHA, BOHB]


def value(architecture, budget, full):
    """Grows towards the sum of the decisions; small budgets are noisy."""
    noise = Random(f"{architecture.id} {budget}").gauss(0, 3.0 * (1 - budget / full))
    return sum(architecture.values()) + noise


def simulate(strategy, seed, cost, *, full=27.0, space=FLAT, n_workers=1, check=None):
    """Trials until so much budget is spent, several at a time; the history."""
    history = History(space, ONE, full_budget=full)
    spent, waiting = 0.0, []
    rng = Random(seed)
    while spent < cost or waiting:
        proposal = None
        if len(waiting) < n_workers and spent < cost:
            number = history.next_number
            proposal = strategy.propose(history, Random((seed << 32) + number))
            if check is not None:
                check(history, Random((seed << 32) + number), proposal)
        if proposal is None:
            if not waiting:
                break
            trial = waiting.pop(rng.randrange(len(waiting)))
            score = value(trial.architecture, trial.budget, full)
            history.add(finished(trial.number, trial, {"score": score}))
            continue
        budget = full if proposal.budget is None else proposal.budget
        before = 0.0
        if proposal.continues is not None:
            before = next(t.budget for t in history.trials if t.number == proposal.continues)
        spent += budget - before
        trial = running(number, replace(proposal, budget=budget))
        history.start(trial)
        waiting.append(trial)
    return history


@pytest.mark.parametrize("make", ALL)
def test_conformance_with_one_budget_and_with_many(make):
    check_strategy(lambda: make(max_budget=1, min_budget=1), n_trials=25)
    check_strategy(lambda: make(max_budget=64, min_budget=1, eta=2), n_trials=40)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("n_workers", [1, 4])
def test_better_than_random_search_at_equal_cost(make, n_workers):
    def quality(strategy, seed):
        best = simulate(strategy, seed, 27 * 12, n_workers=n_workers).best
        return sum(best.architecture.values())

    ours = [quality(make(), seed) for seed in range(9)]
    theirs = [quality(RandomSearch(), seed) for seed in range(9)]
    assert np.mean(ours) > np.mean(theirs) + 0.5


@pytest.mark.parametrize("make", ALL)
def test_a_history_fed_at_once_with_several_workers(make):
    def check(history, rng, proposal):
        again = History(FLAT, ONE, history.trials, full_budget=27.0)
        for trial in history.running.values():
            again.start(trial)
        assert make().propose(again, rng) == proposal

    simulate(make(), 3, 27 * 3, n_workers=4, check=check)


def test_a_round_of_successive_halving():
    history = simulate(SuccessiveHalving(min_budget=1), 0, 27 + 9 * 2 + 3 * 6 + 18)
    budgets = [t.budget for t in history.trials]
    assert budgets == [1] * 27 + [3] * 9 + [9] * 3 + [27]
    first = sorted(history.trials[:27], key=lambda t: -t.metrics["score"])
    assert [t.continues for t in history.trials[27:36]] == [t.number for t in first[:9]]
    assert history.best is history.trials[-1]


def test_the_brackets_of_hyperband_are_those_of_the_paper():
    history = History(FLAT, ONE, full_budget=81)
    brackets = [Hyperband(min_budget=1).bracket(history, i) for i in range(6)]
    rungs = [[(b.n_at(r), budget) for r, budget in enumerate(b.budgets)] for b in brackets]
    # Table 1 of Li et al. (2018); their four brackets of 27, 9, 6 and 5 are of an older rule.
    assert rungs[0] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert rungs[1] == [(34, 3), (11, 9), (3, 27), (1, 81)]
    assert rungs[2] == [(15, 9), (5, 27), (1, 81)]
    assert rungs[3] == [(8, 27), (2, 81)]
    assert rungs[4] == [(5, 81)]
    assert rungs[5] == rungs[0]


def test_workers_never_wait_and_fill_the_next_bracket():
    strategy = SuccessiveHalving(min_budget=3, max_budget=9)
    history = History(FLAT, ONE)
    for number in range(5):
        proposal = strategy.propose(history, Random(number))
        assert proposal.continues is None
        history.start(running(number, proposal))
    for number in range(3):
        history.add(finished(number, history.running[number], {"score": float(number)}))
    promoted = strategy.propose(history, Random(5))
    assert (promoted.continues, promoted.budget) == (2, 9)
    assert strategy.resumable(history) == {2}


def test_failures_are_not_promoted_and_broken_limits_take_no_place():
    strategy = SuccessiveHalving(min_budget=1, max_budget=3)
    history = History(FLAT, ONE)
    states = ["failed", "infeasible", "infeasible", "complete", "pruned"]
    for number, state in enumerate(states):
        proposal = strategy.propose(history, Random(number))
        assert proposal.budget == 1
        metrics = {"score": 1.0} if state == "complete" else {}
        history.add(Trial(number, proposal.architecture, state, metrics=metrics, budget=1))
    promoted = strategy.propose(history, Random(9))
    assert (promoted.continues, promoted.budget) == (3, 3)
    history.add(Trial(5, promoted.architecture, "failed", budget=3, continues=3))
    assert strategy.propose(history, Random(10)).budget == 1
    assert strategy.resumable(history) == set()


def test_an_exhausted_space_is_trained_in_full():
    space = Space({"a": Choice(range(4))})
    for make in ALL:
        history = simulate(make(min_budget=1), 0, 1e9, full=9.0, space=space)
        in_full = [t for t in history.trials if t.budget == 9]
        assert len({t.architecture for t in in_full}) == 4, make
        assert make(min_budget=1).propose(history, Random(0)) is None


@pytest.mark.parametrize("name", ["mobilenet", "nasbench201", "branched_cnn"])
def test_networks_of_the_zoo(name):
    space = zoo(name)
    for make in (ASHA, BOHB):
        strategy = make(min_budget=1, max_budget=3)
        history = History(space, ONE)
        for number in range(40):
            proposal = strategy.propose(history, Random(number))
            score = float(len(proposal.architecture)) + Random(proposal.architecture.id).random()
            history.add(finished(number, proposal, {"score": score}))
        assert {t.budget for t in history.trials} == {1, 3}


def test_several_objectives_spread_over_the_front():
    points = [(1.0, 1.0), (5.0, 5.0), (2.0, 2.0), (4.9, 4.95), (0.5, 3.0)]
    trials = [
        Trial(i, FLAT.sample(seed=i), metrics={"score": s, "cost": c})
        for i, (s, c) in enumerate(points)
    ]
    order = [t.number for t in best_first(History(FLAT, TWO), trials)]
    assert order[:2] == [1, 0]  # the ends of the front, then between them
    assert order[-1] == 4  # the only one that is dominated


def test_ladders():
    assert ladder(None, None, 3, 10.0) == (1, 3, 10)
    assert ladder(None, 0.5, 2, None) == (0.0625, 0.125, 0.25, 0.5)
    assert ladder(5, 5, 3, None) == (5,)
    assert ladder(None, None, 3, 200, (12, 200)) == (12, 200)
    with pytest.raises(InputError, match="max_budget="):
        ladder(1, None, 3, None)
    with pytest.raises(InputError, match="at most the full budget, 4"):
        ladder(9, None, 3, 4)
    for options in ({"eta": 1}, {"min_budget": 0}, {"min_budget": 5, "max_budget": 2}):
        with pytest.raises(InputError):
            Hyperband(**options)


def test_the_evaluator_says_what_budgets_there_are():
    class Some:
        budgets = (12, 200)

    assert known_budgets(Some()) == (200, (12, 200))
    assert known_budgets(len) == (None, None)
    assert multi_fidelity(RandomSearch()) is None
    assert multi_fidelity(ASHA()) == ASHA()


def test_densities_of_a_small_case_by_hand():
    space = Space({"op": Choice(("a", "b", "c")), "lr": Real(0.0, 1.0)})
    rows = [space.check({"op": "a", "lr": 0.5}), space.check({"op": "b", "lr": 0.5})]
    density = Density(Codes(space), rows, min_width=0.1)
    shrink = 2 ** (-1 / 6)
    # Half of the pairs are unequal; no spread in the number, so the narrowest kernel.
    assert density.widths == pytest.approx([0.5 * shrink, 0.1])
    h = 0.5 * shrink
    peak = 1 / (0.1 * np.sqrt(2 * np.pi))
    at_a = 0.5 * ((1 - h) + h / 2) * peak
    at_c = 0.5 * (h / 2 + h / 2) * peak
    found = np.exp(density.log([rows[0], space.check({"op": "c", "lr": 0.5})]))
    assert found == pytest.approx([at_a, at_c])


def test_bohb_models_the_largest_budget_with_enough_results():
    space = Space({"a": Integer(0, 9), "b": Choice(range(4))})
    strategy = BOHB(min_budget=1, max_budget=3, n_points=3)
    history = History(space, ONE)
    for number in range(30):
        architecture = space.check({"a": number % 10, "b": number // 10})
        # The small budget says the opposite of the large one.
        large = number % 2 == 0
        score = float(architecture["a"]) * (1 if large else -1)
        budget = 3 if large else 1
        history.add(Trial(number, architecture, metrics={"score": score}, budget=budget))
    good, bad = strategy._split(history)
    assert {t.budget for t in [*good, *bad]} == {3}
    assert min(t.architecture["a"] for t in good) > max(t.architecture["a"] for t in bad) - 1
    drawn = [strategy._modelled(history, Random(seed)).get("a") for seed in range(10)]
    assert np.mean(drawn) > 6


def test_bohb_refuses_what_it_cannot_model():
    for options in ({"top": 0}, {"random_share": 2}, {"n_candidates": 0}, {"min_bandwidth": 0}):
        with pytest.raises(InputError):
            BOHB(**options)


def test_what_is_known_of_budgets_in_a_history():
    history = History(FLAT, ONE, full_budget=9)
    a, b = FLAT.sample(seed=1), FLAT.sample(seed=2)
    history.add(Trial(0, a, metrics={"score": 9.0}, budget=1))
    history.add(Trial(1, b, metrics={"score": 1.0}, budget=3))
    assert history.best.number == 1
    assert [t.number for t in history.front] == [1]
    assert [t.number for t in history.ranking] == [1, 0]
    assert (history.reached(a), history.reached(FLAT.default)) == (1, -np.inf)
    history.add(Trial(2, a, metrics={"score": 2.0}, budget=None, continues=0))
    assert history.best.number == 2
    assert history.reached(a) == 9


def test_spaces_of_the_conformance_suite_have_promotions():
    strategy = ASHA()
    history = simulate(strategy, 0, 60, full=9.0, space=example_spaces()["real"])
    assert {t.budget for t in history.trials} == {1, 3, 9}
