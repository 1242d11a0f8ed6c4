"""Kernel transformation matrices: the identity at first, learnt, and gone when extracted."""

from __future__ import annotations

import pytest
import torch

import archwright.nn as aw
from archwright.errors import SpaceError
from archwright.supernet.kernels import add_kernel_transforms
from archwright.supernet.rules import ProgressiveShrinking
from archwright.supernet.training import train_supernet
from tests.supernet import shared_toys

SPACE = shared_toys.space()
TASK = shared_toys.task()
X = TASK.prepare(TASK.validation.x)


def test_changes_nothing_at_first():
    plain, own = SPACE.supernet(seed=0).eval(), SPACE.supernet(seed=0).eval()
    add_kernel_transforms(own)
    for seed in range(4):
        arch = SPACE.sample(seed=seed)
        with torch.no_grad(), plain.active(arch), own.active(arch):
            assert torch.allclose(plain(X), own(X), atol=1e-6)


def test_is_learnt_and_extracted_as_plain_convolutions():
    own = add_kernel_transforms(SPACE.supernet(seed=0))
    train_supernet(SPACE, TASK, rule=ProgressiveShrinking(), epochs=6, supernet=own)
    matrix = own.model.blocks[0].body[0].kernel_transform.matrices[0]
    assert not torch.equal(matrix, torch.eye(1))
    for seed in range(4):
        arch = SPACE.sample(seed=seed)
        network = own.extract(arch)
        assert set(network.state_dict()) == set(SPACE.build(arch, seed=0).state_dict())
        with torch.no_grad(), own.active(arch):
            assert torch.allclose(network(X), own(X), atol=1e-6)


def test_three_kernels_follow_one_another():
    space = aw.ModelSpace(lambda: aw.conv2d(2, 3, kernel=aw.choice("kernel", [3, 5, 7])))
    supernet = add_kernel_transforms(space.supernet(seed=0))
    matrices = supernet.model.kernel_transform.matrices
    assert [len(m) for m in matrices] == [25, 9]
    with torch.no_grad():
        matrices[0].mul_(2.0)
        matrices[1].mul_(3.0)
    whole = supernet.model._parameters["weight"]
    for kernel, factor in ((7, 1.0), (5, 2.0), (3, 6.0)):
        edge = (7 - kernel) // 2
        middle = whole[:, :, edge : 7 - edge, edge : 7 - edge]
        assert torch.allclose(supernet.extract({"kernel": kernel}).weight, factor * middle)


def test_errors():
    with pytest.raises(SpaceError, match="elastic kernel"):
        add_kernel_transforms(
            aw.ModelSpace(lambda: aw.linear(2, aw.choice("w", [1, 2]))).supernet()
        )
    space = aw.ModelSpace(lambda: aw.conv2d(1, 2, kernel=aw.choice("kernel", [2, 3])))
    with pytest.raises(SpaceError, match="all odd"):
        add_kernel_transforms(space.supernet())
