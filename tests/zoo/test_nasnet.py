"""NASNet: the published cells, what a cell answers, sizes by rule."""

import pytest
import torch

from archwright.testing import check_law, check_space
from archwright.zoo import NASNET_OPS, build_space
from archwright.zoo.nasnet import NASNET_A, nasnet_space

# By the published code (slim/nets/nasnet/nasnet_utils.py): operations and sources of the five
# pairs; there 0 is the last tensor, 1 the one before it.
PUBLISHED = {
    "normal": [
        ((0, "separable_5x5"), (1, "separable_3x3")),
        ((1, "separable_5x5"), (1, "separable_3x3")),
        ((0, "avg_pool_3x3"), (1, "identity")),
        ((1, "avg_pool_3x3"), (1, "avg_pool_3x3")),
        ((0, "separable_3x3"), (0, "identity")),
    ],
    "reduction": [
        ((0, "separable_5x5"), (1, "separable_7x7")),
        ((0, "max_pool_3x3"), (1, "separable_7x7")),
        ((0, "avg_pool_3x3"), (1, "separable_5x5")),
        ((3, "identity"), (2, "avg_pool_3x3")),
        ((2, "separable_3x3"), (0, "max_pool_3x3")),
    ],
}


@pytest.fixture(scope="module")
def small():
    return nasnet_space((1, 8, 8), 3, N=1, filters=2)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_default_is_nasnet_a(kind):
    swap = {0: 1, 1: 0}
    ours = sorted(
        tuple(sorted((swap.get(source, source), op) for source, op in (cell[a], cell[b])))
        for cell in [NASNET_A[kind]]
        for a, b in zip(list(cell)[::2], list(cell)[1::2], strict=True)
    )
    assert ours == sorted(tuple(sorted(pair)) for pair in PUBLISHED[kind])


def test_thirteen_operations_and_two_edges_of_five_nodes(small):
    assert len(NASNET_OPS) == 13
    assert len(small.paths) == 2 * 5 * 2 * 2
    assert small.name == "nasnet"


def test_space(small):
    check_space(small, n=10)


@pytest.mark.slow
def test_law(small):
    check_law(small, lambda: torch.randn(2, 1, 8, 8), n=100, seed=1)


@pytest.mark.parametrize("op", NASNET_OPS)
def test_every_operation_keeps_and_halves_the_size(op):
    """With one operation everywhere, odd sizes included."""
    space = nasnet_space((1, 9, 13), 2, N=1, filters=2)
    arch = {p: op if p.endswith("/op") else space.default[p] for p in space.paths}
    model = space.build(arch, device="meta")
    assert model(torch.zeros(2, 1, 9, 13, device="meta")).shape == (2, 2)


def test_a_cell_answers_the_nodes_that_no_other_uses(small):
    chain = {
        p: ("identity" if p.endswith("/op") else max(0, int(p.split("/")[1][0]) - 1))
        for p in small.paths
    }
    built = small.build(chain, device="meta")
    assert {cell.cell.n_outputs for cell in built.cells} == {1}
    apart = {**chain, **{p: 0 for p in small.paths if p.endswith("/from")}}
    assert {cell.cell.n_outputs for cell in small.build(apart, device="meta").cells} == {5}


def test_identical_cells_have_one_canonical_form(small):
    arch = dict(small.default)
    swapped = arch | {
        f"normal/2.{i}/{what}": arch[f"normal/2.{1 - i}/{what}"]
        for i in (0, 1)
        for what in ("from", "op")
    }
    assert swapped != arch
    assert small.canonical(small.check(swapped)) == small.canonical(small.default)


@pytest.mark.parametrize(
    ("shape", "n_stages", "n_reductions", "low", "high"),
    [
        ((1, 8, 8), 3, 2, 20_000, 100_000),
        ((3, 32, 32), 3, 3, 50_000, 1_000_000),
        ((3, 224, 224), 4, 3, 500_000, 6_000_000),
    ],
    ids=str,
)
def test_sized_to_the_image(shape, n_stages, n_reductions, low, high):
    space = build_space("nasnet", input_shape=shape, n_outputs=10)
    model = space.build(space.default, device="meta")
    n_cells = len(model.cells)
    assert n_cells == 2 * n_stages + n_reductions
    assert low <= sum(p.numel() for p in model.parameters()) <= high
    assert model(torch.zeros(1, *shape, device="meta")).shape == (1, 10)
