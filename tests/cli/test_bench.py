import csv
import os
import re
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from archwright.benchmarks import synthetic
from archwright.cli.app import app

runner = CliRunner()


def invoke(*words):
    return runner.invoke(app, ["bench", *[str(w) for w in words]])


def quick(*words):
    return invoke(
        "--benchmark", "synthetic-needle", "--seeds", 3, "--queries", 30, "--workers", 0, *words
    )


def test_a_table_comes_out():
    done = quick()
    assert done.exit_code == 0, done.output
    for word in ("random", "local", "evolution", "auto", "regret@20", "3 seeds", "Wilcoxon"):
        assert word in done.stdout


def test_files_are_written(tmp_path):
    done = quick("--csv", tmp_path / "a" / "runs.csv", "--out", tmp_path / "out", "--quiet")
    assert done.exit_code == 0, done.output
    with open(tmp_path / "a" / "runs.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == [
        "benchmark",
        "dataset",
        "strategy",
        "seed",
        "queries_to_optimum",
        "regret_20",
        "regret_50",
        "regret_100",
        "regret_200",
        "simulated_s",
        "own_s",
    ]
    assert len(rows) == 1 + 4 * 3
    names = {p.name for p in (tmp_path / "out").iterdir()}
    stem = "synthetic-needle-made-up"
    assert names == {"runs.csv", "table.txt", "index.html", f"{stem}.png", f"{stem}.svg"}
    text = (tmp_path / "out" / "table.txt").read_text(encoding="utf-8")
    assert text == done.stdout
    assert str(tmp_path / "a" / "runs.csv") in done.stderr


def test_options_of_strategies_and_benchmarks():
    done = quick("--strategies", "evolution:population=5:sample=2,evolution")
    assert done.exit_code == 0, done.output
    assert "evolution:population=5:sample=2" in done.stdout
    done = invoke(
        "--benchmark",
        "synthetic-needle:seed=3,synthetic-additive",
        *["--seeds", "2", "--queries", "9", "--workers", "0"],
    )
    assert done.exit_code == 0, done.output
    assert "synthetic-needle on" in done.stdout
    assert "synthetic-additive on" in done.stdout


def test_one_process_or_two_say_the_same():
    def numbers(workers):
        done = invoke(
            *["--benchmark", "synthetic-additive", "--seeds", "4", "--queries", "40", "--workers"],
            workers,
        )
        assert done.exit_code == 0, done.output
        return [line.split()[:-1] for line in done.stdout.splitlines()]  # less the last, own s

    assert numbers(0) == numbers(2)


def test_simulated_seconds_end_a_run():
    done = quick("--simulated-seconds", 600)
    assert done.exit_code == 0, done.output
    assert re.search(r"random .* 600 ", done.stdout)


def test_the_list():
    done = invoke("--list")
    assert done.exit_code == 0
    for name in ("digits-cells", "nasbench101", "nasbench201", "nasbench301", "hwnasbench"):
        assert name in done.stdout


BAD = [
    (("--seeds", 0), "--seeds must be at least 1"),
    (("--queries", 0), "--queries must be at least 1"),
    (("--workers", -1), "--workers must be at least 0"),
    (("--simulated-seconds", 0), "above 0"),
    (("--benchmark", "nasbench2O1"), "did you mean 'nasbench201'"),
    (("--benchmark", ""), "--benchmark is empty"),
    (("--benchmark", "synthetic-needle:size"), "options as name=value"),
    (("--benchmark", "nasbench201:epoch=3", "--data", "."), "has no such option"),
    (("--benchmark", "synthetic-needle:foo=1"), "no such option: 'foo'; it has seed"),
    (("--benchmark", "synthetic-needle:sed=1"), "did you mean 'seed'"),
    (("--benchmark", "synthetic-needle:name=q"), "no such option: 'name'; it has seed"),
    (("--benchmark", "synthetic-needle:kind=additive"), "no such option: 'kind'"),
    (("--benchmark", "synthetic-needle:seed=1e400"), "seed must be a whole number"),
    (("--benchmark", "digits-cells:name=q"), "no such option: 'name'; it has seed, epochs"),
    (("--benchmark", "digits-cells:path=q"), "no such option: 'path'; give it by --data"),
    (("--benchmark", "nasbench201:dataset=cifar10"), "'dataset'; give it by --dataset"),
    (("--benchmark", "synthetic-needle", "--dataset", "x"), "has no data sets"),
    (("--benchmark", "nasbench201", "--dataset", "cifar"), "unknown data set"),
    (("--benchmark", "nasbench201", "--dataset", ","), "--dataset is empty"),
    (("--benchmark", "nasbench201", "--data", "."), "found none of"),
    (("--data", "nowhere"), "--data: there is no file"),
    (("--strategies", "evolutoin"), "did you mean 'evolution'"),
    (("--strategies", "mine"), "your own go through archwright.benchmarks.compare"),
    (("--strategies", ","), "at least one"),
    (("--strategies", "evolution:populaton=3"), "did you mean 'population'"),
    (("--strategies", "evolution:population=0"), "population must be at least 1"),
    (("--strategies", "evolution:population=many"), "population"),
    (
        ("--strategies", "evolution:population=x"),
        "option population of evolution cannot be 'x'; it takes a whole number",
    ),
    (("--strategies", "evolution:population=1e400"), "population of evolution cannot be inf"),
    (("--strategies", "evolution:population=2.5"), "population of evolution cannot be 2.5"),
    (("--strategies", "evolution:population=true"), "population of evolution cannot be True"),
    (("--strategies", "evolution:crossover=x"), "crossover of evolution cannot be 'x'"),
    (("--strategies", "evolution:crossover=nan"), "crossover of evolution cannot be nan"),
    (("--strategies", "asha:min_budget=x"), "it takes a number or none"),
    (("--strategies", "genetic:replacement=x"), "replacement"),
    (("--benchmark", "digits-cells:limits=5"), "limits must be a mapping"),
    (("--benchmark", "digits-cells:minimize=5"), "minimize must be of"),
    (("--benchmark", "hwnasbench:limit=x"), "limit must be a number"),
    (("--strategies", "evolution:population=3:population=4"), "given twice"),
    (("--strategies", "random,random"), "two strategies"),
    (("--csv", "."), "is a folder"),
    (("--out", "file.txt"), "is a file"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_one_sentence_and_code_2(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    monkeypatch.delenv("ARCHWRIGHT_DATA", raising=False)
    done = invoke(*words)
    assert done.exit_code == 2, done.output
    assert message in re.sub(r"\s+", " ", done.stderr)
    assert "Traceback" not in done.output


def test_the_command_is_the_call():
    from archwright.benchmarks import compare

    result = compare(synthetic("needle"), "random,local,evolution", seeds=3, queries=30)
    first = result.table().splitlines()[2].split()
    assert quick().stdout.splitlines()[2].split()[:-1] == first[:-1]


@pytest.mark.integration
def test_help_and_start_bring_nothing_heavy():
    code = (
        "import sys\nimport archwright.cli.app\n"
        "assert not {'torch', 'numpy', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "archwright bench" in invoke("--help").stdout


def test_a_table_of_runs_reads_with_pandas(tmp_path):
    quick("--csv", tmp_path / "runs.csv")
    frame = pd.read_csv(tmp_path / "runs.csv")
    assert frame["seed"].tolist() == [0, 1, 2] * 4
    assert frame["regret_200"].isna().all()


def test_an_interrupted_comparison_keeps_what_is_done(tmp_path, monkeypatch):
    from archwright.cli.bench import _Shown

    def stop(self, done, total, run):
        self.runs.append(run)
        if done == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Shown, "__call__", stop)
    done = quick("--csv", tmp_path / "runs.csv")
    assert done.exit_code == 130
    assert "4 finished runs" in done.stderr
    assert len(pd.read_csv(tmp_path / "runs.csv")) == 4


def test_everything_is_chosen_when_left_out(monkeypatch):
    from archwright.benchmarks import compare

    asked = {}

    def record(problems, strategies, **how):
        asked.update(how, problems=problems, strategies=list(strategies))
        return compare(synthetic("needle"), "random", seeds=1, queries=5)

    monkeypatch.setattr("archwright.benchmarks.compare", record)
    done = invoke()
    assert done.exit_code == 0, done.output
    assert (asked["seeds"], asked["queries"]) == (10, 200)
    assert asked["strategies"] == ["random", "local", "evolution", "auto"]
    assert len(asked["problems"]) == 1


@pytest.mark.parametrize("option", ["--csv", "--out"])
def test_what_cannot_be_written_is_noticed_before_any_run(option, tmp_path, monkeypatch):
    def never(*args, **how):
        raise AssertionError("a run was begun")

    monkeypatch.setattr("archwright.benchmarks.compare", never)
    (tmp_path / "file.txt").write_text("")
    below = "/proc/x/y.csv" if option == "--csv" else "/proc/x/y"
    if not os.path.isdir("/proc/self"):
        pytest.skip("no folder that nobody can write to")
    done = quick(option, below)
    assert done.exit_code == 2, done.output
    assert "cannot be written" in re.sub(r"\s+", " ", done.stderr)
    done = quick("--csv", tmp_path / "file.txt" / "runs.csv")
    assert done.exit_code == 2, done.output
    assert "cannot be written" in re.sub(r"\s+", " ", done.stderr)


def test_trying_to_write_leaves_nothing_and_spoils_nothing(tmp_path):
    from archwright.cli.files import check_writable

    old = tmp_path / "old.csv"
    old.write_text("kept")
    check_writable(old, tmp_path / "out")
    check_writable(tmp_path / "new.csv", None)
    assert old.read_text() == "kept"
    assert {p.name for p in tmp_path.iterdir()} == {"old.csv", "out"}
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("queries", "columns"),
    [
        (5, ["regret@5"]),
        (20, ["regret@20"]),
        (60, ["regret@20", "regret@50", "regret@60"]),
        (201, [f"regret@{q}" for q in (20, 50, 100, 200, 201)]),
    ],
)
def test_the_last_regret_is_always_shown_and_no_empty_column(queries, columns, tmp_path):
    done = invoke(
        *["--benchmark", "synthetic-needle", "--seeds", 1, "--workers", 0, "--strategies"],
        *["random", "--queries", queries, "--out", tmp_path],
    )
    assert done.exit_code == 0, done.output
    titles = done.stdout.splitlines()[1]
    assert re.findall(r"regret@\d+", titles) == columns
    assert "test regret" not in titles
    assert "simulated s" in titles
    assert "regrets in the unit of the metric" in done.stdout.splitlines()[0]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<th>(regret@\d+)</th>", page) == columns
    assert "test regret</th>" not in page
    with open(tmp_path / "runs.csv", encoding="utf-8") as file:
        assert "regret_20,regret_50,regret_100,regret_200,simulated_s" in file.readline()


def test_the_heading_says_what_is_distinct_and_the_unit_of_regrets():
    done = invoke("--seeds", 1, "--queries", 5, "--workers", 0, "--strategies", "random")
    first, titles = done.stdout.splitlines()[:2]
    assert "6,174 architectures (3,255 distinct)" in first
    assert "regrets in %" in first
    assert "test regret" in titles
    several = ["--seeds", 1, "--queries", 5, "--workers", 0, "--strategies", "random"]
    done = invoke("--benchmark", "digits-cells:minimize=params", *several)
    first = done.stdout.splitlines()[0]
    assert "regrets as shares of the optimum's hypervolume" in first
    assert "%" not in first
