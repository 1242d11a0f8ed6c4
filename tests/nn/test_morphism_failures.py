"""What morphism cannot read leaves the network with its own weights, and says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archwright.errors import InputError
from archwright.nn import inherit, morph

X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))


class Scaled(nn.Module):
    """A constant of its own beside the weights, held in one of three ways."""

    def __init__(self, width: int, value: float, kind: str) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, width), nn.Linear(width, 2)
        if kind == "attribute":
            self.pe = torch.tensor([value])
        else:
            self.register_buffer("pe", torch.tensor([value]), persistent=kind == "saved")

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(x) * self.pe))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def equal(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(before[name], value) for name, value in model.named_parameters())


@pytest.mark.parametrize("kind", ["attribute", "unsaved", "saved"])
def test_constants_of_a_module(kind: str) -> None:
    parent = Scaled(4, 1.5, kind)
    assert morph(Scaled(6, 1.5, kind), parent, X).preserved
    child = Scaled(6, 0.5, kind)
    before = weights(child)
    morphed = morph(child, parent, X, otherwise="leave")
    if kind == "saved":
        assert morphed.preserved
        return
    # Its weights would be right only until they are loaded into a new network.
    assert not morphed.preserved
    assert "pe" in str(morphed.reason)
    assert equal(child, before)
    assert float(child.pe) == 0.5
    inherited = morph(child, parent, X).inherited
    assert inherited is not None
    assert float(child.pe) == 0.5


class Counting(nn.Linear):
    """A leaf with extra state, of which torch's state dict holds whatever it answers."""

    __module__ = "torch.nn.mine"  # so that tracing does not look inside

    def get_extra_state(self) -> Any:
        return {"n": 1}

    def set_extra_state(self, state: Any) -> None:
        del state


class Raising(nn.Linear):
    __module__ = "torch.nn.mine"

    def extra_repr(self) -> str:
        raise AttributeError("nothing to show")


def test_extra_state_is_not_a_tensor() -> None:
    parent = nn.Sequential(Counting(4, 4), nn.ReLU(), nn.Linear(4, 2))
    child = nn.Sequential(Counting(4, 6), nn.ReLU(), nn.Linear(6, 2))
    assert morph(child, parent, X).preserved


def test_what_raises_unexpectedly_is_a_reason() -> None:
    parent = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Raising(4, 2))
    child = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), Raising(6, 2))
    before = weights(child)
    morphed = morph(child, parent, X, otherwise="leave")
    assert "AttributeError: nothing to show" in str(morphed.reason)
    assert equal(child, before)
    assert morph(child, parent, X).inherited is not None
    with pytest.raises(InputError, match="nothing to show"):
        morph(child, parent, X, otherwise="raise")


def test_a_failure_while_writing_restores_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, child = (nn.Sequential(nn.Linear(4, n), nn.ReLU(), nn.Linear(n, 2)) for n in (4, 6))
    before = weights(child)

    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("archwright.nn.morphism._compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        morph(child, parent, X)
    assert equal(child, before)


def test_a_parametrized_layer_is_a_reason() -> None:
    def net(width: int) -> nn.Module:
        first = nn.utils.parametrizations.weight_norm(nn.Linear(4, width))
        return nn.Sequential(first, nn.ReLU(), nn.Linear(width, 2))

    child = net(6)
    before = weights(child)
    morphed = morph(child, net(4), X, otherwise="leave")
    assert not morphed.preserved
    assert equal(child, before)


def test_lazy_layers_are_initialised_first() -> None:
    parent = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    child = nn.Sequential(nn.LazyLinear(6), nn.ReLU(), nn.LazyLinear(2))
    assert morph(child, parent, X).preserved


def test_inputs_are_never_written_into() -> None:
    def net(width: int) -> nn.Module:
        return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, width), nn.Linear(width, 2))

    given = X.clone()
    morph(net(6), net(4), given)
    assert torch.equal(given, X)


def test_inputs_that_do_not_fit_are_refused() -> None:
    parent = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    child = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    for wrong in (X[:, :3], X.double(), "rows", (X, X), np.array(["a", "b"])):
        with pytest.raises(InputError, match="inputs"):
            morph(child, parent, wrong)  # type: ignore[arg-type]
    assert morph(child, parent, X.numpy().astype("float64")).preserved
    with pytest.raises(InputError, match="the model does not take"):
        morph(nn.Linear(3, 2), nn.Linear(4, 2), X)


def test_missing_layers_are_called_missing() -> None:
    def net(depth: int) -> nn.Module:
        inner = [layer for _ in range(depth) for layer in (nn.Linear(16, 16), nn.ReLU())]
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), *inner, nn.Linear(16, 2))

    reason = str(morph(net(1), net(3), X).reason)
    assert reason == "shallower: 3 layers with weights instead of 5 (without 6, 8)"


def test_constants_are_not_inherited() -> None:
    child, parent = Scaled(6, 0.5, "unsaved"), Scaled(4, 1.5, "unsaved")
    inherit(child, parent)
    assert float(child.pe) == 0.5
    child, parent = Scaled(6, 0.5, "saved"), Scaled(4, 1.5, "saved")
    inherit(child, parent)
    assert float(child.pe) == 1.5
