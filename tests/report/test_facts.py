import itertools
import math
import statistics

import pytest

from archwright.report import facts
from archwright.space import Choice, Space
from archwright.trials import Baseline, Fidelity, Final, History, Objective, Result, Trial
from tests.report import samples


def simple(values, *, maximize=True, origin="random", strategy="evolution", **info):
    space = Space({"width": Choice(tuple(range(max(len(values), 2))))})
    name = {"maximize": "accuracy"} if maximize else {"minimize": "loss"}
    metric = "accuracy" if maximize else "loss"
    history = History(space, Objective.of(**name))
    for i, v in enumerate(values):
        arch = space.check({"width": i})
        history.add(Trial(i, arch, metrics={metric: v}, origin=origin))
    return Result(history, {"seed": 0, "strategy": strategy, **info})


@pytest.mark.parametrize("maximize", [True, False])
def test_expected_best_is_the_mean_over_all_draws(maximize):
    values = [0.3, 0.9, 0.9, -1.0, 0.2, 0.5]
    best = max if maximize else min
    for n, expected in facts.expected_best(values, maximize):
        mean = statistics.mean(best(draw) for draw in itertools.combinations(values, n))
        assert expected == pytest.approx(mean)


def test_expected_best_of_many_values_at_some_numbers_only():
    values = [float(i % 977) for i in range(5000)]
    line = facts.expected_best(values, at=[1, 50, 5000])
    assert [n for n, _ in line] == [1, 50, 5000]
    assert line[0][1] == pytest.approx(statistics.mean(values))
    assert line[-1][1] == 976


def test_a_measured_random_line_goes_before_an_estimate():
    result = simple([0.1, 0.2, 0.3, 0.4], random_line=[[1, 0.2], [2, 0.25]], random_note="run")
    line = facts.random_line(result)
    assert line.measured
    assert line.note == "run"
    assert line.at(2) == 0.25
    assert line.at(1.5) == 0.2
    assert line.at(3) is None


def test_an_estimate_needs_three_random_trials():
    assert facts.random_line(simple([0.1, 0.2])) is None
    assert not facts.random_line(simple([0.1, 0.2, 0.4])).measured
    assert facts.random_line(simple([0.1, 0.2, 0.3, 0.4], origin="mutation")) is None


def test_no_better_than_random_search_is_said():
    result = simple([0.5, 0.4, 0.3], random_line=[[1, 0.5], [3, 0.6]])
    assert facts.random_verdict(result).endswith("no better than random search.")
    assert facts.random_verdict(simple([0.5, 0.4, 0.3], strategy="random")) is None


def test_an_estimate_from_the_search_itself_compares_nothing():
    assert "drawn at random" in facts.random_verdict(simple([0.5, 0.4, 0.3, 0.2]))
    result = simple([0.5, 0.4, 0.3, 0.2, 0.1])
    first = result.space.check({"width": 0})
    better = Trial(5, first, metrics={"accuracy": 0.9}, origin="mutation")
    history = History(result.space, result.objective, [*result.trials, better])
    assert "too short" in facts.random_verdict(Result(history, result.info))


def judged(test, interval, rival, *, maximize=True):
    result = simple([0.9, 0.8] if maximize else [0.1, 0.2], maximize=maximize)
    metric = "accuracy" if maximize else "loss"
    best = result.best
    result.finals = [Final(best.number, best.architecture, {metric: test}, interval)]
    result.baselines = [Baseline("forest", {metric: 0.5}, {metric: rival})]
    return facts.verdict(result)


@pytest.mark.parametrize(
    ("test", "interval", "rival", "kind"),
    [
        (0.95, (0.93, 0.97), 0.90, "ahead"),
        (0.95, (0.93, 0.97), 0.94, "even"),
        (0.95, (0.93, 0.97), 0.96, "even"),
        (0.95, (0.93, 0.97), 0.98, "behind"),
        (0.95, None, 0.94, "ahead"),
        (0.95, None, 0.951, "behind"),
        (0.95, None, 0.95, "even"),
    ],
)
def test_verdicts(test, interval, rival, kind):
    found = judged(test, interval, rival)
    assert found.kind == kind
    assert "forest" in found.text
    if kind == "behind":
        assert found.text.startswith("The search did not beat the best baseline")


def test_verdict_when_smaller_is_better():
    assert judged(0.1, None, 0.2, maximize=False).kind == "ahead"
    assert judged(0.3, None, 0.2, maximize=False).kind == "behind"


def test_without_a_test_the_validation_figures_are_compared():
    result = simple([0.9, 0.8])
    result.baselines = [Baseline("forest", {"accuracy": 0.95})]
    assert facts.verdict(result).kind == "behind"
    assert "validation" in facts.verdict(result).text


def test_no_baseline_no_verdict():
    assert facts.verdict(simple([0.9])).kind == "unknown"
    assert facts.verdict(simple([0.9], origin="default")).kind == "unknown"


def test_the_default_network_is_a_baseline():
    result = samples.mobile_result()
    assert any(b.name == "default network" for b in facts.baselines(result))
    assert "better than the space's default network" in facts.default_verdict(result)
    best = simple([0.9], origin="default")
    assert "gained nothing" in facts.default_verdict(best)


def test_failures_of_one_kind_are_one_group():
    groups = facts.failures(samples.mobile_result())
    assert len(groups) == 2
    assert len(groups[0].numbers) > 1
    assert groups[0].message.startswith("RuntimeError: mat1 and mat2")
    assert groups[0].detail.startswith("Traceback")


def test_limits_that_turned_architectures_away():
    ((limit, n),) = facts.limits_broken(samples.nothing_result())
    assert limit == "parameters ≤ 100"
    assert n == 12


def test_phases_add_up_to_the_whole():
    result = samples.mobile_result()
    found = dict(facts.phases(result))
    assert math.isclose(sum(found.values()), result.info["seconds"])
    assert found["final training"] == 61.2


def test_what_was_not_tried():
    said = " ".join(facts.not_tried(samples.mobile_result()))
    assert "One training recipe" in said
    assert "estimate" in said
    everything = simple([0.1, 0.2, 0.3])
    assert "Every one of the 3 architectures" in facts.not_tried(everything)[0]


def test_summary_when_nothing_was_found():
    rows = dict(facts.summary(samples.nothing_result()))
    assert "keeps the limits" in rows["Found"]


def test_best_so_far_ignores_failed_infeasible_and_worse():
    result = samples.mobile_result()
    best = facts.best_so_far(result)
    values = [t.metrics["accuracy"] for _, t in best]
    assert values == sorted(values)
    assert best[-1][1] is result.best


def test_limits_are_held_against_validation_and_test():
    result = samples_with_limits({"accuracy": (0.9, math.inf), "params": 60.0}, test=0.85)
    assert facts.limits_text(result) == (
        "accuracy >= 0.9: 0.9500 on validation, 0.8500 on test, which breaks it; params <= 60: 50"
    )
    assert ("Limits", facts.limits_text(result)) in facts.summary(result)
    # What the plan added was not asked for.
    result.info["identity"] = {"limits": ["params <= 60"]}
    assert facts.limits_text(result) == "params <= 60: 50"
    assert facts.limits_text(simple([0.5])) == ""


def samples_with_limits(limits, *, test):
    space = Space({"width": Choice((1, 2))})
    history = History(space, Objective.of(maximize="accuracy", limits=limits))
    history.add(Trial(0, space.default, metrics={"accuracy": 0.95, "params": 50.0}))
    final = Final(trial=0, architecture=space.default, test={"accuracy": test})
    return Result(history, {"seed": 0, "strategy": "random"}, finals=[final])


def test_figures_of_low_fidelity_are_said_to_be_such():
    space = Space({"width": Choice((16, 32))})
    objective = Objective.of(maximize="accuracy")
    low = Trial(0, space.default, metrics={"accuracy": 0.5}, fidelity=Fidelity(data=0.5))
    result = Result(History(space, objective, [low]))
    assert "data 50 %" in facts.low_fidelity(result)
    assert "data 50 %" in facts.origin_of(result, low)
    full = Trial(1, space.sample(seed=1), metrics={"accuracy": 0.4})
    both = Result(History(space, objective, [low, full]))
    assert facts.low_fidelity(both) is None
    assert not facts.comparable(both, low)
