"""A decision named as a field of the recipe governs a trial, that of the epochs as any other."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import archwright as aw
from archwright.errors import InputError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = aw.choice("width", [4, 8])
        self.body = nn.Sequential(aw.linear(4, width), nn.ReLU(), aw.linear(width, 2))

    def forward(self, x):
        return self.body(x)


@pytest.fixture(scope="module")
def task():
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    return aw.Task.from_arrays(x, (x[:, 0] > 0).astype(int))


SPACE = aw.ModelSpace(Net) & aw.Space({"epochs": aw.choice([1, 2, 5])})
OPTIONS = {"workers": 0, "final": False, "baselines": False}


def test_searched_epochs_are_trained(task):
    result = aw.search(SPACE, aw.Train(task, epochs=3), strategy="random", trials=5, **OPTIONS)
    assert result.history.complete
    lengths = {t.architecture["epochs"] for t in result.history.complete}
    assert len(lengths) > 1
    for trial in result.history.complete:
        assert len(trial.curve) == trial.architecture["epochs"]


def test_a_share_is_one_of_the_searched_epochs(task):
    space = aw.ModelSpace(Net) & aw.Space({"epochs": aw.choice([4, 8])})
    result = aw.search(
        space,
        aw.Train(task, epochs=3),
        strategy="random",
        trials=3,
        fidelity=aw.Fidelity(epochs=0.5),
        **OPTIONS,
    )
    for trial in result.history.complete:
        assert len(trial.curve) == trial.architecture["epochs"] / 2


@pytest.mark.parametrize("strategy", ["hyperband", "asha", "cascade"])
def test_several_budgets_are_refused_before_any_work(task, strategy, tmp_path):
    with pytest.raises(InputError, match="decides on epochs"):
        aw.search(
            SPACE,
            aw.Train(task, epochs=9),
            strategy=strategy,
            trials=5,
            out=tmp_path / "run",
            **OPTIONS,
        )
    assert not list((tmp_path / "run").glob("*"))


def test_one_budget_is_not_refused(task):
    cascade = aw.strategies.Cascade([aw.Stage(lambda a: a["width"], keep=0.5), aw.Stage(1.0)])
    result = aw.search(SPACE, aw.Train(task, epochs=3), strategy=cascade, trials=3, **OPTIONS)
    for trial in result.history.complete:
        assert len(trial.curve) == trial.architecture["epochs"]
