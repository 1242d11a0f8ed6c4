"""``archwright bench``: strategies compared on benchmarks."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archwright.cli.arguments import check_count, check_minutes, check_out, there
from archwright.cli.files import check_file, check_writable, writing
from archwright.cli.guard import guarded, need
from archwright.errors import UnknownNameError

if TYPE_CHECKING:
    from archwright.benchmarks import Benchmark, Comparison, Run

DEFAULT_BENCHMARK = "digits-cells"
DEFAULT_STRATEGIES = "random,local,evolution,auto"


@guarded
def bench(
    benchmark: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Benchmarks, each with options as in hwnasbench:device=raspi4; --list names them.",
        ),
    ] = DEFAULT_BENCHMARK,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]|all",
            help="Data sets of the benchmark, such as cifar100; left out, its first.",
        ),
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Strategies, each with options as in evolution:population=50:sample=25. Random "
            "search is always among them.",
        ),
    ] = DEFAULT_STRATEGIES,
    seeds: Annotated[int, typer.Option(help="Runs of each strategy: seeds 0, 1, ...")] = 10,
    queries: Annotated[int, typer.Option(help="Full trainings that a run may ask for.")] = 200,
    simulated_seconds: Annotated[
        float | None,
        typer.Option(metavar="S", help="End a run after so many simulated seconds of training."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; left out, as many as processors; 0: this one."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row a run to this file.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write table, runs, curves (PNG, SVG) and a page to this folder."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="File or folder of the benchmark; left out, $ARCHWRIGHT_DATA, else the cache.",
        ),
    ] = None,
    names: Annotated[
        bool, typer.Option("--list", help="List the benchmarks and what each can be given.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Compare search strategies on benchmarks of known answers.

    Examples:
      archwright bench
      archwright bench --strategies evolution,nsga2,evolution:population=50 --seeds 100
      archwright bench --benchmark nasbench201 --dataset all --data ~/nas --csv runs.csv --out arena

    Each run asks for full trainings one after the other and sees validation values only. The table
    says how many it took to the optimum, how far from it the best one was after 20, 50, 100 and
    200 and at the end, and which differences are significant. The same seeds give the same result.
    """
    if names:
        _list()
        return
    check_count("--seeds", seeds)
    check_count("--queries", queries)
    check_count("--workers", workers, least=0)
    check_minutes(simulated_seconds, "--simulated-seconds")
    check_out(out)
    check_file("--csv", csv)
    if data is not None:
        need(there("--data", data), f"--data: there is no file or folder {str(data)!r}")
    from archwright.benchmarks import Comparison, compare
    from archwright.benchmarks.options import labelled

    # What is asked for is checked as a whole before the first table is read.
    try:
        chosen = labelled(strategies)
    except UnknownNameError as error:
        if not str(error).startswith("unknown strategy"):
            raise
        raise UnknownNameError(
            f"--strategies: {error}; strategies of your own go through "
            "archwright.benchmarks.compare"
        ) from None
    problems = load_all(benchmark, dataset, data)
    check_writable(csv, out)
    n_workers = _workers(workers, len(problems) * len(chosen) * seeds)
    shown = _Shown(quiet)
    try:
        with shown:
            result = compare(
                problems,
                chosen,
                seeds=seeds,
                queries=queries,
                seconds=simulated_seconds,
                workers=n_workers,
                progress=shown,
            )
    except KeyboardInterrupt:
        if csv is not None and shown.runs:
            save(Comparison.of(shown.runs, problems, queries), csv, None)
            typer.echo(f"{len(shown.runs):,} finished runs: {csv}", err=True)
        raise
    typer.echo(result.table())
    for path in save(result, csv, out):
        typer.echo(f"written: {path}", err=True)


def load_all(names: str, datasets: str | None, data: Path | None) -> list[Benchmark]:
    """The benchmarks that were asked for.

    Raises:
        InputError: a name, option or data set that is not known, or files that are not there.
    """
    from archwright.benchmarks.options import options_of
    from archwright.benchmarks.registry import datasets_of, load

    asked = [part.strip() for part in names.split(",") if part.strip()]
    need(bool(asked), "--benchmark is empty; archwright bench --list names those there are")
    found = []
    for text in asked:
        name, options = options_of("benchmark", text)
        for option, instead in (("dataset", "--dataset"), ("path", "--data")):
            need(
                option not in options,
                f"--benchmark: {name} has no such option: {option!r}; give it by {instead}",
            )
        wanted: list[str | None] = [None]
        if datasets is not None:
            several = datasets_of(name)
            given = [part.strip() for part in datasets.split(",") if part.strip()]
            need(bool(given), "--dataset is empty; name a data set, or all")
            wanted = list(several) if given == ["all"] and several else list(given)
        found += [load(name, dataset=one, path=data, **options) for one in wanted]
    return found


def save(result: Comparison, csv: Path | None, out: Path | None) -> list[Path]:
    """Write what was asked for; the paths written.

    Raises:
        InputError: a file cannot be written.
    """
    written = []
    with writing():
        if csv is not None:
            csv.parent.mkdir(parents=True, exist_ok=True)
            result.save_csv(csv)
            written.append(csv)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            result.save_csv(out / "runs.csv")
            (out / "table.txt").write_text(result.table() + "\n", encoding="utf-8")
            result.html(out / "index.html")
            written += [out / "runs.csv", out / "table.txt", out / "index.html"]
            for problem in result.problems:
                if not result.curves(problem):
                    continue
                stem = f"{problem.name}-{problem.dataset}".strip("-").replace("/", "-")
                for ending in (".png", ".svg"):
                    path = out / (stem.replace(" ", "-") + ending)
                    result.plot(path, problem=problem)
                    written.append(path)
    return written


def _workers(given: int | None, n_runs: int) -> int:
    if given is not None:
        return given
    from archwright.hardware.cores import n_cores

    n = min(n_cores(), n_runs)
    return n if n > 1 else 0


class _Shown:
    """Progress of a comparison on standard error: a bar in a terminal, else a line now and then."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._last = time.monotonic()
        self.runs: list[Run] = []

    def __enter__(self) -> _Shown:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeRemainingColumn())
            text = TextColumn("{task.description}")
            self._bar = Bar(*columns, text, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, run: Run) -> None:
        self.runs.append(run)
        if self._bar is not None:
            what = f"{run.strategy} on {run.benchmark}"
            self._bar.update(self._task, completed=done, total=total, description=what)
        elif not self.quiet and time.monotonic() - self._last > 10:
            self._last = time.monotonic()
            print(f"{done:,}/{total:,} runs", file=sys.stderr, flush=True)


def _list() -> None:
    from archwright.benchmarks.registry import BENCHMARKS, datasets_of
    from archwright.cli.lists import print_table

    rows = []
    for name, text in BENCHMARKS.items():
        datasets = ", ".join(datasets_of(name))
        rows.append((name, f"{text} (data sets: {datasets})" if datasets else text, ""))
    print_table(rows)
