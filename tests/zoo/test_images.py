"""The spaces for images: candidates sized to the data, and a good start of their training.

The law and the shapes of outputs, for all spaces alike, are in test_zoo.py.
"""

from __future__ import annotations

import statistics

import pytest
import torch
from torch import nn

from archwright.nn import ModelSpace, seeded
from archwright.testing import check_law, check_space
from archwright.zoo import build_space

NAMES = ("resnet_cnn", "mobilenet", "chain_cnn", "branched_cnn")

DIGITS, FASHION, IMAGENET = (1, 8, 8), (1, 28, 28), (3, 224, 224)

_made: dict[tuple[str, tuple[int, ...]], ModelSpace] = {}


def _space(name: str, shape: tuple[int, ...] = DIGITS) -> ModelSpace:
    if (name, shape) not in _made:
        _made[name, shape] = build_space(name, input_shape=shape, n_outputs=10)
    return _made[name, shape]


def _n_parameters(space: ModelSpace, arch: object) -> int:
    model = space.build(arch, device="meta")  # type: ignore[arg-type]
    return sum(p.numel() for p in model.parameters())


def _sampled(space: ModelSpace, n: int = 40) -> list[int]:
    return [_n_parameters(space, space.sample(seed=seed)) for seed in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [DIGITS, (3, 28, 28), (3, 48, 48), (3, 96, 96)])
@pytest.mark.parametrize("name", NAMES)
def test_law_with_each_stem(name: str, shape: tuple[int, ...]) -> None:
    # Stems that shrink by 1, 2 and 4 are different code, so each is tried.
    n = 100 if max(shape) <= 8 else 30
    check_law(_space(name, shape), lambda: torch.randn(2, *shape), n=n, seed=1)


@pytest.mark.parametrize("name", NAMES)
def test_conformance(name: str) -> None:
    check_space(_space(name), 20)


@pytest.mark.parametrize("name", NAMES)
def test_digits_fit_fifty_thousand_parameters(name: str) -> None:
    space = _space(name, DIGITS)
    sizes = _sampled(space)
    assert _n_parameters(space, space.default) < 50_000
    assert statistics.median(sizes) < 50_000
    assert max(sizes) < 500_000


@pytest.mark.parametrize("name", NAMES)
def test_candidates_grow_with_the_image(name: str) -> None:
    sizes = [
        _n_parameters(_space(name, shape), _space(name, shape).default)
        for shape in (DIGITS, FASHION, IMAGENET)
    ]
    assert sizes == sorted(sizes)
    assert sizes[1] < 200_000
    assert 500_000 < sizes[2] < 5_000_000


@pytest.mark.parametrize("name", NAMES)
def test_large_images_are_shrunk_early(name: str) -> None:
    # Counted on the meta device; a ResNet-50 at this size takes 8.2 GFLOPs.
    from archwright.hardware import costs

    space = _space(name, IMAGENET)
    model = space.build(space.default, device="meta")
    assert costs(model, IMAGENET, names=("flops",))["flops"] < 3e9


@pytest.mark.parametrize("name", NAMES)
def test_first_outputs_are_about_equal(name: str) -> None:
    """The first loss is that of a guess, ln(10): nothing has to be unlearned."""
    space = _space(name, FASHION)
    with seeded(0):
        x = torch.randn(32, *FASHION)
    for arch in (space.default, space.sample(seed=1)):
        with seeded(0):
            outputs = space.build(arch, seed=0).train()(x)
        loss = nn.functional.cross_entropy(outputs, torch.arange(32) % 10)
        assert abs(loss.item() - 2.3026) < 0.3


@pytest.mark.parametrize("name", NAMES)
def test_builds_are_reproducible(name: str) -> None:
    space = _space(name)
    arch = space.sample(seed=2)
    first, second = (space.build(arch, seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_training_starts_well(name: str) -> None:
    from archwright.tasks import Task
    from archwright.training import Recipe, fit

    task = Task.load("digits").subset(600)
    space = _space(name)
    fitted = fit(space.build(space.default, seed=0), task, Recipe(epochs=4), seed=0, n_threads=1)
    assert fitted.metrics["accuracy"] > 0.7
