"""ProxylessNAS: the published networks and the size of the space."""

import pytest

from archwright.errors import InputError
from archwright.hardware import n_params
from archwright.zoo import build_space
from archwright.zoo.proxyless import (
    PROXYLESS_CPU,
    PROXYLESS_CPU_WIDTHS,
    PROXYLESS_GPU,
    PROXYLESS_GPU_WIDTHS,
    PROXYLESS_MOBILE,
    PROXYLESS_MOBILE_WIDTHS,
)


@pytest.mark.parametrize(
    ("widths", "arch", "parameters"),
    [
        (PROXYLESS_CPU_WIDTHS, PROXYLESS_CPU, 4_361_648),
        (PROXYLESS_GPU_WIDTHS, PROXYLESS_GPU, 7_119_848),
        (PROXYLESS_MOBILE_WIDTHS, PROXYLESS_MOBILE, 4_080_512),
        ((48, 24, 40, 56, 112, 136, 256, 448, 1792), PROXYLESS_MOBILE, 6_857_568),
    ],
    ids=["cpu", "gpu", "mobile", "mobile 1.4"],
)
def test_published_networks_have_the_published_size(widths, arch, parameters):
    space = build_space("proxyless", input_shape=(3, 224, 224), n_outputs=1000, widths=widths)
    assert space.size == 6**6 * 7**15
    assert n_params(space.build(arch, device="meta")) == parameters


def test_smaller_copies():
    space = build_space("proxyless", input_shape=(1, 8, 8), n_outputs=3, layers=3)
    full = space.build(space.default, device="meta")
    copy = space.smaller(width=0.25, depth=0.34).build(space.default, device="meta")
    assert [len(stage) for stage in full.stages] == [3, 3, 3, 3, 3, 1]
    assert [len(stage) for stage in copy.stages] == [2, 2, 2, 2, 2, 1]
    assert copy.head[-1].in_features == 320


def test_wrong_widths():
    with pytest.raises(InputError, match="widths must be 9 numbers"):
        build_space("proxyless", input_shape=(1, 8, 8), n_outputs=3, widths=(32, 16))
    with pytest.raises(InputError, match="widths must be a whole number"):
        build_space("proxyless", input_shape=(1, 8, 8), n_outputs=3, widths=(0,) * 9)
