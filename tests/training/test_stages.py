import copy

import pytest
import torch
from torch import nn

from archwright.errors import InputError
from archwright.tasks import Task
from archwright.training import Recipe, Stages, fit


@pytest.fixture(scope="module")
def digits():
    return Task.load("digits").subset(300)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(72, 10),
    )


def run(task, epochs, *, keep=None, state=None, **recipe):
    # Without a warmup the course does not depend on the length at all.
    recipe = Recipe(epochs=epochs, warmup=0.0, cutmix=0.5, **recipe)
    with torch.random.fork_rng():
        return fit(network(), task, recipe, stages=Stages(keep=keep, state=state), n_threads=1)


@pytest.mark.parametrize("epochs", [(2, 5), (0.6, 1.7), (1, 1.5)])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_going_on_is_training_anew_bit_by_bit(digits, epochs, optimizer):
    short, long = epochs
    kept = []
    run(digits, short, keep=lambda s: kept.append(copy.deepcopy(s)), optimizer=optimizer)
    anew = run(digits, long, optimizer=optimizer)
    continued = run(digits, long, state=kept[0], optimizer=optimizer)
    for name, value in anew.model.state_dict().items():
        assert torch.equal(value, continued.model.state_dict()[name]), name
    assert anew.metrics == continued.metrics
    assert len(continued.curve) < len(anew.curve) or long < 2
    assert continued.curve[-1]["epoch"] == anew.curve[-1]["epoch"]


def test_the_state_holds_tensors_and_plain_values_only(digits, tmp_path):
    kept = []
    run(digits, 1, keep=lambda s: kept.append(torch.save(s, tmp_path / "state.pt")))
    assert len(kept) == 1
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    longer = run(digits, 2, state=state)
    assert longer.n_epochs == 2
    assert 0 < state["step"] < longer.n_steps / 2


def test_the_rate_falls_in_the_last_part_alone(digits):
    rates = [point["lr"] for point in run(digits, 10, lr=0.01).curve]
    assert rates[:7] == [0.01] * 7
    assert sorted(rates[7:], reverse=True) == rates[7:]
    assert rates[-1] < 0.001


def test_what_cannot_be_is_refused(digits):
    kept = []
    run(digits, 4, keep=lambda s: kept.append(copy.deepcopy(s)))
    with pytest.raises(InputError, match="give more epochs"):
        run(digits, 2, state=kept[0])
    with pytest.raises(InputError, match="train anew"):
        Stages(state={"weights": 1})
    with pytest.raises(InputError, match="anneal"):
        Stages(anneal=1.0)
    with pytest.raises(InputError, match="in stages"):
        fit(network(), digits, Recipe(epochs=1), stages=Stages(), seconds=1.0)
