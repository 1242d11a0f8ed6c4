import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archwright.export.constructors import constructor, evaluate
from archwright.export.layout import wrap
from archwright.export.literals import CannotWriteError, literal
from archwright.export.source import write_source
from archwright.hardware import example_input
from tests.export.models import MODELS, ByShape, ByValue, Cell, MobileNet, randomise


def run(source):
    torchs = ["import torch", "import torch.nn.functional as F", "from torch import nn"]
    text = "\n".join([*torchs, *source.imports, source.classes, f"NETWORK = {source.build}"])
    scope = {}
    exec(compile(text, "model.py", "exec"), scope)
    return scope["NETWORK"].eval(), text


def check(net, shape):
    before = copy.deepcopy(net.state_dict())
    state = torch.random.get_rng_state()
    source = write_source(net)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    made, text = run(source)
    made.load_state_dict({**net.state_dict(), **source.constants}, strict=True)
    for batch in (1, 3):
        x = example_input(net, shape, batch_size=batch)
        assert torch.equal(made(x), net(x))
    return source, text


@pytest.mark.parametrize("name", MODELS)
def test_gives_the_same_outputs(name):
    make, shape = MODELS[name]
    _, text = check(randomise(make()), shape)
    assert max(map(len, text.splitlines())) <= 100


def test_training_mode_is_left_alone():
    net = MobileNet()
    write_source(net)
    assert all(m.training for m in net.modules())
    assert not any(m._forward_hooks for m in net.modules())


def test_classes_keep_their_names_and_equal_ones_are_one():
    source, _ = check(randomise(MobileNet()), (3, 16, 16))
    assert source.classes.count("class SqueezeExcite(") == 1
    assert source.classes.count("class MBConv") == 3  # strided, plain with and without SE
    assert "def __init__(self, in_channels, out_channels):" in source.classes
    assert "return x + self.project(self.se(y))" in source.classes


def test_loops_and_repetitions():
    make, shape = MODELS["vit"]
    source, _ = check(randomise(make()), shape)
    assert "for block in self.blocks:" in source.classes
    make, shape = MODELS["cells"]
    source, _ = check(randomise(make()), shape)
    assert "nn.Sequential(*(Cell() for _ in range(4)))" in source.classes


def test_wrapped_classes_of_torch_are_written_as_torchs():
    class Mine(nn.Conv2d):
        pass

    class Stack(nn.Sequential):
        pass

    source, _ = check(randomise(Stack(Mine(2, 3, 3), nn.ReLU())), (2, 5, 5))
    assert source.build == "nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())"


def test_own_forward_in_a_subclass_of_a_layer():
    class Same(nn.Conv2d):
        def forward(self, x):
            return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, self.stride)

    check(randomise(nn.Sequential(Same(2, 3, 3, stride=2), nn.ReLU())), (2, 5, 5))


def test_operators_bind_as_they_did():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(3))

        def forward(self, x):
            y = (x + self.w) * (x - 2) / (1 + x**2) ** 0.5
            z = -((x - (self.w - x)) ** 2)
            n = x.shape[0] * (x.shape[1] // 2 + 1)
            u = torch.zeros(n, device=x.device).reshape(-1, x.shape[1] // 2 + 1)
            mask = (x > 0) & ~(x >= 1)
            return torch.cat([y, z, x @ x.t() @ x, u, mask * x, x[:, -1:], x[..., None, 0]], 1)

    check(randomise(Net()), (3,))


def test_several_inputs_outputs_and_defaults_of_a_part():
    class Part(nn.Module):
        def forward(self, x, y, scale=2.0, flip=False):
            return (y, x * scale) if flip else (x * scale, y)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = Part(), Part()

        def forward(self, x):
            p, q = self.a(x, x.tanh())
            r, s = self.b(p, y=q, flip=True)
            return p - q + r * s

    source, _ = check(Net(), (3,))
    assert "a, b = self.a(x, x.tanh())" in source.classes


def test_chains_of_parts_called_in_different_ways():
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(3, 3), Gate())

        def forward(self, x, skip=True):
            y = self.inner(x)
            return x + y if skip else y

    class Gate(nn.Module):
        def forward(self, x, on=True):
            return x.sigmoid() * x if on else x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Part()

        def forward(self, x):
            return self.part(self.part(x), skip=False)

    check(randomise(Net()), (3,))


def test_plain_tensors_and_hidden_buffers_travel():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.arange(3.0)
            self.register_buffer("hidden", torch.tensor([[2, 0, 1]]), persistent=False)
            self.register_buffer("nothing", None)

        def forward(self, x):
            return x[:, self.hidden[0]] * self.table + torch.tensor([1.0, 2.0, 3.0])

    source, _ = check(Net(), (3,))
    assert {"table", "hidden"} <= set(source.constants)


@pytest.mark.parametrize("make", [ByShape, ByValue])
def test_what_cannot_be_followed(make):
    with pytest.raises(CannotWriteError):
        write_source(make())


def test_odd_models_are_refused_not_mangled():
    net = nn.Sequential(nn.Linear(3, 3))
    net[0].register_parameter("extra", nn.Parameter(torch.ones(2)))
    with pytest.raises(CannotWriteError, match="0: Linear holds other weights"):
        write_source(net)
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)))
    with pytest.raises(CannotWriteError):
        write_source(net)


LAYERS = [
    nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False),
    nn.Conv2d(4, 4, (3, 5), stride=(1, 2), padding=(1, 2), padding_mode="reflect"),
    nn.Conv3d(1, 2, 3, padding="same"),
    nn.ConvTranspose1d(4, 2, 3, 2, output_padding=1, groups=2),
    nn.ConvTranspose2d(4, 2, 3, 2, dilation=2),
    nn.Linear(3, 2, bias=False),
    nn.Bilinear(3, 4, 2),
    nn.BatchNorm1d(3, eps=1e-3, momentum=None),
    nn.BatchNorm2d(3, affine=False),
    nn.BatchNorm3d(3, track_running_stats=False),
    nn.LayerNorm((3, 4), eps=1e-6, bias=False),
    nn.LayerNorm(4, elementwise_affine=False),
    nn.GroupNorm(2, 4, affine=False),
    nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
    nn.RMSNorm(4, eps=1e-6),
    nn.LocalResponseNorm(3, k=2.0),
    nn.Embedding(5, 3, padding_idx=1, max_norm=2.0),
    nn.EmbeddingBag(5, 3, mode="sum"),
    nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True, dropout=0.1, proj_size=2),
    nn.GRU(3, 4, bias=False),
    nn.RNN(3, 4, nonlinearity="relu"),
    nn.LSTMCell(3, 4),
    nn.GRUCell(3, 4, bias=False),
    nn.RNNCell(3, 4, nonlinearity="relu"),
    nn.MultiheadAttention(8, 2, dropout=0.1, bias=False, kdim=4, vdim=5, batch_first=True),
    nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True),
    nn.TransformerEncoderLayer(8, 2, 16, 0.2, "gelu", 1e-6, True, True, False),
    nn.TransformerEncoderLayer(8, 2, activation=nn.SiLU()),
    nn.TransformerDecoderLayer(8, 2, 16),
    nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16), 2, norm=nn.LayerNorm(8), enable_nested_tensor=False
    ),
    nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    nn.MaxPool1d(2, return_indices=True),
    nn.AvgPool2d((2, 3), (1, 2), count_include_pad=False, divisor_override=3),
    nn.AvgPool1d(2),
    nn.LPPool2d(2.0, 3),
    nn.AdaptiveAvgPool2d((None, 3)),
    nn.AdaptiveMaxPool1d(2),
    nn.Flatten(1, -2),
    nn.Unflatten(1, (2, 3)),
    nn.Dropout(0.3, inplace=True),
    nn.Dropout2d(0.1),
    nn.AlphaDropout(0.1),
    nn.Upsample(scale_factor=(2.0, 3.0), mode="bilinear", align_corners=True),
    nn.Upsample(size=(4, 5)),
    nn.UpsamplingNearest2d(scale_factor=2.0),
    nn.PixelShuffle(2),
    nn.PixelUnshuffle(2),
    nn.ChannelShuffle(2),
    nn.ZeroPad2d((1, 2, 0, 1)),
    nn.ReflectionPad1d(2),
    nn.ReplicationPad2d(1),
    nn.ConstantPad2d(1, 3.5),
    nn.Unfold(3, padding=1),
    nn.Fold((4, 5), 2),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.PReLU(4),
    nn.LeakyReLU(0.2, inplace=True),
    nn.ELU(0.5),
    nn.CELU(0.5),
    nn.SELU(),
    nn.GELU("tanh"),
    nn.SiLU(inplace=True),
    nn.Mish(),
    nn.Hardswish(),
    nn.Hardsigmoid(),
    nn.Hardtanh(-2.0, 3.0),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Softplus(2, 10),
    nn.Softsign(),
    nn.Softshrink(0.3),
    nn.Hardshrink(0.3),
    nn.Tanhshrink(),
    nn.LogSigmoid(),
    nn.Threshold(0.1, 20.0),
    nn.GLU(1),
    nn.RReLU(0.1, 0.3),
    nn.Softmax(1),
    nn.Softmax2d(),
    nn.LogSoftmax(dim=-1),
    nn.Softmin(dim=1),
    nn.CosineSimilarity(dim=2, eps=1e-6),
    nn.Identity(3, name="x"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_constructors(layer):
    made = evaluate(constructor(layer))
    assert type(made) is type(layer)
    assert made.extra_repr() == layer.extra_repr()
    assert [*made.state_dict()] == [*layer.state_dict()]


def test_a_layer_changed_after_its_making():
    layer = nn.Linear(3, 3)
    layer.out_features = 4
    with pytest.raises(CannotWriteError, match="other weights"):
        constructor(layer)
    layer = nn.Softmax()
    layer.dim = [1]
    with pytest.raises(CannotWriteError):
        constructor(layer)
    with pytest.raises(CannotWriteError, match="no layer of torch"):
        constructor(Cell(2))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)


@given(st.recursive(scalars, lambda c: st.lists(c, max_size=3) | st.tuples(c, c) | st.tuples(c)))
def test_literals_read_back(value):
    assert eval(literal(value)) == value


def test_literals_of_torch():
    assert literal(torch.float16) == "torch.float16"
    assert literal(slice(None, 3)) == "slice(None, 3, None)"
    assert literal(torch.device("cpu")) == 'torch.device("cpu")'
    assert literal(torch.channels_last) == "torch.channels_last"
    assert literal(math.nan) == 'float("nan")'
    with pytest.raises(CannotWriteError):
        literal(object())


@given(
    st.recursive(
        st.sampled_from(["a", "bb", "'x, (y'", "1.5", "k=3", "-2"]),
        lambda c: st.builds(
            lambda name, items: f"{name}({', '.join(items)})", st.sampled_from(["f", "gg.h"]),
            st.lists(c, max_size=4),
        ) | st.builds(lambda items: f"[{', '.join(items)}]", st.lists(c, max_size=4)),
        max_leaves=20,
    ),
    st.integers(10, 60),
)  # fmt: skip
def test_wrapping_changes_nothing_but_layout(expression, width):
    import ast

    line = f"x = z({expression.replace('k=3', 'k')})"
    assert ast.dump(ast.parse(wrap(line, width))) == ast.dump(ast.parse(line))


def test_wrapping_keeps_parentheses_that_group():
    line = "    x = (aaaa + bbbb) * f(cccc)"
    assert "(\n        aaaa + bbbb\n    )" in wrap(line, 20)
    line = "y = [x for x in range(100000000000000)]"
    compile(wrap(line, 20), "x", "exec")


def test_names_that_need_care():
    class nn_like(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = nn.Linear(3, 3)

        def forward(self, input, *, self_=None):
            return self.size(input).reshape(input.size(0), 3)

    source, _ = check(randomise(nn.Sequential(nn_like(), nn_like())), (3,))
    assert "class Nn_like(" in source.classes
