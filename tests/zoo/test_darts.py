"""DARTS: the published architecture and supernet, options, sizes."""

import pytest
import torch
from torch import nn

from archwright.errors import InputError
from archwright.testing import check_law, check_space
from archwright.zoo.darts import (
    DARTS,
    DARTS_OPS,
    DARTS_V2,
    AuxiliaryLoss,
    DropPath,
    darts_space,
    set_drop_path,
)


@pytest.fixture(scope="module")
def small():
    return darts_space((1, 8, 8), 3, C=2, n_cells=3)


def n_parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_the_published_network_has_the_published_size():
    """The published log says 3.349342 MB, the auxiliary head not counted."""
    space = darts_space(C=36, n_cells=20)
    assert n_parameters(space.build(DARTS_V2, device="meta")) == 3_349_342
    with_head = darts_space(C=36, n_cells=20, auxiliary=True).build(DARTS_V2, device="meta")
    assert n_parameters(with_head) - n_parameters(with_head.auxiliary) == 3_349_342


def test_the_published_supernet_has_the_published_size():
    """The published search logs 1.930618 MB: C = 16, 8 cells, no scales and shifts in the cells."""
    supernet = darts_space(relaxed=True).supernet(seed=0)
    assert n_parameters(supernet) == 1_930_618


def test_space(small):
    assert darts_space(none=False).size == (180 * 7**8) ** 2
    assert len(DARTS_OPS) == 8
    check_space(small, n=10)


@pytest.mark.parametrize("options", [{"relaxed": True, "none": False}, {"drop_path": 0.2}], ids=str)
def test_law_of_the_options(options):
    space = darts_space((1, 9, 8), 3, C=2, n_cells=3, **options)
    check_law(space, lambda: torch.randn(2, 1, 9, 8), n=5)


@pytest.mark.parametrize("op", DARTS_OPS)
def test_every_operation_keeps_and_halves_the_size(op):
    """With one operation everywhere, odd sizes included."""
    space = darts_space((1, 9, 13), 2, C=2, n_cells=3)
    arch = {p: op if "-" in p else space.default[p] for p in space.default}
    model = space.build(arch, device="meta")
    assert model(torch.zeros(2, 1, 9, 13, device="meta")).shape == (2, 2)


def test_large_images_are_halved_three_times_first():
    space = darts_space((3, 128, 128), 5, C=4, n_cells=4)
    model = space.build(space.default, device="meta")
    x = torch.zeros(1, 3, 128, 128, device="meta")
    stem = model.stem(x)
    assert stem.shape == (1, 4, 32, 32)
    assert model.stem_1(stem).shape == (1, 4, 16, 16)
    assert model(x).shape == (1, 5)


def test_the_auxiliary_head_answers_in_training_only():
    space = darts_space((1, 8, 8), 3, C=2, n_cells=3, auxiliary=True)
    model = space.build(space.default, seed=0)
    x, y = torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    outputs, extra = model(x)
    assert outputs.shape == extra.shape == (4, 3)
    loss = AuxiliaryLoss(nn.CrossEntropyLoss(), weight=0.5)
    both = loss((outputs, extra), y)
    entropy = nn.functional.cross_entropy
    torch.testing.assert_close(both, entropy(outputs, y) + 0.5 * entropy(extra, y))
    both.backward()
    assert model.auxiliary[2].weight.grad is not None
    assert isinstance(model.eval()(x), torch.Tensor)


def test_drop_path_drops_whole_images_in_training():
    drop = DropPath(0.25)
    x = torch.ones(4000, 2, 1, 1)
    state = torch.random.get_rng_state()
    try:
        y = drop(x)
    finally:
        torch.random.set_rng_state(state)
    assert torch.equal(y[:, 0], y[:, 1])
    assert sorted(y.unique().tolist()) == [0.0, pytest.approx(4 / 3)]
    assert abs(y.mean().item() - 1) < 0.05
    set_drop_path(drop, 0.0)
    assert torch.equal(drop(x), x)


def test_wrong_options():
    with pytest.raises(InputError, match="drop_path must be from 0 to below 1"):
        DARTS(drop_path=1.0)
    with pytest.raises(InputError, match="n_cells must be a whole number"):
        DARTS(n_cells=0)
