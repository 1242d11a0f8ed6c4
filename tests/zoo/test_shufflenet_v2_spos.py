"""SPOS: the published network, the size of the space, split and shuffle."""

import torch
from torch import nn

from archwright.hardware import costs
from archwright.zoo import build_space
from archwright.zoo.shufflenet_v2_spos import SPOS_FOUND, SPOS_OPS, ShuffleBlock


def test_published_network():
    """319 M multiply-adds in the paper."""
    space = build_space("shufflenet_v2_spos", input_shape=(3, 224, 224), n_outputs=1000)
    assert space.size == 4**20
    found = costs(space.build(SPOS_FOUND, device="meta"), (3, 224, 224))
    assert round(found["macs"] / 1e6) == 319
    assert [SPOS_OPS.index(SPOS_FOUND[path]) for path in space.paths] == [
        0, 0, 3, 1, 1, 1, 0, 0, 2, 0, 2, 1, 1, 0, 2, 0, 2, 1, 3, 2
    ]  # fmt: skip


def test_half_of_the_channels_pass():
    block = ShuffleBlock(nn.ReLU(), None)
    x = torch.tensor([-1.0, -2, -3, -4]).reshape(1, 4, 1, 1)
    assert block(x).flatten().tolist() == [-1, -3, 0, 0]
    # Over two blocks every channel has gone through a branch.
    assert block(block(x)).flatten().tolist() == [-1, 0, 0, 0]


def test_candidates():
    space = build_space("shufflenet_v2_spos", input_shape=(3, 64, 64), n_outputs=2)
    model = space.build(dict.fromkeys(space.paths, "xception"), device="meta")
    first, second = model.stages[3][:2]
    assert len(second.branch) == 6
    assert second.projection is None
    assert first.branch[0][0].stride == first.projection[0][0].stride == (2, 2)
    model = space.build(dict.fromkeys(space.paths, "shuffle_7x7"), device="meta")
    assert model.stages[3][0].projection[0][0].kernel_size == (7, 7)
    assert model.stages[3][1].branch[1][0].kernel_size == (7, 7)


def test_very_narrow_copies():
    space = build_space("shufflenet_v2_spos", input_shape=(1, 8, 8), n_outputs=2)
    model = space.smaller(width=0.01).build(space.default, device="meta")
    assert model(torch.zeros(1, 1, 8, 8, device="meta")).shape == (1, 2)
    assert [stage[1].branch[1][0].in_channels for stage in model.stages] == [4, 6, 8, 10]
