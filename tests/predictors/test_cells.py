"""Cells as graphs, their paths and their neighbourhoods."""

from random import Random

import pytest

from archwright.errors import InputError
from archwright.predictors.graphs import OpGraph, cell_graph, paths_outside_cells
from archwright.predictors.paths import PathEncoding, cell_paths
from archwright.predictors.wl import wl_features
from archwright.space import Branch, CellGraph, Choice, Decision, Fixed, Integer, Space, Subset
from archwright.space.cells import CellEdge, CellNode
from tests.strategies.problems import cells

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NB201 = cells(OPS)


def nb201(text):
    """A cell from its published text: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|."""
    found = {}
    for j, node in enumerate(text.split("+"), start=1):
        for part in node.strip("|").split("|"):
            op, source = part.split("~")
            found[f"cell/{source}-{j}"] = op
    return NB201.check(found)


# The best cell of CIFAR-10 by test accuracy (94.37 %).
BEST = nb201(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|"
    "nor_conv_3x3~2|"
)


def test_graph_of_a_known_cell():
    graph = cell_graph(NB201, BEST)["cell"]
    assert sorted(graph.labels) == ["input", *["nor_conv_3x3"] * 5, "output"]
    assert graph.n_operations == 5
    assert (0, 6) in graph.edges  # the skip from the input to the output
    assert graph.inputs == (0,)


def test_paths_of_a_known_cell():
    conv = "nor_conv_3x3"
    assert cell_paths(cell_graph(NB201, BEST)) == {
        (),
        (conv, conv),
        (conv, conv, conv),
    }
    pool = nb201("|none~0|+|avg_pool_3x3~0|none~1|+|nor_conv_1x1~0|none~1|skip_connect~2|")
    assert cell_paths(cell_graph(NB201, pool)) == {("avg_pool_3x3",), ("nor_conv_1x1",)}


def test_dead_parts_are_gone():
    arch = nb201("|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|")
    # Node 1 leads nowhere and node 2 receives nothing.
    assert cell_graph(NB201, arch)["cell"] == OpGraph(
        ("input", "avg_pool_3x3", "output"), ((0, 1), (1, 2))
    )
    nothing = NB201.check(dict.fromkeys(NB201.paths, "none"))
    assert cell_graph(NB201, nothing)["cell"] == OpGraph(("input", "output"), ())
    assert cell_paths(cell_graph(NB201, nothing)) == set()


def test_canonical_duplicates_have_equal_features():
    groups = {}
    rng = Random(0)
    for _ in range(3000):
        arch = NB201.sample(rng=rng)
        groups.setdefault(NB201.canonical(arch), []).append(cell_graph(NB201, arch))
    several = [graphs for graphs in groups.values() if len(graphs) > 1]
    assert len(several) > 100
    for first, *others in several:
        for other in others:
            assert wl_features(first, h=3) == wl_features(other, h=3)
            assert cell_paths(first) == cell_paths(other)


def test_neighbourhoods_tell_cells_apart():
    # Different by the cell's own rule, in the sample: different within three rounds.
    features = {}
    rng = Random(1)
    for _ in range(1000):
        arch = NB201.sample(rng=rng)
        key = tuple(tuple(sorted(c.items())) for c in wl_features(cell_graph(NB201, arch), h=3))
        features.setdefault(key, set()).add(NB201.canonical(arch))
    collisions = sum(len(forms) > 1 for forms in features.values())
    assert len(features) > 500
    assert collisions <= 0.01 * len(features)


def test_wl_on_hand_made_graphs():
    chain = OpGraph(("input", "a", "b", "output"), ((0, 1), (1, 2), (2, 3)))
    other = OpGraph(("input", "b", "a", "output"), ((0, 2), (1, 3), (2, 1)))
    assert wl_features(chain, h=2) == wl_features(other, h=2)  # the same, numbered differently
    turned = OpGraph(("input", "b", "a", "output"), ((0, 1), (1, 2), (2, 3)))
    zero, one = wl_features(chain, h=1), wl_features(turned, h=1)
    assert zero[0] == one[0]
    assert zero[1] != one[1]
    # After one step "in" sees what comes before: the input looks the same, b does not.
    ins = [wl_features(g, h=1, direction="in")[1] for g in (chain, turned)]
    assert sum((ins[0] & ins[1]).values()) == 1


def test_wl_counts_by_hand():
    diamond = OpGraph(("input", "a", "a", "b", "output"), ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4)))
    labels, near = wl_features(diamond, h=1)
    assert labels == {"input": 1, "a": 2, "b": 1, "output": 1}
    assert sorted(near.values()) == [1, 1, 1, 2]  # both a have the same surroundings


@pytest.mark.parametrize("options", [{"h": -1}, {"direction": "up"}])
def test_wl_refuses(options):
    with pytest.raises(InputError):
        wl_features(OpGraph(("input", "output"), ((0, 1),)), **options)


def test_operations_on_nodes_and_several_inputs_and_outputs():
    space = Space(
        {"c/a": Choice(("conv", "pool")), "c/b": Choice(("conv", "pool")), "c/i": Subset(3)},
        cells=[CellGraph.on_nodes("c", 2, ["c/a", "c/b"], inputs=[None, "c/i"], output="concat")],
    )
    graph = cell_graph(space, {"c/a": "conv", "c/b": "pool", "c/i": (1, 2)})["c"]
    assert graph == OpGraph(
        ("input0", "input1", "conv", "pool", "output"),
        ((0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)),
    )
    assert cell_paths(graph) == {
        ("input0", "conv"),
        ("input1", "conv"),
        ("input1", "pool"),
        ("input0", "conv", "pool"),
        ("input1", "conv", "pool"),
    }
    assert graph.inputs == (0, 1)


def test_outputs_that_join_are_vertices():
    nodes = (CellNode((CellEdge(0, Fixed("a")), CellEdge(0, "p"))), CellNode((CellEdge(0, "q"),)))
    space = Space(
        {"p": Choice(("b", "c")), "q": Choice(("b", "c"))},
        cells=[CellGraph("cell", 1, nodes, output="concat")],
    )
    graph = cell_graph(space, {"p": "b", "q": "c"})["cell"]
    assert sorted(graph.labels) == ["a", "b", "c", "input", "join", "output"]
    assert graph.n_operations == 3
    assert cell_paths(graph) == {("a",), ("b",), ("c",)}


def test_two_cells_are_told_apart():
    both = [
        CellGraph.on_edges(name, 1, 1, {(0, 1): f"{name}/op"}, output="last")
        for name in ("normal", "reduce")
    ]
    space = Space(
        {f"{name}/op": Choice(("conv", "pool")) for name in ("normal", "reduce")}, cells=both
    )
    one = cell_graph(space, {"normal/op": "conv", "reduce/op": "pool"})
    two = cell_graph(space, {"normal/op": "pool", "reduce/op": "conv"})
    assert set(one) == {"normal", "reduce"}
    assert cell_paths(one) == {("normal", "conv"), ("reduce", "pool")}
    assert wl_features(one, h=0) != wl_features(two, h=0)


def test_what_is_below_an_operation_is_part_of_it():
    below = Decision("cell/op=conv/kernel", Choice((3, 5)))
    op = Decision("cell/op", Choice(("conv", "pool")), branches=(Branch({"conv"}, [below]),))
    space = Space(
        [op, Decision("width", Integer(1, 4))],
        cells=[CellGraph.on_edges("cell", 1, 1, {(0, 1): "cell/op"}, output="last")],
    )
    arch = {"cell/op": "conv", "cell/op=conv/kernel": 5, "width": 2}
    assert cell_graph(space, arch)["cell"].labels[1] == "conv{kernel=5}"
    assert paths_outside_cells(space) == ["width"]


def test_spaces_without_cells_are_refused():
    with pytest.raises(InputError, match="no cells"):
        cell_graph(Space({"a": Choice((1, 2))}), {"a": 1})


def test_path_encoding_keeps_the_commonest():
    examples = [{("a",), ("b",)}, {("a",)}, {("a",), ("c", "c")}]
    encoding = PathEncoding.of(examples, truncate=2)
    assert encoding.paths == (("a",), ("b",))
    assert encoding.encode([{("b",)}, set()]).tolist() == [[0.0, 1.0], [0.0, 0.0]]
    with pytest.raises(InputError, match="truncate"):
        PathEncoding.of(examples, truncate=0)


def test_many_paths_are_cut_short():
    # 2 ** 30 paths: thirty steps of two operations each, joined after each.
    labels, edges, last = ["input"], [], [0]
    for step in range(30):
        labels += [f"a{step}", f"b{step}"]
        here = [len(labels) - 2, len(labels) - 1]
        edges += [(u, v) for u in last for v in here]
        last = here
    edges += [(u, len(labels)) for u in (*last, 0)]
    graph = OpGraph((*labels, "output"), tuple(sorted(edges)))
    assert cell_paths(graph, most=500) == {()}
