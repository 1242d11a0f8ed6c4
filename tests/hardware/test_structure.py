import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.hardware import costs, graph
from tests.hardware.nets import BasicBlock, Cell201, MobileNetV2, Net201, ResNet18


def labelled(drawn):
    names = [node["label"] for node in drawn["nodes"]]
    return [(names[a], names[b]) for a, b in drawn["edges"]]


def check(drawn):
    json.dumps(drawn)
    n = len(drawn["nodes"])
    assert [node["id"] for node in drawn["nodes"]] == list(range(n))
    assert all(a < b for a, b in drawn["edges"])
    assert {b for _, b in drawn["edges"]} == set(range(1, n))
    assert drawn["nodes"][0]["kind"] == "input"
    assert drawn["nodes"][-1]["kind"] == "output"


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (ResNet18, (3, 64, 64)),
        (MobileNetV2, (3, 64, 64)),
        (Net201, (3, 32, 32)),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
    ],
)
def test_sound_and_complete(make, shape):
    net = make()
    drawn = graph(net, shape)
    check(drawn)
    total = costs(net, shape, names=["params", "flops"])
    assert sum(node["flops"] for node in drawn["nodes"]) == total["flops"]
    assert sum(node["params"] for node in drawn["nodes"]) == total["params"]


def test_residual_block():
    drawn = graph(BasicBlock(4, 4, 1), (4, 8, 8))
    assert labelled(drawn) == [
        ("input", "conv 3x3 4"),
        ("input", "add"),
        ("conv 3x3 4", "batch norm"),
        ("batch norm", "relu"),
        ("relu", "conv 3x3 4"),
        ("conv 3x3 4", "batch norm"),
        ("batch norm", "add"),
        ("add", "relu"),
        ("relu", "output"),
    ]
    assert drawn["nodes"][1]["name"] == "conv1"
    assert drawn["nodes"][1]["shape"] == [4, 8, 8]


def test_sums_of_many_branches_are_one_node():
    drawn = graph(Cell201(4), (4, 8, 8))
    check(drawn)
    sums = [node["id"] for node in drawn["nodes"] if node["kind"] == "add"]
    for node in sums:
        sources = [a for a, b in drawn["edges"] if b == node]
        assert not set(sources) & set(sums) or len(sources) >= 2
    assert len(sums) == 2


def test_gate_concat_and_functions():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.gate = (nn.Conv2d(2, 2, 1) for _ in range(3))

        def forward(self, x):
            y = torch.cat([self.a(x), F.relu(self.b(x))], 1)
            gate = torch.sigmoid(self.gate(y[:, :2].mean((2, 3), keepdim=True)))
            return (y[:, :2] * gate).flatten(1) * 2 + 1

    edges = labelled(graph(Net(), (2, 4, 4)))
    assert ("conv 1x1 2", "concat") in edges
    assert ("relu", "concat") in edges
    assert ("concat", "mean") in edges
    assert ("concat", "multiply") in edges
    assert ("sigmoid", "multiply") in edges
    assert ("multiply", "output") in edges


def test_written_in_place_through_slices():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            y = torch.zeros(x.shape[0], 4)
            y[:, :2] = self.a(x)
            y[:, 2:] = self.b(x)
            return y

    edges = graph(Net(), (3,))["edges"]
    assert edges == [[0, 1], [0, 2], [1, 3], [2, 3]]


def test_attention_function_is_one_node():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(4, 12), nn.Linear(4, 4)

        def forward(self, x):
            return self.out(F.scaled_dot_product_attention(*self.qkv(x).chunk(3, -1)))

    drawn = graph(Net(), (5, 4))
    assert [n["label"] for n in drawn["nodes"]] == [
        "input",
        "linear 12",
        "attention",
        "linear 4",
        "output",
    ]
    assert drawn["nodes"][2]["shape"] == [5, 4]


def test_idle_layers_are_left_out():
    drawn = graph(nn.Sequential(nn.Identity(), nn.Linear(2, 2), nn.Dropout(0.5)), (2,))
    assert [n["label"] for n in drawn["nodes"]] == ["input", "linear 2", "output"]


def test_a_lost_trail_gives_a_chain():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            y = torch.from_numpy(self.a(x).numpy() + 1)
            return torch.from_numpy(self.b(y).numpy() * 2)

    drawn = graph(Net(), (2,))
    assert drawn["edges"][-1][1] == len(drawn["nodes"]) - 1
    assert len(drawn["nodes"]) >= 3


@pytest.mark.parametrize(
    ("make", "shape", "label"),
    [
        (lambda: nn.LSTM(4, 8, 2, bidirectional=True), (5, 4), "lstm 8 x2 both ways"),
        (lambda: nn.MaxPool2d(2), (1, 4, 4), "max pool 2x2"),
        (lambda: nn.AdaptiveAvgPool2d(1), (1, 4, 4), "average pool global"),
        (lambda: nn.AdaptiveAvgPool2d((2, 1)), (1, 4, 4), "average pool to 2x1"),
        (lambda: nn.LayerNorm(4), (4,), "layer norm"),
        (lambda: nn.Conv2d(4, 8, (3, 1), groups=2, dilation=2), (4, 9, 9),
         "grouped conv 3x1 8 dilated 2"),
        (lambda: nn.ConvTranspose2d(4, 8, 2, 2), (4, 9, 9), "transposed conv 2x2 8 /2"),
        (lambda: nn.Hardswish(), (4,), "hardswish"),
        (lambda: nn.LeakyReLU(), (4,), "leaky relu"),
        (lambda: nn.Flatten(), (4, 2), "flatten"),
    ],
)  # fmt: skip
def test_labels(make, shape, label):
    assert graph(make(), shape)["nodes"][1]["label"] == label
