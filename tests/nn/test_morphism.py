"""Inheritance and function-preserving morphism, on the zoo and on modules of a user's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import archwright.nn as aw
from archwright.errors import InputError
from archwright.nn import inherit, morph
from archwright.zoo import build_space

SHAPES = {
    "chain_cnn": (1, 8, 8),
    "resnet_cnn": (1, 8, 8),
    "mobilenet": (3, 16, 16),
    "mlp": (8,),
    "branched_cnn": (1, 8, 8),
}
GROWING = ("width", "filters", "kernel", "expansion", "dropout")


def trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """Other than freshly made: no scale is one, no bias and no mean zero."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "running_var" in name:
                tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.5)
            elif tensor.ndim == 1:
                tensor.add_(0.2 * torch.randn(tensor.shape, generator=rng))
    return model


def batch(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(8, *shape, generator=torch.Generator().manual_seed(seed))


def difference(model: nn.Module, parent: nn.Module, x: torch.Tensor) -> float:
    with torch.no_grad():
        return float((model.eval()(x) - parent.eval()(x)).abs().max())


def assert_preserved(model: nn.Module, parent: nn.Module, x: torch.Tensor) -> None:
    """By `morph`'s own word, and on other inputs than it saw."""
    before = {name: tensor.clone() for name, tensor in parent.state_dict().items()}
    morphed = morph(trained(model, 1), parent, x)
    assert morphed.reason is None
    assert morphed.preserved
    assert all(torch.equal(before[name], t) for name, t in parent.state_dict().items())
    size = float(parent.eval()(x).detach().abs().max())
    assert difference(model, parent, torch.randn_like(x)) <= 1e-5 * max(1.0, size)


@pytest.mark.parametrize("name", SHAPES)
def test_one_decision_grown_in_a_zoo_space(name: str) -> None:
    space = build_space(name, input_shape=SHAPES[name], n_outputs=10)
    arch = space.default
    parent = trained(space.build(arch, seed=0))
    grown = [
        (path, larger)
        for path in arch
        for larger in space.neighbours(arch)
        if path.rpartition("/")[2] in GROWING
        and set(larger) == set(arch)
        and larger[path] > arch[path]
    ]
    # The largest value of each decision; of many decisions, some.
    largest = dict(grown)
    assert len(largest) >= 3
    for larger in list(largest.values())[:8]:
        assert_preserved(space.build(larger, seed=1), parent, batch(*SHAPES[name]))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet_cnn", {"stage1/block=basic/depth": 3}),
        ("resnet_cnn", {"stage2/se": "yes"}),
        ("resnet_cnn", {"stage2/block": "inverted"}),
        ("mobilenet", {"stage2/depth": 4}),
        ("mlp", {"activation": "relu", "body=plain/depth": 4}),
        ("mlp", {"body": "residual", "body=residual/depth": 4}),
    ],
)
def test_layers_added_in_a_zoo_space(name: str, changes: dict[str, object]) -> None:
    space = build_space(name, input_shape=SHAPES[name], n_outputs=10)
    *fixed, last = changes.items()
    small = space.default
    for path, value in fixed:
        small = _with(space, small, path, value)
    parent = trained(space.build(small, seed=0))
    child = space.build(_with(space, small, *last), seed=1)
    assert len(list(child.parameters())) > len(list(parent.parameters()))
    assert_preserved(child, parent, batch(*SHAPES[name]))


def _with(space, arch, path, value):  # type: ignore[no-untyped-def]
    """The architecture with one decision changed, and defaults where that opens others."""
    nearest = [other for other in space.neighbours(arch) if other.get(path) == value]
    if nearest:
        return nearest[0]
    # A number that is not a neighbour is reached in steps.
    steps = [other for other in space.neighbours(arch) if other.get(path) not in (arch[path], None)]
    return _with(space, max(steps, key=lambda other: other[path]), path, value)


class Mixed(nn.Module):
    """Two branches joined, grouped and depthwise convolutions, functions, views, a learnt scale."""

    def __init__(self, width: int, cardinality: int, kernel: int = 3) -> None:
        super().__init__()
        self.left = nn.Conv1d(3, width, kernel, padding=kernel // 2)
        self.right = nn.Conv1d(3, 5, 1)
        self.mix = nn.Conv1d(width + 5, 4 * cardinality, 1)
        self.grouped = nn.Conv1d(4 * cardinality, 4 * cardinality, 3, padding=1, groups=cardinality)
        self.scale = nn.Parameter(torch.ones(4 * cardinality, 1))
        self.out = nn.Linear(4 * cardinality * 6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([F.silu(self.left(x)), self.right(x).relu()], dim=1)
        x = F.max_pool1d(F.gelu(self.grouped(self.mix(x))) * self.scale, 2)
        return self.out(F.dropout(x.view(x.size(0), -1), 0.5, self.training))


def test_concatenation_groups_and_functions_of_a_users_module() -> None:
    parent = trained(Mixed(6, 2))
    with torch.no_grad():
        parent.scale.copy_(torch.randn(8, 1, generator=torch.Generator().manual_seed(3)))
    for wider in (Mixed(10, 2), Mixed(6, 4), Mixed(15, 6, kernel=7)):
        assert_preserved(wider, parent, batch(3, 12))


class Sequences(nn.Module):
    def __init__(self, width: int, inner: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm": nn.LayerNorm(width),
                    "attend": nn.MultiheadAttention(width, 2, batch_first=True),
                    "widen": nn.Linear(width, inner),
                    "narrow": nn.Linear(inner, width),
                }
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for block in self.blocks:
            y = block["norm"](x)
            x = x + block["attend"](y, y, y)[0]
            x = x + block["narrow"](F.gelu(block["widen"](x)))
        return self.head(x.mean(1))


def test_a_deeper_transformer_with_wider_layers_inside() -> None:
    assert_preserved(Sequences(8, 24, 3), trained(Sequences(8, 16, 1)), batch(5, 4))


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, lambda n: nn.GroupNorm(n // 4, n)])
def test_normalised_channels_widen_by_whole_factors_only(norm) -> None:  # type: ignore[no-untyped-def]
    def net(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(3, width), norm(width), nn.SiLU(), nn.Linear(width, 2))

    assert_preserved(net(24), trained(net(8)), batch(3))
    morphed = morph(net(12), trained(net(8)), batch(3))
    if isinstance(norm(4), nn.GroupNorm):  # its groups are repeated whole
        assert morphed.preserved
    else:
        assert not morphed.preserved
        assert "whole factor" in str(morphed.reason)


def test_new_batch_norm_is_near_the_identity_in_training_too() -> None:
    def net(depth: int) -> nn.Sequential:
        layers: list[nn.Module] = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()]
        for _ in range(depth - 1):
            layers += [nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()]
        return nn.Sequential(*layers)

    parent, child, x = trained(net(1)), net(3), batch(3, 6, 6)
    assert_preserved(child, parent, x)
    # The first batch norm normalises by the batch in both, so it is given what it expects.
    parent.train()
    for _ in range(200):
        parent(x)
    assert_preserved(child, parent, x)
    with torch.no_grad():
        assert float((child.train()(x) - parent.train()(x)).abs().max()) < 0.05


def test_repeated_channels_learn_apart_only_with_noise() -> None:
    def learnt(noise: float) -> bool:
        parent = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        child = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        assert morph(child, parent, batch(3), noise=noise).preserved
        optimizer = torch.optim.AdamW(child.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            child(batch(3)).square().sum().backward()
            optimizer.step()
        return not torch.allclose(child[0].weight[:4], child[0].weight[4:], atol=1e-6)

    with aw.seeded(0):
        assert learnt(0.5)
        assert not learnt(0.0)


def test_what_cannot_be_preserved_says_why_and_inherits() -> None:
    space = build_space("chain_cnn", input_shape=(1, 8, 8), n_outputs=10)
    arch = space.default
    parent = trained(space.build(arch, seed=0))
    smaller = next(
        other
        for other in space.neighbours(arch)
        if set(other) == set(arch)
        and any(p.endswith("filters") and other[p] < arch[p] for p in arch)
    )
    fresh = space.build(smaller, seed=1)
    model = space.build(smaller, seed=1)
    morphed = morph(model, parent, batch(1, 8, 8))
    assert not morphed.preserved
    assert "narrower" in str(morphed.reason)
    assert morphed.inherited is not None
    assert morphed.inherited.share > 0.9
    left = morph(fresh, parent, batch(1, 8, 8), otherwise="leave")
    assert left.inherited is None
    untouched = space.build(smaller, seed=1).state_dict()
    assert all(torch.equal(untouched[name], t) for name, t in fresh.state_dict().items())
    with pytest.raises(InputError, match="narrower"):
        morph(fresh, parent, batch(1, 8, 8), otherwise="raise")


def test_a_forward_that_cannot_be_traced_is_a_reason() -> None:
    class Branching(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input if input.sum() > 0 else -input)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = Branching(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a(x)

    morphed = morph(Net(), Net(), batch(3))
    assert not morphed.preserved
    assert "cannot be traced" in str(morphed.reason)
    assert morphed.inherited is not None
    assert morphed.inherited.share == 1.0


def test_inheritance_takes_what_the_supernet_would_share() -> None:
    space = build_space("mobilenet", input_shape=(3, 16, 16), n_outputs=10)
    supernet = space.supernet()
    for seed in range(3):
        a, b = space.sample(seed=seed), space.sample(seed=seed + 10)
        parent, model = supernet.extract(a), space.build(b, seed=5)
        inherited = inherit(model, parent)
        expected, own = supernet.extract(b), space.build(b, seed=5)
        assert 0 < inherited.share < 1
        n_same = n_all = 0
        theirs, fresh = dict(expected.named_parameters()), dict(own.named_parameters())
        for name, tensor in model.named_parameters():
            inherited_here = tensor == theirs[name]
            # Each number is the supernet's, or as it was.
            assert bool((inherited_here | (tensor == fresh[name])).all()), name
            n_same += int(inherited_here.sum())
            n_all += tensor.numel()
        # More may agree by chance: scales that begin at one.
        assert n_same / n_all >= inherited.share


def test_inheritance_passes_statistics_on_and_never_mixes_kinds() -> None:
    parent = trained(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)))
    model = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4), nn.BatchNorm2d(6), nn.Linear(4, 2))
    before = model[0].weight.detach().clone()
    inherited = inherit(model, parent)
    assert torch.equal(model[1].running_var[:4], parent[1].running_var)
    assert bool((model[1].running_var[4:] == 1).all())
    assert torch.equal(model[0].weight, before)
    assert inherited.missing == ("0",)
    assert inherited.by_module["2"] == 1.0
    # Nothing is shared.
    with torch.no_grad():
        model[2].weight.zero_()
    assert bool((parent[2].weight != 0).any())
    with pytest.raises(InputError, match="same network"):
        inherit(model, model)
