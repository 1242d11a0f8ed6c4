"""Nothing a proxy does is visible afterwards."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archwright.errors import InputError
from archwright.nn.seeding import seeded
from archwright.proxies import PROXIES, score
from archwright.zoo import SPACES, build_space
from tests.zoo.small import SMALL

SIZES = {
    "mlp": ((6,), {}),
    "nasbench201": ((3, 8, 8), {"C": 4, "N": 1}),
    "nasnet": ((3, 16, 16), {}),
}
_spaces = {}


def space_of(name):
    if name not in _spaces:
        shape, options = SIZES.get(name, ((3, 16, 16), SMALL.get(name, {})))
        _spaces[name] = (build_space(name, input_shape=shape, n_outputs=3, **options), shape)
    return _spaces[name]


def photograph(model):
    """Everything that could be seen of a network and of the process's random state."""
    modules = {
        name: (
            m.training,
            [id(p) for p in m._parameters.values()],
            [id(b) for b in m._buffers.values()],
            {k: list(v) for k, v in m.__dict__.items() if "hooks" in k and isinstance(v, dict)},
            sorted(m.__dict__),
        )
        for name, m in model.named_modules()
    }
    tensors = {k: v.detach().clone() for k, v in model.state_dict(keep_vars=True).items()}
    parameters = {
        k: (p.requires_grad, None if p.grad is None else p.grad.clone(), p._version)
        for k, p in model.named_parameters()
    }
    state = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
    return modules, tensors, parameters, state


def assert_same(before, after):
    assert before[0] == after[0]
    assert before[1].keys() == after[1].keys()
    for key, value in before[1].items():
        assert torch.equal(value, after[1][key]), key
    for key, (needs, gradient, version) in before[2].items():
        now = after[2][key]
        assert (needs, version) == (now[0], now[2]), key
        assert (gradient is None) == (now[1] is None), key
        assert gradient is None or torch.equal(gradient, now[1]), key
    assert torch.equal(before[3][0], after[3][0])
    assert np.array_equal(before[3][1], after[3][1])
    assert before[3][2] == after[3][2]


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_proxy_on_every_space(name):
    space, shape = space_of(name)
    undefined = set(PROXIES)

    @settings(max_examples=3, deadline=None, derandomize=True, database=None)
    @given(seed=st.integers(0, 10**6), training=st.booleans(), frozen=st.booleans())
    def check(seed, training, frozen):
        model = space.build(space.sample(seed=seed), seed=seed).train(training)
        first = next(model.parameters())
        first.requires_grad_(not frozen)
        first.grad = torch.ones_like(first)
        before = photograph(model)
        found = score(model, list(PROXIES), input_shape=shape, batch=8, seed=seed)
        assert_same(before, photograph(model))
        assert set(found) | set(found.undefined) == set(PROXIES)
        assert np.isfinite(list(found.values())).all()
        for reason in found.undefined.values():
            assert reason.startswith("not defined here, because ")
            assert "the pass failed" not in reason, reason
        undefined.intersection_update(found.undefined)

    check()
    allowed = {"meco"} if name == "mlp" else set()  # no positions
    assert undefined <= allowed


@pytest.mark.parametrize("name", sorted(PROXIES))
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_network_that_fails_on_its_way(name, after):
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(8, 3)
            self.calls = 0

        def forward(self, x):
            random.random()
            np.random.random()  # noqa: NPY002
            torch.rand(1)
            self.calls += 1
            x = self.drop(self.body(x))
            if self.calls > after:
                raise RuntimeError("broken on purpose")
            return self.head(x)

    model = Fails()
    before = photograph(model)
    if PROXIES[name].hears and after == 0:  # the shared pass itself
        with pytest.raises(InputError, match="broken on purpose"):
            score(model, [name], input_shape=(4,), batch=4)
    else:
        found = score(model, [name], input_shape=(4,), batch=4)
        if name in found.undefined and "pass failed" in found.undefined[name]:
            assert "broken on purpose" in found.undefined[name]
    assert_same(before, photograph(model))
    assert model.calls == 0


def test_user_hooks_stay_and_ours_go():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    seen = []
    handle = model[0].register_forward_hook(lambda m, i, o: seen.append(o.shape))
    score(model, list(PROXIES), input_shape=(4,), batch=4)
    assert seen
    assert list(model[0]._forward_hooks) == [handle.id]
    assert not any(m._forward_hooks for m in model[1:])
    handle.remove()


def test_a_recurrent_network_works_as_before():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.LSTM(5, 7, batch_first=True), nn.Linear(7, 3)

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])

    model, x = Net(), torch.randn(2, 6, 5)
    before = model(x)
    score(model, list(PROXIES), input_shape=(6, 5), batch=8)
    assert torch.equal(before, model(x))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert all(a is b for a, b in zip(model.rnn._flat_weights, model.rnn.parameters(), strict=True))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(8, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


def one_dimensional(norm):
    return nn.Sequential(
        nn.Conv1d(6, 4, 3), norm, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(24, 3)
    )


@pytest.mark.parametrize(
    "make",
    [
        Attention,
        Recurrent,
        lambda: one_dimensional(nn.BatchNorm1d(4)),
        lambda: one_dimensional(nn.Identity()),
    ],
    ids=["attention", "recurrent", "conv1d", "conv1d without norm"],
)
@pytest.mark.parametrize("training", [True, False])
def test_every_proxy_on_other_modules(make, training):
    with seeded(0):
        model = make().train(training)
    before = photograph(model)
    found = score(model, list(PROXIES), input_shape=(6, 8), batch=8)
    assert_same(before, photograph(model))
    assert {"snip", "synflow", "jacov", "grasp"} <= set(found)
