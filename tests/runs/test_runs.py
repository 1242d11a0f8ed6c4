import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from archwright.errors import InfeasibleError, InputError, LedgerError
from archwright.evaluators import Table
from archwright.runs import load, resume, search
from archwright.space import Choice, Real, Space
from archwright.strategies import RegularizedEvolution
from archwright.trials import Proposal

SPACE = Space({f"d{i}": Choice(range(4)) for i in range(4)})


def _sum(candidate):
    return float(sum(candidate.architecture.values()))


def _scored(result):
    return [(t.number, dict(t.architecture), t.metrics, t.seed) for t in result.trials]


def test_a_function_is_an_evaluator():
    result = search(SPACE, _sum, maximize="score", trials=30, seed=3)
    assert len(result.trials) == 30
    assert result.best.metrics["score"] == max(t.metrics["score"] for t in result.trials)
    assert result.info["stopped"] == "all trials done"
    assert result.n_failed == 0


@pytest.mark.parametrize("strategy", ["random", "evolution", "local", "grid"])
def test_the_same_seed_gives_the_same_search(strategy):
    runs = [
        search(SPACE, _sum, maximize="score", trials=40, seed=5, strategy=strategy) for _ in "ab"
    ]
    assert _scored(runs[0]) == _scored(runs[1])
    if strategy != "grid":
        other = search(SPACE, _sum, maximize="score", trials=40, seed=6, strategy=strategy)
        assert _scored(other) != _scored(runs[0])


def test_an_exhausted_space_ends_the_search():
    result = search(SPACE, _sum, maximize="score", trials=1000)
    assert len(result.trials) == 256
    assert result.info["stopped"] == "the space is exhausted"
    assert search(SPACE, _sum, maximize="score").best.metrics["score"] == 12.0


def test_what_goes_wrong_is_a_failed_trial():
    def evaluate(candidate):
        report = candidate.architecture["d0"]
        candidate.report(1, score=0.5)
        if report == 1:
            raise RuntimeError("boom")
        if report == 2:
            return math.nan
        if report == 3:
            raise MemoryError
        return 1.0

    result = search(SPACE, evaluate, maximize="score", trials=60, strategy="random")
    kinds = {t.architecture["d0"]: t for t in result.trials}
    assert "RuntimeError: boom" in kinds[1].error
    assert "evaluate" in kinds[1].error  # where in the user's function
    assert "NotFinite" in kinds[2].error
    assert "OutOfMemory" in kinds[3].error
    assert kinds[1].curve == ({"step": 1, "score": 0.5},)
    assert result.n_failed == sum(t.architecture["d0"] != 0 for t in result.trials)


@pytest.mark.parametrize(
    ("returned", "word"),
    [("text", "number"), ({"other": 1.0}, "'score'"), (None, "number"), ({}, "nothing")],
)
def test_useless_returns_end_the_search_early(returned, word):
    with pytest.raises(InfeasibleError, match=word) as caught:
        search(SPACE, lambda c: returned, maximize="score", trials=100)
    assert "5 of 5 trials failed" in str(caught.value)


def test_limits_on_results_hold_for_best_and_front():
    result = search(
        SPACE,
        lambda c: {"score": _sum(c), "cost": 2 * _sum(c)},
        maximize="score",
        minimize="cost",
        limits={"cost": 10},
        trials=256,
    )
    assert result.best.metrics["score"] == 5.0
    assert [t.metrics["score"] for t in result.front] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    with pytest.raises(InfeasibleError, match=r"cost is .*the limit is cost <= -1"):
        search(SPACE, lambda c: {"score": 1, "cost": 1}, maximize="score", limits={"cost": -1})


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"trials": 0}, "trials must be a whole number of at least 1"),
        ({"trials": 2.5}, "trials must be a whole number"),
        ({"trials": True}, "trials"),
        ({"minutes": 0}, "minutes must be more than 0"),
        ({"minutes": math.nan}, "minutes must be finite"),
        ({"minutes": "5"}, "minutes must be a number"),
        ({"workers": -1}, "workers must be a whole number of at least 0"),
        ({"trial_seconds": 0}, "trial_seconds"),
        ({"trial_seconds": 3, "workers": 0}, "worker process"),
        ({"seed": 1.5}, "seed"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"limits": "params=5"}, "limits must be a mapping"),
        ({"progress": 3}, "progress"),
        ({"executor": 3}, "executor"),
        ({"out": "x" * 400}, "cannot be made"),
        ({"out": "a\0b"}, "cannot be made"),
        ({"final": "all"}, "final"),
        ({"strategy": "magic"}, "unknown strategy"),
        ({"maximize": None}, "nothing to optimise"),
        ({"limits": {"cost": "many"}}, "cost"),
        ({"limits": {"cost": math.nan}}, "cost"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(arguments, word):
    def evaluate(candidate):
        raise AssertionError("work was started")

    with pytest.raises(InputError, match=word):
        search(SPACE, evaluate, **{"maximize": "score", **arguments})


def test_other_bad_arguments():
    with pytest.raises(InputError, match="evaluator must be"):
        search(SPACE, 3, maximize="score", trials=1)
    with pytest.raises(InputError, match="space must be"):
        search(3, _sum, maximize="score", trials=1)
    with pytest.raises(InputError, match="built for a task's data"):
        search("mlp", _sum, maximize="score", trials=1)
    with pytest.raises(InputError, match="give trials= or minutes="):
        search(Space({"lr": Real(0.1, 1.0)}), _sum, maximize="score")


def test_out_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        search(SPACE, _sum, maximize="score", trials=1, out=tmp_path / "file")
    with pytest.raises(InputError, match="cannot be made"):
        search(SPACE, _sum, maximize="score", trials=1, out=tmp_path / "file" / "below")


def test_a_run_leaves_its_records_and_is_loaded(tmp_path):
    result = search(SPACE, _sum, maximize="score", trials=12, out=tmp_path / "run", seed=2)
    kept = json.loads((tmp_path / "run" / "result.json").read_text())
    assert kept["n_trials"] == 12
    assert kept["validation"] == result.best.metrics["score"]
    assert kept["architecture"] == dict(result.best.architecture)
    assert kept["random_search"] is None
    assert kept["random_search_note"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
    again = load(tmp_path / "run")
    assert _scored(again) == _scored(result)
    assert again.best == result.best


def test_resuming_continues_as_if_it_had_not_stopped(tmp_path):
    whole = search(SPACE, _sum, maximize="score", trials=50, seed=4)
    folder = tmp_path / "run"
    calls = []

    def evaluate(candidate):
        calls.append(candidate.number)
        if len(calls) == 21:
            raise KeyboardInterrupt
        return _sum(candidate)

    first = search(SPACE, evaluate, maximize="score", trials=50, seed=4, out=folder)
    assert first.info["stopped"] == "interrupted"
    assert len(first.trials) == 20
    second = search(SPACE, evaluate, maximize="score", trials=50, seed=4, out=folder)
    assert _scored(second) == _scored(whole)
    assert sorted(calls) == sorted([*range(50), 20])
    # A finished run answers without evaluating again, and goes on when asked for more.
    n_calls = len(calls)
    assert _scored(search(SPACE, evaluate, maximize="score", trials=50, seed=4, out=folder)) == (
        _scored(whole)
    )
    assert len(calls) == n_calls
    more = resume(folder, trials=60)
    assert len(more.trials) == 60
    assert _scored(more)[:50] == _scored(whole)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"seed": 1}, "seed"),
        ({"strategy": "random"}, "strategy"),
        ({"space": Space({"a": Choice((1, 2))})}, "space"),
        ({"maximize": None, "minimize": "score"}, "goals"),
        ({"limits": {"score": 100}}, "limits"),
    ],
)
def test_a_folder_of_another_search_is_refused(tmp_path, changes, word):
    call = {"space": SPACE, "maximize": "score", "trials": 3, "out": tmp_path, "seed": 0}
    search(call.pop("space"), _sum, **call)
    call = {"space": SPACE, **call, **changes}
    with pytest.raises(LedgerError, match=f"its {word} (was|had)"):
        search(call.pop("space"), lambda c: 1.0, **call)


def test_loading_what_is_no_run(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        for door in (load, resume):
            with pytest.raises(LedgerError, match="holds no run"):
                door(folder)


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"info": {}}'])
def test_a_record_that_is_none(tmp_path, text):
    search(SPACE, _sum, maximize="score", trials=2, out=tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(LedgerError):
        load(tmp_path)
    with pytest.raises(LedgerError):
        search(SPACE, _sum, maximize="score", trials=2, out=tmp_path)


def test_a_table_is_an_evaluator():
    rows = {a: {"score": float(sum(a.values()))} for a in SPACE.enumerate()}
    table = Table(SPACE, rows)
    assert len(table) == 256
    result = search(SPACE, table, maximize="score", trials=100, seed=1)
    assert result.best.metrics["score"] >= 9
    with pytest.raises(InputError, match="no rows"):
        Table(SPACE, {})


def test_any_futures_executor_runs_the_evaluations():
    with ThreadPoolExecutor(3) as pool:
        result = search(SPACE, _sum, maximize="score", trials=30, executor=pool, workers=3)
    assert sorted(t.number for t in result.trials) == list(range(30))


def test_random_search_beside():
    result = search(SPACE, _sum, maximize="score", trials=30, compare_random=True, seed=0)
    line = result.info["random_line"]
    assert len(line) == 30
    assert result.info["random_search"] == line[-1][1] == max(v for _, v in line)
    alone = search(SPACE, _sum, maximize="score", trials=30, strategy="random", seed=0)
    assert alone.info["random_search"] == alone.best.metrics["score"]


def test_a_strategy_of_ones_own():
    class Stubborn:
        def propose(self, history, rng):
            left = (a for a in history.space.enumerate() if history.is_new(a))
            first = next(left, None)
            return None if first is None else Proposal(first)

    result = search(SPACE, _sum, maximize="score", trials=5, strategy=Stubborn())
    assert result.info["strategy"] == "Stubborn"
    assert [t.metrics["score"] for t in result.trials] == [0, 1, 2, 3, 1]


def test_what_a_strategy_must_not_propose():
    class Fixed:
        def __init__(self, answer):
            self.answer = answer

        def propose(self, history, rng):
            return self.answer

    with pytest.raises(InputError, match="must propose a Proposal or None, got dict"):
        search(SPACE, _sum, maximize="score", trials=2, strategy=Fixed({"d0": 1}))
    with pytest.raises(InputError, match="d0"):
        search(SPACE, _sum, maximize="score", trials=2, strategy=Fixed(Proposal({"d0": 99})))


def test_a_space_larger_than_any_float():
    space = Space({f"d{i}": Choice(range(10)) for i in range(400)})
    result = search(space, _sum, maximize="score", trials=2)
    assert len(result.trials) == 2
    with pytest.raises(InputError, match="give trials= or minutes="):
        search(Space({"lr": Real(0.1, 1.0)}), _sum, maximize="score")


def test_one_bad_evaluation_never_ends_the_search(tmp_path):
    def evaluate(candidate):
        if candidate.number == 1:
            raise SystemExit(1)
        return {"score": 1.0} if candidate.number == 2 else {"score": 1.0, "cost": 1.0}

    goals = {"maximize": "score", "minimize": "cost"}
    result = search(SPACE, evaluate, trials=4, strategy="random", out=tmp_path, **goals)
    assert [t.state for t in result.trials] == ["complete", "failed", "failed", "complete"]
    assert "'cost'" in result.trials[2].error


def test_a_network_that_cannot_be_built_is_a_failed_trial():
    from torch import nn

    import archwright as aw

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = aw.choice("width", [6, 4])
            self.layers = nn.Sequential(aw.linear(4, width), aw.group_norm(3, width))

    space = aw.ModelSpace(Net)
    result = search(space, lambda c: 1.0, maximize="score", limits={"params": 1000}, trials=2)
    assert sorted(t.state for t in result.trials) == ["complete", "failed"]


def test_progress_is_told():
    events = []
    search(SPACE, _sum, maximize="score", trials=20, progress=events.append)
    assert events[-1]["phase"] == "done"
    last = [e for e in events if e["phase"] == "search"][-1]
    assert last["done"] == 20
    assert last["best"] is not None


def _crash(candidate):
    d0 = candidate.architecture["d0"]
    if d0 == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if d0 == 2:
        while True:
            pass
    return _sum(candidate)


@pytest.mark.integration
def test_workers_that_die_or_hang_are_failed_trials():
    space = Space({"d0": Choice((0, 1, 2)), "d1": Choice((0, 1))})
    result = search(space, _crash, maximize="score", workers=2, trial_seconds=2.0)
    by_first = {}
    for trial in result.trials:
        by_first.setdefault(trial.architecture["d0"], []).append(trial)
    assert [t.state for t in by_first[0]] == ["complete"] * 2
    assert all("WorkerDied" in t.error for t in by_first[1])
    assert all("TimeLimitExceeded" in t.error for t in by_first[2])
    assert result.info["stopped"] == "the space is exhausted"


SCRIPT = """
import sys
from archwright.runs import search
from archwright.space import Choice, Space
space = Space({f"d{i}": Choice(range(4)) for i in range(4)})
def evaluate(candidate):
    end = __import__("time").perf_counter() + 0.01
    while __import__("time").perf_counter() < end:
        pass
    with open(sys.argv[1] + "/log", "a") as file:
        file.write(f"{candidate.number}\\n")
    return float(sum(candidate.architecture.values()))
result = search(space, evaluate, maximize="score", trials=120, seed=1, out=sys.argv[1] + "/run")
print(len(result.trials))
"""


@pytest.mark.integration
def test_kill_dash_nine_loses_and_repeats_nothing(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    call = [sys.executable, str(script), str(tmp_path)]
    log = tmp_path / "log"
    for n_lines in (10, 35, 60):
        process = subprocess.Popen(call, stdout=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and len(log.read_text().split()) >= n_lines:
                process.kill()
        process.communicate()
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "120"
    evaluated = [int(line) for line in log.read_text().split()]
    assert set(evaluated) == set(range(120))
    # Only what was running at a kill was evaluated twice.
    assert len(evaluated) <= 120 + 3
    numbers = [t.number for t in load(tmp_path / "run").trials]
    assert sorted(numbers) == list(range(120))
    assert _scored(load(tmp_path / "run")) == _scored(
        search(SPACE, _sum, maximize="score", trials=120, seed=1)
    )


def test_evolution_sees_only_what_is_feasible():
    limited = search(
        SPACE,
        lambda c: {"score": _sum(c), "cost": c.architecture["d0"]},
        maximize="score",
        limits={"cost": 0},
        strategy=RegularizedEvolution(population=5, sample=3),
        trials=120,
    )
    assert limited.best.architecture["d0"] == 0
    assert limited.best.metrics["score"] == 9.0


def test_parameters_need_no_input_shape():
    from torch import nn

    import archwright as aw

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = aw.linear(4, aw.choice("width", [8, 16, 32]))

    space = aw.ModelSpace(Net)
    limits = {"params": 100}
    result = search(space, lambda c: 1.0, maximize="score", limits=limits, strategy="grid")
    assert {t.metrics["params"]: t.state for t in result.trials} == {
        40: "complete",
        80: "complete",
        160: "infeasible",
    }
    with pytest.raises(InputError, match=r"flops of a network needs the shape of its input"):
        search(space, lambda c: 1.0, maximize="score", limits={"flops": 100})


def test_a_run_begun_by_trials_goes_on_by_minutes(tmp_path):
    calls = []

    def evaluate(candidate):
        calls.append(candidate.number)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return _sum(candidate)

    search(SPACE, evaluate, maximize="score", trials=200, out=tmp_path)
    more = search(SPACE, evaluate, maximize="score", trials=200, minutes=5, out=tmp_path)
    assert len(more.trials) == 200
    assert more.info["plan"]["search_seconds"] > 200


def test_repository_path_is_not_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search(SPACE, _sum, maximize="score", trials=3, out=Path("runs") / "x")
    assert (tmp_path / "runs" / "x" / "run.json").exists()


class _Abort(BaseException):
    pass


class _Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize("error", [_Abort, _Unreadable, SystemExit])
@pytest.mark.parametrize("where", ["here", "threads"])
def test_whatever_an_evaluator_raises_is_a_failed_trial(error, where):
    def evaluate(candidate):
        if candidate.architecture["d0"] == 0:
            raise error()
        return _sum(candidate)

    options = {"maximize": "score", "trials": 20, "strategy": "random", "seed": 1}
    if where == "threads":
        with ThreadPoolExecutor(2) as pool:
            result = search(SPACE, evaluate, executor=pool, workers=2, **options)
    else:
        result = search(SPACE, evaluate, **options)
    assert len(result.trials) == 20
    assert result.n_failed == sum(t.architecture["d0"] == 0 for t in result.trials) > 0


@pytest.mark.integration
def test_whatever_an_evaluator_raises_in_a_worker_is_a_failed_trial():
    def evaluate(candidate):
        kinds = (KeyboardInterrupt, GeneratorExit, _Unreadable)
        if candidate.architecture["d0"] < 3:
            raise kinds[candidate.architecture["d0"]]()
        return _sum(candidate)

    result = search(
        SPACE, evaluate, maximize="score", trials=12, workers=1, seed=1, strategy="random"
    )
    assert len(result.trials) == 12
    assert result.n_failed == sum(t.architecture["d0"] < 3 for t in result.trials) > 0


@pytest.mark.parametrize("name", ["scroe", "params"])
def test_a_limit_on_what_is_never_returned_is_said(name):
    with pytest.raises(InfeasibleError, match=f"did not return '{name}'"):
        search(SPACE, _sum, maximize="score", limits={name: 1.0}, trials=30)


def test_a_computed_cost_is_not_replaced():
    torch = pytest.importorskip("torch")
    import archwright as aw

    def make():
        return torch.nn.Sequential(aw.linear(3, aw.choice("width", [4, 8, 16])))

    space = aw.ModelSpace(make)
    with pytest.raises(InfeasibleError, match="another name"):
        search(space, lambda c: {"score": 1.0, "params": 1.0}, maximize="score")
    result = search(space, lambda c: {"score": np.array([1.0])}, maximize="score")
    assert {t.metrics["params"] for t in result.trials} == {16.0, 32.0, 64.0}


@pytest.mark.parametrize("kind", ["storage", "journal"])
def test_one_study_never_holds_two_searches(tmp_path, kind):
    where = {"storage": f"sqlite:///{tmp_path}/a.db"} if kind == "storage" else {"out": tmp_path}
    call = {"maximize": "score", "trials": 3, **where}
    search(SPACE, _sum, **call)
    if kind == "journal":
        (tmp_path / "run.json").unlink()
    assert len(search(SPACE, _sum, **call).trials) == 3
    if kind == "journal":
        (tmp_path / "run.json").unlink()
    for changes, word in [
        ({"seed": 1}, "seed"),
        ({"strategy": "local"}, "strategy"),
        ({"limits": {"score": 5}}, "limits"),
    ]:
        with pytest.raises(LedgerError, match=word):
            search(SPACE, _sum, **call, **changes)
    with pytest.raises(LedgerError, match="other decisions"):
        search(Space({"d0": Choice((1, 2))}), _sum, **call)


def test_changed_code_is_said(tmp_path):
    call = {"maximize": "score", "out": tmp_path}
    search(SPACE, lambda c: float(c.architecture["d0"]), trials=3, **call)
    search(SPACE, lambda c: float(c.architecture["d0"]), trials=4, **call)
    with pytest.warns(UserWarning, match="evaluator's code has changed"):
        result = search(SPACE, lambda c: float(c.architecture["d1"]), trials=5, **call)
    assert any("has changed" in note for note in result.info["notes"])
    assert len(result.trials) == 5


def test_a_strategy_that_repeats_itself_is_stopped():
    class Stuck:
        def propose(self, history, rng):
            return Proposal(history.space.default)

    class Careless:
        def propose(self, history, rng):
            return Proposal(history.space.sample(rng=rng))

    with pytest.raises(InputError, match="Stuck proposed architectures that were evaluated"):
        search(SPACE, _sum, maximize="score", trials=5, strategy=Stuck())
    result = search(SPACE, _sum, maximize="score", trials=100, strategy=Careless())
    assert len({t.architecture for t in result.trials}) == 100


def test_a_strategys_own_error_names_it():
    class Broken:
        def propose(self, history, rng):
            raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError) as caught:
        search(SPACE, _sum, maximize="score", trials=5, strategy=Broken())
    assert "strategy Broken for trial 0" in caught.value.__notes__[0]


def test_a_strategy_may_refuse_a_search():
    class Choosy:
        def check(self, space, objective):
            raise InputError("not with me")

        def propose(self, history, rng):
            return None

    with pytest.raises(InputError, match="not with me"):
        search(SPACE, _sum, maximize="score", trials=5, strategy=Choosy())


def test_an_evaluator_may_change_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def evaluate(candidate):
        os.chdir(tmp_path / "other")
        return _sum(candidate)

    search(SPACE, evaluate, maximize="score", trials=3, out="run")
    assert (tmp_path / "run" / "result.json").exists()
    assert list((tmp_path / "other").iterdir()) == []


def test_a_record_that_lost_trials_is_said(tmp_path):
    call = {"maximize": "score", "trials": 5, "out": tmp_path}
    search(SPACE, _sum, **call)
    (tmp_path / "journal.log").write_text("")
    with pytest.warns(UserWarning, match="holds 0 of the 5 trials"):
        result = search(SPACE, _sum, **{**call, "trials": 6})
    assert len(result.trials) == 6


def test_resume_refuses_what_search_does_not_know(tmp_path):
    search(SPACE, _sum, maximize="score", trials=3, out=tmp_path)
    for change in ({"bogus": 1}, {"out": tmp_path / "b"}, {"trails": 5}):
        with pytest.raises(InputError, match=next(iter(change))):
            resume(tmp_path, **change)
    assert len(resume(tmp_path, trials=4).trials) == 4


def test_a_progress_function_that_fails_ends_nothing():
    def tell(event):
        raise RuntimeError("my screen is broken")

    with pytest.warns(UserWarning, match="called no more"):
        result = search(SPACE, _sum, maximize="score", trials=5, progress=tell)
    assert len(result.trials) == 5


def test_numbers_of_numpy_will_do(tmp_path):
    result = search(
        SPACE,
        _sum,
        maximize="score",
        trials=np.int64(4),
        seed=np.int32(3),
        minutes=np.float32(5),
        workers=np.int64(0),
        out=tmp_path,
    )
    assert len(result.trials) == 4
    assert _scored(result) == _scored(search(SPACE, _sum, maximize="score", trials=4, seed=3))


@pytest.mark.integration
def test_no_file_of_a_killed_search_stays(tmp_path):
    from archwright.runs.worker import Job

    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    left = tmp_path / f".archwright-{ended.stdout.strip()}-x.pkl"
    left.write_bytes(b"data")
    mine = Job(SPACE, _sum, folder=tmp_path)
    other = Job(SPACE, _sum, folder=tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([Path(mine.path), Path(other.path)])
    mine.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_networks_is_only_looked_up(monkeypatch):
    torch = pytest.importorskip("torch")
    import archwright as aw

    def make():
        return torch.nn.Sequential(aw.linear(3, aw.choice("width", [4, 8, 16])))

    space = aw.ModelSpace(make)
    rows = [({"width": w}, {"score": w / 16, "flops": float(w)}) for w in (4, 8, 16)]
    built = []
    monkeypatch.setattr(type(space), "build", lambda self, *a, **k: built.append(a))
    result = search(space, Table(space, rows), maximize="score", limits={"flops": 8})
    assert (result.best.metrics["score"], len(result.trials), built) == (0.5, 3, [])
    monkeypatch.undo()
    result = search(space, Table(space, rows), maximize="score", limits={"params": 40})
    assert result.best.metrics == {"score": 0.5, "flops": 8.0, "params": 32.0}


def test_an_impossible_limit_ends_the_search_when_nothing_comes_nearer():
    space = Space({f"d{i}": Choice(range(100)) for i in range(9)})
    torch = pytest.importorskip("torch")
    import archwright as aw

    def make():
        widths = [aw.choice(f"w{i}", list(range(4, 40))) for i in range(4)]
        return torch.nn.Sequential(*[aw.linear(3, width) for width in widths])

    with pytest.raises(InfeasibleError, match="none of") as caught:
        search(aw.ModelSpace(make), _sum, maximize="score", limits={"params": 10}, trials=2)
    tried = int(str(caught.value).split("none of ")[1].split()[0])
    assert 600 <= tried < 2000
    assert space.size > 1e17


def test_a_network_that_a_function_saved_is_handed_over(tmp_path):
    torch = pytest.importorskip("torch")
    import archwright as aw

    def make():
        return torch.nn.Sequential(aw.linear(3, aw.choice("width", [4, 8, 16])))

    def evaluate(candidate):
        model = candidate.model()
        with torch.no_grad():
            model[0].bias.fill_(float(candidate.architecture["width"]))
        candidate.save(model)
        return float(candidate.architecture["width"])

    space = aw.ModelSpace(make)
    call = {"maximize": "score", "trials": 3, "out": tmp_path / "run", "input_shape": (3,)}
    for _ in range(2):  # the second time the finished run is read
        result = search(space, evaluate, **call)
        assert result.model[0].bias.tolist() == [16.0] * 16
    result.export(tmp_path / "best.pt2")
    assert (tmp_path / "best.pt2").exists()
    with pytest.raises(InputError, match="call candidate"):
        search(space, evaluate, maximize="score", trials=1).export(tmp_path / "no.pt2")


def test_bounds_are_read_from_text_and_pairs():
    result = search(SPACE, _sum, maximize="score", limits={"score": ">=3"}, trials=20)
    assert {t.metrics["score"] >= 3 for t in result.history.complete} == {True}
    result = search(SPACE, _sum, maximize="score", limits={"score": (None, 7)}, trials=20)
    assert result.best.metrics["score"] <= 7


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("evolution:population=5", r"RegularizedEvolution\(option=value\)"),
        (RegularizedEvolution, "got the class RegularizedEvolution: make one"),
    ],
)
def test_how_a_strategy_is_given_its_options(strategy, words):
    with pytest.raises(InputError, match=words):
        search(SPACE, _sum, maximize="score", strategy=strategy, trials=3)


@pytest.mark.parametrize("strategy", ["random", "evolution"])
def test_resuming_continues_under_limits_that_little_keeps(tmp_path, strategy):
    torch = pytest.importorskip("torch")
    import archwright as aw

    def make():
        widths = [aw.choice(f"w{i}", list(range(1, 60))) for i in range(4)]
        return torch.nn.ModuleList([aw.linear(3, width) for width in widths])

    space, stop_at = aw.ModelSpace(make), []

    def evaluate(candidate):
        evaluated.append(candidate.number)
        if len(evaluated) in stop_at:
            raise KeyboardInterrupt
        return _sum(candidate)

    call = {"maximize": "score", "limits": {"params": 160}, "trials": 5, "strategy": strategy}
    evaluated = []
    whole = search(space, evaluate, **call)
    assert whole.trials[whole.best.number].number >= 60  # so that proposals were repaired
    for k in (1, 3):
        evaluated, stop_at = [], [k]
        out = tmp_path / str(k)
        try:
            assert search(space, evaluate, out=out, **call).info["stopped"] == "interrupted"
        except InfeasibleError:
            assert k == 1  # nothing was finished
        assert _scored(search(space, evaluate, out=out, **call)) == _scored(whole)


def test_a_finished_run_that_lost_trials_makes_them_anew(tmp_path):
    call = {"maximize": "score", "trials": 8, "strategy": "grid", "out": tmp_path}
    whole = search(SPACE, _sum, **call)
    journal = tmp_path / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in (lines[: len(lines) // 2], []):
        journal.write_bytes(b"".join(kept))
        with pytest.warns(UserWarning, match="of the 8 trials"):
            again = search(SPACE, _sum, **call)
        assert _scored(again) == _scored(whole)


def test_a_mended_evaluator_goes_on(tmp_path):
    def broken(candidate):
        raise RuntimeError("not yet")

    call = {"maximize": "score", "trials": 20, "out": tmp_path}
    for n_failed in (5, 10):
        with pytest.raises(InfeasibleError, match=f"{n_failed} of {n_failed} trials failed"):
            search(SPACE, broken, **call)
    with pytest.warns(UserWarning, match="code has changed"):
        result = search(SPACE, _sum, **call)
    assert (len(result.trials), result.n_failed) == (20, 10)


@pytest.mark.parametrize("point", [None, {"score": 1.0}, {"step": "x"}, "text"])
def test_a_curve_that_is_none_is_a_failed_trial(point):
    def evaluate(candidate):
        if candidate.number == 0:
            candidate.curve = None if point is None else [point]
        return _sum(candidate)

    result = search(SPACE, evaluate, maximize="score", trials=4)
    assert [t.number for t in result.trials if t.state == "failed"] == [0]
    assert "candidate.report" in result.trials[0].error


def test_a_message_that_ends_the_process_is_a_failed_trial():
    class Rude(Exception):
        def __str__(self):
            raise SystemExit(3)

    def evaluate(candidate):
        if candidate.number == 0:
            raise Rude
        return _sum(candidate)

    assert search(SPACE, evaluate, maximize="score", trials=3).n_failed == 1


@pytest.mark.parametrize("text", ["", "\0\0", "[]", '{"info": null}', '{"info": {}}'])
def test_a_damaged_record_says_that_the_trials_stay(tmp_path, text):
    call = {"maximize": "score", "trials": 3, "out": tmp_path}
    search(SPACE, _sum, **call)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(LedgerError, match="Remove it and call"):
        search(SPACE, _sum, **call)
    (tmp_path / "run.json").unlink()
    assert len(search(SPACE, _sum, **call).trials) == 3


def test_a_limit_that_nothing_can_keep_is_refused_at_once():
    with pytest.raises(InputError, match="never negative"):
        search(SPACE, _sum, maximize="score", limits={"params": -5}, trials=3)
