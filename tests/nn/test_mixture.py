"""A supernet computes mixtures: the law of one-hot mixtures, gradients of the weights."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import SpaceError
from archwright.nn.mixture import Mixture, NotRelaxable, walk
from archwright.space import Real, Subset
from archwright.testing.law import randomise
from tests.nn.toys import TOYS

# What only one value at a time can be computed of, in toys in which it cannot be found by calling.
KEEP = {
    "conv2d": {"stride", "dilation", "groups", "bias"},
    "darts": {"width"},  # four nodes of `width` channels are joined: channels change their places
    "nasnet": {"width"},
    "loose": {"width"},
    "shared": {"tail/n"},  # the network's output has another shape
    "arithmetic": {"a", "b"},
}


def doubled(space: aw.ModelSpace, inputs: Any) -> tuple[Any, tuple[Any, ...]]:
    with aw.seeded(0):
        x = inputs()
        supernet = space.supernet(seed=0).eval()
        randomise(supernet)
    x = x if isinstance(x, tuple) else (x,)
    return supernet.double(), tuple(t.double() if t.is_floating_point() else t for t in x)


def tensors(output: Any) -> list[torch.Tensor]:
    return [output] if isinstance(output, torch.Tensor) else list(output)


@pytest.mark.parametrize("name", TOYS)
def test_one_hot_mixture_is_the_architecture(name: str) -> None:
    space, inputs = TOYS[name]
    supernet, x = doubled(space, inputs)
    keep = {d.path for d in walk(space) if isinstance(d.domain, Real)} | KEEP.get(name, set())
    rng = random.Random(0)
    n = 0
    while n < 8:
        arch = space.sample(rng=rng)
        mixture = Mixture.one_hot(space, arch, keep=keep, dtype=torch.float64)
        # A node that takes nothing computes nothing, which a weight of zero alone does not say.
        subsets = {d.path for d in walk(space) if isinstance(d.domain, Subset)}
        computed = {
            path: tuple(arch[path]) for path in mixture.weights if path in subsets and path in arch
        }
        with torch.no_grad():
            try:
                with supernet.mixed(Mixture(mixture.weights, computed, mixture.values)):
                    found = tensors(supernet(*x))
            except NotRelaxable as error:
                if keep >= set(error.paths):
                    raise
                keep |= set(error.paths)
                continue
            with supernet.active(arch):
                expected = tensors(supernet(*x))
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
        n += 1


@pytest.mark.parametrize("name", ["example", "nested", "nasbench201", "skips", "conv1d"])
def test_gradients_of_the_weights(name: str) -> None:
    space, inputs = TOYS[name]
    supernet, x = doubled(space, inputs)
    keep = {
        "nested": {f"stage/depth.{i}/kind=plain/bias" for i in range(3)},
        "skips": {"dense", "pick", "width"},
        "conv1d": {"stride", "dilation", "bias"},
    }.get(name, set())
    start = Mixture.one_hot(space, space.default, keep=keep, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    paths = list(start.weights)[:6]
    given = [
        torch.rand(len(start.weights[p]), generator=generator, dtype=torch.float64) for p in paths
    ]

    def output(*weights: torch.Tensor) -> torch.Tensor:
        mixed = dict(start.weights) | dict(zip(paths, weights, strict=True))
        with supernet.mixed(Mixture(mixed, {}, start.values)):
            return torch.cat([t.flatten() for t in tensors(supernet(*x))]).square().mean()

    assert torch.autograd.gradcheck(output, [g.requires_grad_() for g in given], atol=1e-6)


def test_what_is_not_computed_costs_and_counts_nothing() -> None:
    calls: list[str] = []

    class Noted(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(self.name)
            return x + len(self.name)

    space = aw.ModelSpace(
        lambda: aw.layer("op", {"a": lambda: Noted("a"), "bb": lambda: Noted("bb")})
    )
    weights = torch.tensor([0.25, 0.75], requires_grad=True)
    supernet = space.supernet()
    with supernet.mixed(Mixture({"op": weights}, {"op": (1,)})):
        y = supernet(torch.zeros(1))
    y.sum().backward()
    assert calls == ["bb"]
    assert y.tolist() == [1.5]
    assert weights.grad is not None
    assert weights.grad.tolist() == [0.0, 2.0]


def test_the_state_before_comes_back() -> None:
    space = aw.ModelSpace(lambda: aw.linear(2, aw.choice("width", [1, 2])))
    supernet = space.supernet(seed=0)
    x = torch.ones(1, 2)
    with supernet.active({"width": 1}):
        with supernet.mixed(Mixture({"width": torch.tensor([0.5, 0.5])})):
            assert supernet(x).shape == (1, 2)
            with supernet.active({"width": 1}):
                assert supernet(x).shape == (1, 1)
            assert supernet(x).shape == (1, 2)
        assert supernet(x).shape == (1, 1)
    assert supernet.architecture is None


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = aw.choice("scale", [1.0, 2.0])
        self.kind = aw.choice("kind", ["a", "b"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale if self.kind == "a" else x


def test_what_cannot_be_mixed_is_named() -> None:
    space = aw.ModelSpace(Scaled)
    supernet = space.supernet()
    both = torch.tensor([0.5, 0.5])
    with (
        supernet.mixed(Mixture({"scale": both, "kind": both})),
        pytest.raises(NotRelaxable, match="'kind'") as caught,
    ):
        supernet(torch.ones(1))
    assert caught.value.paths == ("kind",)
    with (
        supernet.mixed(Mixture({"scale": both}, {}, {"kind": "a"})),
        pytest.raises(NotRelaxable, match="'scale'"),
    ):
        supernet(torch.ones(1))
    with supernet.mixed(Mixture({}, {}, {"kind": "a", "scale": 2.0})):
        assert float(supernet(torch.ones(1))) == 2.0


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (Mixture({}), "neither weights nor a value"),
        (Mixture({"width": torch.ones(3)}), "must have 2 weights"),
        (Mixture({"width": torch.ones(2)}, {"width": (2,)}), "positions from 0 to 1"),
        (Mixture({"width": torch.ones(2)}, {"width": ()}), "at least one"),
    ],
)
def test_wrong_mixtures(mixture: Mixture, message: str) -> None:
    space = aw.ModelSpace(lambda: aw.linear(2, aw.choice("width", [1, 2])))
    with pytest.raises(SpaceError, match=message), space.supernet().mixed(mixture):
        pass


def test_shapes_that_differ_are_named() -> None:
    space = aw.ModelSpace(lambda: aw.layer("op", {"a": nn.Identity, "b": lambda: nn.MaxPool2d(2)}))
    supernet = space.supernet()
    with (
        supernet.mixed(Mixture({"op": torch.tensor([0.5, 0.5])})),
        pytest.raises(NotRelaxable, match="different shapes"),
    ):
        supernet(torch.zeros(1, 1, 4, 4))


def test_a_mixed_kernel_is_the_mixture_of_its_parts() -> None:
    space = aw.ModelSpace(
        lambda: aw.conv2d(2, 3, kernel=aw.choice("kernel", [1, 3, 5]), bias=False)
    )
    supernet = space.supernet(seed=0)
    x = torch.randn(1, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([0.2, 0.3, 0.5])
    with supernet.mixed(Mixture({"kernel": weights})):
        mixed = supernet(x)
    parts = torch.zeros_like(mixed)
    for weight, kernel in zip(weights, (1, 3, 5), strict=True):
        with supernet.active({"kernel": kernel}):
            parts += weight * supernet(x)
    torch.testing.assert_close(mixed, parts)
