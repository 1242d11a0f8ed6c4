"""``archwright search`` and ``archwright resume``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archwright.cli.arguments import (
    DEFAULT_MINUTES,
    as_options,
    check_count,
    check_data,
    check_metrics,
    check_minutes,
    check_name,
    check_out,
    new_folder,
    parse_columns,
    parse_limits,
    parse_size,
    reproduce,
    split_limit,
    there,
)
from archwright.cli.gradient import METHODS, check_gradient, search_by_gradients
from archwright.cli.guard import INTERRUPTED, guarded
from archwright.cli.lists import space_names
from archwright.cli.progress import reporter
from archwright.errors import InfeasibleError, InputError
from archwright.trials.fidelity import Fidelity

if TYPE_CHECKING:
    from archwright.tasks import Task
    from archwright.trials import Result

# The clock of the time budget starts with the command, not after torch has been imported.
STARTED = time.monotonic()

DATA, GOAL, BUDGET, RUN = "Data", "What is looked for", "How much to spend", "The run"
KINDS = ("classification", "multilabel", "regression")


@guarded
def search(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A CSV or Parquet file, an .npz file, a folder of images (one folder a class), or "
            "the name of one of scikit-learn's sets (digits, wine, ...).",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            help="The column to predict; the last one when left out. For several labels "
            "separate the names by commas.",
            rich_help_panel=DATA,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="classification, multilabel or regression; told from the target when left out.",
            rich_help_panel=DATA,
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Data of their own to test on, once, at the end; a fifth of DATA when left out.",
            rich_help_panel=DATA,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The main metric, which networks are chosen by: accuracy, balanced_accuracy, "
            "macro_f1, auc, r2, rmse, ...; accuracy or r2 when left out.",
            rich_help_panel=DATA,
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND",
            help="What to take a column of a table as: numeric, boolean, categorical, date or "
            "drop. Told from its values when left out. May be repeated.",
            rich_help_panel=DATA,
        ),
    ] = None,
    drop_missing_labels: Annotated[
        bool,
        typer.Option(
            "--drop-missing-labels",
            help="Leave out rows of a table or an .npz file without a label instead of refusing "
            "them.",
            rich_help_panel=DATA,
        ),
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE",
            help="Pixels that a folder's images are resized to, a side or HEIGHTxWIDTH; their "
            "median, at most 64, when left out.",
            rich_help_panel=DATA,
        ),
    ] = None,
    skip_unreadable: Annotated[
        bool,
        typer.Option(
            "--skip-unreadable",
            help="Leave out a folder's images that cannot be read instead of refusing them.",
            rich_help_panel=DATA,
        ),
    ] = False,
    space: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The space of networks (see: archwright spaces); chosen by the data when left "
            "out.",
            rich_help_panel=GOAL,
        ),
    ] = "auto",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How to search it (see: archwright strategies); darts, gdas, drnas, ... search by "
            "gradients.",
            rich_help_panel=GOAL,
        ),
    ] = "auto",
    warm_start: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Begin with the best networks of an earlier run, of these data or others.",
            rich_help_panel=GOAL,
        ),
    ] = None,
    stopping: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Stop trainings early that fall behind: median or curve.",
            rich_help_panel=BUDGET,
        ),
    ] = None,
    fidelity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=SHARE",
            help="Train candidates cheaper: shares of epochs, data, resolution, width, depth, such "
            "as epochs=0.25,width=50% (see: archwright fidelity).",
            rich_help_panel=BUDGET,
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="An exported folder, a run's folder or a .pt2 file that networks learn from, too.",
            rich_help_panel=GOAL,
        ),
    ] = None,
    maximize: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help="What to make large; the task's own metric (accuracy, r2) when left out.",
            rich_help_panel=GOAL,
        ),
    ] = None,
    minimize: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help="What to make small as well, such as params, flops or latency_ms: the search "
            "then shows the trade-offs. May be repeated.",
            rich_help_panel=GOAL,
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What must hold: params=50k, latency_ms=5ms, size_bytes=1MB, 'accuracy>=0.9'. "
            "What breaks a limit on a cost is not even trained. May be repeated.",
            rich_help_panel=GOAL,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time for everything: search, final training, test and export. "
            f"{DEFAULT_MINUTES:g} when neither --minutes nor --trials is given.",
            rich_help_panel=BUDGET,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(help="How many networks to train and judge.", rich_help_panel=BUDGET),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="How many at once. When left out: one a core if --minutes is given, else one "
            "(with one worker and --trials, a run repeats exactly).",
            rich_help_panel=BUDGET,
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="cpu, cuda, cuda:1, ... or auto.", rich_help_panel=BUDGET),
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The run's folder; runs/<data>-<n> when left out. The same command goes on with "
            "a run that was interrupted.",
            rich_help_panel=RUN,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Everything random follows from it.", rich_help_panel=RUN)
    ] = 0,
    final_front: Annotated[
        bool,
        typer.Option(
            "--final-front",
            help="Train and export every network of the front, not only the best.",
            rich_help_panel=RUN,
        ),
    ] = False,
    no_baselines: Annotated[
        bool,
        typer.Option(
            "--no-baselines",
            help="Leave out scikit-learn's quick models, which every search is compared with.",
            rich_help_panel=RUN,
        ),
    ] = False,
    compare_random: Annotated[
        bool,
        typer.Option(
            "--compare-random",
            help="Run random search at the same cost too, to see what the strategy gains.",
            rich_help_panel=RUN,
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print one line at the end.", rich_help_panel=RUN),
    ] = False,
) -> None:
    """Search for the network that serves DATA best, and hand it over trained.

    Examples:
      archwright search digits
      archwright search cars.csv --target price --minutes 10
      archwright search photos/ --limit params=50k --limit latency_ms=5ms
      archwright search digits --minimize flops --final-front

    The network is chosen on validation data, trained anew on training and validation data
    together, and tested once. The run's folder then holds report.html, export/ (ONNX,
    torch.export and plain PyTorch source) and result.json.
    """
    check_count("--trials", trials)
    check_minutes(minutes)
    check_count("--workers", workers)
    check_count("--seed", seed, least=0)
    check_metrics("--maximize", maximize or [])
    check_metrics("--minimize", minimize or [])
    check_data(data)
    check_out(out)
    if test is not None:
        check_data(test, "--test")
    if kind is not None:
        check_name("kind of task", kind, KINDS)
    if metric is not None:
        check_metrics("--metric", [metric])
    given: dict[str, Any] = {
        "metric": metric,
        "columns": parse_columns(column or []) or None,
        "drop_missing_labels": drop_missing_labels or None,
        "size": parse_size(size),
        "skip_unreadable": skip_unreadable or None,
    }
    for text in limit or []:
        split_limit(text)
    from archwright.strategies import STRATEGIES
    from archwright.strategies.stopping import STOPPING

    check_name("strategy", strategy, [*STRATEGIES, *METHODS])
    if strategy in METHODS:
        check_gradient(
            strategy,
            {
                "--warm-start": warm_start,
                "--stopping": stopping,
                "--fidelity": fidelity,
                "--maximize": maximize,
                "--minimize": minimize,
                "--workers": workers,
                "--compare-random": compare_random,
            },
        )
    if stopping is not None:
        check_name("stopping rule", stopping, STOPPING)
    if space != "auto":
        check_name("space", space, [*space_names(), "auto"])
    limits = parse_limits(limit or [])
    shares = Fidelity.parse(",".join(fidelity)) if fidelity else None
    if teacher is not None:
        check_data(str(teacher), "--teacher")
    if minutes is None and trials is None:
        minutes = DEFAULT_MINUTES
    folder = new_folder(data) if out is None else out
    command = reproduce(
        data,
        {
            "target": target,
            "kind": kind,
            "test": test,
            "metric": metric,
            "column": column,
            "drop-missing-labels": drop_missing_labels,
            "size": size,
            "skip-unreadable": skip_unreadable,
            "space": space,
            "strategy": strategy,
            "warm-start": warm_start,
            "stopping": stopping,
            "fidelity": fidelity,
            "teacher": teacher,
            "maximize": maximize,
            "minimize": minimize,
            "limit": limit,
            "minutes": minutes,
            "trials": trials,
            "workers": workers,
            "device": None if device == "auto" else device,
            "out": folder,
            "seed": seed,
            "final-front": final_front,
            "no-baselines": no_baselines,
            "compare-random": compare_random,
        },
    )
    # Heavy from here on: what could be wrong with the arguments alone has been said.
    from archwright.runs import search as run_search

    progress = reporter(quiet=quiet)
    with progress:
        progress({"phase": "plan", "message": "reading the data"})
        task = load_task(data, target=target, kind=kind, test=test, seed=seed, **given)
        for text in described(task):
            progress.say(as_options(text))
        evaluate: Any = task
        if teacher is not None:
            from archwright.evaluators import Train

            evaluate = Train(task, teacher=teacher)
        same: dict[str, Any] = {
            "limits": limits or None,
            "minutes": minutes,
            "out": folder,
            "seed": seed,
            "device": device,
            "final": "front" if final_front else True,
            "baselines": not no_baselines,
            "progress": progress,
            "command": command,
        }
        try:
            if strategy in METHODS:
                same["n"] = trials or 1
                result = search_by_gradients(space, evaluate, strategy, **same)
                finish(result, folder, quiet=quiet)
                return
            result = run_search(
                space,
                evaluate,
                maximize=maximize or None,
                minimize=minimize or None,
                strategy=strategy,
                first=warm_start,
                stopping=stopping,
                fidelity=shares,
                trials=trials,
                workers=workers,
                compare_random=compare_random,
                **same,
                started=STARTED,
            )
        except InfeasibleError as error:
            raise _with_report(error, folder) from None
    finish(result, folder, quiet=quiet)


@guarded
def resume(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the run.")],
    trials: Annotated[int | None, typer.Option(help="Go on to so many trials in all.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Go on to so many minutes in all.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many at once from now on.")] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print one line at the end.")
    ] = False,
) -> None:
    """Go on with a search that was interrupted, killed, or is to have more time.

    Examples:
      archwright resume runs/digits-1
      archwright resume runs/digits-1 --minutes 20

    Nothing that was finished is lost or done again. The folder holds the call as a Python
    pickle: resume only runs that you trust.
    """
    check_count("--trials", trials)
    check_minutes(minutes)
    check_count("--workers", workers)
    check_run(run)
    from archwright.runs import resume as run_again

    given = {"trials": trials, "minutes": minutes, "workers": workers}
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    progress = reporter(quiet=quiet)
    with progress:
        try:
            result = run_again(run, progress=progress, **changes)
        except InfeasibleError as error:
            raise _with_report(error, run) from None
    finish(result, run, quiet=quiet)


def check_run(run: Path) -> None:
    """Refuse a folder that holds no run.

    Raises:
        InputError: it is missing, a file, or holds no run.json.
    """
    if not there("DIR", run):
        raise InputError(f"there is no folder {str(run)!r}; name the folder of a run")
    if not run.is_dir():
        raise InputError(f"{str(run)!r} is a file; name the folder of a run")
    if not (run / "run.json").exists():
        raise InputError(
            f"{str(run)!r} holds no run (run.json is not there); name the folder that "
            "archwright search was given with --out"
        )


def finish(result: Result, folder: Path, *, quiet: bool) -> None:
    """Print the card of a finished search; exit code 130 when it was interrupted."""
    interrupted = result.info.get("stopped") == "interrupted"
    if quiet:
        typer.echo(f"{one_line(result)}: {folder}")
        for missing in not_exported(result):
            typer.echo(missing, err=True)
    else:
        from rich.console import Console

        from archwright.report import summary_card

        console = Console()
        console.print(summary_card(result))
        text = _next_steps(result, folder, interrupted)
        # Unbroken, so that a command or a path can be copied.
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def one_line(result: Result) -> str:
    """The found network's figure in a few words."""
    from archwright.report.numbers import amount, split_unit

    best, metric = result.history.best, result.objective.primary.metric
    if best is None:
        return "nothing found"
    final = result.finals[0] if result.finals else None
    name = split_unit(metric)[0]
    if final is not None and final.test and metric in final.test:
        return f"test {name} {amount(metric, final.test[metric])}"
    return f"validation {name} {amount(metric, best.metrics[metric])}"


def not_exported(result: Result) -> list[str]:
    """What the export of the winner lacks and why, a sentence each.

    A base installation has no ONNX packages: that is said, with the command that adds them.
    """
    final = result.finals[0] if result.finals else None
    return [note for note in (final.notes if final else ()) if "was not exported" in note]


def _next_steps(result: Result, folder: Path, interrupted: bool) -> str:
    lines = []
    if interrupted:
        lines.append(f"Stopped early. Go on with:  archwright resume {folder}")
    if (folder / "report.html").exists():
        lines.append(f"Report:   {folder / 'report.html'}")
    lines += [f"Missing:  {one}" for one in not_exported(result)]
    final = result.finals[0] if result.finals else None
    if final is not None and final.folder is not None:
        lines.append(f"Network:  {folder / final.folder}")
        lines.append(
            f"Use it:   archwright predict {folder / final.folder} NEW_DATA --out predictions.csv"
        )
    return "\n".join(lines)


def described(task: Task) -> list[str]:
    """What was made of the data, a line each: said before any work, so that it can be stopped."""
    classes = f", {len(task.classes)} classes" if task.classes else ""
    sizes = [f"{len(task.train):,} train", f"{len(task.validation):,} validation"]
    if task.test is not None:
        sizes.append(f"{len(task.test):,} test")
    return [
        f"data: {task.name}, {task.kind}{classes}, {' / '.join(sizes)} rows",
        *(f"data: {note}" for note in task.notes),
    ]


def load_task(
    data: str, *, target: str | None, kind: str | None, test: str | None, seed: int, **given: Any
) -> Task:
    """The task in DATA, tested on the data of ``--test`` where that is given.

    Args:
        data: the DATA argument.
        target: name of the target, or of several, between commas.
        kind: of the task.
        test: the data to test on.
        seed: of the deal.
        given: further options of `archwright.tasks.load`; None for those left out.

    Raises:
        InputError: the data cannot be used.
    """
    from archwright.tasks import load

    options: dict[str, Any] = {"seed": seed, "kind": kind, **given}
    options = {name: value for name, value in options.items() if value is not None}
    columns: str | list[str] | None = target
    if target is not None and "," in target:
        columns = [name.strip() for name in target.split(",") if name.strip()]
    if test is None:
        return load(data, columns, **options)
    path = Path(data)
    if path.is_dir() and Path(test).is_dir():
        # A folder that holds folders named train and test is read as given splits.
        with tempfile.TemporaryDirectory(prefix="archwright-") as both:
            (Path(both) / "train").symlink_to(path.resolve(), target_is_directory=True)
            (Path(both) / "test").symlink_to(Path(test).resolve(), target_is_directory=True)
            return load(both, columns, name=path.resolve().name, **options)
    if not path.is_file() or path.suffix.lower() == ".npz":
        raise InputError(
            "--test goes with a table and a table, or a folder of images and another; an .npz "
            "file holds its own as x_test and y_test"
        )
    return load(data, columns, test=test, **options)


def _with_report(error: InfeasibleError, folder: Path) -> InfeasibleError:
    """The error, with the report that shows what was tried."""
    report = folder / "report.html"
    if not report.exists():
        return error
    return InfeasibleError(f"{error}\nWhat was tried: {report}", closest=error.closest)
