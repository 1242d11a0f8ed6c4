"""Deriving where a space limits the edges: the most probable architectures that keep the limit."""

import math
import random

import pytest

from archwright.space import Choice, Decision, EdgeLimit, Space, Subset
from archwright.supernet.derive import derive


def limited(maximum):
    nodes = [Decision(f"{v}/inputs", Subset(v, 0, v)) for v in (2, 3, 4)]
    paths = [node.path for node in nodes]
    return Space(
        [*nodes, Decision("op", Choice(("a", "b", "c")))], constraints=[EdgeLimit(paths, maximum)]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("maximum", [2, 4])
def test_the_best_of_all(seed, maximum):
    space, rng = limited(maximum), random.Random(seed)
    found = {
        path: {value: math.log(rng.random()) for value in space.decision(path).domain.values()}
        for path in space.paths
    }

    def total(arch):
        return sum(found[path][value] for path, value in arch.items())

    best = sorted(map(total, space.enumerate()), reverse=True)[:3]
    assert [total(arch) for arch in derive(space, found, n=3, most=3000)] == pytest.approx(best)


def test_four_edges_too_many_among_equals():
    """Untrained strengths differ by little, and many other decisions could change instead."""
    nodes = [Decision(f"{v}/inputs", Subset(v, 0, v)) for v in range(1, 7)]
    ops = [Decision(f"{v}/op", Choice(("a", "b", "c"))) for v in range(1, 7)]
    space = Space([*nodes, *ops], constraints=[EdgeLimit([d.path for d in nodes], 9)])
    rng = random.Random(0)
    found = {
        path: {
            value: rng.random() * 1e-3 + (1e-2 if value == (0, 1, 2, 3) else 0)
            for value in space.decision(path).domain.values()
        }
        for path in space.paths
    }
    most = {path: max(own, key=own.__getitem__) for path, own in found.items()}
    assert sum(len(value) for path, value in most.items() if path.endswith("inputs")) > 9
    (arch,) = derive(space, found)
    assert space.why_not(arch) is None
