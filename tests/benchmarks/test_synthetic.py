import pytest

from archwright.benchmarks import run_strategy, synthetic
from archwright.benchmarks.synthetic import KINDS
from archwright.errors import UnknownNameError
from archwright.trials import dominates


@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_is_what_the_table_holds(kind):
    benchmark = synthetic(kind)
    values = [benchmark.read(a).metrics["valid"] for a in benchmark.space.enumerate()]
    assert len(values) == benchmark.space.size >= 1000
    assert benchmark.optimum == pytest.approx(max(values)) == pytest.approx(1.0)
    assert benchmark.optimum == max(values)


def test_seeds_make_other_problems():
    a, b, c = (synthetic("interactions", seed=s) for s in (0, 0, 1))
    listed = list(a.space.enumerate())
    assert [a.read(x).metrics for x in listed] == [b.read(x).metrics for x in listed]
    assert [a.read(x).metrics for x in listed] != [c.read(x).metrics for x in listed]


def test_deceptive_leads_away():
    benchmark = synthetic("deceptive")
    space = benchmark.space

    def value(a):
        return benchmark.read(a).metrics["valid"]

    best = max(space.enumerate(), key=value)
    climbed = space.default
    while True:
        better = max(space.neighbours(climbed), key=value)
        if value(better) <= value(climbed):
            break
        climbed = better
    assert value(climbed) < value(best)
    assert sum(climbed[p] != best[p] for p in space.paths) >= 3


def test_needle_is_alone():
    benchmark = synthetic("needle")
    values = sorted(benchmark.read(a).metrics["valid"] for a in benchmark.space.enumerate())
    assert values[-1] == 1.0
    assert values[-2] <= 0.5


def test_the_front_is_that_of_all_points():
    benchmark = synthetic("two_goals")
    points = [
        benchmark.objective.values(benchmark.read(a).metrics) for a in benchmark.space.enumerate()
    ]
    brute = {p for p in points if not any(dominates(q, p) for q in points)}
    assert set(benchmark.front) == brute
    assert len(brute) > 10


def test_curves_grow_and_mislead():
    benchmark = synthetic("curves")
    listed = list(benchmark.space.enumerate())
    early = [benchmark.read(a, 1).metrics["valid"] for a in listed]
    full = [benchmark.read(a).metrics["valid"] for a in listed]
    assert all(e <= f for e, f in zip(early, full, strict=True))
    best_early = max(range(len(listed)), key=early.__getitem__)
    assert full[best_early] < 1.0


def test_conditional_has_decisions_that_are_not_live():
    space = synthetic("conditional").space
    assert len({len(a) for a in space.enumerate()}) > 1


def test_evolution_beats_random_where_there_is_something_to_follow():
    for kind in ("additive", "interactions", "conditional"):
        ends = {
            s: sum(run_strategy(synthetic(kind), s, seed=i).last.regret for i in range(5))
            for s in ("random", "evolution")
        }
        assert ends["evolution"] < ends["random"]


def test_unknown_kind():
    with pytest.raises(UnknownNameError, match="did you mean 'needle'"):
        synthetic("needles")
