"""NAS-Bench-201: known parameter counts, the published order, the published classes."""

from pathlib import Path

import pytest
import torch
from torch import nn

from archwright.zoo import NASBENCH201_OPS, build_space

TABLE = Path(__file__).parents[3] / "shared/data/bench/nasbench201/nasbench201.parquet"
EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")


@pytest.fixture(scope="module")
def space():
    return build_space("nasbench201", input_shape=(3, 32, 32), n_outputs=10)


def architecture(*ops):
    return {f"cell/{edge}": op for edge, op in zip(EDGES, ops, strict=True)}


def n_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("ops", "parameters"),
    [
        (["nor_conv_3x3"] * 6, 1_531_546),
        (["nor_conv_1x1"] * 6, 241_306),
        (["none"] * 6, 73_306),
        (["skip_connect"] * 6, 73_306),
        (["avg_pool_3x3"] * 6, 73_306),
    ],
)
def test_published_parameter_counts(space, ops, parameters):
    assert n_parameters(space.build(architecture(*ops), device="meta")) == parameters


def test_published_order_of_a_convolution(space):
    model = space.build(architecture(*["nor_conv_3x3"] * 6), device="meta")
    parts = list(model.cells[0].edge_0_1)
    assert [type(part) for part in parts] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    assert parts[1].bias is None
    assert parts[2].affine
    assert parts[2].track_running_stats


def test_published_residual_block(space):
    reduction = space.build(space.default, device="meta").cells[5]
    pool, conv = reduction.downsample
    assert (pool.kernel_size, pool.stride, pool.padding) == (2, 2, 0)
    assert conv.bias is None
    assert [type(part) for part in reduction.conv_a] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    assert reduction.conv_a[1].stride == (2, 2)


def test_a_cell_computes_the_published_sums(space):
    model = space.build(
        architecture(
            "avg_pool_3x3", "skip_connect", "none", "skip_connect", "avg_pool_3x3", "skip_connect"
        )
    )
    x = torch.randn(2, 16, 8, 8)
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    node1 = pool(x)
    node2 = x
    assert torch.allclose(model.cells[0](x), x + pool(node1) + node2, atol=1e-6)


def test_operations_in_the_published_order(space):
    assert tuple(space.decision("cell/0-1").domain.values()) == NASBENCH201_OPS


def reaches(ops: dict[str, str]) -> set[str]:
    """The edges between the input and the output that are not cut off by `none`."""
    there = {edge for edge, op in ops.items() if op != "none"}
    forward = {"0"}
    for edge in EDGES:
        if edge in there and edge[0] in forward:
            forward.add(edge[2])
    backward = {"3"}
    for edge in reversed(EDGES):
        if edge in there and edge[2] in backward:
            backward.add(edge[0])
    return {edge for edge in there if edge[0] in forward and edge[2] in backward}


@pytest.mark.slow
def test_parameters_of_the_published_table(space):
    pd = pytest.importorskip("pandas")
    if not TABLE.exists():
        pytest.skip(f"the table of NAS-Bench-201 is not at {TABLE}")
    columns = ["op_e01", "op_e02", "op_e12", "op_e03", "op_e13", "op_e23"]
    rows = pd.read_parquet(TABLE, columns=[*columns, "params_M"]).sample(60, random_state=0)
    # What a dead edge's operation has in all 15 cells; the published code keeps it.
    kept = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
    n_dead = 0
    for row in rows.itertuples(index=False):
        ops = {edge: NASBENCH201_OPS[row[i]] for i, edge in enumerate(EDGES)}
        found = n_parameters(space.build(architecture(*ops.values()), device="meta"))
        live = reaches(ops)
        for edge, op in ops.items():
            if edge not in live and op in kept:
                n_dead += 1
                found += sum(5 * (kept[op] * c * c + 2 * c) for c in (16, 32, 64))
        assert found == round(row.params_M * 1e6)
    assert n_dead > 0


@pytest.mark.slow
def test_canonical_classes(space):
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 6_466
