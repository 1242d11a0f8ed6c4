"""GraSP by jets is GraSP by two backward passes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.proxies import score
from archwright.proxies.grasp import by_jets, by_two_backward_passes
from archwright.proxies.holding import held
from archwright.proxies.jet_rules import Jet, NoFormulaError
from archwright.proxies.kernels import twice_differentiable
from archwright.proxies.probe import Probe


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.deep = nn.Conv2d(6, 6, 3, padding=1, groups=3, bias=False)
        self.pool = nn.AvgPool2d(2)
        self.out = nn.Linear(12, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        y = self.norm(self.deep(x))
        y += x
        halves = self.pool(torch.cat([y * y.sigmoid(), x - 0.5 * y], 1))
        return self.out(halves.mean((2, 3)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x):
        for _ in range(2):
            x = torch.tanh(self.a(x)) @ self.a.weight.t() + x
        return self.b(x)


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.1)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.block(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


class Through(torch.autograd.Function):
    """Rounds; its gradient is the identity's."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Rounding(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 9), nn.Linear(9, 3)

    def forward(self, x):
        return self.b(Through.apply(4 * self.a(x)).tanh())


class Frozen(nn.Module):
    """A part that autograd holds for constant."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 9), nn.Linear(9, 9), nn.Linear(9, 3)

    def forward(self, x):
        x = self.a(x)
        with torch.no_grad():
            gate = self.b(x).sigmoid()
        return self.c(x * gate + self.b(x).detach())


def mlp(*layers):
    return nn.Sequential(nn.Linear(5, 7), *layers, nn.Linear(7, 3))


NETWORKS = {
    "residual": (Residual, (2, 6, 6)),
    "one dimension": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.GELU(), nn.MaxPool1d(2), nn.Flatten(),
            nn.Linear(8, 3),
        ),
        (2, 6),
    ),
    "without norm": (lambda: mlp(nn.ReLU()), (5,)),
    "norm of rows": (lambda: mlp(nn.BatchNorm1d(7, affine=False), nn.SiLU()), (5,)),
    "layer norm": (lambda: mlp(nn.LayerNorm(7), nn.Hardswish()), (5,)),
    "tied": (Tied, (5,)),
    "attention": (Attending, (4, 8)),
    "partly frozen": (Frozen, (5,)),
}  # fmt: skip


def both(net, shape, *, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, *shape, generator=generator, dtype=dtype)
    y = torch.arange(6) % 3
    with held(net.to(dtype), seed=0), torch.enable_grad():
        probe = Probe(net, x, y, hears=frozenset({"loss gradient"}), seed=0, loss=None)
        return by_jets(probe), by_two_backward_passes(probe)


@pytest.mark.parametrize("name", NETWORKS)
def test_jets_give_what_two_backward_passes_give(name):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    net = make()
    jets, backward = both(net, shape)
    assert jets == pytest.approx(backward, rel=1e-9, abs=1e-12)
    assert backward != 0
    jets, backward = both(net, shape, dtype=torch.float32)
    assert jets == pytest.approx(backward, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("net", "shape"),
    [(Recurrent(), (4, 8)), (Rounding(), (5,))],
    ids=["recurrent", "a gradient of its own"],
)
def test_what_jets_cannot_do_is_noticed(net, shape):
    jets, backward = both(net, shape)
    assert jets is None
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = score(net.float(), "grasp", data=(x.float(), torch.arange(6) % 3))
    assert found["grasp"] == pytest.approx(backward, rel=1e-3)


W = torch.linspace(-1, 1, 128, dtype=torch.float64).reshape(2, 4, 4, 4)
KERNEL = W[:1].reshape(4, 1, 4, 4)
CLASSES = torch.arange(32).reshape(2, 4, 4) % 4
ATTENTION = nn.MultiheadAttention(4, 2, batch_first=True).double()
NORM = (None, None, True, 0.0, 0.1, False)
OPERATIONS = {
    **{name: getattr(F, name) for name in (
        "gelu", "silu", "hardswish", "hardtanh", "relu6", "leaky_relu", "elu", "selu", "celu",
        "softplus", "mish", "logsigmoid", "tanhshrink", "softsign", "sigmoid", "tanh", "relu",
    )},
    **{name: getattr(torch, name) for name in ("exp", "square", "sin", "cos", "erf", "abs")},
    "prelu": lambda x: F.prelu(x, W[0, 0, 0, :1]),
    "clamp": lambda x: x.clamp(0, 1),
    "where": lambda x: torch.where(x > 0, x * x, x),
    "log, sqrt": lambda x: (x * x + 1).log() * (x * x + 1).sqrt() * (x * x + 1).rsqrt(),
    "quotients": lambda x: x / (x * x + 1) + 1 / (x * x + 1) + x**3,
    "sums": lambda x: (1 - x).sub(x.mean(0)) * 2 - x * W + x.add(x, alpha=0.5) + 1,
    "softmax": lambda x: x.softmax(1) * F.log_softmax(x, 2) + x.logsumexp(1, keepdim=True),
    "cross entropy": lambda x: F.cross_entropy(x, CLASSES, label_smoothing=0.1),
    "logistic loss": lambda x: F.binary_cross_entropy_with_logits(x, (W > 0).double()),
    "losses": lambda x: F.mse_loss(x, W) * F.nll_loss(x, CLASSES),
    "pooling": lambda x: F.max_pool2d(x, 3, 2, 1) * F.adaptive_max_pool2d(x, 2),
    "means": lambda x: F.avg_pool2d(x, 2) * F.adaptive_avg_pool2d(x, 2) + F.max_pool2d(x, 2),
    "layer norm": lambda x: F.layer_norm(x, (4,), W[0, 0, 0], W[0, 0, 1]),
    "group norm": lambda x: F.group_norm(x, 2) * F.rms_norm(x, (4,)),
    "batch norm": lambda x: torch.batch_norm(x, W[0, 0, 0], W[0, 0, 1], *NORM) ** 2,
    "attention": lambda x: F.scaled_dot_product_attention(x, x * x, x + 1),
    "heads": lambda x: ATTENTION(x[0], x[1], x[0])[0],
    "heads alone": lambda x: ATTENTION(x[0], x[1], x[0], need_weights=False)[0],
    "spread": lambda x: x.var(1) * x.std(1) + x.amax(1),
    "products": lambda x: torch.einsum("bchw,bdhw->bcd", x, x * x) @ x[0, :2],
    "with sums": lambda x: torch.baddbmm(x[0], x[1], x[0]) + torch.addmm(x[0, 0], x[1, 1], x[0, 1]),
    "larger": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear").square(),
    "convolutions": lambda x: F.conv2d(x, x, padding=2) * F.conv_transpose2d(x, KERNEL).mean(),
    "forms": lambda x: torch.stack([x.view(2, 64).chunk(2, 1)[1].t(), x[0].reshape(32, 2)]) ** 2,
    "padding": lambda x: F.pad(x, (1, 1)).cumsum(1).mT.square(),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_derivatives_of_an_operation(name):
    """Against the derivatives of x + s a + t b + s t c by autograd, twice."""
    f = OPERATIONS[name]
    generator = torch.Generator().manual_seed(0)
    x, a, b, c = (
        torch.randn(2, 4, 4, 4, dtype=torch.float64, generator=generator) for _ in range(4)
    )
    s = torch.zeros((), dtype=torch.float64, requires_grad=True)
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    with twice_differentiable(ATTENTION):
        y = f(x + s * a + t * b + s * t * c)
        weight = torch.linspace(1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)
        (first,) = torch.autograd.grad((y * weight).sum(), s, create_graph=True)
        expected = torch.autograd.grad(first, t, materialize_grads=True)[0]
        jet = f(Jet.of(x, a, b, c))
    assert (jet.by_s * weight).sum().item() == pytest.approx(first.item(), rel=1e-9)
    assert (jet.by_st * weight).sum().item() == pytest.approx(expected.item(), rel=1e-9)


def test_writing_where_the_derivatives_would_be_lost_is_refused():
    x = Jet.of(torch.ones(3), torch.ones(3))
    with pytest.raises(NoFormulaError):
        x[0] = 1.0
    with pytest.raises(NoFormulaError):
        torch.ones(3).add_(x)
