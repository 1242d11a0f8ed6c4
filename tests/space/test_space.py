import json
import math
import pickle
import random
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archwright.errors import ArchitectureError, InputError, SpaceError
from archwright.space import (
    Architecture,
    Branch,
    Choice,
    Decision,
    EdgeLimit,
    Integer,
    Space,
    Subset,
    choice,
    integer,
    real,
)
from archwright.testing.spaces import check_space
from tests.space.random_spaces import spaces

fixed = settings(derandomize=True, deadline=None, max_examples=60, database=None)


def depth_space(n=4):
    """A repeat of layers, each an operation with a nested choice."""

    def item(i):
        kernel = Decision(f"depth.{i}/op=conv/kernel", Choice((3, 5, 7)), origin="net.py:3")
        op = Decision(
            f"depth.{i}/op",
            Choice(("conv", "skip")),
            branches=(Branch({"conv"}, [kernel]),),
            origin="net.py:2",
        )
        return Branch(range(i + 1, n + 1), [op])

    depth = Decision(
        "depth", Integer(1, n), branches=tuple(item(i) for i in range(n)), origin="net.py:1"
    )
    return Space([Decision("width", Choice((16, 32)), origin="net.py:4"), depth])


# ---------------------------------------------------------------- properties


@fixed
@given(spaces(reals=True), st.integers(0, 5))
def test_every_random_space_conforms(space, seed):
    check_space(space, n=6, seed=seed)


@fixed
@given(spaces())
def test_size_is_what_enumeration_finds(space):
    listed = list(space.enumerate())
    assert space.size == len(listed) == len(set(listed))
    assert all(space.why_not(arch) is None for arch in listed)
    # Lexicographic: the position of each value in its domain, compared as words.
    order = {p: list(space.decision(p).domain.values()) for p in space.paths}
    words = [[order[p].index(v) for p, v in arch.items()] for arch in listed]
    assert words == sorted(words)


@fixed
@given(spaces(largest=40))
def test_uniform_sampling_is_uniform(space):
    rng = random.Random(1)
    n = int(space.size)
    counts = Counter(space.sample(rng=rng, uniform=True) for _ in range(50 * n))
    assert set(counts) == set(space.enumerate())
    statistic = sum((c - 50) ** 2 / 50 for c in counts.values())
    assert statistic < (n - 1) + 5 * math.sqrt(2 * (n - 1)) + 5


@fixed
@given(spaces(limits=False, largest=40))
def test_plain_sampling_draws_decision_by_decision(space):
    # The probability of an architecture is the product over its live decisions of 1/size, where
    # nothing is drawn in the logarithm.
    assume(not any(getattr(space.decision(p).domain, "log", False) for p in space.paths))
    rng = random.Random(2)
    n = 1500
    counts = Counter(space.sample(rng=rng) for _ in range(n))
    for arch in space.enumerate():
        p = math.prod(1 / space.decision(path).domain.size for path in arch)
        assert abs(counts[arch] - n * p) < 6 * math.sqrt(n * p * (1 - p)) + 1


@fixed
@given(spaces(), st.integers(1, 4))
def test_mutation_changes_n_live_decisions(space, n):
    rng = random.Random(3)
    arch = space.sample(rng=rng)
    movable = [p for p in arch if space.decision(p).domain.size > 1]
    for _ in range(5):
        moved = space.mutate(arch, rng=rng, n=n)
        differing = [p for p in arch if p in moved and moved[p] != arch[p]]
        if not space.constraints:
            # A picked decision may have vanished with its parent, which then has changed.
            assert min(1, len(movable)) <= len(differing) <= n
            if space.size == math.prod(space.decision(p).domain.size for p in space.paths):
                assert len(differing) == min(n, len(movable))
        arch = moved


@fixed
@given(spaces())
def test_neighbours_differ_in_one_decision_and_from_each_other(space):
    arch = space.sample(seed=4)
    near = space.neighbours(arch)
    assert len(set(near)) == len(near)
    assert arch not in near
    for other in near:
        differing = [p for p in arch if p in other and other[p] != arch[p]]
        assert len(differing) == 1
        for path in other:
            if path not in arch:
                assert other[path] == space.decision(path).default


@fixed
@given(spaces(largest=500))
def test_choices_connect_the_space(space):
    # Every architecture can be reached by neighbours where no limit is in the way.
    assume(not space.constraints)
    reached, pending = {space.default}, [space.default]
    while pending:
        for near in space.neighbours(pending.pop()):
            if near not in reached:
                reached.add(near)
                pending.append(near)
    # Defaults below a newly live decision are a start from which all its values are reached.
    assert len(reached) == space.size


@fixed
@given(spaces())
def test_crossover_of_equal_parents_is_the_parent(space):
    arch = space.sample(seed=5)
    assert space.crossover(arch, arch, rng=random.Random(0)) == arch


@fixed
@given(spaces(largest=300))
def test_encoding_tells_architectures_apart(space):
    rows = {(*space.encode(a).tolist(), *space.encode_mask(a).tolist()) for a in space.enumerate()}
    # The empty subset and a domain of one number have nothing to show but the mask.
    assert len(rows) == space.size


@fixed
@given(spaces(reals=True))
def test_descriptions_survive_json_and_pickle(space):
    again = Space.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert hash(again) == hash(space)
    assert again.fingerprint == space.fingerprint
    assert again.describe() == space.describe()
    copied = pickle.loads(pickle.dumps(space))
    assert copied == space
    assert copied.sample(seed=0) == space.sample(seed=0)


@fixed
@given(spaces(), st.data())
def test_restriction_is_the_part_with_those_values(space, data):
    path = data.draw(st.sampled_from(space.paths))
    values = list(space.decision(path).domain.values())
    kept = data.draw(st.sets(st.sampled_from(values), min_size=1))
    expected = {a for a in space.enumerate() if path not in a or a[path] in kept}
    if not expected:
        # Nothing that remains keeps the limit.
        with pytest.raises(SpaceError, match="no architecture keeps"):
            space.restrict({path: list(kept)})
        return
    small = space.restrict({path: list(kept)})
    assert set(small.enumerate()) == expected
    assert small.default in expected


@fixed
@given(spaces(largest=60))
def test_a_space_restricted_to_one_architecture(space):
    arch = space.sample(seed=6)
    small = space.restrict({path: [value] for path, value in arch.items()})
    assert list(small.enumerate()) == [arch]
    assert small.mutate(arch, rng=random.Random(0)) == arch
    assert small.neighbours(arch) == []


# ---------------------------------------------------------------- known answers


def test_the_size_of_a_repeat():
    # Each layer: three kernels or skip.
    assert depth_space().size == 2 * (4 + 4**2 + 4**3 + 4**4)
    assert depth_space(40).size == 2 * sum(4**k for k in range(1, 41))


def test_the_published_sizes():
    ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    assert Space({f"e{i}": choice(ops) for i in range(6)}).size == 15_625
    # MobileNet of once-for-all: 5 units of depth 2, 3 or 4, each layer of 9 kinds.
    assert (9**2 + 9**3 + 9**4) ** 5 > 2e19
    units = []
    for u in range(5):
        layers = [Decision(f"u{u}.{i}", Integer(0, 8)) for i in range(4)]
        branches = [Branch(range(max(2, i + 1), 5), [layers[i]]) for i in range(4)]
        units.append(Decision(f"u{u}", Integer(2, 4), branches=tuple(branches)))
    assert Space(units).size == (9**2 + 9**3 + 9**4) ** 5


def test_default_sampling_favours_small_branches_and_uniform_does_not():
    space = depth_space(2)
    rng = random.Random(0)
    shallow = sum(space.sample(rng=rng)["depth"] == 1 for _ in range(2000))
    uniform = sum(space.sample(rng=rng, uniform=True)["depth"] == 1 for _ in range(2000))
    assert 900 < shallow < 1100  # 1/2
    assert 330 < uniform < 470  # 4/20


def test_sampling_repeats_with_its_seed_and_leaves_the_global_state_alone():
    space = depth_space()
    before = random.getstate()
    assert space.sample(seed=7) == space.sample(seed=7)
    assert len({space.sample() for _ in range(30)}) > 5
    assert random.getstate() == before


def test_edge_limit_is_counted_exactly():
    # NAS-Bench-101: 7 vertices, at most 9 of 21 edges, 3 operations on 5 vertices.
    inputs = [Decision(f"in{i}", Subset(i, 0, i)) for i in range(1, 7)]
    ops = [Decision(f"op{i}", Choice(("conv3", "conv1", "pool"))) for i in range(5)]
    limit = EdgeLimit([d.path for d in inputs], 9)
    space = Space(inputs + ops, constraints=[limit])
    assert space.size == 3**5 * sum(math.comb(21, k) for k in range(10))
    rng = random.Random(0)
    for uniform in (False, True):
        drawn = [space.sample(rng=rng, uniform=uniform) for _ in range(300)]
        assert all(limit.total(a) <= 9 for a in drawn)
        for arch in drawn[:50]:
            assert limit.total(space.mutate(arch, rng=rng, n=2)) <= 9
            assert limit.total(space.crossover(arch, drawn[-1], rng=rng)) <= 9
    # Uniform drawing has the exact distribution of the number of edges.
    mean = sum(limit.total(space.sample(rng=rng, uniform=True)) for _ in range(2000)) / 2000
    exact = sum(k * math.comb(21, k) for k in range(10)) / sum(math.comb(21, k) for k in range(10))
    assert abs(mean - exact) < 0.1


def test_a_tight_limit_still_has_samples_and_mutations():
    inputs = [Decision(f"in{i}", Subset(20, 0, 20)) for i in range(3)]
    space = Space(inputs, constraints=[EdgeLimit([d.path for d in inputs], 1)])
    assert space.size == 61  # none, or one of 60
    rng = random.Random(0)
    arch = space.default
    for _ in range(3):
        assert space.contains(space.sample(rng=rng))
        moved = space.mutate(arch, rng=rng)
        assert moved != arch
        assert space.contains(moved)
        arch = moved
    assert len(list(space.enumerate())) == 61


def test_the_default_is_cut_to_the_limit():
    inputs = [Decision(f"in{i}", Subset(3, 1, 3), default=(0, 1, 2)) for i in range(3)]
    space = Space(inputs, constraints=[EdgeLimit([d.path for d in inputs], 5)])
    assert dict(space.default) == {"in0": (0, 1, 2), "in1": (0,), "in2": (0,)}


def test_limits_that_nothing_keeps():
    inputs = [Decision(f"in{i}", Subset(3, 2, 3)) for i in range(3)]
    with pytest.raises(SpaceError, match="no architecture keeps the limits"):
        Space(inputs, constraints=[EdgeLimit([d.path for d in inputs], 5)])


def test_mutate_rate():
    space = Space({f"d{i}": choice([0, 1]) for i in range(20)})
    rng = random.Random(0)
    arch = space.default

    def changed(**how):
        moved = space.mutate(arch, rng=rng, **how)
        return sum(moved[p] != arch[p] for p in arch)

    assert changed(rate=1.0) == 20
    assert changed(rate=0.0) == 1
    mean = sum(changed(rate=0.25) for _ in range(400)) / 400
    assert 4.5 < mean < 5.5
    assert changed(n=20) == changed(n=99) == 20


def test_mutation_keeps_what_stays_live():
    space = depth_space()
    arch = space.check(
        {
            "width": 16,
            "depth": 2,
            "depth.0/op": "conv",
            "depth.0/op=conv/kernel": 5,
            "depth.1/op": "skip",
        }
    )
    rng = random.Random(0)
    for _ in range(50):
        moved = space.mutate(arch, rng=rng)
        if moved["depth"] != 2:
            assert moved["depth.0/op=conv/kernel"] == 5
            assert moved["width"] == 16


def test_crossover_mixes_and_fills():
    space = depth_space(2)
    a = space.check({"width": 16, "depth": 1, "depth.0/op": "skip"})
    b = space.check(
        {
            "width": 32,
            "depth": 2,
            "depth.0/op": "conv",
            "depth.0/op=conv/kernel": 7,
            "depth.1/op": "skip",
        }
    )
    rng = random.Random(0)
    children = {space.crossover(a, b, rng=rng) for _ in range(200)}
    assert len(children) == 8  # two widths, two depths, two operations
    assert all(c.get("depth.0/op=conv/kernel", 7) == 7 for c in children)


def test_product_of_spaces():
    model, hyper = depth_space(), Space({"lr": real(1e-4, 1e-1, log=True), "batch": choice([32])})
    both = model & hyper
    assert both.paths == model.paths + hyper.paths
    assert both.size == math.inf
    assert (model & Space({"batch": choice([32, 64])})).size == 2 * model.size
    with pytest.raises(SpaceError, match="two decisions have the path 'width'"):
        model & Space({"width": choice([1])})
    with pytest.raises(TypeError):
        model & 3


def test_canonical_without_cells_is_the_architecture_itself():
    space = depth_space()
    arch = space.sample(seed=0)
    assert space.canonical(arch) is arch
    assert space.canonical(dict(arch)) == arch


def test_an_empty_space_has_one_architecture():
    space = Space([])
    assert space.size == 1
    assert list(space.enumerate()) == [space.default] == [Architecture({})]
    assert space.mutate(space.default, rng=random.Random(0)) == space.default
    assert space.encode(space.default).shape == (0,)
    check_space(space, n=3)


def test_huge_sizes_are_shown():
    space = Space({f"d{i}": integer(0, 10**9) for i in range(50)})
    assert repr(space) == "Space(50 decisions, about 10^450 architectures)"
    assert repr(depth_space()) == "Space(10 decisions, 680 architectures)"


def test_architectures_in_another_order_are_read_alike():
    space = depth_space()
    arch = space.sample(seed=3)
    turned = Architecture(dict(reversed(list(arch.items()))))
    assert turned == arch
    assert (space.encode(turned) == space.encode(arch)).all()
    assert space.mutate(turned, rng=random.Random(1)) == space.mutate(arch, rng=random.Random(1))
    assert list(space.check(turned)) == list(arch)


# ---------------------------------------------------------------- errors


def test_a_duplicate_path_says_where_and_how_to_mend():
    twice = [
        Decision("width", Choice((1, 2)), origin="net.py:3"),
        Decision("width", Choice((1, 2)), origin="net.py:9"),
    ]
    with pytest.raises(SpaceError) as caught:
        Space(twice)
    for part in ("'width'", "net.py:3", "net.py:9", "aw.scope", "shared=True"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"widht": 16, "depth": 1, "depth.0/op": "skip"}, ["'widht'", "'width'", "net.py:4"]),
        ({"width": 16, "depth": 1}, ["depth.0/op:", "no value", "conv | skip", "net.py:2"]),
        ({"width": 31, "depth": 1, "depth.0/op": "skip"}, ["width: 31", "nearest", "32"]),
        ({"width": 16, "depth": 1, "depth.0/op": "cnv"}, ["depth.0/op: 'cnv'", "'conv'"]),
        ({"width": 16, "depth": True, "depth.0/op": "skip"}, ["depth: True"]),
        (
            {"width": 16, "depth": 1, "depth.0/op": "skip", "depth.1/op": "skip"},
            ["depth.1/op: not live", "depth is 1", "depth is 2..4", "net.py:2"],
        ),
        (
            {"width": 16, "depth": 1, "depth.0/op": "skip", "depth.2/op=conv/kernel": 3},
            ["depth.2/op: not live", "depth is 1", "depth is 3 or 4"],
        ),
        (
            {"width": 16, "depth": 1, "depth.0/op": "skip", "depth.0/op=conv/kernel": 3},
            ["depth.0/op=conv/kernel: not live", "depth.0/op is skip", "depth.0/op is conv"],
        ),
        (17, ["mapping", "17"]),
    ],
)
def test_why_an_architecture_does_not_belong(given, parts):
    space = depth_space()
    reason = space.why_not(given)
    assert reason is not None
    for part in parts:
        assert part in reason
    assert not space.contains(given)
    assert given not in space
    with pytest.raises(ArchitectureError):
        space.check(given)
    if isinstance(given, dict):
        with pytest.raises(ArchitectureError):
            space.mutate(Architecture(given), rng=random.Random(0), n=9)
        with pytest.raises(ArchitectureError):
            space.encode(given)


def test_a_broken_limit_is_a_reason():
    space = Space(
        [Decision("a", Subset(3)), Decision("b", Subset(3))],
        constraints=[EdgeLimit(["a", "b"], 3)],
    )
    assert space.why_not({"a": (0, 1), "b": (0, 1)}) == (
        "a and b take 4 inputs together, at most 3 are allowed"
    )


@pytest.mark.parametrize(
    ("to", "parts"),
    [
        ({"widht": [16]}, ["'widht'", "did you mean 'width'"]),
        ({"*/kernle": [3]}, ["'*/kernle'"]),
        ({"width": [17]}, ["width: 17", "16"]),
        ({"width": []}, ["'width'", "at least one value"]),
        ({"depth": Integer(8, 9)}, ["depth is left without values"]),
        ({"*/kernel": [3, 4]}, ["4 is not in the domain"]),
    ],
)
def test_restrictions_that_cannot_be(to, parts):
    with pytest.raises(SpaceError) as caught:
        depth_space().restrict(to)
    for part in parts:
        assert part in str(caught.value)


def test_restrict_drops_what_cannot_be_live():
    space = depth_space().restrict({"depth": [1, 2], "*/kernel": [3, 5], "width": 32})
    assert space.size == 3 + 3**2
    assert "depth.2/op" not in space.paths
    assert space.default["width"] == 32
    assert depth_space().restrict({"*/op": "skip"}).size == 2 * 4
    assert not any("kernel" in p for p in depth_space().restrict({"*/op": "skip"}).paths)


def test_restrict_reals_and_subsets():
    space = Space({"lr": real(1e-4, 1e-1, log=True), "n": integer(1, 100, log=True)})
    assert space.restrict({"lr": [1e-3, 1e-2], "n": integer(10, 12)}).size == 6
    assert space.restrict({"lr": real(1e-5, 1e-3)}).decision("lr").domain.low == 1e-4
    assert space.restrict({"lr": 1e-3, "n": [1, 10, 100]}).size == 3
    inputs = Space([Decision("in", Subset(4, 1, 3))], constraints=[EdgeLimit(["in"], 3)])
    assert inputs.restrict({"in": (0, 1)}).size == 1
    assert inputs.restrict({"in": [(0, 1), (2,)]}).size == 2
    assert inputs.restrict({"in": Subset(4, 2, 2)}).size == 6
    assert Space({"in": Subset(2)}).restrict({"in": ()}).size == 1


def test_unknown_decision():
    with pytest.raises(SpaceError, match="did you mean 'width'"):
        depth_space().decision("widht")


def test_real_spaces_cannot_be_enumerated():
    with pytest.raises(SpaceError, match="lr is real"):
        Space({"lr": real(0.1, 1)}).enumerate()


@pytest.mark.parametrize("given", [3, "width", ["width"], {"width": [1, 2]}, {"": choice([1])}])
def test_what_is_no_space(given):
    with pytest.raises(SpaceError):
        Space(given)


def test_descriptions_that_cannot_be_read():
    with pytest.raises(SpaceError, match="no 'decisions'"):
        Space.from_dict({})
    with pytest.raises(SpaceError, match="format 2"):
        Space.from_dict({**depth_space().to_dict(), "format": 2})


def test_a_mapping_remembers_where_it_was_written():
    space = Space({"width": choice([1, 2])})
    assert space.decision("width").origin.startswith("test_space.py:")
    assert "test_space.py:" in space.why_not({"width": 3})


def test_describe():
    assert depth_space(2).describe().splitlines() == [
        "40 architectures, 6 decisions",
        "width: 16 | 32   [net.py:4]",
        "depth: integer 1..2   [net.py:1]",
        "  depth.0/op: conv | skip   [net.py:2]",
        "    if depth.0/op is conv:",
        "      depth.0/op=conv/kernel: 3 | 5 | 7   [net.py:3]",
        "  if depth is 2:",
        "    depth.1/op: conv | skip   [net.py:2]",
        "      if depth.1/op is conv:",
        "        depth.1/op=conv/kernel: 3 | 5 | 7   [net.py:3]",
    ]


@pytest.mark.parametrize("seed", ["1", -1, 1.5, True, [1]])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InputError, match="seed must be a whole number of at least 0"):
        Space({"width": choice([1, 2])}).sample(seed=seed)
