"""Dynamic spaces: constructors that branch on their choices."""

import pickle
import random

import cloudpickle
import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import ArchitectureError, SpaceError
from archwright.space import Space, choice


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [], 4
        for i in range(aw.integer("depth", 1, 3)):
            with aw.scope(f"block{i}"):
                wide = aw.choice("width", [4, 8, 16], default=8)
                layers.append(nn.Linear(width, wide))
                if wide > 4:
                    layers.append(aw.layer("act", {"relu": nn.ReLU, "tanh": nn.Tanh}))
                width = wide
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x)


def space():
    return aw.ModelSpace(Net, dynamic=True)


def test_default():
    assert dict(space().default) == {"depth": 1, "block0/width": 8, "block0/act": "relu"}
    assert space().sample(seed=1) == space().sample(seed=1)


def test_what_it_can():
    own, rng = space(), random.Random(0)
    seen = set()
    for _ in range(60):
        arch = own.sample(rng=rng)
        seen.add(arch)
        assert own.contains(arch)
        assert arch in own
        assert space().contains(dict(arch))
        assert own.canonical(arch) == arch
        model = own.build(arch)
        assert type(model) is Net
        assert model(torch.zeros(1, 4)).shape == (1, arch[f"block{arch['depth'] - 1}/width"])
        changed = own.mutate(arch, rng=rng)
        assert changed != arch
        assert own.contains(changed)
        child = own.crossover(arch, changed, rng=rng)
        assert own.contains(child)
        for near in own.neighbours(arch):
            assert space().contains(near)
            assert near != arch
    assert len(seen) > 20
    assert own.decision("block2/act").domain == choice(["relu", "tanh"])
    assert "block2/act" in own.describe()


def test_what_it_cannot():
    own = space()
    for name in ("size", "paths", "feature_names", "fingerprint"):
        with pytest.raises(SpaceError, match=f"{name}|encode.*dynamic=True"):
            getattr(own, name)
    for use in (
        own.enumerate,
        own.supernet,
        own.to_dict,
        lambda: own.encode(own.default),
        lambda: own.encode_mask(own.default),
        lambda: own.restrict({"depth": [1]}),
        lambda: own.sample(0, uniform=True),
    ):
        with pytest.raises(
            SpaceError, match=r"needs all decisions of a space beforehand, but .*Net"
        ):
            use()


@pytest.mark.parametrize(
    ("arch", "pattern"),
    [
        ({"depth": 4}, r"depth: 4 is not in the domain .*written at test_dynamic.py"),
        ({"depth": 1}, "block0/width: the architecture has no value for it"),
        ({"depth": 1, "block0/widht": 4}, "did you mean it by 'block0/widht'"),
        (
            {"depth": 1, "block0/width": 4, "block0/act": "relu"},
            "no such decision; it has depth, b",
        ),
        (3, "a mapping from path to value, got 3"),
    ],
)
def test_wrong_architectures(arch, pattern):
    with pytest.raises(ArchitectureError, match=pattern):
        space().build(arch)
    assert space().why_not(arch)


def test_hyper_parameters():
    both = space() & Space({"lr": choice([0.1, 0.2])})
    assert both.hyper_paths == {"lr"}
    rng = random.Random(0)
    arch = both.sample(rng=rng)
    changes = set()
    for _ in range(40):
        new = both.mutate(arch, rng=rng)
        assert both.contains(new)
        changes.add(both.hyper_part(new) == both.hyper_part(arch))
        assert both.contains(both.crossover(arch, new, rng=rng))
        arch = new
    assert changes == {True, False}
    assert type(both.build(arch)) is Net
    assert "lr: 0.3 is not in" in both.why_not(arch | {"lr": 0.3})
    assert len(both.neighbours(both.default)) == len(space().neighbours(space().default)) + 1


def test_pickling():
    own = space()
    for pack in (pickle, cloudpickle):
        again = pack.loads(pack.dumps(own))
        assert again == own
        assert hash(again) == hash(own)
        assert again.sample(seed=3) == own.sample(seed=3)


def test_duplicates_and_sharing():
    def twice(shared):
        return nn.Sequential(
            *(nn.Linear(1, aw.choice("w", [1, 2], shared=shared)) for _ in range(2))
        )

    with pytest.raises(SpaceError, match=r"two decisions have the path 'w'.*test_dynamic.py"):
        aw.ModelSpace(twice, False, dynamic=True)
    assert len(aw.ModelSpace(twice, True, dynamic=True).default) == 1


def test_a_static_constructor_is_the_same():
    """The tree discovered is the tree traced."""
    from tests.nn.toys import TOYS

    for name in ("example", "mlp", "shared", "darts", "nested", "nasbench101"):
        static = TOYS[name][0]
        own = aw.ModelSpace(static.factory, *static.args, dynamic=True, **static.kwargs)
        for seed in range(5):
            arch = own.sample(seed=seed)
            assert static.why_not(arch) is None
            assert own.why_not(static.sample(seed=seed)) is None
            assert static.check(arch) == arch


def test_a_constructor_that_fails():
    with pytest.raises(SpaceError, match="ZeroDivisionError"):
        aw.ModelSpace(lambda: 1 / 0, dynamic=True)
