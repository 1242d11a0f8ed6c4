import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import InfeasibleError, InputError
from archwright.space import Architecture, Choice, Space
from archwright.trials import (
    Final,
    History,
    Limit,
    Objective,
    Result,
    Trial,
    dominates,
    hypervolume,
    pareto_front,
)

SPACE = Space({"width": Choice((16, 32, 64))})
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), max_size=25)


def _arch(width):
    return SPACE.check({"width": width})


def test_objective_reads_its_arguments():
    objective = Objective.of(
        maximize="accuracy", minimize=["params", "flops"], limits={"params": 5e4, "f1": (0.5, 1.0)}
    )
    assert [str(goal) for goal in objective.goals] == [
        "maximize accuracy",
        "minimize params",
        "minimize flops",
    ]
    assert objective.metrics == ("accuracy", "params", "flops", "f1")
    assert not objective.single
    assert objective.broken({"params": 6e4, "f1": 0.4}) == [
        "params is 60000, the limit is params <= 50000",
        "f1 is 0.4, the limit is 0.5 <= f1 <= 1",
    ]
    assert objective.violation({"params": 1e5}) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "nothing to optimise"),
        ({"maximize": "a", "minimize": "a"}, "more than once"),
        ({"maximize": 3}, "maximize"),
        ({"maximize": [""]}, "maximize"),
        ({"maximize": "a", "limits": {"b": "50k"}}, "'b'"),
        ({"maximize": "a", "limits": {"b": math.nan}}, "not a number"),
        ({"maximize": "a", "limits": {"b": (2, 1)}}, "impossible"),
        ({"maximize": "a", "limits": {"b": True}}, "'b'"),
    ],
)
def test_objective_refuses(arguments, word):
    with pytest.raises(InputError, match=word):
        Objective.of(**arguments)


def test_limits_are_inclusive_and_nan_breaks_them():
    limit = Limit("params", high=10)
    assert limit.holds(10)
    assert not limit.holds(10.1)
    assert not limit.holds(math.nan)
    assert limit.excess(math.nan) == math.inf


@given(POINTS)
def test_front_is_what_no_point_dominates(points):
    front = [points[i] for i in pareto_front(points)]
    assert set(front) == {p for p in points if not any(dominates(q, p) for q in points)}
    assert len(front) == len(set(front))


@given(POINTS)
def test_front_of_two_objectives_agrees_with_the_general_way(points):
    pairs = [p[:2] for p in points]
    flat = [(a, b, 0) for a, b in pairs]
    assert [pairs[i] for i in pareto_front(pairs)] == [pairs[i] for i in pareto_front(flat)]


@given(POINTS)
def test_hypervolume_counts_unit_cubes(points):
    cubes = {
        (x, y, z) for p in points for x in range(p[0]) for y in range(p[1]) for z in range(p[2])
    }
    assert hypervolume(points, (0, 0, 0)) == len(cubes)


def test_history_keeps_best_front_and_closest():
    objective = Objective.of(maximize="accuracy", minimize="params", limits={"params": 100})
    history = History(SPACE, objective)
    history.start(Trial(0, _arch(16), "running"))
    assert not history.is_new(_arch(16))
    assert history.next_number == 1
    history.add(Trial(0, _arch(16), metrics={"accuracy": 0.8, "params": 50}))
    history.add(Trial(1, _arch(32), metrics={"accuracy": 0.9, "params": 90}))
    history.add(Trial(2, _arch(64), "infeasible", metrics={"params": 120}))
    assert history.running == {}
    assert history.best.number == 1
    assert [t.number for t in history.front] == [1, 0]
    assert history.closest.number in (0, 1)
    assert history.scores == [0.8, 0.9]
    with pytest.raises(InputError, match="not finished"):
        history.add(Trial(3, _arch(16), "running"))


def test_best_without_any_says_what_came_closest():
    objective = Objective.of(maximize="accuracy", limits={"params": 100})
    history = History(SPACE, objective, [Trial(0, _arch(16), "infeasible", {"params": 150})])
    with pytest.raises(InfeasibleError, match="params is 150") as caught:
        _ = Result(history).best
    assert caught.value.closest.number == 0
    failed = History(SPACE, objective, [Trial(0, _arch(16), "failed", error="Boom: at once")])
    with pytest.raises(InfeasibleError, match="Boom"):
        _ = Result(failed).best


def test_trial_and_final_round_trip():
    trial = Trial(
        3,
        Architecture({"op": "conv", "inputs": (0, 2)}),
        "failed",
        {"params": 3.0},
        ({"step": 1, "loss": 0.5},),
        budget=3.0,
        error="x",
        parent=1,
    )
    assert Trial.from_dict(trial.to_dict()) == trial
    final = Final(3, trial.architecture, {"accuracy": 0.9}, (0.8, 0.95), notes=("a",))
    assert Final.from_dict(final.to_dict()) == final


def test_frame_has_a_row_a_trial():
    objective = Objective.of(maximize="accuracy")
    trials = [
        Trial(1, _arch(32), "failed", error="no"),
        Trial(0, _arch(16), metrics={"accuracy": 1.0}),
    ]
    frame = Result(History(SPACE, objective, trials)).frame()
    assert list(frame["number"]) == [0, 1]
    assert list(frame["width"]) == [16, 32]
    assert frame["accuracy"].isna().tolist() == [False, True]


def test_result_without_a_network_says_how_to_get_one(tmp_path):
    result = Result(History(SPACE, Objective.of(maximize="a")))
    with pytest.raises(InputError, match=r"candidate\.save"):
        result.export(tmp_path / "x")


def test_equals_are_told_apart_by_loss():
    history = History(SPACE, Objective.of(maximize="accuracy"))
    for number, (accuracy, loss) in enumerate([(0.9, 0.5), (1.0, 0.4), (1.0, 0.2), (1.0, 0.2)]):
        history.add(Trial(number, _arch(16), metrics={"accuracy": accuracy, "loss": loss}))
    assert history.best.number == 2
    assert [t.number for t in history.ranking] == [2, 3, 1, 0]


def test_records_of_before_trials_could_continue_others():
    space = Space({"a": Choice((1, 2))})
    trial = Trial(1, space.default, budget=3, continues=0, note="a note")
    assert Trial.from_dict(trial.to_dict()) == trial
    old = {k: v for k, v in trial.to_dict().items() if k not in ("continues", "note")}
    assert Trial.from_dict(old).continues is None
