import itertools
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.errors import SpaceError
from archwright.space import (
    Architecture,
    Branch,
    CellEdge,
    CellGraph,
    CellNode,
    Choice,
    Decision,
    EdgeLimit,
    Fixed,
    Integer,
    Space,
    Subset,
    choice,
)
from archwright.testing.spaces import check_space

fixed = settings(derandomize=True, deadline=None, max_examples=80, database=None)

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
DATA = Path(__file__).parents[3] / "shared" / "data" / "bench"


def nasbench201(rule):
    ops = {(i, j): f"cell/{i}-{j}" for i, j in EDGES}
    cell = CellGraph.on_edges(
        "cell", 1, 3, ops, output="last", zero="none", identity="skip_connect", rule=rule
    )
    return Space({path: choice(OPS) for path in ops.values()}, cells=[cell])


def nasbench101(n_vertices, max_edges=9):
    inputs = [Decision(f"c/{i}/inputs", Subset(i)) for i in range(1, n_vertices)]
    ops = [
        Decision(f"c/{i}/op", Choice(("conv3", "conv1", "pool"))) for i in range(1, n_vertices - 1)
    ]
    cell = CellGraph.on_nodes(
        "c", 1, [*(d.path for d in ops), None], inputs=[d.path for d in inputs], output="last"
    )
    limit = EdgeLimit([d.path for d in inputs], max_edges)
    return Space(inputs + ops, cells=[cell], constraints=[limit])


def partition(keys):
    seen = {}
    return [seen.setdefault(key, len(seen)) for key in keys]


# ---------------------------------------------------------------- NAS-Bench-201


def test_nasbench201_has_the_published_number_of_classes():
    space = nasbench201("text")
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 6466


@pytest.mark.slow
def test_nasbench201_has_the_published_classes():
    table = DATA / "nasbench201" / "nasbench201.parquet"
    if not table.exists():
        pytest.skip(f"the table of NAS-Bench-201 is not at {table}")
    pandas = pytest.importorskip("pandas")
    columns = [f"op_e{i}{j}" for i, j in EDGES]
    frame = pandas.read_parquet(table, columns=[*columns, "unique_id"])
    space = nasbench201("text")
    codes = frame[columns].to_numpy().tolist()
    archs = [
        space.check(dict(zip(space.paths, (OPS[c] for c in row), strict=True))) for row in codes
    ]
    assert partition(map(space.canonical, archs)) == partition(frame["unique_id"])


def run(edges_of_node, values, functions):
    """The number a cell computes: every operation a function of one number."""
    joined = [values]
    for into in edges_of_node:
        joined.append(sum(functions[op](joined[source]) for source, op in into))
    return joined[-1]


FUNCTIONS = {
    "none": lambda x: 0.0,
    "skip_connect": lambda x: x,
    "nor_conv_1x1": lambda x: math.sin(1.3 * x) + 0.2 * x * x,
    "nor_conv_3x3": lambda x: 0.7 * math.tanh(0.9 * x) - 0.11 * x * x,
    "avg_pool_3x3": lambda x: 1.1 * math.sinh(0.6 * x) + 0.3 * math.sin(x) ** 2,
}


@pytest.mark.slow
def test_the_expression_rule_is_equality_of_formulas():
    # Two cells have one expression just when they compute the same number whatever the operations.
    space = nasbench201("expression")
    numbers, forms = [], []
    for arch in space.enumerate():
        ops = dict(zip(EDGES, arch.values(), strict=True))
        nodes = [[(s, ops[s, t]) for s, t in EDGES if t == node] for node in (1, 2, 3)]
        numbers.append(round(run(nodes, 0.83, FUNCTIONS), 10))
        forms.append(space.canonical(arch))
    assert partition(numbers) == partition(forms)
    assert len(set(forms)) == 4930


def evaluate(text, values, functions):
    """The number that a canonical expression of the graph rule computes."""
    known = {f"x{i}": v for i, v in enumerate(values)}
    for line in text.split(";"):
        name, right = line.split("=", 1)
        if name == "out":
            parts = [[known[a] for a in p.split("+") if a != "0"] for p in right.split("|")]
            return [sum(p) for p in parts]
        op, atoms = right[:-1].rsplit("(", 1)
        known[name] = functions[op](sum(known[a] for a in atoms.split("+")))
    raise AssertionError(text)


def test_the_graph_rule_keeps_what_the_cell_computes():
    space = nasbench201("graph")
    rng = random.Random(0)
    for _ in range(300):
        arch = space.sample(rng=rng)
        ops = dict(zip(EDGES, arch.values(), strict=True))
        nodes = [[(s, ops[s, t]) for s, t in EDGES if t == node] for node in (1, 2, 3)]
        text = space.canonical(arch)["cell"]
        assert evaluate(text, [0.83], FUNCTIONS)[0] == pytest.approx(run(nodes, 0.83, FUNCTIONS))


@pytest.mark.slow
def test_the_graph_rule_lies_between():
    # It never joins what the formula tells apart, and tells shared operations from equal ones.
    forms = {rule: [] for rule in ("graph", "expression")}
    for rule, found in forms.items():
        space = nasbench201(rule)
        found += [space.canonical(arch) for arch in space.enumerate()]
    pairs = set(zip(forms["graph"], forms["expression"], strict=True))
    assert len(pairs) == len(set(forms["graph"])) == 5425


def test_shared_and_equal_operations():
    # One convolution used twice, against two convolutions that are each used once.
    shared = {(0, 1): "nor_conv_3x3", (1, 2): "nor_conv_1x1", (1, 3): "avg_pool_3x3"}
    shared |= {(2, 3): "skip_connect"}
    equal = {(0, 1): "nor_conv_3x3", (0, 2): "nor_conv_3x3", (1, 3): "avg_pool_3x3"}
    equal |= {(2, 3): "nor_conv_1x1"}

    def both(rule):
        space = nasbench201(rule)
        return [
            space.canonical({f"cell/{i}-{j}": ops.get((i, j), "none") for i, j in EDGES})
            for ops in (shared, equal)
        ]

    one, two = both("expression")
    assert one == two
    one, two = both("graph")
    assert one != two


# ---------------------------------------------------------------- NAS-Bench-101


def brute_force(arch, n):
    """The smallest description of a pruned NAS-Bench-101 graph over all orders of its vertices."""
    edges = {(j, i) for i in range(1, n) for j in arch[f"c/{i}/inputs"]}
    ops = {i: arch[f"c/{i}/op"] for i in range(1, n - 1)}
    while True:
        alive = {0} | {j for _, j in edges}
        useful = {n - 1} | {i for i, _ in edges}
        kept = {(i, j) for i, j in edges if i in alive and j in useful}
        if kept == edges:
            break
        edges = kept
    inner = sorted({v for e in edges for v in e} - {0, n - 1})
    best = None
    for order in itertools.permutations(inner):
        place = {v: i + 1 for i, v in enumerate(order)} | {0: 0, n - 1: len(order) + 1}
        form = (tuple(ops[v] for v in order), tuple(sorted((place[i], place[j]) for i, j in edges)))
        best = form if best is None else min(best, form)
    return best


def test_nasbench101_against_all_orders_of_its_vertices():
    space = nasbench101(4)
    archs = list(space.enumerate())
    assert partition(map(space.canonical, archs)) == partition(brute_force(a, 4) for a in archs)
    # 1 graph of two vertices, 6 of three, 84 of four, and the ones without a path.
    assert len(set(map(space.canonical, archs))) == 1 + 6 + 84 + 1


@pytest.mark.slow
def test_nasbench101_has_the_published_number_of_graphs_with_five_vertices():
    space = nasbench101(5)
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 1 + 6 + 84 + 2441 + 1


@fixed
@given(st.integers(0, 10**6))
def test_nasbench101_order_of_vertices(seed):
    rng = random.Random(seed)
    space = nasbench101(7)
    arch = space.sample(rng=rng, uniform=True)
    # Draw another topological order of the seven vertices.
    inputs = {i: set(arch[f"c/{i}/inputs"]) for i in range(1, 7)}
    order = [0]
    while len(order) < 6:
        ready = [v for v in range(1, 6) if v not in order and inputs[v] <= set(order)]
        order.append(rng.choice(ready))
    place = {v: i for i, v in enumerate([*order, 6])}
    other = {}
    for v in range(1, 7):
        other[f"c/{place[v]}/inputs"] = sorted(place[u] for u in inputs[v])
        if v < 6:
            other[f"c/{place[v]}/op"] = arch[f"c/{v}/op"]
    assert space.canonical(other) == space.canonical(arch)
    if brute_force(arch, 7) != brute_force(space.default, 7):
        assert space.canonical(arch) != space.canonical(space.default)


@pytest.mark.slow
def test_nasbench101_published_graphs_differ():
    table = DATA / "nasbench101" / "nasbench101_subset.npz"
    if not table.exists():
        pytest.skip(f"the table of NAS-Bench-101 is not at {table}")
    numpy = pytest.importorskip("numpy")
    names = {0: "conv3", 1: "conv1", 2: "pool"}
    spaces = {n: nasbench101(n) for n in range(2, 8)}
    found = set()
    with numpy.load(table) as arrays:
        sizes = arrays["n_vertices"].tolist()
        matrices, codes = arrays["adjacency"], arrays["ops"].tolist()
    for n, matrix, ops in zip(sizes[:3000], matrices, codes, strict=False):
        arch = {f"c/{j}/inputs": matrix[:j, j].nonzero()[0].tolist() for j in range(1, n)}
        arch |= {f"c/{j}/op": names[ops[j]] for j in range(1, n - 1)}
        found.add(spaces[n].canonical(arch))
    assert len(found) == 3000


# ---------------------------------------------------------------- DARTS and NASNet


def darts(n_nodes=3):
    """Two inputs; each node takes two of what is before it, with an operation on each edge."""
    ops, inputs, roots = {}, [], []
    for i in range(n_nodes):
        path = f"normal/{i}/inputs"
        branches = []
        domain = Subset(2 + i, 2, 2)
        for j in range(2 + i):
            kernel = Decision(f"normal/{i}/{j}/op=sep/kernel", Choice((3, 5)))
            op = Decision(
                f"normal/{i}/{j}/op",
                Choice(("sep", "skip", "pool")),
                branches=(Branch({"sep"}, [kernel]),),
            )
            branches.append(Branch(domain.containing(j), [op]))
            ops[j, 2 + i] = op.path
        roots.append(Decision(path, domain, branches=tuple(branches)))
        inputs.append(path)
    cell = CellGraph.on_edges("normal", 2, n_nodes, ops, inputs=inputs, identity="skip")
    return Space(roots, cells=[cell])


def test_darts_size_and_conformance():
    space = darts()
    assert space.size == (1 * 3 * 6) * (4 * 4) ** 3
    check_space(space, n=30)


def test_darts_nodes_may_change_places():
    space = darts(2)
    sep = {"normal/0/0/op": "sep", "normal/0/0/op=sep/kernel": 3, "normal/0/1/op": "pool"}
    one = {"normal/0/inputs": (0, 1), **sep, "normal/1/inputs": (0, 1)}
    one |= {"normal/1/0/op": "skip", "normal/1/1/op": "pool"}
    two = {"normal/1/inputs": (0, 1), "normal/0/inputs": (0, 1)}
    two |= {path.replace("normal/0", "normal/1"): value for path, value in sep.items()}
    two |= {"normal/0/0/op": "skip", "normal/0/1/op": "pool"}
    assert space.canonical(one) == space.canonical(two)
    assert dict(space.canonical(one)) == {
        "normal": "v0=pool(x1);v1=pool(x1);v2=sep{kernel=3}(x0);out=v1+v2|x0+v0"
    }
    other = space.check({**one, "normal/0/0/op=sep/kernel": 5})
    assert space.canonical(other) != space.canonical(one)


def nasnet(n_nodes=3):
    pairs, roots = [], []
    for i in range(n_nodes):
        pairs.append([])
        for side in "ab":
            source = Decision(f"cell/{i}/{side}", Choice(range(2 + i)))
            op = Decision(f"cell/{i}/{side}/op", Choice(("sep", "identity", "max")))
            roots += [source, op]
            pairs[-1].append((source.path, op.path))
    cell = CellGraph.pairs("cell", 2, pairs, output="loose", identity="identity")
    return Space(roots, cells=[cell])


def test_nasnet_pairs_may_change_sides():
    space = nasnet()
    rng = random.Random(0)
    check_space(space, n=20)
    for _ in range(100):
        arch = space.sample(rng=rng)
        turned = {}
        for path, value in arch.items():
            turned[path.translate(str.maketrans({"a": "b", "b": "a"}))] = value
        # "cell" and "op" have neither an a nor a b in them.
        assert space.canonical(turned) == space.canonical(arch)


def test_loose_ends_make_the_output():
    cell = CellGraph.pairs(
        "c", 1, [[(0, Fixed("a"))], [(0, Fixed("b"))], [(1, Fixed("c"))]], output="loose"
    )
    assert cell.expression({}) == "v0=a(x0);v1=b(x0);v2=c(v0);out=v1|v2"


# ---------------------------------------------------------------- random cells


@st.composite
def dense_cells(draw):
    """A cell with an operation on every edge and node, and an architecture of it."""
    n_inputs, n_nodes = draw(st.integers(1, 2)), draw(st.integers(1, 4))
    ops = ["none", "skip", "f", "g"]
    values, nodes = {}, []
    for i in range(n_nodes):
        edges = []
        for source in range(n_inputs + i):
            path = f"{source}-{n_inputs + i}"
            values[path] = draw(st.sampled_from(ops))
            edges.append(CellEdge(source, path))
        values[f"{n_inputs + i}/op"] = draw(st.sampled_from(["skip", "f", "h"]))
        nodes.append(CellNode(tuple(edges), op=f"{n_inputs + i}/op"))
    output = draw(st.sampled_from(["last", "concat", "loose"]))
    cell = CellGraph("cell", n_inputs, tuple(nodes), output=output, zero="none", identity="skip")
    return cell, values


RANDOM_FUNCTIONS = {
    "none": lambda x: 0.0,
    "skip": lambda x: x,
    "f": lambda x: math.sin(1.3 * x) + 0.2 * x * x,
    "g": lambda x: 0.7 * math.tanh(0.9 * x) - 0.11 * x * x,
    "h": lambda x: 1.1 * math.sin(0.6 * x) + 0.3 * math.sin(x) ** 2,
}


def compute(cell, values, given):
    joined, used = list(given), set()
    for node in cell.nodes:
        total = 0.0
        for edge in node.edges:
            used.add(edge.source)
            total += RANDOM_FUNCTIONS[values[edge.op]](joined[edge.source])
        joined.append(RANDOM_FUNCTIONS[values[node.op]](total))
    numbers = range(cell.n_inputs, len(joined))
    if cell.output == "last":
        return [joined[-1]]
    return [joined[i] for i in numbers if cell.output == "concat" or i not in used]


@fixed
@given(dense_cells())
def test_expressions_compute_what_the_cell_computes(drawn):
    cell, values = drawn
    given_ = [0.83, -0.41][: cell.n_inputs]
    expected = compute(cell, values, given_)
    text = cell.expression(values)
    assert sorted(evaluate(text, given_, RANDOM_FUNCTIONS)) == pytest.approx(sorted(expected))


@fixed
@given(dense_cells(), st.integers(0, 10**6))
def test_expressions_do_not_depend_on_the_order_of_nodes(drawn, seed):
    # The same network as a cell of other numbers: nodes in another topological order.
    cell, values = drawn
    rng = random.Random(seed)
    n, first = cell.n_nodes, cell.n_inputs
    last = n - 1 if cell.output == "last" else None
    live = {
        i: {e.source - first for e in cell.nodes[i].edges if values[e.op] != "none"}
        for i in range(n)
    }
    order = []
    while len(order) < n:
        ready = [
            i
            for i in range(n)
            if i not in order
            and {j for j in live[i] if j >= 0} <= set(order)
            and (i != last or len(order) == n - 1)
        ]
        order.append(rng.choice(ready))
    place = {i: k for k, i in enumerate(order)}
    other = {path: "none" for path in values if "-" in path}
    for i in range(n):
        other[f"{first + place[i]}/op"] = values[f"{first + i}/op"]
        for edge in cell.nodes[i].edges:
            if values[edge.op] != "none":
                source = edge.source if edge.source < first else first + place[edge.source - first]
                other[f"{source}-{first + place[i]}"] = values[edge.op]
    if cell.output == "loose":
        # Here a zero edge uses its source, and in another order there are other zero edges.
        return
    assert cell.expression(other) == cell.expression(values)


def test_symmetric_cells_are_quick_and_invariant():
    # Four equal chains of two: colours cannot tell them apart.
    def chains(order):
        nodes = [CellNode((CellEdge(0),), op=Fixed("f")) for _ in range(4)]
        nodes += [CellNode((CellEdge(1 + j),), op=Fixed("g")) for j in order]
        nodes.append(CellNode(tuple(CellEdge(5 + j) for j in range(4)), op=Fixed("h")))
        return CellGraph("c", 1, tuple(nodes), output="last").expression({})

    assert len({chains(order) for order in itertools.permutations(range(4))}) == 1


# ---------------------------------------------------------------- belonging, joining, describing


def test_order_counts_where_joining_is_not_a_sum():
    def cell(commutative, first, second):
        ops = {(0, 2): Fixed(first), (1, 2): Fixed(second)}
        return CellGraph.on_edges(
            "c", 2, 1, ops, output="last", commutative=commutative
        ).expression({})

    nodes = (CellNode((CellEdge(0, Fixed("f")), CellEdge(0, Fixed("g")))),)
    turned = (CellNode((CellEdge(0, Fixed("g")), CellEdge(0, Fixed("f")))),)
    for rule in ("graph", "expression", "text"):
        for commutative in (True, False):
            same = CellGraph("c", 1, nodes, "last", commutative=commutative, rule=rule).expression(
                {}
            ) == CellGraph("c", 1, turned, "last", commutative=commutative, rule=rule).expression(
                {}
            )
            assert same is commutative
    assert cell(True, "f", "g") != cell(True, "g", "f")  # different inputs


def test_other_decisions_stay_and_nested_cells_come_first():
    inner = CellGraph.on_edges("net/op=cell/in", 1, 1, {(0, 1): "net/op=cell/in/0-1"})
    outer = CellGraph.on_nodes("net", 1, ["net/op"])
    nested = Decision("net/op=cell/in/0-1", Choice(("f", "g")))
    op = Decision("net/op", Choice(("cell", "pool")), branches=(Branch({"cell"}, [nested]),))
    space = Space([Decision("width", Choice((1, 2))), op], cells=[outer, inner])
    forms = {space.canonical(arch) for arch in space.enumerate()}
    assert len(forms) == space.size == 6
    assert all(set(form) == {"width", "net"} for form in forms)
    pooled = space.canonical({"width": 1, "net/op": "pool"})
    assert dict(pooled) == {"width": 1, "net": "v0=pool(x0);out=v0"}
    check_space(space, n=10)


def test_a_cell_that_is_not_live_leaves_no_entry():
    cell = CellGraph.on_nodes("net/op=cell/c", 1, ["net/op=cell/c/op"])
    nested = Decision("net/op=cell/c/op", Choice(("f", "g")))
    op = Decision("net/op", Choice(("cell", "pool")), branches=(Branch({"cell"}, [nested]),))
    space = Space([op], cells=[cell])
    arch = space.check({"net/op": "pool"})
    assert space.canonical(arch) == arch


def test_restriction_keeps_the_cells():
    space = nasbench201("graph").restrict({"cell/0-1": "none", "*": ["none", "nor_conv_3x3"]})
    assert space.size == 2**5
    assert len(space.cells) == 1
    # What starts at node 1, which nothing reaches, does not count.
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 2**2 + 1 - 1


def test_canonical_is_remembered_and_bounded():
    space = nasbench201("graph")
    arch = space.sample(seed=0)
    assert space.canonical(arch) is space.canonical(arch)
    assert space.canonical(Architecture(arch)) is space.canonical(arch)
    assert space.canonical(dict(arch)) is space.canonical(arch)


def test_cells_survive_json():
    for space in (nasbench201("text"), nasbench101(5), darts(), nasnet()):
        again = Space.from_dict(space.to_dict())
        assert again == space
        arch = space.sample(seed=1)
        assert again.canonical(arch) == space.canonical(arch)
    cell = CellGraph("c", 1, (CellNode((CellEdge(0, Fixed("f")), CellEdge(0, None))),))
    assert CellGraph.from_dict(cell.to_dict()) == cell


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: CellGraph("c", 0, (CellNode(()),)), ["'c'", "n_inputs", "0"]),
        (lambda: CellGraph("c", 1, ()), ["nodes"]),
        (lambda: CellGraph("c", 1, (CellNode(()),), output="first"), ["output", "'first'", "last"]),
        (lambda: CellGraph("c", 1, (CellNode(()),), rule="x"), ["rule", "'x'", "graph"]),
        (lambda: CellGraph("c", 1, (CellNode((CellEdge(1),)),)), ["node 1", "below it", "1"]),
        (
            lambda: Space({"op": choice(["f", "g"])}, cells=[CellGraph.on_nodes("c", 1, ["opp"])]),
            ["'opp'", "'op'"],
        ),
        (
            lambda: Space({"c": choice([1])}, cells=[CellGraph.on_nodes("c", 1, ["c"])]),
            ["'c'", "prefix"],
        ),
        (
            lambda: Space(
                {"i": Subset(3)}, cells=[CellGraph.on_nodes("c", 1, [None], inputs=["i"])]
            ),
            ["i must choose", "1 edges"],
        ),
        (
            lambda: Space(
                [Decision("i", Subset(3))], cells=[CellGraph.pairs("c", 1, [[("i", None)]])]
            ),
            ["i must choose a node"],
        ),
        (lambda: EdgeLimit([], 3), ["paths", "none"]),
        (lambda: EdgeLimit(["a", "a"], 3), ["paths", "differ"]),
        (lambda: EdgeLimit(["a"], -1), ["maximum", "-1"]),
        (lambda: Space({"a": Subset(2)}, constraints=[EdgeLimit(["b"], 1)]), ["'b'"]),
        (
            lambda: Space([Decision("a", Integer(0, 2))], constraints=[EdgeLimit(["a"], 1)]),
            ["a must be a subset"],
        ),
    ],
)
def test_what_is_no_cell_or_limit(make, parts):
    with pytest.raises(SpaceError) as caught:
        make()
    for part in parts:
        assert part in str(caught.value)
