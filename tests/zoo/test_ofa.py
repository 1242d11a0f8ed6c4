"""Once-for-All: the published spaces over MobileNetV3 and ResNet-50D."""

import math

import pytest
from torch import nn

from archwright.hardware import n_params
from archwright.zoo import build_space


@pytest.fixture(scope="module")
def mobile():
    return build_space("ofa_mobilenet_v3", input_shape=(3, 224, 224), n_outputs=1000)


@pytest.fixture(scope="module")
def resnet():
    return build_space("ofa_resnet", input_shape=(3, 224, 224), n_outputs=1000)


def test_mobilenet(mobile):
    """2 * 10^19 networks that share 7.7 M weights."""
    assert mobile.size == (9**2 + 9**3 + 9**4) ** 5
    assert round(mobile.size / 1e19) == 2
    assert round(n_params(mobile.build(mobile.default, device="meta")) / 1e6, 1) == 7.7


def test_activations_and_gates(mobile):
    model = mobile.build(mobile.default, device="meta")
    kinds = [type(unit[1].widen[-1]) for unit in model.units]
    assert kinds == 2 * [nn.ReLU] + 3 * [nn.Hardswish]
    gated = [not isinstance(unit[0].squeeze_excite, nn.Identity) for unit in model.units]
    assert gated == [False, True, False, True, True]
    assert [unit[0].depthwise[0].stride[0] for unit in model.units] == [2, 2, 2, 1, 2]


def test_resnet_50d(resnet):
    model = resnet.build(resnet.default, device="meta")
    assert [len(stage) for stage in model.stages] == [3, 4, 6, 3]
    assert n_params(model) == 25_576_264
    assert n_params(model.stages) + n_params(model.head) == 25_557_032 - 9_408 - 128


def test_size_of_the_resnet_space(resnet):
    depths = [3**2 + 3**3 + 3**4, 3**2 + 3**3 + 3**4, 3**4 + 3**5 + 3**6, 3**2 + 3**3 + 3**4]
    assert resnet.size == 2 * 3**2 * 3**4 * math.prod(depths)


def test_widths_of_the_resnet_space(resnet):
    arch = {**resnet.default, "stage1/width": 0.65, "stem/residual": "no"}
    arch["stage1/depth.0/expansion"] = 0.35
    model = resnet.build(arch, device="meta")
    block = model.stages[0][0]
    assert block.branch[2][0].out_channels == 168  # 256 * 0.65, a multiple of 8
    assert block.branch[0][0].out_channels == 56
    assert isinstance(model.stem[1], nn.Identity)
