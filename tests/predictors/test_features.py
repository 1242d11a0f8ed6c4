import numpy as np
import pytest

from archwright.predictors.features import Features, features_of
from archwright.space import Choice, Integer, Real, Space, Subset
from tests.strategies.problems import cells


def column(features, name, row):
    return row[features.names.index(name)] / features._scales[features.names.index(name)]


def named(space, values):
    return space.check({path: values.get(path[-3:], "none") for path in space.paths})


def test_what_is_read_of_a_cell():
    space = cells()
    features = Features(space)
    # conv_3x3 then conv_1x1 on the long way, a skip beside it; 0-2 leads nowhere.
    given = named(
        space, {"0-1": "conv_3x3", "1-3": "conv_1x1", "0-3": "skip", "0-2": "pool", "2-3": "none"}
    )
    row = features.encode([given])[0]

    def value(name):
        return column(features, name, row)

    assert value("counts: cell: conv") == pytest.approx(2)
    assert value("counts: cell: conv_3x3") == pytest.approx(1)
    assert value("counts: cell: pool") == 0  # without effect
    assert value("paths: cell: conv_3x3 > conv_1x1") == pytest.approx(1)
    assert value("paths: cell: ") == pytest.approx(1)  # the skip
    assert value("shape: cell: most: operations") == pytest.approx(2)
    assert value("shape: cell: fewest: operations") == 0
    assert value("shape: cell: most: conv") == pytest.approx(2)
    assert value("shape: cell: ways") == pytest.approx(np.log2(3))


def test_isomorphic_cells_differ_in_their_decisions_only():
    space = cells()
    features = Features(space)
    one = named(space, {"0-1": "conv_3x3", "1-3": "pool", "0-2": "none"})
    two = named(space, {"0-2": "conv_3x3", "2-3": "pool", "0-1": "none"})
    assert space.canonical(one) == space.canonical(two)
    a, b = features.encode([one, two])
    for group, columns in features.groups.items():
        assert np.allclose(a[columns], b[columns]) == (group != "decisions"), group


@pytest.mark.parametrize("make", [cells, lambda: Space({"lr": Real(1e-4, 1e-1, log=True)})])
def test_each_group_has_a_mean_squared_distance_of_one(make):
    space = make()
    features = Features(space)
    rows = features.encode([space.sample(seed=seed) for seed in range(300)])
    for columns in features.groups.values():
        part = rows[:, columns]
        assert 2 * part.var(axis=0).sum() == pytest.approx(1, abs=0.2)


def test_repeated_decisions_are_counted_and_numbers_keep_their_order():
    decisions = {f"layer.{i}/kernel": Choice((3, 5, 7)) for i in range(3)}
    space = Space({**decisions, "act": Choice(("relu", "silu")), "depth": Integer(1, 40)})
    features = Features(space)
    given = {"layer.0/kernel": 7, "layer.1/kernel": 3, "layer.2/kernel": 7}
    row = features.encode([space.check({**given, "act": "relu", "depth": 40})])[0]
    assert column(features, "counts: layer.#/kernel: =7", row) == pytest.approx(2)
    assert column(features, "counts: layer.#/kernel: sum", row) == pytest.approx(2)
    assert column(features, "decisions: layer.1/kernel", row) == 0
    assert column(features, "decisions: depth", row) == pytest.approx(1)
    assert not any("counts: act" in name for name in features.names)


def test_every_domain_and_one_architecture_only():
    space = Space({"in": Subset(3), "lr": Real(0.1, 1.0), "flag": Choice((True, False, None))})
    features = features_of(space)
    rows = features.encode([space.sample(seed=seed) for seed in range(9)])
    assert len(np.unique(rows, axis=0)) == 9
    assert Features(Space({"only": Choice((1,))})).encode([{"only": 1}]).shape == (1, 0)


def test_features_follow_from_the_space_alone():
    one, two = Features(cells()), Features(cells())
    sample = [cells().sample(seed=seed) for seed in range(20)]
    two.encode(reversed(sample))
    assert one.names == two.names
    assert np.array_equal(one.encode(sample), two.encode(sample))
