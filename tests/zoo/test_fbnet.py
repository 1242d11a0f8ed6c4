"""FBNet: a published network, the size of the space, what a block does."""

import torch
from torch import nn

from archwright.hardware import costs, n_params
from archwright.zoo import build_space
from archwright.zoo.fbnet import FBNET_C, FBNET_OPS, FBNetBlock


def test_published_network():
    """FBNet-C: 5.5 M parameters and 375 M multiply-adds in the paper, within 3 %."""
    space = build_space("fbnet", input_shape=(3, 224, 224), n_outputs=1000)
    assert space.size == 9**22
    assert len(FBNET_OPS) == 9
    model = space.build(FBNET_C, device="meta")
    assert n_params(model) == 5_572_200
    assert abs(costs(model, (3, 224, 224))["macs"] / 375e6 - 1) < 0.03


def test_skips_that_change_the_shape_are_convolutions():
    space = build_space("fbnet", input_shape=(3, 64, 64), n_outputs=2)
    arch = dict.fromkeys(space.paths, "skip")
    stages = space.build(arch, device="meta").stages
    assert [type(layer) for layer in stages[1]] == [nn.Sequential] + 3 * [nn.Identity]
    assert isinstance(stages[0][0], nn.Identity)  # 16 channels to 16, stride 1


def test_groups_are_shuffled():
    """With two groups, each half of the channels inside comes from both halves of the input."""
    block = FBNetBlock(4, 4, kernel=3, expansion=1, groups=2, stride=2)
    inside = block.shuffle(torch.tensor([1.0, 2, 3, 4]).reshape(1, 4, 1, 1))
    assert inside.flatten().tolist() == [1, 3, 2, 4]
    assert block.widen[0].groups == block.narrow[0].groups == 2
    assert not block.shortcut
