import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.report.layout import layered


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 24))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    edges = draw(st.lists(pairs, max_size=50, unique=True))
    sizes = draw(st.lists(st.tuples(st.floats(10, 200), st.floats(10, 60)), min_size=n, max_size=n))
    return sizes, edges


def overlaps(a, b):
    apart_x = abs(a.x - b.x) - (a.width + b.width) / 2
    apart_y = abs(a.y - b.y) - (a.height + b.height) / 2
    return apart_x < -1e-6 and apart_y < -1e-6


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_boxes_never_overlap_and_lie_inside(graph):
    sizes, edges = graph
    drawn = layered(sizes, edges)
    for i, a in enumerate(drawn.boxes):
        assert a.x - a.width / 2 >= -1e-6
        assert a.x + a.width / 2 <= drawn.width + 1e-6
        assert a.y + a.height / 2 <= drawn.height + 1e-6
        assert not any(overlaps(a, b) for b in drawn.boxes[i + 1 :])
    assert len(drawn.routes) == len(edges)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_edges_of_an_acyclic_graph_go_down(graph):
    sizes, edges = graph
    edges = sorted({(min(a, b), max(a, b)) for a, b in edges if a != b})
    drawn = layered(sizes, edges)
    for (a, b), route in zip(edges, drawn.routes, strict=True):
        assert drawn.boxes[a].y < drawn.boxes[b].y
        assert route[0] == (drawn.boxes[a].x, drawn.boxes[a].y + drawn.boxes[a].height / 2)
        assert route[-1] == (drawn.boxes[b].x, drawn.boxes[b].y - drawn.boxes[b].height / 2)
        assert all(y0 <= y1 for (_, y0), (_, y1) in pairwise(route))


def test_a_chain_is_straight():
    drawn = layered([(50, 20), (180, 20), (90, 30)], [(0, 1), (1, 2)])
    assert len({box.x for box in drawn.boxes}) == 1


def test_a_skip_connection_runs_beside_the_chain():
    drawn = layered([(60, 20)] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    route = drawn.routes[3]
    boxes = drawn.boxes[1:3]
    for x, y in route[1:-1]:
        for box in boxes:
            assert abs(x - box.x) >= box.width / 2 or abs(y - box.y) >= box.height / 2


def test_a_high_drawing_is_cut_into_columns_where_one_box_feeds_the_rest():
    edges = []
    for k in range(0, 40, 4):  # a residual block of three, and its sum
        edges += [(k, k + 1), (k + 1, k + 2), (k + 2, k + 3), (k + 3, k + 4), (k, k + 3)]
    edges = [(a, b) for a, b in edges if b < 41]
    sizes = [(100, 40)] * 41
    one = layered(sizes, edges)
    cut = layered(sizes, edges, max_width=1000, max_height=800)
    assert one.n_columns == 1
    assert cut.n_columns > 1
    assert cut.height < one.height
    assert cut.width <= 1000
    assert not any(overlaps(a, b) for i, a in enumerate(cut.boxes) for b in cut.boxes[i + 1 :])


def test_a_cycle_is_drawn_all_the_same():
    drawn = layered([(40, 20)] * 3, [(0, 1), (1, 2), (2, 0), (1, 1)])
    assert len(drawn.boxes) == 3


def test_nothing_to_draw():
    assert layered([], []).boxes == ()


@pytest.mark.parametrize("n", [150, 400])
def test_large_graphs_take_moments(n):
    rng = random.Random(0)
    edges = [(rng.randrange(max(0, i - 12), i), i) for i in range(1, n) for _ in range(2)]
    drawn = layered([(120, 40)] * n, edges, max_width=1000, max_height=800)
    assert len(drawn.boxes) == n
