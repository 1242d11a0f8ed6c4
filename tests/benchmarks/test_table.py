import math

import pandas as pd
import pytest

from archwright.benchmarks import Benchmark, ListedSpace, Table, compare, run_strategy
from archwright.errors import InputError
from archwright.evaluators import Candidate
from archwright.space import Branch, CellGraph, Choice, Decision, Space, choice


def flat():
    return Space({"a": choice([1, 2, 3]), "b": choice([1, 2, 3])})


def rows(space, **more):
    return {a: {"valid": a["a"] * 10.0 + a["b"], **more} for a in space.enumerate()}


def test_a_mapping_pairs_and_a_frame_are_one_table():
    space = flat()
    mapping = rows(space, test=1.0, s=5.0)
    frame = pd.DataFrame([{**a, **m} for a, m in mapping.items()])
    given = [mapping, list(mapping.items()), frame]
    tables = [Table(space, g, metric="valid", test_metric="test", cost="s") for g in given]
    for table in tables:
        assert table.optimum == 33.0
        assert table.test_optimum == 1.0
        assert table.evaluate(Candidate(space, space.default)) == {"valid": 11.0}
        assert table.seconds(space.default) == 5.0
        assert table.space is space
    runs = [run_strategy(t, "evolution", queries=9).steps for t in tables]
    assert runs[0] == runs[1] == runs[2]


def test_a_frame_of_a_conditional_space_leaves_out_what_is_not_live():
    kernel = Decision("op=conv/kernel", Choice((3, 5)))
    space = Space(
        [Decision("op", Choice(("conv", "skip")), branches=(Branch({"conv"}, [kernel]),))]
    )
    frame = pd.DataFrame(
        {"op": ["conv", "conv", "skip"], "op=conv/kernel": [3, 5, None], "acc": [0.1, 0.2, 0.3]}
    )
    table = Table(space, frame, metric="acc")
    assert table.optimum == 0.3
    assert table.space is space
    with pytest.raises(InputError, match="no column 'op'"):
        Table(space, frame.drop(columns="op"), metric="acc")


def test_minimize():
    table = Table(flat(), rows(flat()), metric="valid", minimize=True)
    assert table.optimum == 11.0
    run = run_strategy(table, "random", queries=9)
    assert run.last.value == 11.0
    assert run.regret(9) == 0.0


def test_a_table_with_gaps_sends_strategies_to_what_it_lists():
    space = flat()
    some = {a: m for a, m in rows(space).items() if (a["a"] + a["b"]) % 2 == 0}
    table = Table(space, some, metric="valid")
    assert isinstance(table.space, ListedSpace)
    assert table.space.size == len(some) == 5
    for name in ("random", "evolution", "local", "grid", "genetic"):
        run = run_strategy(table, name, queries=50)
        assert (run.queries, run.ended) == (5, "exhausted"), name
        assert run.queries_to_optimum <= 5


def test_a_strategy_that_leaves_the_list_is_not_charged_and_is_told():
    from archwright.strategies import random_proposal
    from archwright.trials import Proposal

    space = flat()
    listed = [a for a in space.enumerate() if a["a"] == a["b"]]

    class Wanders:
        def propose(self, history, rng):
            new = [a for a in space.enumerate() if history.is_new(a)]
            if len(new) > 5:
                return Proposal(next(a for a in new if a not in listed))
            assert sum(t.state == "infeasible" for t in history.trials) == 4
            return random_proposal(history, rng)

    table = Table(space, {a: {"valid": a["a"]} for a in listed}, metric="valid")
    run = run_strategy(table, Wanders(), queries=10)
    assert (run.queries, run.ended) == (3, "exhausted")


def test_canonical_duplicates_answer_with_the_first_row():
    cell = CellGraph.on_edges(
        "cell", 1, 1, {(0, 1): "cell/0-1"}, output="last", zero="none", identity="skip"
    )
    space = Space({"cell/0-1": choice(["none", "skip", "conv"]), "bias": choice([0, 1])})
    space = Space(space.decisions, cells=[cell])
    table = Table(
        space, {a: {"valid": float(i)} for i, a in enumerate(space.enumerate())}, metric="valid"
    )
    assert table.space.size == 6
    assert len(table.source) == len({space.canonical(a) for a in space.enumerate()})


def test_budgets():
    space = flat()
    made = [
        (a, {"valid": a["a"] * e, "epochs": e, "s": 2.0 * e})
        for a in space.enumerate()
        for e in (9, 1, 3)
    ]
    table = Table(space, made, metric="valid", budget="epochs", cost="s")
    assert table.budgets == (1, 3, 9)
    a = space.default
    assert table.read(a, 2).metrics == {"valid": 3.0}
    assert (table.seconds(a, 1), table.seconds(a, 3), table.seconds(a)) == (2.0, 6.0, 18.0)
    assert table.optimum == 27.0
    with pytest.raises(InputError, match="largest budget is 9"):
        table.read(a, 10)
    with pytest.raises(InputError, match="none at"):
        Table(space, made[:-1], metric="valid", budget="epochs")
    with pytest.raises(InputError, match="full trainings only"):
        Table(space, rows(space), metric="valid").read(a, 3)


def test_a_cost_may_be_a_function():
    table = Table(flat(), rows(flat()), metric="valid", cost=lambda a: 7.0 * a["a"])
    assert table.seconds({"a": 2, "b": 1}) == 14.0


def test_limits_count_for_the_optimum():
    made = {a: {"valid": float(a["a"]), "size": float(a["a"] + a["b"])} for a in flat().enumerate()}
    table = Table(flat(), made, metric="valid", limits={"size": 3})
    assert table.optimum == 2.0
    run = run_strategy(table, "random", queries=9)
    assert (run.last.value, run.last.regret) == (2.0, 0.0)


BAD = {
    "no row": ({}, {}, "at least two"),
    "one row": ([({"a": 1, "b": 1}, {"valid": 1.0})], {}, "at least two"),
    "missing metric": (rows(flat()), {"metric": "vald"}, "did you mean 'valid'"),
    "missing test": (rows(flat()), {"test_metric": "test"}, "has no 'test'"),
    "missing cost": (rows(flat()), {"cost": "s"}, "has no 's'"),
    "nan": (rows(flat()) | {Space({"a": choice([1])}).default: {}}, {}, "no value for it"),
    "foreign": ([({"a": 9, "b": 1}, {"valid": 1.0})], {}, "row 0 .* nearest value is 3"),
    "no pair": ([{"a": 1}], {}, "row 0 .* must be a pair"),
    "no rows": (3, {}, "rows must be"),
    "no mapping": ([({"a": 1, "b": 1}, 0.5)], {}, "expected a mapping"),
    "text": ([({"a": 1, "b": 1}, {"valid": "high"})], {}, "must be a number, got 'high'"),
    "minimize": (rows(flat()), {"minimize": ["size"]}, "minimize names 'size'"),
    "metric no name": (rows(flat()), {"metric": 5}, "metric must be the name"),
    "metrics no names": (rows(flat()), {"metric": ["valid", 5]}, "metric must be the name"),
    "minimize no name": (rows(flat()), {"minimize": 5}, "minimize must be the name"),
    "cost no name": (rows(flat()), {"cost": 5}, "cost must be the name"),
    "limits no mapping": (rows(flat()), {"limits": 5}, "limits must be a mapping"),
    "test no name": (rows(flat()), {"test_metric": 5}, "test_metric must be the name"),
    "budget no name": (rows(flat()), {"budget": 5}, "budget must be the name"),
    "test as goal": (
        rows(flat(), test=1.0),
        {"metric": ["valid", "test"], "test_metric": "test"},
        "must not guide",
    ),
    "test as limit": (
        rows(flat(), test=1.0),
        {"limits": {"test": 1}, "test_metric": "test"},
        "must not guide",
    ),
    "test as cost": (
        rows(flat(), test=1.0),
        {"cost": "test", "test_metric": "test"},
        "must not guide",
    ),
    "no epochs": (rows(flat(), epochs=0), {"budget": "epochs"}, "must be above 0, got 0"),
    "epochs below 0": (rows(flat(), epochs=-3), {"budget": "epochs"}, "must be above 0, got -3"),
    "cost below 0": (rows(flat(), s=-1.0), {"cost": "s"}, "the cost s is -1, below 0"),
    "cost infinite": (rows(flat(), s=math.inf), {"cost": "s"}, "without results"),
    "costs below 0": (rows(flat()), {"cost": lambda a: -1.0}, "cost function gave -1"),
    "cost breaks": (rows(flat()), {"cost": lambda a: 1 / 0}, "raised ZeroDivisionError .*by zero"),
    "cost no number": (rows(flat()), {"cost": lambda a: "x"}, "cost must be a number, got 'x'"),
    "huge number": (rows(flat()) | {flat().default: {"valid": 10**400}}, {}, "beyond 1e.100"),
    "large": (rows(flat()) | {flat().default: {"valid": -1.7e308}}, {}, "beyond 1e.100.*1.7e"),
    "large test": (rows(flat(), t=1e101), {"test_metric": "t"}, "t is beyond 1e.100"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused(case):
    given, how, message = BAD[case]
    with pytest.raises(InputError, match=message):
        Table(flat(), given, **({"metric": "valid"} | how))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(value):
    made = rows(flat())
    made[next(iter(made))] = {"valid": value}
    with pytest.raises(InputError, match="without results"):
        Table(flat(), made, metric="valid")


def test_contradicting_rows_are_refused_and_equal_ones_are_not():
    made = list(rows(flat()).items())
    assert Table(flat(), made + made[:1], metric="valid").optimum == 33.0
    again = [(made[0][0], {"valid": 99.0})]
    with pytest.raises(InputError, match="contradicts an earlier row"):
        Table(flat(), made + again, metric="valid")


def test_a_table_is_compared_like_any_benchmark():
    table = Table(flat(), rows(flat()), metric="valid", name="mine", dataset="here")
    result = compare(table, ["evolution"], seeds=2, queries=9)
    assert [(r["benchmark"], r["dataset"]) for r in result.records()] == [("mine", "here")] * 4


def test_a_table_is_an_evaluator():
    from archwright.runs import search

    table = Table(flat(), rows(flat()), metric="valid")
    found = search(table.space, table, maximize="valid", strategy="random", trials=9, workers=0)
    assert found.best.metrics["valid"] == 33.0


def goals_of(values):
    space = Space({"a": choice(list(range(len(values))))})
    given = [({"a": i}, {"x": x, "y": y}) for i, (x, y) in enumerate(values)]
    return Table(space, given, metric=["x", "y"])


@pytest.mark.parametrize(
    "values",
    [
        [(0.0, 1.0), (1.0, 0.0)],  # both of the front have the worst value of a goal
        [(0.0, 3.0), (1.0, 3.0), (2.0, 3.0)],  # a goal that is the same everywhere
        [(5.0, 3.0), (5.0, 3.0)],
        [(1e99, 0.0), (1e99, 1.0)],  # where 1 is nothing
        [(1.0, 1.0), (1.0 + 2e-16, 1.0)],
    ],
)
def test_every_front_has_a_volume(values):
    table = goals_of(values)
    assert table.volume > 0
    result = compare(table, ["random"], seeds=2, queries=5)
    for run in result.runs:
        assert run.last.regret == 0
        assert run.queries_to_optimum is not None
    assert "hypervolume" in result.table()


def test_the_reference_point_lies_a_little_beyond_the_worst():
    assert goals_of([(0.0, 3.0), (2.0, 3.0)]).reference == pytest.approx((-0.2, 2.0))
    ends = goals_of([(0.0, 1.0), (1.0, 0.0)])
    steps = run_strategy(ends, "random", queries=2).steps
    assert [step.regret for step in steps] == [pytest.approx(10 / 21), 0.0]


@pytest.mark.parametrize("reference", [(1.0, 1.0), (0.0,)])
def test_a_reference_without_volume_is_refused(reference):
    table = goals_of([(0.0, 1.0), (1.0, 0.0)])
    given = Benchmark("mine", table.space, table.source, table.objective, reference=reference)
    for ask in (lambda: compare(given, ["random"]), lambda: run_strategy(given, "random")):
        with pytest.raises(InputError, match="reference"):
            ask()


@pytest.mark.parametrize("metric", ["x", ["x", "y"]])
def test_the_largest_numbers_can_be_told(metric, tmp_path):
    space = Space({"a": choice(list(range(4)))})
    values = [-1e100, 0.0, 3.0, 1e100]
    given = [({"a": i}, {"x": v, "y": -v}) for i, v in enumerate(values)]
    result = compare(Table(space, given, metric=metric), ["local"], seeds=5, queries=4)
    assert all(math.isfinite(r.last.regret) for r in result.runs)
    assert "nan" not in result.table()
    result.html(tmp_path / "a.html")
    result.plot(tmp_path / "a.png")
    result.save_csv(tmp_path / "a.csv")


@pytest.mark.parametrize("reference", [(1.0, 1.0), (0.0,), 5, "xy", ("a", 0.0), (math.nan, 0.0)])
def test_a_table_takes_a_reference_that_leaves_a_volume(reference):
    space = Space({"a": choice([0, 1])})
    given = [({"a": 0}, {"x": 0.0, "y": 1.0}), ({"a": 1}, {"x": 1.0, "y": 0.0})]
    table = Table(space, given, metric=["x", "y"], reference=(-1, -1))
    assert (table.reference, table.volume) == ((-1.0, -1.0), 3.0)
    with pytest.raises(InputError, match="reference"):
        Table(space, given, metric=["x", "y"], reference=reference)
