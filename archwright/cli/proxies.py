"""``archwright proxies``: zero-cost scores of a network of one's own, or of a space's networks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archwright.cli.arguments import check_count, there
from archwright.cli.files import check_file, check_writable, writing
from archwright.cli.guard import guarded, need
from archwright.cli.searching import check_run
from archwright.errors import InputError, unknown_name

if TYPE_CHECKING:
    from archwright.proxies import Scores


@guarded
def proxies(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE.py:NAME|SPACE",
            help="A module class (or a function or object that gives a module) in a file of your "
            "own, or the name of a space (archwright spaces lists them).",
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Proxies or groups, or all; --list names them. When left out: those that "
            "ZeroCost() combines, and their combination.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A finished run instead of a model: which proxies would have ranked its trials.",
        ),
    ] = None,
    input_shape: Annotated[
        str, typer.Option(metavar="N,N,...", help="Shape of one input, without the batch.")
    ] = "3,32,32",
    outputs: Annotated[int, typer.Option(help="Outputs of a space's networks.")] = 10,
    n: Annotated[
        int | None,
        typer.Option(
            "--n", help="Random networks of a space (10); of a run the first so many (all)."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples in the batch.")] = 64,
    seed: Annotated[int, typer.Option(help="Of weights, inputs and labels.")] = 0,
    natural: Annotated[
        bool,
        typer.Option(
            "--natural/--white",
            help="Images like photographs, or white noise, as inputs; other inputs are noise.",
        ),
    ] = True,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, ...")] = "cpu",
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the scores to this file.")
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the proxies: what they need, and their papers.")
    ] = False,
) -> None:
    """Judge untrained networks by zero-cost proxies.

    Examples:
      archwright proxies net.py:Net --input-shape 3,64,64
      archwright proxies nasbench201 --n 20 --names naswot,synflow,az_nas
      archwright proxies --run runs/digits-1
      archwright proxies --list

    For a network the table shows each score, what it cost, and what it needs; for a space the
    scores of random networks, and how far each proxy is just size: its rank correlation with the
    number of parameters. For a run: how each would have ranked its trials. The baselines (params,
    flops, n_layers) are always there.
    """
    if listed:
        _list()
        return
    need(
        (model is None) != (run is None),
        "name a model (net.py:Net), a space, or a run (--run DIR), one of them; "
        "archwright proxies --help",
    )
    check_count("--n", n)
    check_count("--batch", batch)
    check_count("--outputs", outputs)
    shape = _shape(input_shape)
    check_file("--csv", csv)
    if run is not None:
        check_run(run)
    from archwright.proxies import BASELINES, COMBINATION, COMBINATION_WEIGHTS, PROXIES
    from archwright.proxies.registry import resolve

    asked = COMBINATION if names is None else [x.strip() for x in names.split(",") if x.strip()]
    wanted = resolve([*BASELINES, *(PROXIES if list(asked) == ["all"] else asked)])
    combined = None
    if names is None:
        combined = {p: COMBINATION_WEIGHTS.get(p, 1.0) for p in COMBINATION}
    check_writable(csv)
    options = {"input_shape": shape, "batch": batch, "seed": seed}
    options["data"] = "natural" if natural else None
    if run is not None:
        _check_device(device)
        from archwright.cli.proxy_agreement import show_run

        rows = show_run(run, wanted, device, options, n=n, combined=combined, make_table=_table)
    elif model is not None and ".py" in model:
        rows = {model: _own(model, wanted, device, options)}
        _show_one(rows[model], wanted)
    else:
        rows = _sampled(str(model), wanted, device, options, outputs=outputs, n=n or 10)
        _show_many(rows, wanted, combined)
    if csv is not None:
        _write(csv, rows, wanted)


def load_model(text: str) -> Any:
    """The network that FILE.py:NAME names.

    Raises:
        InputError: there is no such file or name, or it gives no module without arguments.
    """
    from torch import nn

    file, _, name = text.rpartition(":") if text.count(":") else (text, "", "")
    path = Path(file)
    if not name or not file.endswith(".py"):
        raise InputError(f"{text!r}: write FILE.py:NAME, such as net.py:Net")
    if not there("FILE", path):
        raise InputError(f"there is no file {file!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # so that it can import its neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{file!r} cannot be run: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    if not hasattr(module, name):
        raise unknown_name(f"name in {file}", name, [k for k in vars(module) if k[0] != "_"])
    made = getattr(module, name)
    if not isinstance(made, nn.Module):
        try:
            made = made()
        except Exception as error:
            raise InputError(
                f"{name}() in {file!r} failed: {type(error).__name__}: {error}; name a class or "
                "function that takes no arguments, or a module"
            ) from None
    if not isinstance(made, nn.Module):
        raise InputError(f"{name} in {file!r} gives no torch.nn.Module but {type(made).__name__}")
    return made


def _own(text: str, wanted: list[str], device: str, options: dict[str, Any]) -> Scores:
    from archwright.nn.seeding import seeded
    from archwright.proxies import score

    _check_device(device)
    with seeded(options["seed"]):
        network = load_model(text)
    return score(network.to(device), wanted, **options)


def _sampled(
    name: str, wanted: list[str], device: str, options: dict[str, Any], *, outputs: int, n: int
) -> dict[str, Scores]:
    from archwright.proxies import score
    from archwright.zoo import SPACES, build_space

    if name not in SPACES:
        raise unknown_name("space", name, SPACES)
    _check_device(device)
    space = build_space(name, input_shape=options["input_shape"], n_outputs=outputs)
    rows = {}
    for i in range(n):
        architecture = space.sample(seed=options["seed"] + i)
        network = space.build(architecture, seed=options["seed"]).to(device)
        rows[architecture.id] = score(network, wanted, **options)
    return rows


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"--device {device!r} cannot be used: {line}") from None


def _shape(text: str) -> tuple[int, ...]:
    """Numbers between commas or crosses.

    >>> _shape("3,32,32"), _shape("1x28x28")
    ((3, 32, 32), (1, 28, 28))
    """
    parts = text.replace("x", ",").split(",")
    if not all(p.strip().isdigit() and int(p) > 0 for p in parts):
        raise InputError(f"--input-shape takes whole numbers, such as 3,32,32; got {text!r}")
    return tuple(int(p) for p in parts)


def _number(value: float) -> str:
    """A score, short.

    >>> _number(1234567.0), _number(0.0123456), _number(-1e-9)
    ('1,234,567', '0.01235', '-1e-09')
    """
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:.4g}"


def _show_one(scores: Scores, wanted: list[str]) -> None:
    from archwright.proxies import PROXIES

    console, table = _table("proxy", "score", "seconds", "needs")
    for name in wanted:
        value = _number(scores[name]) if name in scores else "-"
        proxy = PROXIES[name]
        needs = ["labels"] if proxy.labels else ["inputs"] if proxy.data else []
        table.add_row(name, value, f"{scores.seconds[name]:.3f}", ", ".join([*needs, proxy.passes]))
    console.print(table)
    for name, reason in scores.undefined.items():
        console.print(f"{name} is {reason}", markup=False)


def _show_many(
    rows: dict[str, Scores], wanted: list[str], combined: dict[str, float] | None
) -> None:
    from archwright.proxies import aggregate, agreement
    from archwright.proxies.registry import upward

    every = list(rows.values())
    known = [p for p in combined or {} if any(p in s for s in every)]
    together: list[float] = []
    if combined and known and len(rows) > 2:
        together = aggregate(every, known, weights={p: combined[p] for p in known})
    console, table = _table("network", *wanted, *(["combination"] if together else []))
    for i, (name, scores) in enumerate(rows.items()):
        figures = [_number(scores[p]) if p in scores else "-" for p in wanted]
        table.add_row(name, *figures, *([f"{together[i]:.3g}"] if together else []))
    mean = [sum(s.seconds[p] for s in every) / len(rows) for p in wanted]
    table.add_row("mean seconds", *(f"{v:.3f}" for v in mean), style="dim")
    if len(rows) > 2:
        size = [scores["params"] for scores in every]
        columns = [[upward(s, p) for s in every] for p in wanted]
        columns += [together] if together else []
        found = [f"{agreement(values, size).spearman:+.2f}" for values in columns]
        table.add_row("rank correlation with params", *found, style="dim")
    console.print(table)
    reasons = {f"{p} is {why}" for s in rows.values() for p, why in s.undefined.items()}
    for reason in sorted(reasons):
        console.print(reason, markup=False)


def _table(*columns: str) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        text = i == 0 or column == "needs"
        table.add_column(column, justify="left" if text else "right", overflow="fold")
    # A table of many columns is as wide as it is: in a file or pipe nothing breaks it.
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(100, 16 * len(columns) + 40))
    return console, table


def _write(path: Path, rows: dict[str, Scores], wanted: list[str]) -> None:
    import csv

    with writing(), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["network", *wanted])
        for name, scores in rows.items():
            writer.writerow([name, *(scores.get(p, "") for p in wanted)])
    typer.echo(f"written: {path}", err=True)


def _list() -> None:
    from archwright.proxies import GROUPS, PROXIES

    console, table = _table("proxy", "needs", "defined on", "source")
    for name, proxy in PROXIES.items():
        needs = [proxy.passes, *(["labels"] if proxy.labels else [])]
        table.add_row(name, ", ".join(needs), proxy.defined_on, proxy.reference)
    console.print(table)
    for name, members in GROUPS.items():
        console.print(f"{name} = {' + '.join(members)}", markup=False)
