"""The training of supernets: repeatable, resumable to the bit, distilling, with errors said."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import archwright.nn as aw
from archwright.errors import InputError, LedgerError
from archwright.strategies import Policy
from archwright.supernet.checkpoints import FILE
from archwright.supernet.rules import Enas, Pass, ProgressiveShrinking, Sandwich, StrictFairness
from archwright.supernet.sizes import Sizes
from archwright.supernet.trainer import Trainer
from archwright.supernet.training import _described, train_supernet
from archwright.training import Recipe, distillation_loss
from tests.supernet import shared_toys

SPACE = shared_toys.space()
TASK = shared_toys.task()
ROOT = Path(__file__).parents[2]
RECIPE = Recipe(batch_size=16)


def train(**how):
    return train_supernet(SPACE, TASK, **{"recipe": RECIPE, "epochs": 3, "seed": 1, **how})


def same(a, b):
    a, b = a.supernet.state_dict(), b.supernet.state_dict()
    return all(torch.equal(a[k], b[k]) for k in a)


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    "rule",
    [
        StrictFairness(),
        Sandwich(n=1),
        ProgressiveShrinking(first=0.4),
        Enas(Policy(), n_lessons=3),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_goes_on_to_the_bit(rule, tmp_path):
    """Stopped in the middle of an epoch, after every kind of state has come to be."""
    before = torch.get_rng_state()
    whole = train(rule=rule)
    again = train(rule=rule)
    assert same(whole, again)
    assert torch.equal(before, torch.get_rng_state())

    n = 0

    class Breaking:
        """The same rule, which stops the process's training once."""

        def __repr__(self):
            return repr(rule)

        def plan(self, step):
            nonlocal n
            n += 1
            if n == 10:
                raise Stopped
            return rule.plan(step)

    with pytest.raises(Stopped):
        train(rule=Breaking(), checkpoint=tmp_path, checkpoint_seconds=0)
    state = torch.load(tmp_path / FILE, weights_only=True)
    assert state["step"] == 9
    assert state["done"] > 0
    resumed = train(rule=rule, checkpoint=tmp_path)
    assert same(whole, resumed)
    assert [r["train_loss"] for r in resumed.curve] == [r["train_loss"] for r in whole.curve]
    assert resumed.n_passes == whole.n_passes
    finished = train(rule=rule, checkpoint=tmp_path)
    assert same(whole, finished)


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {root!r})
from archwright.supernet.sizes import Sizes
from archwright.supernet.trainer import Trainer
from archwright.supernet.training import _described, train_supernet
from archwright.training import Recipe, distillation_loss
from tests.supernet import shared_toys
train_supernet(shared_toys.space(), shared_toys.task(), rule="sandwich", epochs=15, seed=1,
               recipe=Recipe(batch_size=16), checkpoint={folder!r}, checkpoint_seconds=0)
"""


@pytest.mark.integration
def test_kill_9(tmp_path):
    script = SCRIPT.format(root=str(ROOT), folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / FILE).exists():
            assert child.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.05)
    finally:
        child.kill()  # SIGKILL
        child.wait()
    n_before = torch.load(tmp_path / FILE, weights_only=True)["step"]
    how = {"rule": "sandwich", "epochs": 15, "n_threads": 1}
    resumed = train(**how, checkpoint=tmp_path)
    whole = train(**how)
    assert 0 < n_before < whole.n_steps
    assert same(whole, resumed)


def test_refuses_the_folder_of_another_training(tmp_path):
    train(epochs=1, checkpoint=tmp_path)
    with pytest.raises(LedgerError, match="seed was 1, now it is 2"):
        train(epochs=1, seed=2, checkpoint=tmp_path)
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(LedgerError, match="cannot be read"):
        train(epochs=1, checkpoint=tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_in_place_distillation_is_from_the_first_pass(share):
    small = SPACE.default | {"dropout": 0.0}
    large = small | {"width": 6}

    class Rule:
        def plan(self, step):
            return [Pass(large), Pass(small, "first", share, weight=3.0)]

    recipe = RECIPE.resolve(kind="classification", modality="image", n_rows=54)
    supernet = SPACE.supernet(seed=0)
    trainer = Trainer(
        supernet,
        TASK,
        recipe,
        rule=Rule(),
        sizes=Sizes(SPACE, (1, 6, 6)),
        seed=0,
        device=torch.device("cpu"),
        n_steps=10,
    )
    rows = torch.arange(20)
    x, y = TASK.prepare(TASK.train.x[rows]), TASK.train.y[rows]
    outputs = []
    for arch in (large, small):
        with torch.no_grad(), supernet.active(arch):
            outputs.append(supernet(x))
    smoothing = recipe.label_smoothing
    first, second = (TASK.loss(out, y, label_smoothing=smoothing) for out in outputs)
    distance = distillation_loss(
        outputs[1], outputs[0], kind="classification", temperature=recipe.distill_temperature
    )
    expected = (first + 3 * torch.lerp(second, distance, share)) / 4
    found = trainer.step(rows, lr=0.0, number=0, progress=0.9, first=True)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_teacher_that_is_not_kept_is_an_error():
    class Rule:
        def plan(self, step):
            return [Pass(step.largest, "kept")]

    with pytest.raises(InputError, match=r"step\.keep"):
        train(rule=Rule(), epochs=1)


def test_ends_in_time():
    made = train(rule="spos", epochs=100_000, seconds=1.5)
    assert made.n_steps < 200_000
    assert (
        made.curve[-1]["lr"]
        < 0.1 * RECIPE.resolve(kind="classification", modality="image", n_rows=54).lr
    )


def test_errors_before_any_work():
    from archwright.space import Space, choice

    with pytest.raises(InputError, match="ModelSpace"):
        train_supernet(Space({"a": choice([1, 2])}), TASK)
    with pytest.raises(InputError, match="hyper-parameters"):
        train_supernet(SPACE & Space({"lr": choice([0.1, 0.2])}), TASK)
    with pytest.raises(InputError, match="another space"):
        train(supernet=aw.ModelSpace(lambda: aw.linear(2, aw.choice("w", [1, 2]))).supernet())
    with pytest.raises(InputError, match="bf16"):
        train(recipe=Recipe(precision="bf16"))
    with pytest.raises(InputError, match="seconds"):
        train(seconds=0)


class Narrow:
    """A rule with nothing but what it needs: its text has its address in it."""

    def __init__(self, width):
        self.width = width


def test_a_rule_without_a_text_is_the_same_in_another_process():
    one, same, other = _described(Narrow(2)), _described(Narrow(2)), _described(Narrow(4))
    assert one == same != other
    assert "Narrow" in one
