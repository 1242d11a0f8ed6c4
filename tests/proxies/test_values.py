"""Every proxy against an independent, naive computation of its formula."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.proxies import score
from archwright.proxies.az_nas import WORST, feature_entropy, flow_score
from archwright.proxies.blocks import blocks
from archwright.proxies.drawing import drawn_weights
from archwright.proxies.holding import held
from archwright.proxies.probe import Probe
from archwright.proxies.vkdnw import covariance_root, fisher_rows

B = 12


def cnn(norm=True, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, bias=not norm),
        nn.BatchNorm2d(5) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Conv2d(5, 4, 3, stride=2, groups=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 3 * 3, 3),
    )


def batch(seed=1, shape=(2, 8, 8), classes=3, n=B):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *shape, generator=g)
    return x, torch.randint(classes, (n,), generator=g)


def probe_of(model, data=None, seed=0):
    x, y = data or batch()
    return Probe(model, x, y, hears=frozenset(), seed=seed, loss=None)


def layers(model):
    return [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def value(name, model=None, data=None, **options):
    model = model or cnn()
    data = batch() if data is None else data
    return score(model, [name], data=data, **options)[name]


def trained(model, data):
    """A copy after an ordinary backward pass."""
    model = copy.deepcopy(model)
    F.cross_entropy(model(data[0]), data[1]).backward()
    return model


@pytest.mark.parametrize("norm", [True, False])
def test_norms_of_weights_and_gradients(norm):
    model = cnn(norm)
    after = trained(model, batch())
    pairs = [(m.weight.detach(), m.weight.grad) for m in layers(after)]
    expected = {
        "l2_norm": sum(w.norm() for w, _ in pairs),
        "grad_norm": sum(g.norm() for _, g in pairs),
        "plain": sum((w * g).sum() for w, g in pairs),
        "snip": sum((w * g).abs().sum() for w, g in pairs),
    }
    found = score(model, list(expected), data=batch())
    for name, v in expected.items():
        assert found[name] == pytest.approx(v.item(), rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("inplace", [False, True])
def test_fisher(inplace):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Conv2d(2, 5, 3), nn.Linear(5 * 36, 3)
            self.act = nn.SiLU(inplace=inplace)

        def forward(self, x):
            return self.b(self.act(self.a(x)).flatten(1))

    net = Net()
    x, y = batch()
    a = net.a(x)
    a.retain_grad()
    out = net.b(F.silu(a).flatten(1))
    out.retain_grad()
    F.cross_entropy(out, y).backward()
    per_a = ((a * a.grad).sum((2, 3)) ** 2).mean(0) / 2
    per_b = ((out * out.grad) ** 2).mean(0) / 2
    expected = per_a.sum() * 2 * 9 + per_b.sum() * 5 * 36
    assert value("fisher", net) == pytest.approx(expected.item(), rel=1e-4)


def test_grasp_with_the_whole_hessian():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 3, bias=False))
    x, y = batch(shape=(3,))

    def loss(w):
        return F.cross_entropy(torch.tanh(x @ w[:12].view(4, 3).T) @ w[12:].view(3, 4).T, y)

    w = torch.cat([p.detach().flatten() for p in net.parameters()])
    hessian = torch.autograd.functional.hessian(loss, w)
    gradient = torch.autograd.functional.jacobian(loss, w)
    expected = -(w * (hessian @ gradient)).sum()
    assert value("grasp", net, (x, y)) == pytest.approx(expected.item(), rel=1e-4)


def test_synflow_of_a_chain_in_closed_form():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    a, b = (p.detach().abs().double() for p in net.parameters())
    flow = (b @ a).sum()  # each layer's weights times their gradients add up to the flow
    assert value("synflow", net, batch(shape=(3,), classes=2)) == pytest.approx(
        math.log(2 * flow), rel=1e-6
    )


def test_synflow_passes_norms_over():
    torch.manual_seed(0)
    bare = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.Flatten(), nn.Linear(144, 3))
    normed = nn.Sequential(bare[0], nn.BatchNorm2d(4), bare[1], bare[2])
    assert value("synflow", bare) == pytest.approx(value("synflow", normed))


def jacobian(model, x):
    x = x.clone().requires_grad_()
    model(x).sum().backward()
    return x.grad.flatten(1).numpy()


def test_jacov():
    j = jacobian(copy.deepcopy(cnn()), batch()[0])
    v = np.linalg.eigvalsh(np.corrcoef(j))
    expected = -np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5))
    assert value("jacov") == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("classes", [3, 101])
def test_epe_nas(classes):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(180, classes))
    x, y = batch(classes=3)
    j, found = jacobian(copy.deepcopy(net), x), []
    for label in range(3):
        corr = np.atleast_2d(np.corrcoef(j[y == label]))
        s = np.sum(np.log(np.abs(corr) + 1e-5))
        found.append(s / len(corr) if classes > 100 else s)
    if classes <= 100:
        expected = sum(abs(s) for s in found)
    else:
        expected = sum(abs(a - b) for a in found for b in found) / len(found)
    assert value("epe_nas", net, (x, y)) == pytest.approx(expected, rel=1e-3)


def activation_inputs(model, x):
    kept = []
    for m in model.modules():
        if isinstance(m, nn.ReLU):
            m.register_forward_hook(lambda m, i, o: kept.append((i[0].detach(), o.detach())))
    model(x)
    return kept


def test_naswot():
    x, _ = batch()
    kernel = np.zeros((B, B))
    for before, _ in activation_inputs(copy.deepcopy(cnn()), x):
        code = (before.flatten(1) > 0).double().numpy()
        kernel += code @ code.T + (1 - code) @ (1 - code).T
    assert value("naswot") == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-6)


def test_naswot_counts_an_activation_on_each_edge():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b, self.act = nn.Linear(6, 50), nn.Linear(50, 3), nn.ReLU()

        def forward(self, x):
            x = self.a(x)
            return self.b(self.act(x) + self.act(x))

    net, data = Twice(), batch(shape=(6,))
    code = (net.a(data[0]) > 0).double()
    kernel = 2 * (code @ code.T + (1 - code) @ (1 - code).T)
    assert value("naswot", net, data) == pytest.approx(torch.slogdet(kernel)[1].item())


@pytest.mark.parametrize("n", [12, 40, 80])
def test_swap(n):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 300), nn.ReLU(), nn.Linear(300, 300), nn.ReLU())
    data = batch(shape=(2,), n=n)
    codes = torch.cat(
        [(i > 0)[:64] for i, _ in activation_inputs(copy.deepcopy(net), data[0])], dim=1
    )
    expected = len({tuple(c) for c in codes.T.tolist()})
    assert expected < 600
    assert value("swap", net, data, batch=n) == expected


def test_near():
    expected = 0.0
    for before, after in activation_inputs(copy.deepcopy(cnn()), batch()[0]):
        for m in (before, after):
            m = m.movedim(1, -1).reshape(-1, m.shape[1])
            s = np.linalg.svd(m.double().numpy(), compute_uv=False)
            p = s / s.sum()
            expected += np.exp(-np.sum(p * np.log(p)))
    assert value("near") == pytest.approx(expected, rel=1e-4)


def test_meco():
    net, (x, _) = copy.deepcopy(cnn()), batch()
    expected, h = 0.0, x
    for m in net[:5]:
        h = m(h)
        if not isinstance(m, nn.Identity):
            each = []
            for sample in h[:4]:
                with np.errstate(invalid="ignore"):  # a channel may be dead
                    c = np.nan_to_num(np.corrcoef(sample.flatten(1).detach().double().numpy()))
                each.append(max(0.0, np.linalg.eigvalsh(c)[0]))
            expected += np.mean(each)
    assert value("meco") == pytest.approx(expected, rel=1e-4)


def test_zen_of_a_linear_network_without_norms():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))
    probe = probe_of(net)
    weight = drawn_weights(probe, "normal", stream=1)[0].detach()
    e = probe.noise(B, stream=3)
    change = 0.01 * F.conv2d(e, weight).abs().flatten(1).sum(1).mean()
    assert value("zen", net) == pytest.approx(math.log(change), rel=1e-3)


def test_zen_adds_the_spread_that_norms_divide_by():
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(180, 3))
    bare = nn.Sequential(nn.Conv2d(2, 5, 3), nn.Flatten(), nn.Linear(180, 3))
    # The same weights are drawn; what normalisation takes from the change is put back by its spread
    assert value("zen", net) == pytest.approx(value("zen", bare), abs=0.3)


def test_zico():
    model, (x, y) = cnn(), batch()
    halves = [trained(model, (x[a : a + 6], y[a : a + 6])) for a in (0, 6)]
    expected = 0.0
    for a, b in zip(*map(layers, halves), strict=True):
        g = np.stack([a.weight.grad.double().numpy(), b.weight.grad.double().numpy()])
        std, mean = g.std(0), np.abs(g).mean(0)
        expected += math.log((mean[std > 0] / std[std > 0]).sum())
    assert value("zico", model) == pytest.approx(expected, rel=1e-3)


def test_gradsign_and_ntk():
    model, (x, y) = cnn(norm=False), batch()
    signs, rows = [], []
    for n in range(B):
        one = trained(model, (x[n : n + 1], y[n : n + 1]))
        signs.append([m.weight.grad.sign() for m in layers(one)])
        two = copy.deepcopy(model)
        two(x[n : n + 1]).sum().backward()
        rows.append(torch.cat([m.weight.grad.flatten() for m in layers(two)]))
    expected = sum(sum(s).abs().sum().item() for s in zip(*signs, strict=True))
    assert value("gradsign", model) == expected
    g = torch.stack(rows).double()
    eigenvalues = torch.linalg.eigvalsh(g @ g.T)
    condition = (eigenvalues[-1] / eigenvalues[0]).item()
    assert value("ntk", model) == pytest.approx(condition, rel=1e-2)


def test_linear_regions_of_one_layer():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 200), nn.ReLU(), nn.Linear(200, 2))
    data = batch(shape=(4,), classes=2)
    a, b = probe_of(net, data).noise(2, stream=4)
    # a unit is linear along the line, so it changes side once or not at all
    ends = (net[0](a) > 0) != (net[0](b) > 0)
    assert value("linear_regions", net, data) == 1 + ends.sum().item()


def test_entropy_of_features():
    white = torch.linalg.qr(torch.randn(64, 5) - 0.0).Q
    white = white - white.mean(0)
    q = torch.linalg.qr(white).Q  # orthogonal columns without mean
    assert feature_entropy(q) == pytest.approx(math.log(5), rel=1e-4)
    assert feature_entropy(torch.randn(64, 1) @ torch.ones(1, 5)) == pytest.approx(0, abs=1e-3)


def test_score_of_a_gradient_on_its_way_back():
    g = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (4096, 4), generator=g).float() * 2 - 1
    q = torch.linalg.qr(torch.randn(4, 4, generator=g)).Q
    assert flow_score(signs, signs @ q) == pytest.approx(0, abs=0.02)  # an isometry is best
    assert flow_score(signs, 3 * signs @ q) == pytest.approx(-3 - 1 / 3 + 2, abs=0.1)
    assert flow_score(signs, signs.clone()) == WORST
    halved, full = torch.ones(2, 3, 4, 4), torch.ones(2, 3, 8, 8)
    assert flow_score(halved, full) is not None
    assert flow_score(torch.ones(2, 3, 3, 3), full) is not None  # averaged to 9 x 9
    assert flow_score(torch.ones(2, 5), full) is not None
    assert flow_score(torch.ones(2, 3, 8), full) is None


def test_az_nas_of_a_chain():
    torch.manual_seed(0)
    parts = [nn.Sequential(nn.Conv2d(c, 6, 3, padding=1), nn.ReLU()) for c in (2, 6, 6)]
    net = nn.Sequential(*parts, nn.Sequential(nn.Flatten(), nn.Linear(6 * 64, 3)))
    assert blocks(net) == list(net)
    probe = probe_of(net)
    weights = drawn_weights(probe, "kaiming", stream=5)
    h, entropies = probe.noise(B, stream=6), []
    for i in range(3):
        h = F.relu(F.conv2d(h, weights[2 * i], weights[2 * i + 1], padding=1))
        m = h.detach().movedim(1, -1).reshape(-1, 6).double()
        v = np.linalg.eigvalsh(np.cov(m.T.numpy()))
        p = v / v.sum()
        entropies.append(-np.sum(p * np.log(p)))
    found = score(net, "az_nas", data=batch())
    assert found["expressivity"] == pytest.approx(sum(entropies), rel=1e-3)
    steps = [b - a for a, b in itertools.pairwise(entropies)]
    assert found["progressivity"] == pytest.approx(min(steps), abs=1e-3)
    assert -5 < found["trainability"] < 0
    assert found["complexity"] == score(net, ["flops"], input_shape=(2, 8, 8))["flops"]


def test_root_of_the_covariance():
    logits = torch.randn(4, 6)
    a, p = covariance_root(logits), logits.softmax(1)
    expected = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    assert torch.allclose(a @ a.mT, expected, atol=1e-6)


@pytest.mark.parametrize("norm", [True, False])
def test_fisher_information_by_differences(norm):
    net = cnn(norm).double()
    x, _ = batch()
    with held(net, seed=0):
        probe = Probe(net, x.double(), None, hears=frozenset(), seed=0, loss=None)
        rows = fisher_rows(probe)
        weights = [w.detach() for w in drawn_weights(probe, "kaiming", stream=5)]
        noise = probe.noise(B, stream=8)
        columns = []
        for i in range(len(weights)):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [w.clone() for w in weights]
                moved[i].view(-1)[0] += step
                ends.append(probe.forward(noise, weights=moved, norms="sample").detach())
            columns.append((ends[0] - ends[1]) / 2e-5)
        j = torch.stack(columns, dim=2)  # batch x classes x parameters
        root = covariance_root(probe.forward(noise, weights=weights, norms="sample").detach())
    expected = torch.einsum("ncp,nck,ndk,ndq->pq", j, root, root, j) / B
    # The order of parameters is the order in which layers are heard: weight, then bias
    assert torch.allclose(rows.T @ rows, expected, atol=1e-6)


def test_vkdnw_counts_the_tensors():
    found = score(cnn(), ["vkdnw", "vkdnw_entropy"], data=batch())
    assert found["vkdnw"] - found["vkdnw_entropy"] == len(list(cnn().parameters()))
    assert 0 <= found["vkdnw_entropy"] <= math.log(9)


@pytest.mark.parametrize("shape", [(2, 8, 8), (6,)])
def test_vkdnw_of_a_norm_without_a_module(shape):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first = nn.Conv2d(2, 5, 3) if len(shape) > 1 else nn.Linear(6, 5)
            self.scale, self.shift = nn.Parameter(torch.ones(5)), nn.Parameter(torch.zeros(5))
            self.head = nn.LazyLinear(3)

        def forward(self, x):
            x = F.batch_norm(self.first(x), None, None, self.scale, self.shift, True)
            return self.head(x.relu().flatten(1))

    class Modules(Net):
        def __init__(self):
            super().__init__()
            del self.scale, self.shift
            self.norm = nn.BatchNorm2d(5) if len(shape) > 1 else nn.BatchNorm1d(5)

        def forward(self, x):
            return self.head(self.norm(self.first(x)).relu().flatten(1))

    data = batch(shape=shape)
    found = []
    for net in (Net(), Modules()):
        net(data[0])
        found.append(value("vkdnw", net, data))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_sizes():
    found = score(cnn(), ["params", "flops", "n_layers"], input_shape=(2, 8, 8))
    assert found["params"] == sum(p.numel() for p in cnn().parameters())
    macs = 5 * 2 * 9 * 64 + 4 * 5 * 9 * 9 + 36 * 3
    assert (found["flops"], found["n_layers"]) == (2 * macs, 3)
