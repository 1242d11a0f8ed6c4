import itertools
from random import Random

import pytest

from archwright.errors import InputError
from archwright.space import Choice, Integer, Real, Space, Subset
from archwright.strategies.vectors import UnitCube, part_of, refuse_dynamic, value_at
from tests.strategies.problems import everything, flat, space_named, zoo

ZOO = ("mlp", "chain_cnn", "branched_cnn", "mobilenet", "nasbench201")


@pytest.mark.parametrize("name", [*ZOO, "everything"])
def test_every_architecture_has_a_point_and_every_point_an_architecture(name):
    space = space_named(name)
    cube = UnitCube(space)
    rng = Random(0)
    for _ in range(30):
        architecture = space.sample(rng=rng)
        again = cube.architecture(cube.point(architecture))
        assert list(again) == list(architecture)
        for path, value in architecture.items():
            near = isinstance(value, float)
            assert again[path] == (pytest.approx(value) if near else value)
        drawn = cube.architecture([rng.random() for _ in range(cube.n)])
        assert space.why_not(drawn) is None


@pytest.mark.parametrize(
    "domain",
    [
        Choice(("a", "b", "c")),
        Integer(2, 20, step=3),
        Integer(1, 4, log=True),
        Integer(16, 400, step=8, log=True),
        Integer(5, 5),
    ],
)
def test_parts_cover_the_unit_and_hold_their_value(domain):
    parts = [part_of(domain, value) for value in domain.values()]
    assert parts[0][0] == 0.0
    assert parts[-1][1] == 1.0
    for (_, end), (start, _) in itertools.pairwise(parts):
        assert end == pytest.approx(start)
    for value, (low, high) in zip(domain.values(), parts, strict=True):
        assert value_at(domain, (low + high) / 2) == value


def test_a_logarithmic_real_is_scaled_in_the_logarithm():
    assert value_at(Real(1e-4, 1e-2, log=True), 0.5) == pytest.approx(1e-3)
    assert value_at(Real(1e-4, 1e-2, log=True), 1.0) == 1e-2
    assert value_at(Real(0.0, 4.0), 0.25) == 1.0


def test_subsets_take_what_is_above_a_half_and_keep_their_bounds():
    def at(domain, *x):
        return UnitCube(Space({"s": domain})).architecture(x)["s"]

    assert at(Subset(3), 0.6, 0.4, 0.5) == (0, 2)
    assert at(Subset(3), 0.1, 0.2, 0.3) == ()
    assert at(Subset(3, low=1), 0.1, 0.3, 0.2) == (1,)
    assert at(Subset(3, high=1), 0.7, 0.9, 0.8) == (1,)
    assert at(Subset(3, allowed=((0,), (0, 1))), 0.9, 0.1, 0.9) == (0,)


def test_broken_edge_limits_drop_the_smallest_coordinates():
    space = everything()
    cube = UnitCube(space)
    point = cube.point(space.default)
    names = [p for p in space.paths for _ in range(getattr(space.decision(p).domain, "n", 1))]
    start = names.index("a")
    assert space.default["op"] == "conv"
    point[start : start + 5] = [0.9, 0.8, 0.1, 0.1, 0.7]
    other = names.index("op")
    point[other] = 0.5  # pool: three inputs more than fit beside two of b and three of a
    inputs = names.index("op=pool/inputs")
    point[inputs : inputs + 4] = [0.95, 0.6, 0.55, 0.2]
    found = cube.architecture(point)
    assert found["op"] == "pool"
    assert found["b"] == space.default["b"]
    assert found["op=pool/inputs"] == (0,)
    assert found["a"] == (0, 1)


def test_coordinates_of_what_is_not_live_are_given_or_a_half():
    space = zoo("chain_cnn")
    cube = UnitCube(space)
    architecture = space.sample(seed=0)
    plain = cube.point(architecture)
    kept = cube.point(architecture, otherwise=[0.125] * cube.n)
    differ = [(a, b) for a, b in zip(plain, kept, strict=True) if a != b]
    assert differ
    assert set(differ) == {(0.5, 0.125)}


def test_dynamic_spaces_are_refused():
    import torch

    from archwright.nn import ModelSpace, choice

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for i in range(choice("depth", [1, 2])):
                choice(f"width{i}", [1, 2])

    dynamic = ModelSpace(Net, dynamic=True)
    with pytest.raises(InputError, match="dynamic"):
        refuse_dynamic("ant_colony", dynamic)
    refuse_dynamic("ant_colony", flat())
