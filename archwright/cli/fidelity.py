"""``archwright fidelity``: how well cheaper trainings rank networks on your data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archwright.cli.arguments import (
    as_options,
    check_count,
    check_data,
    check_metrics,
    check_name,
    parse_limits,
    split_limit,
)
from archwright.cli.files import check_file, check_writable
from archwright.cli.guard import guarded, need
from archwright.cli.lists import space_names
from archwright.cli.progress import reporter

DEFAULT = ("epochs=0.5", "epochs=0.25", "data=0.5", "data=0.25")


@guarded
def fidelity(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="Data to train on; as for archwright search."),
    ],
    target: Annotated[
        str | None, typer.Option(help="The column to predict; the last one when left out.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=SHARE",
            help="A fidelity to check, such as epochs=0.25 or width=50%,data=0.5; kinds: epochs, "
            "data, resolution, width, depth. May be repeated. When left out: "
            f"{', '.join(DEFAULT)}.",
        ),
    ] = None,
    space: Annotated[
        str, typer.Option(metavar="NAME", help="The space of networks; by the data if left out.")
    ] = "auto",
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="The metric that networks are ranked by.")
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Epochs of a training in full; sized to the data if left out."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only networks within it, such as params=50k."),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="How many networks, at least 5.")] = 24,
    repeats: Annotated[
        int, typer.Option(help="Full trainings of each; from 2 on the noise ceiling is measured.")
    ] = 1,
    workers: Annotated[int | None, typer.Option(help="How many trainings at once.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the networks and of every training.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep every training there; the same call goes on."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the figures there, too."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the table alone, without progress.")
    ] = False,
) -> None:
    """Check how well cheaper trainings rank networks on your data, before relying on one.

    Examples:
      archwright fidelity digits --at epochs=0.25 --at width=0.5
      archwright fidelity cars.csv --target price --n 30 --repeats 2 --out checks/cars

    Random networks are trained in full and again at each fidelity. The table shows the rank
    correlations with their intervals, what the network that the cheap training puts first loses
    to the best one, and the measured cost; below it the ranking by the number of parameters, which
    costs nothing.
    """
    check_data(data)
    check_count("--n", n)
    check_count("--repeats", repeats)
    check_count("--workers", workers, least=0)
    check_count("--seed", seed, least=0)
    need(n >= 5, f"--n must be at least 5, got {n}")
    need(epochs is None or epochs > 0, f"--epochs must be more than 0, got {epochs}")
    if metric is not None:
        check_metrics("--metric", [metric])
    for text in limit or []:
        split_limit(text)
    if space != "auto":
        check_name("space", space, [*space_names(), "auto"])
    check_file("--json", file)
    from archwright.trials import Fidelity

    asked = [Fidelity.parse(text) for text in at or DEFAULT]
    limits = parse_limits(limit or [])
    check_writable(file)
    # Heavy from here on: what could be wrong with the arguments alone has been said.
    from archwright.cli.searching import described, load_task
    from archwright.evaluators import Train
    from archwright.runs import check_fidelity

    progress = reporter(quiet=quiet)
    with progress:
        progress({"phase": "plan", "message": "reading the data"})
        task = load_task(data, target=target, kind=None, test=None, seed=seed, metric=metric)
        for text in described(task):
            progress.say(as_options(text))
        found = check_fidelity(
            space,
            Train(task, epochs=epochs),
            asked,
            n=n,
            repeats=repeats,
            limits=limits or None,
            workers=workers,
            device=device,
            seed=seed,
            out=out,
            progress=progress,
        )
    typer.echo(str(found))
    if file is not None:
        file.write_text(json.dumps(found.to_dict(), indent=2) + "\n")
