import csv
import math
import re
from dataclasses import replace

import pytest
from PIL import Image

from archwright.benchmarks import compare, synthetic
from archwright.benchmarks.comparison import COLUMNS, Comparison
from archwright.benchmarks.incumbents import Step
from archwright.benchmarks.run import Run
from archwright.benchmarks.significance import pair_tests
from archwright.benchmarks.summary import percentile, rows
from archwright.errors import InputError, UnknownNameError
from archwright.space import Architecture
from archwright.strategies import RegularizedEvolution
from archwright.trials import Proposal


def made(strategy, seed, found, regret=0.5, queries=200):
    a = Architecture({"x": 1})
    last = Step(found or 2, 1.0, 1.0, 0.0 if found else regret, 1, a)
    steps = (Step(1, 1.0, 0.5, 0.5, 0, a), last)
    return Run("b", "d", strategy, seed, 200, queries, steps, found, None, 0.1, "queries")


@pytest.fixture(scope="module")
def result():
    benchmarks = [synthetic("additive"), synthetic("two_goals")]
    return compare(benchmarks, ["evolution", "local"], seeds=6, queries=60)


def test_random_search_is_always_there(result):
    assert {r.strategy for r in result.runs} == {"random", "evolution", "local"}
    named = compare(synthetic("needle"), {"mine": "evolution"}, seeds=1, queries=5)
    assert [r.strategy for r in named.runs] == ["random", "mine"]


def test_workers_change_nothing(result):
    benchmarks = [synthetic("additive"), synthetic("two_goals")]
    seen = []
    again = compare(
        benchmarks,
        ["evolution", "local"],
        seeds=6,
        queries=60,
        workers=2,
        progress=lambda done, total, run: seen.append((done, total)),
    )

    def plain(comparison):
        return [replace(run, own_s=0.0) for run in comparison.runs]

    assert plain(again) == plain(result)
    assert seen[-1] == (36, 36)
    assert again.problems == result.problems


def test_an_object_of_the_callers_own_goes_to_the_workers():
    class Mine:
        def propose(self, history, rng):
            new = [a for a in history.space.enumerate() if history.is_new(a)]
            return Proposal(new[0]) if new else None

    result = compare(synthetic("needle"), {"mine": Mine()}, seeds=2, queries=5, workers=2)
    assert [r.queries for r in result.runs] == [5] * 4


def test_an_error_in_a_worker_arrives_with_where_it_was():
    class Breaks:
        def propose(self, history, rng):
            raise RuntimeError("broken")

    for workers in (0, 2):
        with pytest.raises(RuntimeError, match="broken") as error:
            compare(synthetic("needle"), {"b": Breaks()}, seeds=2, queries=5, workers=workers)
        # Of two workers either may be the first to tell.
        seeds = "0" if workers == 0 else "[01]"
        (note,) = error.value.__notes__
        assert re.fullmatch(f"raised by b on synthetic-needle with seed {seeds}", note)


def test_the_file_has_the_columns_of_the_protocol(result, tmp_path):
    result.save_csv(tmp_path / "runs.csv")
    with open(tmp_path / "runs.csv", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert (
        ",".join(found[0]) == "benchmark,dataset,strategy,seed,queries_to_optimum,regret_20,"
        "regret_50,regret_100,regret_200,simulated_s,own_s"
    )
    assert len(found) == len(result.runs) == 36
    row = next(r for r in found if r["strategy"] == "random")
    assert row["queries_to_optimum"] == ""
    assert float(row["regret_20"]) >= float(row["regret_50"]) > 0
    assert row["regret_100"] == ""
    assert float(row["simulated_s"]) == 3600.0


def test_the_frame_has_test_values_too(result):
    frame = result.frame()
    assert list(frame.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert {"value", "test", "test_regret", "ended"} <= set(frame.columns)


def test_drawings_and_page(result, tmp_path):
    for i, problem in enumerate(result.problems):
        result.plot(tmp_path / f"{i}.png", problem=problem)
        with Image.open(tmp_path / f"{i}.png") as image:
            assert image.size == (1520, 840)
        result.plot(tmp_path / f"{i}.svg", problem=problem)
        assert "validation regret" in (tmp_path / f"{i}.svg").read_text()
    result.html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2
    assert "src=" not in page
    assert "href=" not in page
    for word in ("random", "evolution", "local", "Wilcoxon", "canonical duplicates"):
        assert word in page
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        result.plot(tmp_path / "a.pdf")


def test_names_are_text_in_page_and_drawing(tmp_path):
    result = compare(synthetic("needle"), {"<b>&": "grid", "é…": "local"}, seeds=2, queries=9)
    result.html(tmp_path / "page.html")
    assert "<b>&" not in (tmp_path / "page.html").read_text()
    result.plot(tmp_path / "a.png")


def test_the_table_says_what_was_not_reached(result):
    text = result.table()
    assert "> 60" in text
    assert "regret@50" in text
    assert "regret@100" not in text
    assert "6 seeds" in text


def test_summary_of_made_up_runs():
    found = [made("a", i, found=10 * (i + 1)) for i in range(9)] + [made("a", 9, found=None)]
    (row,) = rows("p", {"a": found})
    assert (row.median, row.p90, row.reached) == (55.0, 90, 0.9)
    (row,) = rows("p", {"a": [made("a", 0, 5), made("a", 1, None), made("a", 2, None)]})
    assert row.median == math.inf
    assert row.p90 == math.inf
    assert row.regret[50] == 0.5
    (row,) = rows("p", {"a": [made("a", 0, 5, queries=100)]})
    assert row.regret[200] is None
    assert percentile([1, 2, 3], 0.9) == 3


def test_significance():
    from scipy.stats import wilcoxon

    a = [made("a", i, found=20 + i) for i in range(8)]
    b = [made("b", i, found=60 + 3 * i) for i in range(8)]
    c = [made("c", i, found=20 + i) for i in range(8)]
    ab, ac, bc = pair_tests({"a": a, "b": b, "c": c})
    assert (ab.better, ab.worse, ab.wins, ab.losses) == ("a", "b", 8, 0)
    assert ab.p == wilcoxon([40 + 2 * i for i in range(8)]).pvalue == 2 / 2**8
    assert ab.p_holm == pytest.approx(3 * ab.p)
    assert (ac.p, ac.ties) == (1.0, 8)
    assert bc.better == "c"


def test_runs_that_did_not_find_the_optimum_are_told_apart_by_regret():
    a = [made("a", i, found=None, regret=0.1 + 0.01 * i) for i in range(8)]
    b = [made("b", i, found=None, regret=0.4) for i in range(7)] + [made("b", 7, found=199)]
    (pair,) = pair_tests({"a": a, "b": b})
    assert (pair.better, pair.wins, pair.losses) == ("a", 7, 1)


def test_verdicts_name_who_beats_whom():
    from archwright.benchmarks.text import verdicts

    runs = [made("a", i, found=20 + i) for i in range(12)]
    runs += [made("b", i, found=60 + 3 * i) for i in range(12)]
    runs += [made("c", i, found=21 + i) for i in range(12)]
    runs += [made("d", i, found=20 + i) for i in range(12)]
    comparison = Comparison.of(runs, [], 200)
    problem = type("P", (), {"name": "b", "dataset": "d"})()
    lines = verdicts(comparison, problem)
    assert lines[0].startswith("a beats b (12 of 12 seeds, p = ")
    assert ", c (12 of 12 seeds" in lines[0]
    assert any(line.startswith("1 of 6 pairs: no difference shown") for line in lines)


def test_curves_are_means_with_intervals():
    runs = [made("a", 0, found=10), made("a", 1, found=None, regret=0.3)]
    comparison = Comparison.of(runs, [], 200)
    problem = type("P", (), {"name": "b", "dataset": "d"})()
    curve = comparison.curves(problem)["a"]
    assert curve.queries[0] == 1
    assert curve.mean[0] == 0.5
    assert curve.mean[-1] == pytest.approx(0.15)
    assert curve.low[-1] == 0.0
    assert curve.high[-1] == pytest.approx(0.15 + 1.96 * 0.15)


BAD = [
    (("nonesuch", ["random"]), {}, UnknownNameError, "unknown benchmark"),
    ((3, ["random"]), {}, InputError, "Benchmark objects or names"),
    (([3], ["random"]), {}, InputError, "Table"),
    (([], ["random"]), {}, InputError, "at least one"),
    (("synthetic-needle", []), {}, InputError, "at least one"),
    (("synthetic-needle", ["evolutoin"]), {}, UnknownNameError, "did you mean 'evolution'"),
    (("synthetic-needle", 3), {}, InputError, "strategies must be"),
    (("synthetic-needle", [3]), {}, InputError, "strategy must be"),
    (("synthetic-needle,synthetic-needle", "grid"), {}, InputError, "two benchmarks"),
    (("synthetic-needle", ["grid", "grid"]), {}, InputError, "two strategies"),
    (("synthetic-needle", ["grid"]), {"seeds": 0}, InputError, "seeds must be"),
    (("synthetic-needle", ["grid"]), {"seeds": [1, 1]}, InputError, "different"),
    (("synthetic-needle", ["grid"]), {"queries": 1.5}, InputError, "queries must be"),
    (("synthetic-needle", ["grid"]), {"workers": -1}, InputError, "workers must be"),
]


@pytest.mark.parametrize(("given", "how", "kind", "message"), BAD)
def test_bad_arguments(given, how, kind, message):
    with pytest.raises(kind, match=message):
        compare(*given, **how)


def test_strategies_of_several_budgets():
    result = compare(synthetic("curves"), "hyperband,asha,evolution", seeds=3, queries=20)
    runs = result.on(result.problems[0])
    for name in ("hyperband", "asha"):
        # Partial trainings count as parts, so that more architectures are seen for the same price.
        for run in runs[name]:
            assert run.queries <= 20 + 1
            assert run.last.trial > 20
            assert run.simulated_s <= 21 * 270
    with pytest.raises(InputError, match="cannot be run on synthetic-needle"):
        compare(synthetic("needle"), "hyperband", seeds=1, queries=20)


def test_objects_are_called_by_what_they_change():
    objects = [RegularizedEvolution(), RegularizedEvolution(population=9, sample=3)]
    result = compare(synthetic("needle"), objects, seeds=1, queries=5)
    labels = [run.strategy for run in result.runs]
    assert labels == ["random", "evolution", "evolution:population=9:sample=3"]
    # The label is a text that makes the same strategy.
    again = compare(synthetic("needle"), labels, seeds=1, queries=5)
    assert [r.steps for r in again.runs] == [r.steps for r in result.runs]


@pytest.mark.integration
def test_a_stop_leaves_no_worker_behind():
    import psutil

    def stop(done, total, run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare("synthetic-additive", "evolution", seeds=50, workers=2, progress=stop)
    children = psutil.Process().children(recursive=True)
    psutil.wait_procs(children, timeout=5)
    alive = [p for p in psutil.Process().children(recursive=True) if "loky" in str(p.cmdline())]
    assert not [p for p in alive if "resource_tracker" not in str(p.cmdline())]
