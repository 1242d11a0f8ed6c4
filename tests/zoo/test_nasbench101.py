"""NAS-Bench-101: the published parameters, channels by the published rule, the table's space."""

from pathlib import Path

import pytest
import torch

from archwright.errors import InputError
from archwright.hardware import n_params
from archwright.testing import check_space
from archwright.zoo import build_space
from archwright.zoo.nasbench101 import n_channels, on_a_path

TABLE = Path(__file__).parents[3] / "shared/data/bench/nasbench101/nasbench101_subset.npz"


@pytest.fixture(scope="module")
def space():
    return build_space("nasbench101", input_shape=(3, 32, 32), n_outputs=10)


def architecture(inputs, ops):
    names = {"3": "conv3x3-bn-relu", "1": "conv1x1-bn-relu", "p": "maxpool3x3"}
    arch = {f"cell/{v}/inputs": taken for v, taken in enumerate(inputs, start=1)}
    return arch | {f"cell/{v}/op": names[op] for v, op in enumerate(ops, start=1)}


def test_a_network_holds_what_is_on_a_path(space):
    inputs = [(0,), (1,), (0, 1), (), (), (0, 2, 3)]
    model = space.build(architecture(inputs, "331pp"), device="meta")
    cell = model.stacks[0]
    assert sorted(cell.vertices) == ["1", "2", "3"]
    assert sorted(cell.projections) == ["1", "3", "6"]
    assert [cell.vertices[v][0].out_channels for v in "123"] == [64, 64, 64]


def test_it_is_the_space_of_the_table(space):
    from archwright.benchmarks.nasbench101 import nasbench101_space

    assert space.fingerprint == nasbench101_space().fingerprint
    check_space(build_space("nasbench101", input_shape=(1, 8, 8), n_outputs=3, C=6, N=1), n=10)


def test_parameters_of_the_published_table(space):
    if not TABLE.exists():
        pytest.skip(f"the table of NAS-Bench-101 is not at {TABLE}")
    import numpy as np

    from archwright.benchmarks.nasbench101 import architecture_of

    rows = np.load(TABLE)
    n, adjacency, ops, sizes = (rows[key] for key in ("n_vertices", "adjacency", "ops", "params"))
    for i in np.random.default_rng(0).choice(len(sizes), 40, replace=False):
        matrix = adjacency[i][: n[i], : n[i]]
        arch = architecture_of(matrix, ops[i].tolist())
        assert n_params(space.build(arch, device="meta")) == sizes[i]


def test_channels():
    """The published rule: shares of the output, the first a channel more; else the widest after."""
    wires = ((), (0,), (1,), (2,), (0, 1), (0,), (3, 4, 5))
    assert [n_channels(v, 128, *wires) for v in range(1, 6)] == [43, 43, 43, 43, 42]
    assert on_a_path(((), (0,), (), (2,), (3,), (0,), (4,))) == frozenset()


def test_without_a_path_the_cell_answers_zeros():
    space = build_space("nasbench101", input_shape=(1, 8, 8), n_outputs=3, C=6, N=1)
    arch = architecture([(0,), (), (2,), (3,), (0,), (4,)], "33333")
    model = space.build(arch)
    assert len(model.stacks[0].state_dict()) == 0
    assert torch.equal(model.stacks[0](torch.ones(2, 6, 4, 4)), torch.zeros(2, 6, 4, 4))


def test_input_straight_to_the_output():
    space = build_space("nasbench101", input_shape=(1, 8, 8), n_outputs=3, C=6, N=1)
    cell = space.build(architecture([(), (), (), (), (), (0,)], "33333")).stacks[0].eval()
    x = torch.randn(2, 6, 4, 4)
    assert torch.equal(cell(x), cell.projections["6"](x))


def test_too_few_channels():
    with pytest.raises(InputError, match="C must be a whole number of at least 5"):
        build_space("nasbench101", input_shape=(1, 8, 8), n_outputs=3, C=4)
