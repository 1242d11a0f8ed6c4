import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import InputError
from archwright.hardware import costs, profile
from tests.hardware.nets import MobileNetV2, Net201, ResNet18


class Functional(nn.Module):
    """Owns a parameter and multiplies in its own forward."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 4))
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.MultiheadAttention(3, 1, batch_first=True))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = self.inner[0](x)
        return self.inner[1](x, x, x)[0] @ self.weight


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (ResNet18, (3, 64, 64)),
        (MobileNetV2, (3, 64, 64)),
        (Net201, (3, 32, 32)),
        (Functional, (5, 3)),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
        (lambda: nn.LSTM(8, 4, batch_first=True), (5, 8)),
    ],
)
def test_columns_add_up(make, shape):
    with torch.device("meta"):
        net = make()
    rows = profile(net, shape)
    total = costs(net, shape, names=["params", "flops"])
    assert sum(row.params for row in rows) == total["params"]
    assert sum(row.flops for row in rows) == total["flops"]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_rows():
    rows = {row.name: row for row in profile(Functional(), (5, 3), batch_size=2)}
    assert list(rows) == ["", "inner.0", "inner.1", "unused"]
    assert (rows[""].params, rows[""].flops) == (12, 2 * 2 * 5 * 3 * 4)
    assert rows["inner.0"].output_shape == (2, 5, 3)
    assert rows["unused"].n_calls == 0
    assert rows["unused"].output_shape is None
    assert rows["inner.1"].to_dict()["kind"] == "MultiheadAttention"


def test_shared_layer_is_one_row():
    layer = nn.Linear(4, 4)
    (row,) = (r for r in profile(nn.Sequential(layer, nn.ReLU(), layer), (4,)) if r.params)
    assert (row.n_calls, row.params, row.flops) == (2, 20, 64)


def test_hooks_go_when_the_forward_fails():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2)

        def forward(self, x):
            raise RuntimeError("no")

    net = Fails()
    with pytest.raises(InputError, match="no"):
        profile(net, (2,))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_functional_convolution_belongs_to_its_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 1, 3, 3))

        def forward(self, x):
            return F.conv2d(x, self.weight)

    (row,) = profile(nn.Sequential(Net()), (1, 5, 5))
    assert (row.name, row.flops, row.params) == ("0", 2 * 9 * 9 * 2, 18)
