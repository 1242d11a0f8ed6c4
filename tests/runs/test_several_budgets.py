import shutil

import pytest

from archwright.errors import InputError
from archwright.evaluators import Train
from archwright.runs import load, search
from archwright.runs.loop import Clock, Loop
from archwright.space import Choice, Space
from archwright.strategies import ASHA, STRATEGIES, multi_fidelity
from archwright.tasks import Task
from archwright.trials import History, Objective, Proposal, Trial

SPACE = Space({"a": Choice(range(20)), "b": Choice(range(20))})


class Steps:
    """Counts its steps in the checkpoint, as training would; remembers what it was asked."""

    full_budget = 9

    def __init__(self, *, fail_at=None):
        self.made = []
        self.fail_at = fail_at

    def evaluate(self, candidate):
        state = candidate.load_checkpoint() or {"steps": 0}
        first = state["steps"]
        if len(self.made) == self.fail_at:
            self.fail_at = None
            raise KeyboardInterrupt
        for step in range(first + 1, int(candidate.budget) + 1):
            candidate.report(step, score=1.0)
        candidate.save_checkpoint({"steps": int(candidate.budget)})
        self.made.append(candidate.budget - first)
        return {"score": sum(candidate.architecture.values()) + candidate.budget / 100}


def run(evaluator, **options):
    return search(SPACE, evaluator, **{"maximize": "score", "strategy": "asha", **options})


def folders(path):
    return {int(p.name) for p in (path / "checkpoints").iterdir()}


def test_promoted_trials_make_the_difference_alone():
    evaluator = Steps()
    result = run(evaluator, trials=30)
    by_number = {t.number: t for t in result.trials}
    for trial, made in zip(result.trials, evaluator.made, strict=True):
        before = 0 if trial.continues is None else by_number[trial.continues].budget
        assert made == trial.budget - before
        assert len(trial.curve) == made
        assert trial.note is None
    assert {t.budget for t in result.trials} == {1, 3, 9}
    assert result.best.budget == 9


@pytest.mark.parametrize("strategy", ["asha", "hyperband", "successive_halving", "bohb"])
def test_only_checkpoints_that_may_be_needed_are_kept(tmp_path, strategy):
    result = run(Steps(), trials=40, strategy=strategy, out=tmp_path)
    assert result.info["strategy"] == strategy
    wanted = STRATEGIES[strategy]().resumable(result.history)
    # ASHA wants more back as a rung grows; what is gone stays gone.
    assert folders(tmp_path) <= wanted if strategy == "asha" else folders(tmp_path) == wanted
    assert 0 < len(folders(tmp_path)) < 25
    for number in folders(tmp_path):
        assert (tmp_path / "checkpoints" / f"{number:05d}" / "checkpoint.pt").exists()


def test_a_missing_or_damaged_checkpoint_trains_anew_and_says_so(tmp_path):
    run(Steps(), trials=4, out=tmp_path)
    kept = folders(tmp_path)
    for number in kept:
        shutil.rmtree(tmp_path / "checkpoints" / f"{number:05d}")
    evaluator = Steps()
    result = run(evaluator, trials=8, out=tmp_path)
    noted = [t for t in result.trials if t.note]
    assert noted
    assert all("the checkpoint of trial" in t.note and "missing" in t.note for t in noted)
    for number in folders(tmp_path):
        (tmp_path / "checkpoints" / f"{number:05d}/checkpoint.pt").write_bytes(b"not torch's")
    result = run(Steps(), trials=14, out=tmp_path)
    assert any("cannot be read" in (t.note or "") for t in result.trials)
    assert [t.note for t in load(tmp_path).trials] == [t.note for t in result.trials]


@pytest.mark.parametrize("fail_at", [2, 4, 9, 13])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not(tmp_path, fail_at):
    whole = run(Steps(), trials=20)
    evaluator = Steps(fail_at=fail_at)
    with_out = {"trials": 20, "out": tmp_path}
    assert run(evaluator, **with_out).info["stopped"] == "interrupted"
    result = run(evaluator, **with_out)

    def told(result):
        return [(t.number, t.architecture, t.budget, t.continues, t.note) for t in result.trials]

    assert told(result) == told(whole)
    assert len(evaluator.made) == 20


def test_an_evaluator_without_budgets_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="give the strategy max_budget="):
        run(lambda candidate: 1.0, out=tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
    result = run(lambda candidate: candidate.budget, strategy=ASHA(max_budget=9), trials=20)
    assert result.best.budget == 9


def test_more_for_a_known_architecture_is_taken_and_less_is_not():
    class Again:
        def __init__(self, budgets, continues=None):
            self.budgets, self.continues = budgets, continues

        def propose(self, history, rng):
            n = len(history)
            if n >= len(self.budgets):
                return None
            return Proposal(SPACE.default, self.budgets[n], continues=self.continues if n else None)

    result = run(lambda candidate: candidate.budget, strategy=Again([1, 2, None]))
    assert [t.budget for t in result.trials] == [1, 2, None]
    assert multi_fidelity(Again([])) is None
    with pytest.raises(InputError, match="evaluated already"):
        run(lambda candidate: candidate.budget, strategy=Again([2, 2]))
    with pytest.raises(InputError, match="continue trial 7"):
        run(lambda candidate: candidate.budget, strategy=Again([1, 2], continues=7))


def test_what_would_not_end_in_time_is_not_begun():
    class Stopped(Clock):
        def now(self):
            return self.before

    history = History(SPACE, Objective.of(maximize="score"), full_budget=9)
    loop = Loop(history, ASHA(), Steps(), n_trials=9, deadline=10.0, clock=Stopped())
    assert loop.run() == "all trials done"
    loop._durations = [2.0]  # seconds for one unit of budget
    last = history.trials[-1]
    longer = Trial(9, last.architecture, "running", budget=last.budget + 4, continues=last.number)
    assert not loop._too_long(longer)
    loop.clock.before = 2.5
    assert loop._too_long(longer)
    assert not loop._too_long(Trial(9, SPACE.default, "running", budget=3))
    loop.n_trials = None
    loop.clock.before = 8.5  # not even the smallest budget would do
    assert loop._spent() == "time is up"


@pytest.mark.integration
def test_training_goes_on_in_a_worker(tmp_path):
    task = Task.load("iris")
    result = search(
        "mlp",
        Train(task, epochs=6),
        strategy=ASHA(min_budget=2),
        trials=8,
        workers=1,
        out=tmp_path,
        final=False,
        baselines=False,
    )
    promoted = [t for t in result.trials if t.continues is not None]
    assert promoted
    assert all(t.note is None for t in promoted)
    assert all(t.curve[0]["step"] == 2 for t in promoted)  # where the rate began to fall
    assert all(t.curve[-1]["step"] == 6 for t in promoted)
    assert result.best.budget == 6
