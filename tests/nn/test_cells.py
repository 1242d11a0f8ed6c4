"""Cells: paths, wiring, canonical forms, what is built."""

import copy
import operator
import random

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.testing.law import check_law
from tests.nn.toys import TOYS, nasbench201


def one(name):
    return TOYS[name][0]


def test_paths():
    assert one("nasbench201").paths == (
        "cell/0-1",
        "cell/0-2",
        "cell/1-2",
        "cell/0-3",
        "cell/1-3",
        "cell/2-3",
    )
    assert one("nasbench201").size == 15625
    assert {"cell/2.0/from", "cell/2.0/op", "cell/2.1/from"} <= set(one("nasnet").paths)
    assert {"cell/3/inputs", "cell/2-3", "cell/0-2=conv/kernel"} <= set(one("darts").paths)
    assert "cell/2/inputs" not in one("darts").paths  # two of two: nothing to decide
    assert {"cell/1/op", "cell/1/inputs", "output/inputs"} <= {
        p.replace("cell/output", "output") for p in one("nasbench101").paths
    }


def test_darts_size():
    def op():
        return lambda: nn.Identity()

    space = aw.ModelSpace(
        lambda: aw.cell(
            "cell", {i: op() for i in range(8)}, nodes=4, inputs=2, select=2, output="concat"
        )
    )
    assert space.size == 8**8 * 1 * 3 * 6 * 10


@pytest.mark.parametrize("name", ["nasbench201", "darts", "loose", "nasnet", "nasbench101"])
def test_what_is_the_same_has_the_same_parameters(name):
    """Canonical duplicates build networks of equal parts, and mostly there are some."""
    space = one(name)
    rng = random.Random(0)
    fixed = {"width": 4} if "width" in space.paths else {}
    seen = {}
    for _ in range(120):
        arch = space.check(space.sample(rng=rng) | fixed)
        if name != "nasbench201":
            arch = space.mutate(arch, rng=rng) if rng.random() < 0.5 else arch
            arch = space.check(arch | fixed)
        model = space.build(arch)
        parts = sorted(tuple(p.shape) for p in model.parameters())
        assert seen.setdefault(space.canonical(arch), parts) == parts


def test_the_same_graph_computes_the_same():
    """NAS-Bench-201 with the nodes 1 and 2 exchanged: equal, given equal weights."""
    # By the rule of graphs; the published texts tell these two apart.
    space = aw.ModelSpace(nasbench201, rule="graph")
    a = {"0-1": "nor_conv_3x3", "0-2": "avg_pool_3x3", "1-3": "nor_conv_1x1", "2-3": "skip_connect"}
    b = {"0-2": "nor_conv_3x3", "0-1": "avg_pool_3x3", "2-3": "nor_conv_1x1", "1-3": "skip_connect"}
    archs = [
        space.check({f"cell/{k}": v for k, v in {"1-2": "none", "0-3": "none", **c}.items()})
        for c in (a, b)
    ]
    assert space.canonical(archs[0]) == space.canonical(archs[1])
    one_, two = (space.build(arch, seed=0).eval() for arch in archs)
    names = {"edge_0_1": "edge_0_2", "edge_1_3": "edge_2_3"}
    state = {
        key.replace(old, new): value
        for key, value in one_.state_dict().items()
        for old, new in names.items()
        if old in key or not any(name in key for name in names)
    }
    two.load_state_dict(state)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(one_(x), two(x))


def test_only_what_matters_is_built():
    space = one("nasbench201")
    arch = dict.fromkeys(space.paths, "none") | {
        "cell/0-1": "nor_conv_3x3",
        "cell/0-3": "nor_conv_1x1",
    }
    cell = space.build(arch)[1]
    assert isinstance(cell, torch.fx.GraphModule)
    assert [name for name, _ in cell.named_children()] == ["edge_0_3"]
    nothing = space.build(dict.fromkeys(space.paths, "none"))
    assert nothing(torch.ones(1, 3, 4, 4)).abs().max() == 0
    same = space.build(dict.fromkeys(space.paths, "skip_connect"))[1]
    assert torch.equal(same(torch.ones(2)), torch.full((2,), 4.0))


def test_a_module_for_the_zero_keeps_everything():
    class Zero(nn.Module):
        def forward(self, x):
            return x * 0

    space = aw.ModelSpace(
        lambda: aw.cell(
            "cell", {"none": Zero, "linear": lambda: nn.Linear(2, 2)}, nodes=2, zero="none"
        )
    )
    model = space.build({"cell/0-1": "linear", "cell/0-2": "none", "cell/1-2": "none"})
    assert [name for name, _ in model.named_children()] == ["edge_0_1", "edge_0_2", "edge_1_2"]
    check_law(space, lambda: torch.randn(3, 2), n=8)


def test_edge_limits():
    space = one("nasbench101")
    for seed in range(50):
        arch = space.sample(seed=seed)
        taken = [len(v) for path, v in arch.items() if path.endswith("inputs")]
        assert sum(taken) <= 7


def test_loose_outputs():
    supernet = one("loose").supernet(seed=0)
    cell = supernet.model.cells[1]
    assert cell.n_outputs._bounds() == (1, 3)
    wide = {"width": 4, "cell/3/inputs": (0, 1), "cell/4/inputs": (0, 1)}
    slim = {"width": 4, "cell/3/inputs": (1, 2), "cell/4/inputs": (1, 3)}
    for given, n in ((wide, 3), (slim, 1)):
        arch = dict(given)
        for node, taken in ((2, (0, 1)), (3, given["cell/3/inputs"]), (4, given["cell/4/inputs"])):
            for source in taken:
                arch[f"cell/{source}-{node}"] = "pool"
        assert one("loose").build(arch).cells[1].n_outputs == n
        with supernet.active(arch):
            assert int(cell.n_outputs) == n


def test_cells_of_a_repeat_may_share_one_at_the_top():
    space = one("nested")
    top = [path for path in space.paths if path.startswith("top/")]
    assert top == ["top/0-1", "top/0-2", "top/1-2"]
    assert {d.path for d in space.decisions} >= set(top)
    assert sorted(cell.prefix for cell in space.cells) == [
        "stage/depth.0/kind=cell/inner",
        "stage/depth.1/kind=cell/inner",
        "stage/depth.2/kind=cell/inner",
        "top",
    ]


def test_operations_may_depend_on_the_place():
    places = []

    def ops(place):
        places.append(place)
        return {"a": nn.Identity}

    aw.cell("cell", ops, nodes=2, inputs=2)
    assert [(p.node, p.source, p.from_input) for p in places] == [
        (2, 0, True),
        (2, 1, True),
        (3, 0, True),
        (3, 1, True),
        (3, 2, False),
    ]


def test_wrong_number_of_inputs():
    supernet = one("nasbench201").supernet()
    with (
        supernet.active(one("nasbench201").default),
        pytest.raises(TypeError, match="cell 'cell' takes 1 inputs, got 2"),
    ):
        supernet.model[1](torch.zeros(1), torch.zeros(1))


def test_carriers_are_kept_within_bounds(monkeypatch):
    from archwright.nn import carriers

    monkeypatch.setattr(carriers, "_MOST", 3)
    monkeypatch.setattr(carriers, "_templates", type(carriers._templates)())
    space = one("nasbench201")
    kept = [space.build(space.sample(seed=seed)).eval() for seed in range(6)]
    assert len(carriers._templates) == 3
    for model in kept:
        model(torch.zeros(1, 3, 5, 5))


def test_editing_one_carrier_leaves_the_others():
    space = one("nasbench201")
    arch = dict.fromkeys(space.paths, "skip_connect")
    one_, two, three = (space.build(arch)[1] for _ in range(3))
    assert type(one_) is type(two)
    one_.recompile()
    assert type(one_) is not type(two)
    graph = two.graph
    assert two.graph is graph
    for node in graph.find_nodes(op="call_function", target=operator.add):
        node.target = operator.mul
    two.recompile()
    x = torch.full((1,), 2.0)
    for module, expected in ((one_, 8.0), (two, 16.0), (three, 8.0), (copy.deepcopy(three), 8.0)):
        assert module(x).item() == expected
        assert isinstance(module, torch.fx.GraphModule)
    three.graph = graph
    assert three(x).item() == 16.0
    assert space.build(arch)[1](x).item() == 8.0
