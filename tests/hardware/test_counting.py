import copy
import threading

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archwright.errors import InputError, UnknownNameError
from archwright.hardware import COMPUTED, COSTS, costs
from archwright.hardware.tracing import Recorder, trace
from tests.hardware.nets import MobileNetV2, Net201, ResNet18

WORK = ["flops", "macs", "activation_bytes"]


def on_meta(make):
    with torch.device("meta"):
        return make()


# -- known answers -----------------------------------------------------------------------------
def test_resnet18():
    found = costs(on_meta(ResNet18), (3, 224, 224), names=["params", "macs", "n_layers"])
    assert found["params"] == 11_689_512
    assert found["macs"] == 1_814_073_344
    assert found["n_layers"] == 18 + 3  # and the three shortcuts


def test_mobilenet_v2():
    found = costs(on_meta(MobileNetV2), (3, 224, 224), names=["params", "macs"])
    assert found["params"] == 3_504_872
    assert found["macs"] == 300_774_272


def test_transformer_block_by_hand():
    t, d, hidden, batch = 7, 32, 64, 3
    block = nn.TransformerEncoderLayer(d, 4, hidden, batch_first=True)
    projections = 4 * t * d * d
    attention = 2 * t * t * d
    feed_forward = 2 * t * d * hidden
    expected = batch * (projections + attention + feed_forward)
    assert costs(block, (t, d), names=["macs"], batch_size=batch) == {"macs": expected}


def test_attention_layer_by_hand():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(32, 4, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    assert costs(Net(), (5, 32), names=["macs"])["macs"] == 4 * 5 * 32 * 32 + 2 * 5 * 5 * 32


class Recurrent(nn.Module):
    def __init__(self, kind, **kwargs):
        super().__init__()
        self.rnn = kind(8, 16, batch_first=True, **kwargs)

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


@pytest.mark.parametrize(
    ("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)], ids=["lstm", "gru", "rnn"]
)
def test_recurrent_by_hand(kind, gates):
    t, n_in, h, batch = 9, 8, 16, 2
    one = t * gates * h * (n_in + h)
    two = t * gates * h * (h + h)
    macs = costs(Recurrent(kind, num_layers=2), (t, n_in), names=["macs"], batch_size=batch)["macs"]
    assert macs == batch * (one + two)
    both = t * gates * h * (n_in + h) * 2
    model = Recurrent(kind, bidirectional=True)
    assert costs(model, (t, n_in), names=["macs"])["macs"] == both


def test_recurrent_agrees_with_the_unrolled_count():
    model = on_meta(lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True, proj_size=4))
    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        model(torch.empty(3, 5, 8))
    found = costs(model, (5, 8), names=["flops"], batch_size=3)
    assert found["flops"] == counter.get_total_flops()


def test_peak_activations_by_hand():
    # 4 -> 8 -> 8 -> 2: the peak is while 8 numbers are made from 8 others
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    assert costs(net, (4,), names=["activation_bytes"])["activation_bytes"] == 4 * 16
    inplace = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))
    assert costs(inplace, (4,), names=["activation_bytes"])["activation_bytes"] == 4 * 12


def test_a_shortcut_keeps_its_input_alive():
    class Net(nn.Module):
        def __init__(self, residual):
            super().__init__()
            self.a, self.b, self.residual = nn.Linear(8, 8), nn.Linear(8, 8), residual

        def forward(self, x):
            x = x.sin()
            y = self.b(self.a(x))
            return x + y if self.residual else y

    plain = costs(Net(False), (8,), names=["activation_bytes"])["activation_bytes"]
    residual = costs(Net(True), (8,), names=["activation_bytes"])["activation_bytes"]
    assert (plain, residual) == (2 * 32, 3 * 32)


# -- properties ----------------------------------------------------------------------------------
@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(1, 8),
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    transposed=st.booleans(),
    batch=st.integers(1, 3),
)
def test_agrees_with_torchs_counter(width, groups, kernel, stride, dilation, transposed, batch):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = kind(
        groups * width,
        2 * groups,
        kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=4,
    )
    net = nn.Sequential(nn.BatchNorm2d(groups * width), layer, nn.ReLU())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(batch, groups * width, 12, 12))
    for _ in range(2):  # the second pass answers from memory
        found = costs(net, (groups * width, 12, 12), names=WORK, batch_size=batch)
        assert found["flops"] == counter.get_total_flops() == 2 * found["macs"]


def test_flops_grow_with_the_batch_and_params_do_not():
    net = Net201(n_cells=1)
    one = costs(net, (3, 16, 16))
    four = costs(net, (3, 16, 16), batch_size=4)
    assert four["flops"] == 4 * one["flops"]
    assert four["activation_bytes"] == 4 * one["activation_bytes"]
    assert four["params"] == one["params"]
    assert one["memory_bytes"] == one["weight_bytes"] + one["activation_bytes"]


@pytest.mark.parametrize(
    "net",
    [
        nn.Linear(3, 2),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2).half()),
        nn.LSTM(3, 4, 2),
        nn.Sequential(nn.Embedding(7, 3), nn.MultiheadAttention(3, 1)),
    ],
)
def test_size_is_that_of_the_weights_file(net):
    assert costs(net, names=["size_bytes"])["size_bytes"] == len(save(net.state_dict()))


def test_shared_weights_count_once():
    layer = nn.Linear(4, 4)
    found = costs(nn.Sequential(layer, nn.ReLU(), layer), (4,))
    assert (found["params"], found["weight_bytes"], found["macs"]) == (20, 80, 32)


def test_trainable():
    net = nn.Linear(4, 4)
    net.bias.requires_grad_(False)
    assert costs(net, names=["trainable_params", "params"]) == {
        "trainable_params": 16,
        "params": 20,
    }


# -- the model is left alone -----------------------------------------------------------------------
def test_leaves_the_model_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten())
    net[1].eval()
    before = copy.deepcopy(net.state_dict())
    pointers = [p.data_ptr() for p in net.parameters()]
    state = torch.random.get_rng_state()
    costs(net, (1, 8, 8))
    assert [m.training for m in net] == [True, False, True, True]
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert pointers == [p.data_ptr() for p in net.parameters()]
    assert torch.equal(state, torch.random.get_rng_state())
    assert not any(m._forward_hooks for m in net.modules())


def test_mode_is_restored_after_an_error():
    net = nn.Linear(3, 2)
    with pytest.raises(InputError):
        costs(net, (4,))
    assert net.training


def test_params_need_no_forward_pass():
    class Broken(nn.Linear):
        def forward(self, x):
            raise AssertionError("must not run")

    assert costs(Broken(3, 2), (3,), names=["params", "size_bytes", "n_layers"])["params"] == 8
    assert costs(Broken(3, 2), names=["params"]) == {"params": 8}


def test_meta_and_real_models_agree():
    assert costs(on_meta(Net201), (3, 32, 32)) == costs(Net201(), (3, 32, 32))


# -- models that are not plain ---------------------------------------------------------------------
class MakesTensors(nn.Module):
    """Makes tensors on the CPU in its forward, and keeps a plain tensor that is no buffer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.mask = torch.ones(4)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        positions = torch.arange(x.shape[1], device="cpu")
        x = x + self.embedding(positions) * torch.tensor(2.0) + F.softmax(self.scale, 0)
        return self.out(x * self.mask + torch.zeros(4, dtype=x.dtype))


def test_forward_that_makes_tensors():
    assert costs(MakesTensors(), (8, 4), names=["macs"])["macs"] == 8 * 4 * 2


class DataDependent(nn.Module):
    def __init__(self, depends):
        super().__init__()
        self.depends = depends
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.lstm = nn.LSTM(8, 4, batch_first=True)

    def forward(self, x):
        if self.depends and bool(x.abs().sum() < 0):
            return x
        return self.lstm(F.scaled_dot_product_attention(*[self.attention(x)] * 3))[0]


def test_a_path_that_depends_on_data_gives_the_same_flops():
    torch.manual_seed(0)
    real = costs(DataDependent(True), (6, 8), names=["flops"], batch_size=2)
    assert real == costs(DataDependent(False), (6, 8), names=["flops"], batch_size=2)
    recorder, _ = trace(DataDependent(True), (6, 8))
    assert recorder.real


def test_inplace_and_views():
    class Net(nn.Module):
        def forward(self, x):
            a, b = x.chunk(2, dim=1)
            y = torch.cat([a + 1, b * 2], 1).unsqueeze(0).squeeze_(0)
            y[:, :1] = 0
            return y.transpose(1, 2).contiguous().view(x.shape[0], -1)

    for _ in range(2):
        found = costs(Net(), (4, 6), names=WORK)
        assert found["flops"] == 0
        # the halves are views of the input; their sum and product live until the concatenation
        assert found["activation_bytes"] == 4 * 24 * 2


def test_vector_products_and_bilinear_count():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(5))
            self.bilinear = nn.Bilinear(3, 4, 2)

        def forward(self, x):
            return x @ self.w, self.bilinear(x[..., :3], x[..., :4])

    assert costs(Net(), (5,), names=["macs"])["macs"] == 5 + 2 * 3 * 4


def test_inference_mode_inside_forward():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.lin = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(32, 2)

        def forward(self, x):
            with torch.inference_mode():
                return self.lin(self.conv(x).flatten(1))

    assert costs(Net(), (1, 4, 4), names=["macs"])["macs"] == 2 * 9 * 16 + 64


def test_embedding_takes_whole_numbers():
    net = nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(40, 3))
    assert costs(net, (5,), names=["macs"])["macs"] == 120


def test_half_precision_and_graph_module():
    net = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU())).to(torch.bfloat16)
    found = costs(nn.Sequential(net, nn.Linear(4, 2).to(torch.bfloat16)), (4,))
    assert (found["macs"], found["weight_bytes"]) == (24, 2 * 30)


def test_two_threads_at_once():
    net = Net201(n_cells=1)
    expected = costs(net, (3, 16, 16))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(costs(Net201(n_cells=1), (3, 16, 16))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected, expected]


def test_recorder_is_reusable_from_memory():
    first, _ = trace(Net201(1), (3, 8, 8))
    second, _ = trace(Net201(1), (3, 8, 8))
    assert isinstance(first, Recorder)
    assert (first.flops, first.n_ops, first.peak_bytes()) == (
        second.flops,
        second.n_ops,
        second.peak_bytes(),
    )


# -- bad input ------------------------------------------------------------------------------------
def test_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'flops'"):
        costs(nn.Linear(3, 2), (3,), names=["flop"])


@pytest.mark.parametrize("shape", [(0,), (2.5,), (-1, 3), 5, ("a",), None])
def test_bad_shapes(shape):
    with pytest.raises(InputError, match="input_shape"):
        costs(nn.Linear(3, 2), shape, names=["flops"])


def test_wrong_shape_says_what_torch_says():
    with pytest.raises(InputError, match=r"cannot take an input of shape \(1, 4\).*4 and 3x2"):
        costs(nn.Linear(3, 2), (4,))


def test_not_a_model():
    with pytest.raises(InputError, match=r"expected a torch\.nn\.Module"):
        costs("resnet", (3,))


def test_lazy_layers():
    with pytest.raises(InputError, match="not initialised"):
        costs(nn.LazyLinear(3), (3,), names=["params"])


def test_computed_is_all_that_needs_no_measurement():
    assert set(COSTS) - set(COMPUTED) == {"latency_ms"}
    assert all(cost.name == name and cost.description for name, cost in COSTS.items())
