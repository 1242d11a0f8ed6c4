import random

from archwright.report.importance import importance
from archwright.space import Branch, Choice, Decision, Integer, Real, Space, Subset
from archwright.trials import History, Objective, Result, Trial


def run(space, score, n=60, maximize=True):
    rng = random.Random(0)
    goal = {"maximize": "score"} if maximize else {"minimize": "score"}
    history = History(space, Objective.of(**goal))
    for i in range(n):
        arch = space.sample(rng=rng)
        history.add(Trial(i, arch, metrics={"score": score(arch)}))
    return importance(Result(history))


def test_the_decision_that_matters_comes_first():
    space = Space(
        {
            "width": Choice((8, 16, 32, 64)),
            "act": Choice(("relu", "gelu")),
            "bias": Choice((True, False)),
        }
    )
    found = run(space, lambda a: a["width"] + 0.01 * (a["act"] == "gelu"))
    assert found.decisions[0].path == "width"
    assert found.decisions[0].importance > 0.6
    assert abs(sum(d.importance for d in found.decisions) - 1) < 1e-9
    assert found.decisions[0].chosen == 64
    assert [v.value for v in found.decisions[0].values] == [64, 32, 16, 8]


def test_direction_is_respected():
    space = Space({"width": Choice((8, 16, 32, 64)), "act": Choice(("relu", "gelu"))})
    found = run(space, lambda a: a["width"], maximize=False)
    assert found.decisions[0].chosen == 8
    assert found.decisions[0].values[0].value == 8


def test_every_kind_of_decision_and_conditions():
    space = Space(
        [
            Decision(
                "depth",
                Integer(1, 3),
                branches=(Branch({2, 3}, (Decision("d2/k", Choice((3, 5, 7))),)),),
            ),
            Decision("lr", Real(1e-4, 1e-1, log=True)),
            Decision("inputs", Subset(4, 1, 3)),
            Decision("steps", Integer(8, 64, step=8)),
            Decision("none", Choice((None, 0.5))),
        ]
    )
    found = run(space, lambda a: a["depth"] + a.get("d2/k", 0) / 10 + a["lr"], n=200)
    assert {d.path for d in found.decisions} == set(space.paths)
    assert found.decisions[0].path in ("depth", "d2/k")


def test_too_few_trials_or_equal_ones_say_so():
    space = Space({"width": Choice((8, 16))})
    assert "fewer than 10" in run(space, lambda a: a["width"], n=5).note
    assert "same score" in run(space, lambda a: 1.0, n=20).note


def test_failed_and_unfinished_trials_are_left_out():
    space = Space({"width": Choice((8, 16))})
    history = History(space, Objective.of(maximize="score"))
    for i in range(30):
        history.add(Trial(i, space.default, "failed", error="x"))
    assert importance(Result(history)).decisions == ()
