import pickle
from collections import Counter
from random import Random

import numpy as np
import pytest

from archwright.benchmarks.digits_cells import digits_cells_space
from archwright.benchmarks.nasbench201 import nasbench201_space
from archwright.benchmarks.nasbench301 import nasbench301_space
from archwright.predictors.encoder import KNOWN, OF_ANY_SPACE, Encoder, default_features
from archwright.predictors.graf import (
    PaddedGraphs,
    graph_features,
    inner_labels,
    operation_subsets,
)
from archwright.predictors.graphs import cell_graph
from archwright.predictors.neighbourhoods import Neighbourhoods
from archwright.predictors.wl import wl_features
from archwright.space import Branch, Choice, Decision, Integer, Space

SPACE = nasbench201_space()


def drawn(space, n):
    rng = Random(0)
    return [space.sample(rng=rng) for _ in range(n)]


def graphs_of(space, n):
    return [cell_graph(space, a)["cell"] for a in drawn(space, n)]


def ways_of(graph):
    """All ways from an input to the output, one vertex after another, by walking."""
    last = len(graph.labels) - 1

    def walk(vertex):
        if vertex == last:
            yield ()
        for after in graph.successors[vertex]:
            for rest in walk(after):
                yield (vertex, *rest)

    return [way for start in graph.inputs for way in walk(start)]


def test_graph_features_are_those_counted_by_walking_every_way():
    graphs = graphs_of(SPACE, 60)
    values, names = graph_features(PaddedGraphs.of(graphs))
    assert values.shape == (60, len(names))
    subsets = operation_subsets(sorted({x for g in graphs for x in inner_labels(g)}))
    assert len(subsets) == 8
    for graph, row in zip(graphs, values, strict=True):
        told = dict(zip(names, row.tolist(), strict=True))
        inputs = set(graph.inputs)
        ways = [[graph.labels[v] for v in way if v not in inputs] for way in ways_of(graph)]
        for subset, members in subsets.items():
            within = [len(way) for way in ways if set(way) <= set(members)]
            counts = [sum(x in members for x in way) for way in ways]
            expected = {
                "joined": float(bool(within)),
                "ways": np.log2(1 + len(within)),
                "shortest": min(within, default=0),
                "longest": max(within, default=0),
                "operations": sum(x in members for x in inner_labels(graph)),
                "most on a way": max(counts, default=0),
                "fewest on a way": min(counts, default=0),
                "mean on a way": np.mean(counts) if counts else 0,
            }
            for part, value in expected.items():
                assert told[f"{subset}: {part}"] == pytest.approx(value), (subset, part, graph)


def test_what_the_signal_meets_weighs_what_comes_in_alike():
    # input -> a -> b -> output and input -> output: half of the output is the input itself.
    from archwright.predictors.graphs import OpGraph

    graph = OpGraph(("input", "a", "b", "output"), ((0, 1), (0, 3), (1, 2), (2, 3)))
    values, names = graph_features(PaddedGraphs.of([graph]))
    told = dict(zip(names, values[0].tolist(), strict=True))
    assert told["a+b: met by the signal"] == 1.0
    assert told["a: met by the signal"] == 0.5
    assert told["a > b"] == told["input > output"] == 1.0
    assert told["b > a"] == 0.0
    assert told["a: from input"] == told["b: to output"] == 1.0


@pytest.mark.parametrize("direction", ["in", "out"])
def test_neighbourhoods_tell_apart_what_the_weisfeiler_lehman_labels_do(direction):
    graphs = graphs_of(SPACE, 80)
    padded = PaddedGraphs.of(graphs)
    rows = np.expm1(Neighbourhoods.of(padded, direction).encode(padded)).round().astype(int)
    slow = []
    for graph in graphs:
        rounds = wl_features(graph, h=2, direction=direction)
        slow.append(Counter((i, x, n) for i, c in enumerate(rounds) for x, n in c.items()))
    for row, counter in zip(rows, slow, strict=True):
        assert sorted(row[row > 0]) == sorted(n for *_, n in counter)
    for i in range(len(graphs)):
        for j in range(i):
            assert (slow[i] == slow[j]) == bool((rows[i] == rows[j]).all())


def test_equal_cells_have_equal_features():
    encoder = Encoder(SPACE, ["graph", "wl", "paths"])
    ops = dict.fromkeys(SPACE.paths, "none")
    one = ops | {"cell/0-1": "nor_conv_3x3", "cell/1-3": "skip_connect"}
    two = ops | {"cell/0-3": "nor_conv_3x3"}
    for rows in encoder.encode([one, two]).values():
        assert np.array_equal(rows[0], rows[1])


def test_every_group_is_there_and_named():
    encoder = Encoder(SPACE, KNOWN)
    rows = encoder.encode(drawn(SPACE, 30))
    assert set(rows) == set(KNOWN) - {"counts", "outside"}  # there is nothing outside the cell
    for name, matrix in rows.items():
        assert matrix.shape == (30, len(encoder.names[name]))
        assert len(set(encoder.names[name])) == matrix.shape[1]
        assert np.isfinite(matrix).all()
    assert set(np.unique(rows["adjacency"])) <= {0.0, 1.0, 2.0}


def test_one_architecture_at_a_time_gives_the_same_rows():
    space = digits_cells_space()
    some = drawn(space, 12)
    encoder = Encoder(space, default_features(space))
    together = encoder.encode(some)
    for i, architecture in enumerate(some):
        for name, rows in Encoder(space, default_features(space)).encode([architecture]).items():
            assert np.array_equal(rows[0], together[name][i])
    copy = pickle.loads(pickle.dumps(encoder)).encode(some)
    assert all(np.array_equal(copy[name], together[name]) for name in together)


def test_spaces_of_two_cells_have_features_of_each():
    space = nasbench301_space()
    encoder = Encoder(space, ["graph", "wl"])
    rows = encoder.encode(drawn(space, 20))
    prefixes = {name.split(":")[0] for name in encoder.names["graph"]}
    assert prefixes == {cell.key for cell in space.cells}
    assert len({tuple(row) for row in rows["graph"]}) == 20


def test_spaces_without_cells_have_decisions_and_counts():
    kernels = [Decision(f"layer.{i}/kernel", Choice((3, 5, 7)), default=3) for i in range(3)]
    depth = Decision("depth", Integer(1, 3), branches=(Branch({2, 3}, kernels[1:]),))
    space = Space([kernels[0], depth])
    encoder = Encoder(space, OF_ANY_SPACE)
    rows = encoder.encode([{"layer.0/kernel": 7, "depth": 1}])
    ordinal = dict(zip(encoder.names["ordinal"], rows["ordinal"][0], strict=True))
    assert ordinal == {
        "layer.0/kernel": 1.0,
        "depth": 0.0,
        "layer.1/kernel": -1.0,
        "layer.2/kernel": -1.0,
    }
    assert any("kernel" in name for name in encoder.names["counts"])
    assert default_features(space) == ("one_hot", "counts")


def test_very_many_operations_are_told_apart_by_their_names_only():
    subsets = operation_subsets([f"conv{k}" for k in range(6)] + ["pool"])
    assert subsets["pool"] == ("pool",)
    assert ("conv0", "conv1", "conv2", "conv3", "conv4", "conv5") in subsets.values()
    assert len(subsets) < 20
