import json
import multiprocessing
import os
import signal
import time

import optuna
import pytest

from archwright.errors import LedgerError
from archwright.ledger import MemoryLedger, OptunaLedger
from archwright.ledger.journal import SafeJournalFile
from archwright.space import Branch, Choice, Decision, Integer, Real, Space, Subset
from archwright.trials import Objective, Trial

KERNEL = Decision("op=conv/kernel", Choice((3, 5)))
SPACE = Space(
    [
        Decision("op", Choice(("conv", "skip")), branches=(Branch({"conv"}, [KERNEL]),)),
        Decision("lr", Real(1e-4, 1e-1, log=True)),
        Decision("depth", Integer(1, 4)),
        Decision("inputs", Subset(3, 1, 2)),
    ]
)
SCORE = Objective.of(maximize="accuracy")
BOTH = Objective.of(maximize="accuracy", minimize="params")


def _trial(number, state="complete", **changes):
    architecture = SPACE.sample(seed=number)
    metrics = {"accuracy": 0.5 + number / 1000, "params": 10.0} if state == "complete" else {}
    values = {
        "curve": ({"step": 1, "accuracy": 0.1, "loss": 2.0}, {"step": 2, "accuracy": 0.2}),
        "seconds": 1.5,
        "origin": "mutation",
        "parent": 0,
        "seed": 7,
        "finished": float(number + 1),
    }
    return Trial(number, architecture, state, metrics, **{**values, **changes})


@pytest.mark.parametrize("objective", [SCORE, BOTH])
@pytest.mark.parametrize("storage", ["journal.log", "sqlite"])
def test_what_is_kept_is_read_back_equal(tmp_path, objective, storage):
    where = str(tmp_path / "journal.log") if storage != "sqlite" else f"sqlite:///{tmp_path}/a.db"
    ledger = OptunaLedger(where, "run", SPACE, objective)
    trials = [_trial(0), _trial(1, "failed", error="a\nb"), _trial(2, "infeasible"), _trial(3)]
    for trial in trials:
        ledger.start(Trial(trial.number, trial.architecture, "running"))
        ledger.finish(trial)
    left = Trial(4, SPACE.sample(seed=9), "running", seed=3)
    ledger.start(left)
    again = OptunaLedger(where, "run", SPACE, objective)
    assert again.load() == (trials, [left])
    # A trial that was left running is finished in its own entry.
    done = _trial(4)
    again.start(left)
    again.finish(done)
    assert OptunaLedger(where, "run", SPACE, objective).load() == ([*trials, done], [])
    assert len(again.study.trials) == 5


def test_optuna_sees_parameters_metrics_and_curves(tmp_path):
    ledger = OptunaLedger(tmp_path / "j.log", "run", SPACE, SCORE)
    trial = _trial(0)
    ledger.finish(trial)
    ledger.start(Trial(1, trial.architecture, "running"))
    ledger.finish(_trial(1))
    for frozen in ledger.study.trials:
        assert frozen.state == optuna.trial.TrialState.COMPLETE
        assert frozen.user_attrs["params"] == 10.0
        assert frozen.intermediate_values == {1: 0.1, 2: 0.2}
    assert ledger.study.best_trial.number == 1
    assert set(ledger.study.trials[0].params) == set(trial.architecture)
    assert ledger.study.metric_names == ["accuracy"]


def test_other_goals_are_refused(tmp_path):
    OptunaLedger(tmp_path / "j.log", "run", SPACE, SCORE)
    for other in (Objective.of(minimize="accuracy"), Objective.of(maximize="f1")):
        with pytest.raises(LedgerError, match="goals"):
            OptunaLedger(tmp_path / "j.log", "run", SPACE, other)


def test_unusable_storage_is_refused():
    with pytest.raises(LedgerError, match="cannot be opened"):
        OptunaLedger("nosuchbase://x", "run", SPACE, SCORE)


def test_half_a_line_neither_blocks_nor_spoils(tmp_path):
    path = tmp_path / "j.log"
    ledger = OptunaLedger(path, "run", SPACE, SCORE)
    ledger.finish(_trial(0))
    with path.open("a") as file:
        file.write('{"op_code": 4, "study_id": 0, "half of a li')
    # Readers of the torn file see what was acknowledged ...
    again = OptunaLedger(path, "run", SPACE, SCORE)
    assert again.load()[0] == [_trial(0)]
    # ... and the next line does not continue the torn one.
    again.finish(_trial(1))
    with path.open("a") as file:
        file.write('{"op_code"')
    again.finish(_trial(2))
    assert len(OptunaLedger(path, "run", SPACE, SCORE).load()[0]) == 3
    for line in path.read_text().splitlines():
        json.loads(line)


def test_a_batch_is_one_write(tmp_path):
    journal = SafeJournalFile(tmp_path / "j.log")
    with journal.batch():
        journal.append_logs([{"a": 1}])
        assert (tmp_path / "j.log").read_text() == ""
        journal.append_logs([{"a": 2}])
    assert (tmp_path / "j.log").read_text() == '{"a":1}\n{"a":2}\n'


def _write_until_killed(path, acknowledged):
    ledger = OptunaLedger(path, "run", SPACE, SCORE)
    number = len(ledger.load()[0])
    while True:
        ledger.start(Trial(number, SPACE.default, "running"))
        ledger.finish(_trial(number))
        acknowledged.value = number + 1
        number += 1


@pytest.mark.integration
def test_killed_writers_lose_nothing_and_block_nobody(tmp_path):
    context = multiprocessing.get_context("fork")
    path = str(tmp_path / "j.log")
    acknowledged = context.Value("i", 0)
    for round_ in range(4):
        before = acknowledged.value
        process = context.Process(target=_write_until_killed, args=(path, acknowledged))
        process.start()
        deadline = time.monotonic() + 20
        while acknowledged.value < before + 5 + 3 * round_ and time.monotonic() < deadline:
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        finished, _ = OptunaLedger(path, "run", SPACE, SCORE).load()
        numbers = [t.number for t in finished]
        assert numbers == sorted(set(numbers))
        assert len(numbers) >= acknowledged.value


def test_memory_ledger_keeps_nothing():
    ledger = MemoryLedger()
    ledger.finish(_trial(0))
    assert ledger.load() == ([], [])


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 500, b"\x00" * 500 + b"\n", b'{"half": \n', b"\xff\xfe\n"]
)
@pytest.mark.parametrize("position", ["end", "middle"])
def test_a_damaged_journal_gives_what_can_be_read(tmp_path, garbage, position):
    path = tmp_path / "journal.log"
    ledger = OptunaLedger(path, "run", SPACE, SCORE)
    trials = [_trial(i) for i in range(6)]
    for trial in trials:
        ledger.start(Trial(trial.number, trial.architecture, "running"))
        ledger.finish(trial)
    lines = path.read_bytes().splitlines(keepends=True)
    # In the middle the garbage stands in place of a line that begins a trial.
    begins = [i for i, line in enumerate(lines) if b'"op_code":4' in line]
    where = len(lines) if position == "end" else begins[2]
    path.write_bytes(b"".join(lines[:where]) + garbage + b"".join(lines[where + 1 :]))
    unharmed = position == "end" and not garbage.endswith(b"\n")
    if unharmed:  # half a line, which nobody was told had been written
        again = OptunaLedger(path, "run", SPACE, SCORE)
    else:
        with pytest.warns(UserWarning, match="unreadable line"):
            again = OptunaLedger(path, "run", SPACE, SCORE)
        assert (tmp_path / "journal.log.damaged").exists()
    finished, _ = again.load()
    # Garbage without an end of line takes the line behind it along, which only timed trial 2.
    assert [t.number for t in finished] == list(range(6))
    assert [t.metrics for t in finished] == [t.metrics for t in trials]
    more = _trial(6)
    again.finish(more)
    assert len(OptunaLedger(path, "run", SPACE, SCORE).load()[0]) == 7


def test_what_is_no_journal_is_left_alone(tmp_path):
    path = tmp_path / "journal.log"
    path.write_text("notes of mine\n")
    with pytest.raises(LedgerError, match="cannot be opened"):
        OptunaLedger(path, "run", SPACE, SCORE)
    assert path.read_text() == "notes of mine\n"


@pytest.mark.parametrize("storage", ["journal.log", "sqlite"])
def test_a_value_is_kept_beside_the_trials(tmp_path, storage):
    where = str(tmp_path / "journal.log") if storage != "sqlite" else f"sqlite:///{tmp_path}/a.db"
    assert OptunaLedger(where, "run", SPACE, SCORE).keep("identity", {"seed": 1}) is None
    assert OptunaLedger(where, "run", SPACE, SCORE).keep("identity", {"seed": 2}) == {"seed": 1}
    assert MemoryLedger().keep("identity", {}) is None


@pytest.mark.parametrize(
    "line", [b'{"op_code": 4}\n', b'{"op_code": 77, "study_id": 0}\n', b"[]\n"]
)
def test_a_line_that_is_no_operation_is_passed_over(tmp_path, line):
    path = tmp_path / "journal.log"
    ledger = OptunaLedger(path, "run", SPACE, SCORE)
    for number in range(4):
        ledger.finish(_trial(number))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + line + b"".join(lines[3:]))
    with pytest.warns(UserWarning, match="1 unreadable line from line 4"):
        finished, _ = OptunaLedger(path, "run", SPACE, SCORE).load()
    assert [t.number for t in finished] == [0, 1, 2, 3]


def test_a_journal_copied_behind_itself_holds_each_trial_once(tmp_path):
    path = tmp_path / "journal.log"
    ledger = OptunaLedger(path, "run", SPACE, SCORE)
    for number in range(3):
        ledger.finish(_trial(number))
    lines = path.read_bytes().splitlines(keepends=True)
    again = [line for line in lines if b'"op_code":4' in line]
    path.write_bytes(b"".join(lines + again))
    finished, _ = OptunaLedger(path, "run", SPACE, SCORE).load()
    assert [t.number for t in finished] == [0, 1, 2]
