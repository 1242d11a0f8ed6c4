"""``archwright show``, ``report`` and ``export``: what a run found."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archwright.cli.arguments import check_count, check_minutes, check_out, there
from archwright.cli.guard import guarded
from archwright.cli.searching import check_run
from archwright.errors import InputError

if TYPE_CHECKING:
    from archwright.trials import Result, Trial

Run = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the run.")]


@guarded
def show(
    run: Run,
    trials: Annotated[int, typer.Option(help="How many of the best trials to list.")] = 15,
) -> None:
    """Show what a run found: its summary and its best trials.

    Example:
      archwright show runs/digits-1 --trials 30
    """
    check_count("--trials", trials, least=0)
    check_run(run)
    from rich.console import Console

    from archwright.report import summary_card
    from archwright.runs import load

    result = load(run)
    console = Console()
    console.print(summary_card(result))
    if trials and result.trials:
        console.print(trials_table(result, trials, width=console.width))


@guarded
def report(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write it; DIR/report.html when left out."),
    ] = None,
    show_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the report of a run, finished or not: one HTML file that needs nothing else.

    Examples:
      archwright report runs/digits-1 --open
      archwright report runs/digits-1 --out for_my_boss.html
    """
    check_run(run)
    if out is not None:
        there("--out", out)
    from archwright.report import write_report
    from archwright.runs import load

    path = write_report(load(run), run / "report.html" if out is None else out)
    typer.echo(str(path))
    if show_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


@guarded
def export(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to put it; beside the run's own when left out."),
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The trial whose network is wanted; it is trained anew unless it was already. "
            "The winner when left out.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="At most so long for the training; in full when left out."),
    ] = None,
) -> None:
    """Export a network of a run: ONNX, torch.export, plain PyTorch source, weights.

    Examples:
      archwright export runs/digits-1 --out digits_network
      archwright export runs/digits-1 --trial 17 --out smaller_network

    The winner was exported by the search already and is copied. Another trial's network is
    trained anew first, on training and validation data, and tested once.
    """
    check_count("--trial", trial, least=0)
    check_minutes(minutes)
    check_run(run)
    check_out(out)
    from archwright.runs import load

    result = load(run)
    number = result.best.number if trial is None and not result.finals else trial
    if number is None:
        number = result.finals[0].trial
    chosen = _trial(result, number)
    ready = next((f for f in result.finals if f.trial == number and f.folder), None)
    if ready is not None and (run / str(ready.folder)).is_dir():
        source = run / str(ready.folder)
        if out is None or out.resolve() == source.resolve():
            typer.echo(str(source))
            return
        shutil.copytree(source, out, dirs_exist_ok=True)
        typer.echo(str(out))
        return
    target = run / f"export-{number}" if out is None else out
    typer.echo(str(train_and_export(run, result, chosen, target, minutes=minutes)))


def train_and_export(
    run: Path, result: Result, trial: Trial, folder: Path, *, minutes: float | None = None
) -> Path:
    """Train a trial's network anew, test it once, and export it.

    Raises:
        InputError: the run cannot be trained again from its folder alone.
        ExportError: an exported format disagrees with the network.
    """
    space, evaluator = _call(run)
    if not hasattr(evaluator, "final"):
        raise InputError(
            "this run's evaluator trains no final network (it is a function or a table), so there "
            "is nothing to export; build the network with space.build(architecture)"
        )
    from archwright.cli.progress import reporter
    from archwright.evaluators import Candidate
    from archwright.export import export as write_export
    from archwright.training.runtime import resolve_device

    device = str(resolve_device(str(result.info.get("device") or "auto")))
    candidate = Candidate(
        space, trial.architecture, number=trial.number, seed=trial.seed, device=device
    )
    with reporter() as progress:
        progress({"phase": "final", "message": f"training the network of trial {trial.number}"})
        seconds = None if minutes is None else 60.0 * minutes
        trained = evaluator.final(candidate, seconds=seconds)
        progress({"phase": "export", "message": "exporting and checking"})
        metrics = figures(result, trial, trained, evaluator.task.input_shape)
        made = write_export(
            trained.model,
            folder,
            task=evaluator.task,
            architecture=trial.architecture,
            space_name=result.info.get("space"),
            metrics=metrics,
        )
    for name, why in made.skipped.items():
        typer.echo(f"{name} was not exported: {why}", err=True)
    return Path(made.folder)


def figures(
    result: Result, trial: Trial, trained: Any, input_shape: Sequence[int]
) -> dict[str, float]:
    """What is known of a trial's network: as judged in the search, tested and measured anew."""
    from archwright.hardware import COMPUTED, costs, latency

    goals = [name for name in result.objective.metrics if name in trial.metrics]
    computed = costs(trained.model, input_shape, names=COMPUTED)
    took = latency(trained.model, input_shape)
    measured = {
        **computed,
        "latency_ms": took.median_ms,
        "latency_low_ms": took.low_ms,
        "latency_high_ms": took.high_ms,
    }
    known = {f"validation_{name}": trial.metrics[name] for name in goals if name not in measured}
    tested = {f"test_{name}": value for name, value in (trained.test or {}).items()}
    return {**known, **tested, **measured}


def trials_table(result: Result, n: int, *, width: int = 80) -> Any:
    """The best trials for a terminal of `width` characters.

    Headings and figures are never cut: headings break between words, and what has no room (from
    the origin on, then costs that were no goal, then the last goals) is left out and named below.
    """
    from rich.table import Table

    from archwright.report.facts import origin_of
    from archwright.report.numbers import amount, duration, label

    metrics = list(result.objective.metrics)
    metrics += [m for m in ("params", "flops") if m not in metrics and _has(result.trials, m)]
    n_shown = min(n, len(result.history.complete))
    title = "The best trial" if n_shown == 1 else f"The best {n_shown} trials"
    table = Table(title=title, title_justify="left")
    order = result.history.ranking
    front = {t.number for t in result.front} if not result.objective.single else set()
    shown = order[:n]
    columns = {"trial": [f"{'*' * (t.number in front)}{t.number}" for t in shown]}
    for m in metrics:
        columns[label(m)] = [amount(m, t.metrics[m]) if m in t.metrics else "" for t in shown]
    columns["took"] = [duration(t.seconds) if t.seconds else "" for t in shown]
    columns["origin"] = [origin_of(result, t) for t in shown]
    widths = {head: max(map(len, [*head.split(), *cells])) for head, cells in columns.items()}
    costs = [label(m) for m in reversed(metrics) if m not in result.objective.metrics]
    goals = [label(m) for m in reversed(result.objective.metrics[1:])]
    left_out: list[str] = []
    for head in ("origin", "took", *costs, *goals):
        if sum(widths[one] + 3 for one in columns) + 1 <= width:
            break
        left_out.append(head)
        del columns[head]
    whole = {head: max(map(len, [head, *cells])) for head, cells in columns.items()}
    tight = sum(size + 3 for size in whole.values()) + 1 > width
    for head in columns:
        justify: Any = "left" if head == "origin" else "right"
        table.add_column(head, justify=justify, width=widths[head] if tight else None)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    remarks = ["* on the front: no other network beats it in every goal"] if front else []
    if left_out:
        remarks.append(f"no room for {', '.join(reversed(left_out))}: widen the terminal")
    table.caption = "\n".join(remarks) or None
    return table


def _has(trials: Sequence[Trial], metric: str) -> bool:
    return any(metric in t.metrics for t in trials[:50])


def _trial(result: Result, number: int) -> Trial:
    found = next((t for t in result.trials if t.number == number), None)
    if found is None:
        last = max((t.number for t in result.trials), default=None)
        known = "it has none" if last is None else f"they go from 0 to {last}"
        raise InputError(f"the run has no finished trial {number}: {known}")
    return found


def _call(run: Path) -> tuple[Any, Any]:
    """The space and the evaluator of the run, as `archwright.runs` kept them."""
    import pickle

    path = run / "call.pkl"
    try:
        call = pickle.loads(path.read_bytes())
    except Exception as error:
        raise InputError(
            f"the call that made this run was not kept in {str(path)!r} ({type(error).__name__}); "
            "only networks that were trained at its end can be exported"
        ) from None
    return call["space"], call["evaluate"]
