import pickle

import optuna
import pytest

from archwright.errors import InputError, UnknownNameError
from archwright.runs import search
from archwright.space import Choice, Space
from archwright.strategies.stopping import MedianStopping, as_stopping
from archwright.trials import History, Objective, Trial

SPACE = Space({"a": Choice(range(10)), "b": Choice(range(10))})
UP = Objective.of(maximize="score")


def trial(number, values, state="complete"):
    curve = tuple({"step": i, "score": v} for i, v in enumerate(values, start=1))
    metrics = {"score": values[-1]} if state == "complete" else {}
    return Trial(number, SPACE.sample(seed=number), state, metrics=metrics, curve=curve)


def points(*values):
    return [{"step": i, "score": v} for i, v in enumerate(values, start=1)]


def test_the_median_rule_by_hand():
    others = [trial(0, [0.0, 2.0, 4.0]), trial(1, [2.0, 2.0, 2.0]), trial(2, [4.0, 6.0, 8.0])]
    judge = MedianStopping(n_trials=3).prepare(
        History(SPACE, UP, others), Trial(3, SPACE.default, "running")
    )
    judge = pickle.loads(pickle.dumps(judge))
    # Running averages up to step 2: 1, 2 and 5; the best so far counts, not the last.
    assert judge(points(2.0, 0.0)) is None
    assert judge(points(1.9, 1.8)).startswith("score is at best 1.9 up to step 2")
    assert judge(points(0.0, 0.0, 0.0, 0.0)) is None  # past the others' end nothing is known
    assert judge([{"step": 2, "loss": 1.0}]) is None


def test_the_median_rule_minimises_too_and_waits():
    down = Objective.of(minimize="score")
    history = History(SPACE, down, [trial(i, [1.0, 1.0]) for i in range(5)])
    running = Trial(5, SPACE.default, "running")
    judge = MedianStopping().prepare(history, running)
    assert judge(points(0.9)) is None
    assert judge(points(1.1)) is not None
    assert MedianStopping(n_steps=2).prepare(history, running)(points(1.1)) is None
    assert MedianStopping(n_trials=6).prepare(history, running) is None


def evaluate(candidate):
    level = candidate.architecture["a"]
    for step in range(1, 6):
        candidate.report(step, score=level * step)
    return {"score": 5.0 * level}


@pytest.mark.parametrize(
    "stopping",
    ["median", optuna.pruners.MedianPruner(n_startup_trials=3), optuna.pruners.HyperbandPruner()],
)
def test_a_search_stops_what_is_not_worth_it(stopping):
    def run():
        return search(
            SPACE, evaluate, maximize="score", strategy="random", stopping=stopping, trials=40
        )

    result = run()
    pruned = [t for t in result.trials if t.state == "pruned"]
    assert 5 <= len(pruned) <= 35
    assert all(0 < len(t.curve) <= 5 for t in pruned)
    assert all("step" in t.error for t in pruned)
    assert result.best.architecture["a"] == 9
    assert [t.state for t in run().trials] == [t.state for t in result.trials]


@pytest.mark.integration
def test_a_judge_travels_to_a_worker():
    result = search(
        SPACE,
        evaluate,
        maximize="score",
        strategy="random",
        stopping=optuna.pruners.SuccessiveHalvingPruner(),
        trials=12,
        workers=1,
    )
    assert any(t.state == "pruned" for t in result.trials)


def test_what_is_no_rule_is_refused():
    assert as_stopping(None) is None
    with pytest.raises(UnknownNameError, match="median"):
        as_stopping("mediam")
    with pytest.raises(InputError, match="class"):
        as_stopping(MedianStopping)
    with pytest.raises(InputError, match="Optuna pruner"):
        as_stopping(object())
    with pytest.raises(InputError, match="n_trials"):
        MedianStopping(n_trials=0)
    for stopping in ("median", optuna.pruners.NopPruner()):
        with pytest.raises(InputError, match="early stopping judges by one metric"):
            search(
                SPACE,
                evaluate,
                maximize="score",
                minimize="cost",
                strategy="random",
                stopping=stopping,
                trials=3,
            )
