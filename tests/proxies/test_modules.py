"""Proxies on networks of any kind."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import InputError, UnknownNameError
from archwright.proxies import GROUPS, PROXIES, Scores, score
from archwright.proxies.probe import natural_images

IMAGE, SEQUENCE, TOKENS = (3, 8, 8), (10, 6), (12,)


class Functional(nn.Module):
    """Activations that are functions, no norms."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(torch.relu(self.b(F.relu(self.a(x)))).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(6, 8, batch_first=True)
        self.head = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 5))

    def forward(self, x):
        return self.head(self.rnn(x)[0].mean(1))


class Transformer(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.embed = nn.Embedding(20, 8) if tokens else nn.Linear(6, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.body(self.embed(x)).mean(1))


def conv1d():
    return nn.Sequential(
        nn.Conv1d(10, 8, 3), nn.BatchNorm1d(8), nn.GELU(), nn.Conv1d(8, 8, 3, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


NETWORKS = {
    "functional": (Functional, IMAGE, set()),
    "conv1d": (conv1d, SEQUENCE, set()),
    "lstm": (lambda: Recurrent(nn.LSTM), SEQUENCE, {"naswot"}),  # all samples look alike to it
    "gru": (lambda: Recurrent(nn.GRU), SEQUENCE, set()),
    "attention": (lambda: Transformer(tokens=False), SEQUENCE, set()),
    "tokens": (
        lambda: Transformer(tokens=True),
        TOKENS,
        {"jacov", "epe_nas", "zen", "linear_regions"},
    ),
    "linear": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5)),
        IMAGE,
        {
            "naswot", "swap", "near", "meco", "linear_regions", "progressivity", "trainability",
            "expressivity", "jacov",
        },
    ),
    "tanh": (
        lambda: nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(),
                              nn.Linear(40, 5)),
        (6,),
        {"meco", "linear_regions"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_proxy_has_a_value_or_a_reason(name):
    make, shape, allowed = NETWORKS[name]
    torch.manual_seed(0)
    found = score(make(), list(PROXIES), input_shape=shape, batch=16)
    assert set(found) | set(found.undefined) == set(PROXIES)
    failed = {k: v for k, v in found.undefined.items() if "the pass failed" in v}
    assert not failed
    assert set(found.undefined) <= allowed, found.undefined


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_one_call_gives_what_single_calls_give(name):
    make, shape, _ = NETWORKS[name]
    torch.manual_seed(0)
    model = make()
    together = score(model, list(PROXIES), input_shape=shape, batch=16)
    for proxy in PROXIES:
        alone = score(model, [proxy], input_shape=shape, batch=16)
        assert set(alone) == {proxy} & set(together), proxy
        if proxy in together:
            # single precision, and sums that cancel
            assert alone[proxy] == pytest.approx(together[proxy], rel=1e-3, abs=1e-5), proxy


def test_a_value_that_is_missing_says_why():
    found = score(nn.Sequential(nn.Linear(4, 3)), ["naswot"], input_shape=(4,), batch=4)
    assert not found
    with pytest.raises(KeyError, match="not defined here, because no activation function"):
        _ = found["naswot"]
    assert "naswot" not in found


def test_frozen_and_shared_weights_count():
    shared = nn.Linear(6, 6)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 3))
    free = score(model, ["snip", "grad_norm", "l2_norm"], input_shape=(6,), batch=8)
    for p in model.parameters():
        p.requires_grad_(False)
    assert dict(score(model, list(free), input_shape=(6,), batch=8)) == dict(free)
    norms = shared.weight.norm() + model[4].weight.norm()
    assert free["l2_norm"] == pytest.approx(norms.item())


def test_parametrized_weights():
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 30)), nn.ReLU(), nn.Linear(30, 3)
    )
    found = score(model, ["snip", "synflow", "naswot", "expressivity"], input_shape=(6,), batch=8)
    assert set(found) == {"snip", "synflow", "naswot", "expressivity"}


def test_seeds():
    model = Functional()
    names = ["snip", "naswot", "zen", "expressivity", "vkdnw", "linear_regions"]
    a, b, c = (score(model, names, input_shape=IMAGE, batch=8, seed=s) for s in (0, 0, 1))
    assert dict(a) == dict(b)
    assert all(a[n] != c[n] for n in names if n != "vkdnw")


def test_data_and_labels_are_used():
    model = Functional()
    g = torch.Generator().manual_seed(0)
    x = torch.randn(12, *IMAGE, generator=g)
    y, z = torch.zeros(12, dtype=torch.int64), torch.arange(12) % 5
    found = [score(model, ["snip"], data=(x, labels))["snip"] for labels in (y, z)]
    assert found[0] != found[1]
    assert score(model, ["snip"], data=(x.numpy(), z.numpy()))["snip"] == found[1]
    few = score(model, ["snip"], data=(x, z), batch=4)["snip"]
    assert few == score(model, ["snip"], data=(x[:4], z[:4]))["snip"]
    own = score(model, ["snip"], data=(x, z), loss=lambda o, t: 2 * F.cross_entropy(o, t))["snip"]
    assert own == pytest.approx(2 * found[1], rel=1e-4)


def test_natural_inputs_are_smooth_and_normalised():
    x = natural_images(64, (3, 16, 16), seed=0)
    assert torch.allclose(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(x.std((0, 2, 3)), torch.ones(3), atol=1e-5)
    neighbours = (x[..., 1:] * x[..., :-1]).mean()
    channels = (x[:, 0] * x[:, 1]).mean()
    assert neighbours > 0.5
    assert channels > 0.7
    power = torch.fft.rfft2(x[:, 0]).abs().square().mean(0)
    assert power[0, 1] / power[0, 4] == pytest.approx(16, rel=0.6)  # 1 / f in amplitude
    model = Functional()
    white, natural = (
        score(model, ["naswot"], input_shape=IMAGE, batch=8, data=d) for d in (None, "natural")
    )
    assert white["naswot"] != natural["naswot"]
    with pytest.raises(UnknownNameError, match="natural"):
        score(model, ["naswot"], input_shape=IMAGE, data="naturel")


def test_outputs_of_any_shape():
    maps = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    words = nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 7))
    number = nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 1), nn.Flatten(0))
    named = copy.deepcopy(words)
    named.forward = lambda x: {"logits": nn.Sequential.forward(named, x)}
    for model, shape in ((maps, IMAGE), (words, SEQUENCE), (number, (6,)), (named, SEQUENCE)):
        found = score(model, ["snip", "zico", "jacov", "vkdnw"], input_shape=shape, batch=8)
        assert {"snip", "zico"} <= set(found), found
        assert "is not batch x classes" in found.undefined["vkdnw"]


def test_groups_stand_for_their_members():
    found = score(Functional(), "az_nas", input_shape=IMAGE, batch=8)
    assert tuple(found) == GROUPS["az_nas"]
    assert isinstance(found, Scores)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Functional(), ["naswott"]), {"input_shape": IMAGE}, "did you mean 'naswot'"),
        ((Functional(), []), {"input_shape": IMAGE}, "at least one proxy"),
        ((Functional(), ["snip"]), {}, "input_shape is needed"),
        ((Functional(), ["snip"]), {"input_shape": (2, 8, 8)}, "cannot take a batch of shape"),
        ((Functional(), ["snip"]), {"input_shape": IMAGE, "batch": 0}, "batch must be"),
        ((Functional, ["snip"]), {"input_shape": IMAGE}, "expected a torch.nn.Module"),
        ((Functional(), ["snip"]), {"input_shape": IMAGE, "device": "meta"}, "move it there"),
        ((Functional(), ["snip"]), {"data": torch.zeros(4)}, "batch of inputs"),
        ((Functional(), ["snip"]), {"data": (torch.zeros(4, *IMAGE), [1])}, "4 inputs but 1"),
        ((nn.LazyLinear(3), ["snip"]), {"input_shape": (4,)}, "lazy layer"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        score(*arguments, **options)


@pytest.mark.gpu
def test_on_a_gpu():
    model = conv1d().cuda()
    here = score(copy.deepcopy(model).cpu(), list(PROXIES), input_shape=SEQUENCE, batch=16)
    there = score(model, list(PROXIES), input_shape=SEQUENCE, batch=16)
    assert set(here) == set(there)
    for name, value in here.items():
        assert there[name] == pytest.approx(value, rel=2e-2, abs=1e-3), name
