from archwright.predictors.complexity import Levels, complexity
from archwright.predictors.vectors import Vectors
from archwright.space import Branch, Choice, Decision, Integer, Space
from tests.strategies.problems import EDGES, cells

REPEAT = Space(
    [
        Decision(
            "depth",
            Integer(1, 5),
            branches=tuple(
                Branch(range(i + 1, 6), [Decision(f"depth.{i}/op", Choice(("a", "b")))])
                for i in range(5)
            ),
        )
    ]
)
CELL = cells(("none", "skip", "conv", "pool"), width=Choice((16, 32)))


def test_depth_is_the_complexity_of_repeated_blocks():
    arch = REPEAT.default
    assert complexity(REPEAT, arch) == 2
    deep = {"depth": 3, **{f"depth.{i}/op": "a" for i in range(3)}}
    assert complexity(REPEAT, REPEAT.check(deep)) == 4


def test_levels_of_repeated_blocks_are_depths():
    levels = Levels(REPEAT, 5)
    assert levels.n == 5
    for depth in range(1, 6):
        arch = REPEAT.check({"depth": depth, **{f"depth.{i}/op": "b" for i in range(depth)}})
        assert levels.of(arch) == depth - 1


def test_operations_are_the_complexity_of_cells():
    values = dict.fromkeys(EDGES.values(), "none") | {"width": 16}
    assert complexity(CELL, CELL.check(values)) == 0
    values["cell/0-3"] = "skip"
    assert complexity(CELL, CELL.check(values)) == 0
    values["cell/0-3"] = "conv"
    assert complexity(CELL, CELL.check(values)) == 1
    values["cell/0-1"] = "conv"  # leads nowhere
    assert complexity(CELL, CELL.check(values)) == 1
    values["cell/1-3"] = "pool"
    assert complexity(CELL, CELL.check(values)) == 3


def test_levels_grow_with_complexity():
    levels = Levels(CELL, 4)
    known = [CELL.sample(seed=i) for i in range(200)]
    by = sorted((levels.complexity(a), levels.of(a)) for a in known)
    assert [level for _, level in by] == sorted(level for _, level in by)
    assert {level for _, level in by} == set(range(levels.n))


def test_vectors_hold_cells_and_what_is_beside():
    some = [CELL.sample(seed=i) for i in range(20)]
    for form in ("paths", "neighbourhoods"):
        rows = Vectors(CELL, cells=form).of(some, like=some)
        assert rows[:, -2:].tolist() == [CELL.encode(a)[-2:].tolist() for a in some]
        assert rows.shape[1] > 5
        few = Vectors(CELL, cells=form, most=3).of(some, like=some)
        assert few.shape == (20, 5)


def test_vectors_without_cells_are_the_spaces_own():
    some = [REPEAT.sample(seed=i) for i in range(5)]
    rows = Vectors(REPEAT).of(some, like=some[:1])
    assert rows.tolist() == [REPEAT.encode(a).tolist() for a in some]
