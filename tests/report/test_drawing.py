from xml.etree import ElementTree

import pytest

from archwright.report.drawing import fold, merge_chains, network, read
from tests.report.samples import cell_graph, mobile_graph


def test_normalisation_and_activation_share_the_box_of_their_layer():
    merged = merge_chains(read(mobile_graph()))
    stem = merged.nodes[1]
    assert stem.title == "conv 3x3 24"
    assert stem.lines == ("batch norm · relu",)
    assert stem.params == 264


def test_a_layer_with_two_readers_keeps_its_box():
    graph = {
        "nodes": [
            {"id": 0, "label": "conv 3x3 8", "kind": "Conv2d", "name": "a"},
            {"id": 1, "label": "relu", "kind": "ReLU", "name": "b"},
            {"id": 2, "label": "add", "kind": "add", "name": ""},
        ],
        "edges": [[0, 1], [1, 2], [0, 2]],
    }
    assert len(merge_chains(read(graph)).nodes) == 3


@pytest.mark.parametrize("graph", [mobile_graph(), cell_graph(), mobile_graph(20)])
def test_folding_keeps_parameters_and_stays_acyclic(graph):
    full = merge_chains(read(graph))
    blocks = fold(full)
    total = sum(node["params"] for node in graph["nodes"])
    assert sum(node.params for node in full.nodes) == total
    assert sum(node.params for node in blocks.nodes) == total
    assert len(blocks.nodes) < len(full.nodes)
    after = {v: [b for a, b in blocks.edges if a == v] for v in range(len(blocks.nodes))}
    seen: dict[int, int] = {}

    def visit(v: int) -> None:
        seen[v] = 1
        for w in after[v]:
            assert seen.get(w) != 1, "a cycle"
            if w not in seen:
                visit(w)
        seen[v] = 2

    visit(0)


def test_equal_blocks_in_a_row_are_one_box_that_says_how_often():
    blocks = fold(merge_chains(read(mobile_graph())), target=20)
    repeats = {node.title: node.n_repeats for node in blocks.nodes if node.n_repeats > 1}
    assert (
        repeats == {"stages.0.0 … 2": 3, "stages.1.0 … 2": 3}
        or repeats
        == {
            "stages.0.0 … 2": 3,
            "stages.1.1 … 2": 2,
        }
        or "stages.0.0 … 2" in repeats
    )


@pytest.mark.parametrize("width", [1040, None])
@pytest.mark.parametrize("graph", [mobile_graph(), cell_graph(12)])
def test_drawings_are_well_formed(graph, width):
    drawings = network(graph, width=width)
    assert [name for name, _ in drawings] == ["Blocks", "Layers"]
    for _, drawing in drawings:
        ElementTree.fromstring(drawing)


def test_names_with_markup_are_escaped():
    graph = {
        "nodes": [{"id": "a<b", "label": '<script>"&', "kind": "x<y", "name": "m&n"}],
        "edges": [["a<b", "gone"]],
    }
    ((_, drawing),) = network(graph)
    ElementTree.fromstring(drawing)
    assert "<script>" not in drawing


def test_an_empty_graph_has_no_drawing():
    assert network({"nodes": [], "edges": []}) == []


def test_a_graph_of_one_long_chain_of_equal_layers():
    nodes = [{"id": 0, "label": "input", "kind": "input", "name": "", "shape": [8]}]
    nodes += [
        {
            "id": i,
            "label": "linear 8",
            "kind": "Linear",
            "name": f"body.{i}",
            "shape": [8],
            "params": 72,
        }
        for i in range(1, 40)
    ]
    graph = {"nodes": nodes, "edges": [[i, i + 1] for i in range(39)]}
    blocks = fold(merge_chains(read(graph)))
    assert len(blocks.nodes) < 5
    for _, drawing in network(graph):
        ElementTree.fromstring(drawing)
