from dataclasses import replace
from random import Random

import pytest

from archwright.errors import InputError
from archwright.space import Choice, Space
from archwright.strategies import Cascade, Stage, WarmStart
from archwright.strategies.cascade_stages import checked, order, rank_correlation
from archwright.strategies.fidelity import multi_fidelity
from archwright.testing import check_strategy
from archwright.trials import Fidelity, History, Objective, Trial
from tests.strategies.problems import ONE, finished, flat, running

FLAT = flat()


def value(architecture):
    return float(sum(architecture.values()))


def length(architecture):
    return float(sum(len(str(value)) for value in architecture.values()))


def opposite(architecture):
    return -value(architecture)


def simulate(strategy, n, *, history=None, n_workers=1, space=FLAT, full=27.0, seed=0):
    """Trials whose score at a budget is the sum of the decisions and noise that it lessens."""
    history = History(space, ONE, full_budget=full) if history is None else history
    waiting = []
    rng = Random(seed)
    while len(history) < n:
        proposal = None
        if len(waiting) < n_workers:
            number = history.next_number
            proposal = strategy.propose(history, Random((seed << 32) + number))
        if proposal is None:
            if not waiting:
                break
            trial = waiting.pop(rng.randrange(len(waiting)))
            share = 1.0 if trial.budget is None or full is None else trial.budget / full
            noise = Random(f"{trial.architecture.id} {share}").gauss(0, 2.0 * (1 - share))
            score = {"score": value(trial.architecture) + noise}
            history.add(replace(finished(trial.number, trial, score), seconds=share))
            continue
        trial = running(number, proposal)
        history.start(trial)
        waiting.append(trial)
    return history


def test_conformance():
    # That of the default is checked with all other strategies.
    check_strategy(lambda: Cascade([Stage(length, keep=0.2), Stage(1 / 3)], pool=20))
    check_strategy(lambda: Cascade([1.0], pool=4))


def test_stages_are_read_and_an_evaluation_in_full_is_the_last():
    stages = checked([Stage(value), 1 / 9, Fidelity(epochs=0.5)])
    assert [s.trains for s in stages] == [False, True, True, True]
    assert stages[-1].fidelity.full
    assert len(checked([Stage(1.0)])) == 1


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([1 / 3, Stage("predictor")], "put it before"),
        ([1 / 3, 1 / 9], "must cost more"),
        (["snip"], "a stage judges by"),
        ([0.0], "share of the full budget"),
        ([True], "a stage judges by"),
        ([Cascade], "a stage judges by"),
    ],
)
def test_stages_that_cannot_be_are_refused(stages, message):
    with pytest.raises(InputError, match=message):
        Cascade(stages)


@pytest.mark.parametrize("keep", [0.0, 1.5, True, "0.3"])
def test_shares_that_cannot_be_are_refused(keep):
    with pytest.raises(InputError, match="keep must be"):
        Stage("predictor", keep=keep)


@pytest.mark.parametrize("options", [{"pool": 0}, {"explore": 1.5}, {"n_least": 1}, {"pool": 3}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        Cascade(**options)


def test_proxies_of_a_space_without_networks_are_refused_where_they_were_asked_for():
    with pytest.raises(InputError, match="space of networks"):
        Cascade([Stage("zero_cost"), 1 / 3]).check(FLAT, ONE)
    Cascade().check(FLAT, ONE)


def test_shares_of_an_unknown_budget_are_refused_where_they_were_asked_for():
    with pytest.raises(InputError, match="full_budget"):
        Cascade([1 / 3]).check_budget(None)
    Cascade().check_budget(None)
    Cascade([1 / 3]).check_budget(9.0)


def test_a_round_trains_ever_fewer_ever_longer_and_goes_on_from_their_training():
    cascade = Cascade([Stage(value, keep=0.1), 1 / 9, 1 / 3], pool=90, explore=0.0)
    history = simulate(cascade, 13)
    budgets = [t.budget for t in history.trials]
    assert budgets == [3] * 9 + [9] * 3 + [27]
    by_number = {t.number: t for t in history.trials}
    for trial in history.trials[9:]:
        assert trial.origin == "promotion"
        earlier = by_number[trial.continues]
        assert earlier.architecture == trial.architecture
        assert earlier.budget < trial.budget
    three = sorted(history.trials[1:9], key=lambda t: -t.metrics["score"])[:3]
    promoted = {t.continues for t in history.trials if t.budget == 9}
    assert len(promoted & {t.number for t in [*three, history.trials[0]]}) == 3


def test_a_good_score_gives_better_entrants_than_chance():
    chosen = simulate(Cascade([Stage(value, keep=0.1), 1 / 9, 1 / 3], pool=90), 13)
    blind = simulate(Cascade([1 / 9, 1 / 3], pool=9), 13)
    mean = [sum(value(t.architecture) for t in h.trials[1:9]) / 8 for h in (chosen, blind)]
    assert mean[0] > mean[1] + 2


def test_a_share_of_the_trained_is_drawn_at_random():
    cascade = Cascade([Stage(value, keep=0.1), 1 / 3], pool=100, explore=0.3)
    history = simulate(cascade, 10)
    assert sum(t.origin == "random" for t in history.trials[1:]) == 3


def test_a_score_that_disagrees_with_training_is_passed_over():
    cascade = Cascade([Stage(opposite, keep=0.2), 1 / 9], pool=100, explore=0.4)
    history = simulate(cascade, 70)
    (stage,) = [s for s in cascade.record(history) if s["kind"] == "cheap"]
    assert stage["agreement"] < 0
    rounds, why = stage["passed_over"]
    assert rounds >= 1
    assert "disagreed" in why
    # The first round's screening, before there were results, had nothing to compare with.
    assert history.kept.get("cascade.0")["stages"][1]["passed_over"] is None


def test_the_predictor_waits_for_results_and_then_helps():
    cascade = Cascade([Stage("predictor", keep=0.1), 1 / 9], pool=100, explore=0.1)
    history = simulate(cascade, 40)
    first, second = (history.kept.get(f"cascade.{i}")["stages"][1] for i in range(2))
    assert "are needed" in first["passed_over"]
    assert second["passed_over"] is None
    entrants = [t for t in history.trials if t.origin != "promotion"]
    mean = [
        sum(value(t.architecture) for t in part) / 10 for part in (entrants[:10], entrants[10:20])
    ]
    assert mean[1] > mean[0] + 3


def test_what_breaks_a_limit_on_costs_is_not_in_the_pool():
    objective = Objective.of(maximize="score", limits={"cost": 8})
    history = History(FLAT, objective, full_budget=9)
    history.costs = lambda architecture: {"cost": value(architecture)}
    simulate(Cascade([Stage(value, keep=0.2), 1 / 3], pool=50), 12, history=history)
    drawn = [value(t.architecture) for t in history.trials[1:] if t.origin != "promotion"]
    assert 7 <= max(drawn) <= 8


def test_a_judge_that_fails_is_passed_over_with_the_reason():
    def broken(architecture):
        raise RuntimeError("no such layer")

    cascade = Cascade([Stage(broken, keep=0.2), 1 / 3], pool=50)
    with pytest.warns(UserWarning, match="no such layer"):
        history = simulate(cascade, 12)
    (stage,) = [s for s in cascade.record(history) if s["kind"] == "cheap"]
    assert "no such layer" in stage["passed_over"][1]


def test_stages_of_one_name_are_judged_apart():
    stages = [
        Stage(lambda a: value(a), keep=0.4),
        Stage(lambda a: -value(a), keep=0.7),
        1 / 9,
    ]
    cascade = Cascade(stages, pool=40, n_least=4, explore=0.4)
    history = simulate(cascade, 70)
    _, good, bad, *_ = cascade.record(history)
    assert (good["name"], bad["name"]) == ("lambda", "lambda (2)")
    assert good["agreement"] > 0.5
    assert good["passed_over"] is None
    assert bad["agreement"] < 0
    assert bad["passed_over"] is not None
    assert Cascade([Stage(value, keep=0.5, label="pool"), 0.5], pool=9).named[0][0] == "pool (2)"


@pytest.mark.parametrize("answer", [[1.0], 5, [None] * 50, [float("nan")] * 50, None])
def test_a_judge_with_useless_answers_is_passed_over_and_said(answer):
    class Judge:
        def rank(self, space, architectures):
            return answer

    with pytest.warns(UserWarning, match="the stage 'Judge' of the cascade: it failed"):
        history = simulate(Cascade([Stage(Judge(), keep=0.2), 1 / 3], pool=50), 12)
    assert len(history) == 12


def test_stages_that_rounding_makes_equal_do_not_stop_the_cascade():
    cascade = Cascade([0.02, Fidelity(epochs=0.1, data=0.9)], pool=12)
    history = simulate(cascade, 30, full=9.0)
    assert history.best.budget == 9
    assert history.best.fidelity is None


def test_what_is_given_first_begins_as_the_others_do():
    cascade = Cascade([Stage(Fidelity(data=0.5), keep=0.3)], pool=6)
    given = [FLAT.sample(seed=i) for i in range(3)]
    history = simulate(WarmStart(cascade, given), 6, full=9.0)
    assert {t.fidelity for t in history.trials} == {Fidelity(data=0.5)}


@pytest.mark.parametrize("stages", ["zero_cost", Stage(0.5), 0.5])
def test_what_is_no_list_of_stages_is_refused(stages):
    with pytest.raises(InputError, match="list of stages"):
        Cascade(stages)


def test_the_first_network_keeps_the_limits_too():
    objective = Objective.of(maximize="score", limits={"cost": 8})
    for seed in range(10):
        history = History(FLAT, objective, full_budget=9)
        history.costs = lambda architecture: {"cost": value(architecture)}
        made = Cascade([1 / 3], pool=6).propose(history, Random(seed))
        assert value(made.architecture) <= 8


def test_the_record_of_stages():
    cascade = Cascade([Stage(value, keep=0.2), Stage("predictor", keep=0.5), 1 / 9, 1 / 3], pool=90)
    history = simulate(cascade, 26)
    record = cascade.record(history)
    assert [s["name"] for s in record] == [
        "pool",
        "value",
        "predictor",
        "training, budget 3 of 27",
        "training, budget 9 of 27",
        "training in full",
    ]
    pool, cheap, _, low, middle, full = record
    assert pool["n_out"] % 90 == 0
    assert cheap["n_in"] == pool["n_out"]
    assert cheap["n_out"] * 5 == pool["n_out"]
    assert low["n_in"] == sum(t.origin != "promotion" for t in history.trials)
    assert (middle["n_in"], full["n_in"]) == (low["n_out"], middle["n_out"])
    assert low["seconds"] == pytest.approx(sum(t.seconds for t in history.trials if t.budget == 3))
    assert cheap["n_agreement"] >= 8
    assert cheap["agreement"] > 0.3


def test_a_search_that_goes_on_from_its_record_proposes_the_same():
    def judge(architecture):
        judge.calls += 1
        return value(architecture)

    def cascade():
        return Cascade([Stage(judge, keep=0.1), 1 / 9, 1 / 3], pool=60)

    judge.calls = 0
    whole = simulate(cascade(), 30)
    part = simulate(cascade(), 11)
    n_calls = judge.calls
    again = History(FLAT, ONE, part.trials, full_budget=27.0)
    again.kept = part.kept
    simulate(cascade(), 12, history=again)
    assert judge.calls == n_calls
    # And without what was kept.
    anew = History(FLAT, ONE, part.trials, full_budget=27.0)
    simulate(cascade(), 30, history=anew)
    assert anew.trials == whole.trials


@pytest.mark.parametrize("n_workers", [1, 3])
def test_what_is_continued_was_always_among_what_is_kept(n_workers):
    cascade = Cascade([Stage(value, keep=0.2), 1 / 9, 1 / 3], pool=45)
    history = History(FLAT, ONE, full_budget=27.0)
    waiting, rng, n_continued = [], Random(0), 0
    while len(history) < 40:
        made = None
        if len(waiting) < n_workers:
            made = cascade.propose(history, Random(history.next_number))
        if made is None:
            trial = waiting.pop(rng.randrange(len(waiting)))
            history.add(finished(trial.number, trial, {"score": value(trial.architecture)}))
            kept = cascade.resumable(history)
            assert kept <= {t.number for t in history.trials}
            continue
        if made.continues is not None:
            n_continued += 1
            assert made.continues in kept
        trial = running(history.next_number, made)
        history.start(trial)
        waiting.append(trial)
    assert n_continued > 5
    # And what can no longer go on is not kept for ever.
    assert len(cascade.resumable(history)) < 15


def test_fidelities_begin_anew_and_shares_of_epochs_go_on():
    low = Fidelity(data=0.5, epochs=1 / 3)
    cascade = Cascade([low, Fidelity(epochs=0.5)], pool=6)
    history = simulate(cascade, 9, full=9.0)
    first = [t for t in history.trials if t.origin != "promotion"]
    assert {t.fidelity for t in first} == {Fidelity(data=0.5)}
    assert {t.budget for t in first} == {3}
    second = [t for t in history.trials if t.budget == 4]
    assert second
    assert all(t.continues is None and t.fidelity is None for t in second)
    third = [t for t in history.trials if t.budget == 9]
    assert all(t.continues is not None for t in third)


def test_without_budgets_the_default_trains_in_full():
    history = simulate(Cascade(), 12, full=None)
    assert {t.budget for t in history.trials} == {None}
    assert Cascade().budgets(history) == ()


def test_of_a_table_the_nearest_budget_is_taken():
    history = History(FLAT, ONE, full_budget=200, budgets=(12, 200))
    assert Cascade([1 / 9, 1 / 3]).budgets(history) == (12, 200)


def test_few_epochs_make_fewer_stages():
    history = History(FLAT, ONE, full_budget=2)
    assert Cascade().budgets(history) == (1, 2)
    assert multi_fidelity(Cascade()) is not None


def test_the_space_is_exhausted_only_after_the_best_was_trained_in_full():
    space = Space({"a": Choice(range(5))})
    history = simulate(Cascade([1 / 3], pool=20), 50, space=space, full=9.0)
    assert len(history.seen) == 5
    assert history.best.budget == 9
    assert history.best.architecture["a"] == 4


def test_another_pool_keeps_the_number_that_is_trained():
    cascade = Cascade(pool=150)
    for pool in (20, 60, 1000):
        assert cascade.with_pool(pool).n_entrants == cascade.n_entrants
    assert cascade.with_pool(1).pool == cascade.n_entrants


def test_ranks():
    assert order([1.0, float("nan"), 2.0, float("-inf")])[:2] == [2, 0]
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
    assert rank_correlation([1, 2], [1, 2]) is None


def test_trials_of_a_limit_that_was_broken_are_no_entrants():
    cascade = Cascade([1 / 3], pool=3)
    history = History(FLAT, ONE, full_budget=9)
    history.add(Trial(0, FLAT.default, "infeasible", budget=3))
    assert cascade.members(history) == [[]]
