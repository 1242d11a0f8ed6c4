"""ModelSpace: the tree that a constructor declares, and what is built of it."""

import copy
import pickle
import random
import subprocess
import sys

import cloudpickle
import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import ArchitectureError, SpaceError
from archwright.space import Integer, Space, choice
from archwright.testing.law import check_law
from archwright.testing.spaces import check_space
from tests.nn.toys import TOYS, Example


def space():
    return TOYS["example"][0]


def test_the_design_example():
    assert space().size == 3 * (5 + 5**2 + 5**3 + 5**4)
    assert space().paths[:5] == (
        "width",
        "depth",
        "depth.0/op",
        "depth.0/op=mbconv3/expand",
        "depth.0/op=mbconv5/expand",
    )
    assert space().decision("depth").domain == Integer(1, 4)
    assert space().decision("depth.3/op").origin.startswith("toys.py:")


@pytest.mark.parametrize("name", TOYS)
def test_conformance(name):
    check_space(TOYS[name][0], n=10)


def test_called_by_hand_it_is_the_default():
    with aw.seeded(0):
        model = Example(10)
    built = space().build(space().default, seed=0)
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in built.state_dict().items()
    }
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), built.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", TOYS)
def test_default_of_every_toy(name):
    toy = TOYS[name][0]
    with aw.seeded(0):
        model = toy.factory(*toy.args, **toy.kwargs)
    built = toy.build(toy.default)
    assert [(k, v.shape) for k, v in model.state_dict().items()] == [
        (k, v.shape) for k, v in built.state_dict().items()
    ]


def test_tracing_leaves_no_trace():
    before = torch.random.get_rng_state()
    aw.ModelSpace(Example, 10)
    aw.ModelSpace(lambda: aw.linear(int(torch.randn(3).shape[0]), 2)).supernet(seed=0)
    space().build(space().default, seed=1)
    space().supernet(seed=1).extract(space().default)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert aw.choice("width", [3, 4]) == 3


def test_a_constructor_that_cannot_run_on_meta():
    def net():
        start = float(torch.rand(1).item())
        return nn.Sequential(aw.linear(2, aw.choice("width", [2, 3])), nn.LeakyReLU(start))

    before = torch.random.get_rng_state()
    assert aw.ModelSpace(net).size == 2
    assert torch.equal(torch.random.get_rng_state(), before)


def test_errors_restore_the_reading():
    with pytest.raises(SpaceError):
        aw.ModelSpace(lambda: aw.repeat("d", 1, 2, lambda i: 1 / 0))
    assert aw.choice("width", [3, 4]) == 3


def test_seeds():
    arch = space().sample(seed=0)
    a, b, c = (space().build(arch, seed=seed) for seed in (0, 0, 1))
    same = [torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(a.head.weight, c.head.weight)
    with aw.seeded(3):
        d = space().build(arch)
    assert torch.equal(d.head.weight, space().build(arch, seed=3).head.weight)


def test_device():
    model = space().build(space().default, device="meta")
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_plain_mappings_and_lists_are_architectures():
    skips = TOYS["skips"][0]
    arch = skips.sample(seed=1)
    again = skips.build({path: list(v) if isinstance(v, tuple) else v for path, v in arch.items()})
    assert isinstance(again, nn.Module)


def test_pickling():
    for pack in (pickle, cloudpickle):
        again = pack.loads(pack.dumps(space()))
        assert again == space()
        arch = space().sample(seed=4)
        assert isinstance(again.build(arch), Example)
    local = aw.ModelSpace(lambda: aw.linear(1, aw.choice("w", [1, 2])))
    assert cloudpickle.loads(cloudpickle.dumps(local)).size == 2
    assert copy.deepcopy(local) == local


@pytest.mark.parametrize("name", ["example", "nasbench201", "skips", "transformer"])
def test_built_models_copy_and_pickle(name):
    toy, inputs = TOYS[name]
    with aw.seeded(0):
        x = inputs()
        x = x if isinstance(x, tuple) else (x,)
    model = toy.build(toy.sample(seed=3), seed=0).eval()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(*x), model(*x))
        assert list(again.state_dict()) == list(model.state_dict())


@pytest.mark.integration
def test_a_built_model_loads_where_archwright_is_not(tmp_path):
    toy = TOYS["nasbench201"][0]
    model = toy.build(toy.sample(seed=3))
    torch.save(model, tmp_path / "model.pt")
    code = (
        "import sys; sys.modules['archwright'] = None\n"
        "import torch\n"
        f"model = torch.load({str(tmp_path / 'model.pt')!r}, weights_only=False)\n"
        "print(tuple(model(torch.zeros(1, 3, 5, 5)).shape))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 4, 5, 5)"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["example", "nasbench201", "darts", "skips", "transformer"])
def test_export(name):
    toy, inputs = TOYS[name]
    with aw.seeded(0):
        x = inputs()
        x = x if isinstance(x, tuple) else (x,)
    model = toy.build(toy.sample(seed=3), seed=0).eval()
    program = torch.export.export(model, x)
    torch.testing.assert_close(program.module()(*x), model(*x))


def test_restrict():
    narrow = space().restrict(
        {"width": [8, 16], "*/op": ["mbconv3", "skip"], "depth": Integer(1, 2)}
    )
    assert isinstance(narrow, aw.ModelSpace)
    assert narrow.size == 2 * (3 + 9)
    supernet = narrow.supernet(seed=0)
    assert supernet.model.head.in_features._bounds() == (8, 16)
    assert len(supernet.model.body) == 2
    assert {name for name, _ in supernet.model.body[0].named_children()} == {"mbconv3", "skip"}
    check_law(narrow, TOYS["example"][1], n=20)
    with pytest.raises(ArchitectureError, match="24 is not in the domain"):
        narrow.build(narrow.default | {"width": 24})


@pytest.mark.parametrize("name", ["darts", "loose", "nasnet"])
def test_restricted_cells(name):
    toy, inputs = TOYS[name]
    paths = [p for p in toy.paths if p.endswith(("inputs", "from"))]
    values = list(toy.decision(paths[-1]).domain.values())[:2]
    narrow = toy.restrict({paths[-1]: values, "cell/*kernel": 3})
    assert narrow.size < toy.size
    check_law(narrow, inputs, n=20)


def test_hyper_parameters():
    hyper = Space({"lr": choice([0.1, 0.01]), "batch": choice([32, 64])})
    for both in (space() & hyper, hyper & space()):
        assert isinstance(both, aw.ModelSpace)
        assert both.size == 4 * space().size
        assert both.hyper_paths == {"lr", "batch"}
        arch = both.sample(seed=0)
        assert set(both.hyper_part(arch)) == {"lr", "batch"}
        assert space().contains(both.model_part(arch))
        assert isinstance(both.build(arch), Example)
        with both.supernet(seed=0).active(arch) as supernet:
            supernet(torch.zeros(1, 3, 4, 4))
        again = pickle.loads(pickle.dumps(both))
        assert again.hyper_paths == both.hyper_paths
        assert both.restrict({"lr": [0.1]}).hyper_paths == both.hyper_paths
    more = space() & hyper & Space({"decay": choice([0.0, 0.1])})
    assert more.hyper_paths == {"lr", "batch", "decay"}


def test_scopes_and_the_top():
    def net():
        with aw.scope("encoder"):
            first = aw.linear(2, aw.choice("width", [2, 3]))
            with aw.scope("inner"):
                second = aw.linear(2, aw.choice("width", [2, 3]))
        return nn.ModuleList(
            [first, second, aw.layer("op", {"a": lambda: aw.linear(2, aw.choice("/top", [1, 2]))})]
        )

    found = aw.ModelSpace(net)
    assert found.paths == ("encoder/width", "encoder/inner/width", "op", "top")
    assert found.decisions[-1].path == "top"


def test_what_is_shared_is_declared_once():
    assert TOYS["shared"][0].paths == (
        "op",
        "op=mlp/inner",
        "depth",
        "depth.0/inner",
        "depth.1/inner",
        "tail/n",
    )


def test_repeat_conditions():
    toy = TOYS["mlp"][0]
    depth = toy.decision("depth")
    assert [sorted(branch.values) for branch in depth.branches] == [[1, 2, 3], [2, 3], [3]]
    assert toy.default["depth"] == 2
    assert "depth.2/act" not in toy.default


def test_random_spaces_keep_the_law():
    """Spaces made at random out of all words."""
    for seed in range(12):
        check_law(aw.ModelSpace(random_net, seed), lambda: torch.randn(3, 4), n=15)


def random_net(seed):
    def block(depth):
        kind = rng.choice(["linear", "layer", "repeat", "cell", "residual"]) if depth else "linear"
        name = f"n{rng.randrange(10**6)}"
        if kind == "linear":
            inner = aw.choice(name, rng.sample(range(1, 9), 2))
            return nn.Sequential(aw.linear(4, inner), nn.Tanh(), aw.linear(inner, 4))
        seeds = [rng.random() for _ in range(3)]
        if kind == "layer":
            return aw.layer(
                name, {i: lambda s=s: within(s, depth) for i, s in enumerate(seeds[:2])}
            )
        if kind == "repeat":
            return aw.repeat(name, rng.randint(0, 1), 3, lambda i: within(seeds[i], depth))
        if kind == "residual":
            return Residual(within(seeds[0], depth), name)
        ops = {"none": None, "skip": None, "net": lambda: within(seeds[0], depth)}
        return aw.cell(
            name, ops, nodes=2, select=rng.choice(["all", (0, 2)]), zero="none", identity="skip",
            op_on=rng.choice(["edge", "node"]), output=rng.choice(["last", "select"]),
        )  # fmt: skip

    def within(seed, depth):
        # The same again whenever the factory is called, whatever was called before.
        nonlocal rng
        outer, rng = rng, random.Random(seed)
        try:
            return block(depth - 1)
        finally:
            rng = outer

    rng = random.Random(seed)
    with_scopes = []
    for i in range(2):
        with aw.scope(f"s{i}"):
            with_scopes.append(block(3))
    return nn.Sequential(*with_scopes)


class Residual(nn.Module):
    def __init__(self, inner, name):
        super().__init__()
        self.inner = inner
        self.take = aw.inputs(name, 2, (1, 2))

    def forward(self, x):
        return self.take([x, self.inner(x)])
