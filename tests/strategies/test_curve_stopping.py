import pickle
import warnings

import numpy as np
import optuna
import pytest

from archwright.errors import InputError, UnknownNameError
from archwright.runs import search
from archwright.space import Choice, Space
from archwright.strategies.curve_stopping import CurveStopping, _is_due, _probability
from archwright.strategies.stopping import as_stopping
from archwright.trials import History, Objective, Trial

SPACE = Space({"a": Choice(range(10)), "b": Choice(range(10))})
UP = Objective.of(maximize="score")
N = 20


def curve(level, sign=1.0, n=N):
    """Nearly the same at first; what is better rises more slowly and for longer."""
    return tuple({"step": i, "score": sign * (level - 0.5 * i**-0.5)} for i in range(1, n + 1))


def finished(number, level, sign=1.0, budget=None, **more):
    points = curve(level, sign)
    metrics = {"score": points[-1]["score"]}
    architecture = SPACE.sample(seed=number)
    return Trial(number, architecture, metrics=metrics, curve=points, budget=budget, **more)


def history(levels, objective=UP, sign=1.0, **more):
    trials = [finished(i, level, sign, **more) for i, level in enumerate(levels)]
    return History(SPACE, objective, trials)


RUNNING = Trial(99, SPACE.default, "running")
LEVELS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85]


def verdicts(judge, points):
    return [judge(points[: i + 1]) for i in range(len(points))]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_will_end_below_the_best_is_stopped_and_nothing_else(sign):
    goal = UP if sign > 0 else Objective.of(minimize="score")
    judge = CurveStopping().prepare(history(LEVELS, goal, sign), RUNNING)
    judge = pickle.loads(pickle.dumps(judge))
    poor = verdicts(judge, curve(0.6, sign))
    assert poor[:2] == [None, None]  # before n_steps nothing is stopped
    assert poor[2].startswith("score is predicted to end at")
    assert "after step 3" in poor[2]
    assert verdicts(judge, curve(0.9, sign)) == [None] * N
    # At the best already: never stopped, whatever is predicted.
    ahead = [{"step": i, "score": sign * 0.8} for i in range(1, 4)]
    assert judge(ahead) is None
    assert judge([*curve(0.6, sign)[:2], {"step": 3, "loss": 1.0}]) is None


def test_the_rank_th_best_is_enough():
    known = history(LEVELS)
    points = curve(0.72)
    assert any(verdicts(CurveStopping().prepare(known, RUNNING), points))
    lenient = CurveStopping(rank=4).prepare(known, RUNNING)  # the fourth best is at 0.7
    assert not any(verdicts(lenient, points))
    assert "4. best" in lenient(curve(0.5)[:3])


def test_a_lower_threshold_stops_later_or_not_at_all():
    rng = np.random.default_rng(0)
    known = History(SPACE, UP)
    for i, level in enumerate(rng.uniform(0.5, 0.9, 12)):
        points = curve(level)
        metrics = {"score": points[-1]["score"] + 0.1 * rng.normal()}
        known.add(Trial(i, SPACE.sample(seed=i), metrics=metrics, curve=points))
    points = curve(0.75)
    times = []
    for threshold in (0.5, 0.2, 1e-9):
        found = verdicts(CurveStopping(threshold=threshold).prepare(known, RUNNING), points)
        times.append(next((i for i, why in enumerate(found) if why), N))
    assert times == sorted(times)
    assert times[0] < times[-1] == N


def test_it_waits_for_finished_trials_of_the_same_budget():
    rule = CurveStopping(n_trials=5)
    assert rule.prepare(history(LEVELS[:4]), RUNNING) is None
    assert rule.prepare(history(LEVELS[:5]), RUNNING) is not None
    small = history(LEVELS, budget=3)
    assert rule.prepare(small, RUNNING) is None
    running = Trial(99, SPACE.default, "running", budget=3)
    assert rule.prepare(small, running) is not None
    going_on = Trial(99, SPACE.default, "running", budget=3, continues=0)
    assert rule.prepare(small, going_on) is None
    # It reads on where it stopped reading.
    growing = history(LEVELS[:4])
    assert rule.prepare(growing, RUNNING) is None
    growing.add(finished(4, 0.9))
    assert rule.prepare(growing, RUNNING) is not None


def test_trials_that_failed_were_stopped_or_have_no_curve_do_not_teach():
    known = history(LEVELS[:4])
    known.add(Trial(4, SPACE.sample(seed=4), "failed", error="no"))
    known.add(Trial(5, SPACE.sample(seed=5), "pruned", curve=curve(0.9)[:3]))
    known.add(Trial(6, SPACE.sample(seed=6), metrics={"score": 0.9}))
    rule = CurveStopping(n_trials=5)
    assert rule.prepare(known, RUNNING) is None
    known.add(finished(7, 0.6))
    # The trial without a curve is no target either: it may have been judged otherwise.
    assert rule.prepare(known, RUNNING).target == pytest.approx(curve(0.65)[-1]["score"])


def test_when_it_is_asked():
    assert [n for n in range(1, 40) if _is_due(n, 3)] == [
        3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33,
    ]  # fmt: skip
    assert _probability(0.0, 1.0) == 0.5
    assert _probability(1.645, 1.0) == pytest.approx(0.95, abs=1e-3)
    assert (_probability(-1.0, 0.0), _probability(1.0, 0.0)) == (0.0, 1.0)
    assert _probability(-1.0, np.inf) == 0.5


def evaluate(candidate):
    level = candidate.architecture["a"]
    for point in curve(level):
        candidate.report(**point)
    return {"score": point["score"]}


@pytest.mark.parametrize("method", ["auto", "last_value", "pow3"])
def test_a_search_stops_what_is_not_worth_it(method):
    def run(stopping):
        return search(
            SPACE, evaluate, maximize="score", strategy="random", stopping=stopping, trials=40
        )

    result, plain = run(CurveStopping(method=method)), run(None)
    pruned = [t for t in result.trials if t.state == "pruned"]
    assert len(pruned) >= 15
    assert all("probability" in t.error for t in pruned)
    assert result.best.architecture["a"] == plain.best.architecture["a"] == 9
    spent = sum(len(t.curve) for t in result.trials)
    assert spent < 0.7 * sum(len(t.curve) for t in plain.trials)
    again = run(CurveStopping(method=method))
    assert [t.state for t in again.trials] == [t.state for t in result.trials]


@pytest.mark.integration
def test_a_judge_travels_to_a_worker():
    result = search(
        SPACE,
        evaluate,
        maximize="score",
        strategy="random",
        stopping="curve",
        trials=16,
        workers=1,
    )
    assert any(t.state == "pruned" for t in result.trials)


def test_it_has_a_name_and_refuses_what_cannot_be():
    assert as_stopping("curve") == CurveStopping()
    with pytest.raises(UnknownNameError, match="curve"):
        as_stopping("curves")
    for options, message in (
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": "low"}, "threshold"),
        ({"n_trials": 3}, "at least 4"),
        ({"rank": 0}, "rank"),
        ({"n_steps": 0}, "n_steps"),
        ({"method": "guess"}, "guess"),
    ):
        with pytest.raises(InputError, match=message):
            CurveStopping(**options)
    with pytest.raises(InputError, match="one metric"):
        CurveStopping().check(Objective.of(maximize="score", minimize="cost"))


@pytest.mark.parametrize("stopping", ["curve", "median", optuna.pruners.MedianPruner()])
def test_a_rule_that_has_nothing_to_judge_by_says_so_once(stopping):
    def run(evaluate):
        search(SPACE, evaluate, maximize="score", strategy="random", stopping=stopping, trials=9)

    with pytest.warns(UserWarning, match=r"reports no curve.*candidate.report") as said:
        run(lambda candidate: {"score": 1.0 * candidate.architecture["a"]})
    assert len(said) == 1

    def reports_another(candidate):
        candidate.report(1, loss=0.5)
        return {"score": 1.0}

    with pytest.warns(UserWarning, match="reports loss only"):
        run(reports_another)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(evaluate)


def with_losses(points, factor=1.0):
    return tuple({**p, "train_loss": factor / p["step"]} for p in points)


def test_where_a_method_cannot_judge_the_trial_runs_on():
    with pytest.raises(InputError, match="at least 5 finished curves"):
        CurveStopping(method="lc_svr", n_trials=4)
    # Of eight finished curves four came as far: lc_svr needs five.
    known = History(SPACE, UP)
    for i, level in enumerate(LEVELS):
        points = curve(level, n=N if i < 4 else 3)
        known.add(Trial(i, SPACE.sample(seed=i), metrics={"score": level}, curve=points))
    judge = CurveStopping(method="lc_svr").prepare(known, RUNNING)
    assert verdicts(judge, curve(0.3))[3:] == [None] * (N - 3)
    judge = CurveStopping(method="lc_svr").prepare(history(LEVELS), RUNNING)
    assert any(verdicts(judge, curve(0.3)))


@pytest.mark.parametrize("method", ["sotl", "sotl_e"])
def test_sums_of_losses_that_nobody_reports_warn_and_stop_nothing(method):
    known = history(LEVELS)
    with pytest.warns(UserWarning, match="train_loss"):
        judge = CurveStopping(method=method).prepare(known, RUNNING)
    assert verdicts(judge, curve(0.3)) == [None] * N
    CurveStopping(method=method).prepare(known, RUNNING)  # once a search


def test_sums_of_losses_stop_where_they_are_reported():
    known = History(SPACE, UP)
    for i, level in enumerate(LEVELS):
        points = with_losses(curve(level), 1 - level)
        metrics = {"score": points[-1]["score"]}
        known.add(Trial(i, SPACE.sample(seed=i), metrics=metrics, curve=points))
    judge = CurveStopping(method="sotl").prepare(known, RUNNING)
    assert any(verdicts(judge, with_losses(curve(0.3), 0.7)))
    assert verdicts(judge, curve(0.3)) == [None] * N  # this one does not report them


def test_curves_whose_steps_go_back_are_neither_judged_nor_learnt_from():
    known = history(LEVELS)
    twice = [*curve(0.3), *curve(0.3)]
    judge = CurveStopping().prepare(known, RUNNING)
    assert any(verdicts(judge, twice[:N]))
    assert verdicts(judge, twice)[N:] == [None] * N
    for i in range(20, 40):
        points = (*curve(0.1), *curve(0.9))
        known.add(Trial(i, SPACE.sample(seed=i), metrics={"score": 0.1}, curve=points))
    assert len(CurveStopping().prepare(known, RUNNING).curves) == len(LEVELS)
