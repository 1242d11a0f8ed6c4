"""NAS-Bench-1Shot1: the number of inputs, sizes, and that the wiring can be relaxed."""

import math

import pytest
import torch

from archwright.errors import InputError
from archwright.nn.mixture import Mixture
from archwright.testing import check_law
from archwright.zoo import build_space
from archwright.zoo.nasbench1shot1 import PARENTS


def small(i, **options):
    return build_space(
        "nasbench1shot1", input_shape=(1, 8, 8), n_outputs=3, search_space=i, C=3, N=1, **options
    )


@pytest.mark.parametrize("i", PARENTS)
def test_sizes_and_law(i):
    space, parents = small(i), PARENTS[i]
    wirings = math.prod(math.comb(n, k) for n, k in enumerate(parents, start=1))
    assert sum(parents) <= 9  # as NAS-Bench-101 allows
    assert space.size == wirings * 3 ** (len(parents) - 1)
    check_law(space, lambda: torch.randn(2, 1, 8, 8), n=10)


def test_the_published_size_of_the_second():
    assert small(2).size == 29_160


def test_by_default_no_end_is_loose():
    for i in PARENTS:
        space = small(i)
        assert len(space.build(space.default).stacks[1]._modules) == len(PARENTS[i]) - 1


def test_wiring_and_operations_are_mixed():
    """A mixture of weights one and zero computes the architecture itself."""
    space = small(1)
    supernet = space.supernet(seed=0).eval().double()
    arch = space.sample(seed=3)
    weights = {}
    for path, value in arch.items():
        domain = space.decision(path).domain
        if path.endswith("inputs"):
            chosen = [1.0 if j in value else 0.0 for j in range(domain.n)]
        else:
            chosen = [1.0 if option == value else 0.0 for option in domain.values()]
        weights[path] = torch.tensor(chosen, dtype=torch.float64)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        with supernet.active(arch):
            expected = supernet(x)
        with supernet.mixed(Mixture(weights)):
            torch.testing.assert_close(supernet(x), expected, rtol=1e-9, atol=1e-12)


def test_unknown_search_space():
    with pytest.raises(InputError, match="search_space must be 1, 2 or 3, got 4"):
        small(4)
