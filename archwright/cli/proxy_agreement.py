"""``archwright proxies --run``: which proxies would have ranked a run's networks."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from archwright.errors import InputError
from archwright.proxies import Scores
from archwright.proxies.trust import Agreement

#: With fewer networks a rank correlation says nothing.
LEAST = 5


def show_run(
    run: Path,
    wanted: list[str],
    device: str,
    options: dict[str, Any],
    *,
    n: int | None,
    combined: dict[str, float] | None,
    make_table: Callable[..., tuple[Any, Any]],
) -> dict[str, Scores]:
    """Score a run's networks and print how each proxy would have ranked them.

    Args:
        run: the run's folder.
        wanted: proxies.
        device: where to compute.
        options: batch, seed and data, as for `archwright.proxies.score`.
        n: the first so many networks; None: all.
        combined: proxy -> weight of those that are ranked by together; None: none.
        make_table: column names -> a console and a table.

    Returns:
        The scores by trial.
    """
    given = {k: v for k, v in options.items() if k != "input_shape"}
    metric, values, rows = ranked_run(run, wanted, device=device, n=n, **given)
    found = agreements(list(rows.values()), values, wanted, combined=combined)
    console, table = make_table("proxy", "Spearman", "Kendall", "nDCG", "regret", "same size", "ms")
    for name, a in found.items():
        within = f"{a.within_spearman:+.2f}" if a.n_within else "-"
        took = [s.seconds[p] for s in rows.values() for p in ([name] if name in wanted else [])]
        ms = f"{1e3 * sum(took) / len(rows):.1f}" if took else "-"
        figures = (f"{a.spearman:+.2f}", f"{a.kendall:+.2f}", f"{a.ndcg:.2f}", f"{a.regret:.4g}")
        style = "bold" if name in ("params", "combination") else None
        table.add_row(name, *figures, within, ms, style=style)
    console.print(table)
    for name in sorted(set(wanted) - set(found)):
        console.print(f"{name} is {next(iter(rows.values())).undefined[name]}", markup=False)
    typer.echo(
        f"{len(rows)} networks, {metric}; within {chance(len(rows)):.2f} of 0 may be chance. "
        "regret: what the network that a proxy puts first loses to the best one. A proxy that does "
        "not beat params has nothing to offer on this run."
    )
    return rows


def ranked_run(
    folder: Path,
    wanted: Sequence[str],
    *,
    batch: int,
    seed: int,
    data: str | None,
    device: str,
    n: int | None,
) -> tuple[str, list[float], dict[str, Scores]]:
    """Score the networks of a run's complete trials.

    Args:
        folder: the run's.
        wanted: proxies.
        batch: samples in the batch.
        seed: of random inputs and labels; weights are drawn as for the trial.
        data: as for `archwright.proxies.score`.
        device: where to compute.
        n: the first so many distinct networks; None: all.

    Returns:
        The metric, its values (signed so that larger is better), and the scores by trial.

    Raises:
        InputError: the run has fewer than `LEAST` distinct complete networks, or its space cannot
            build networks.
    """
    from archwright.proxies import score
    from archwright.proxies.zero_cost import shape_of
    from archwright.runs import load

    result = load(folder)
    measured = {t.architecture.id: t for t in reversed(result.history.complete)}
    trials = sorted(measured.values(), key=lambda t: t.number)[:n]
    if len(trials) < LEAST:
        raise InputError(
            f"the run has {len(trials)} different networks with a result; to compare proxies takes "
            f"at least {LEAST}"
        )
    space, shape = _space(folder)
    if shape is None:
        shape = shape_of(space)
    values, rows = [], {}
    for trial in trials:
        network = space.build(trial.architecture, seed=trial.seed).to(device)
        options: dict[str, Any] = {"batch": batch, "seed": seed, "data": data}
        rows[f"trial {trial.number}"] = score(network, wanted, input_shape=shape, **options)
        values.append(result.objective.score(trial.metrics))
    return result.objective.goals[0].metric, values, rows


def agreements(
    rows: Sequence[Scores],
    values: Sequence[float],
    wanted: Sequence[str],
    *,
    combined: Mapping[str, float] | None,
) -> dict[str, Agreement]:
    """How each proxy agrees with what was measured; the best first.

    Args:
        rows: the scores of each network.
        values: what was measured, larger is better.
        wanted: proxies.
        combined: proxy -> weight of those that are ranked by together; None: none.
    """
    from archwright.proxies import aggregate, agreement
    from archwright.proxies.registry import upward

    size = [s["params"] for s in rows]
    columns = {p: [upward(s, p) for s in rows] for p in wanted if any(p in s for s in rows)}
    known = [p for p in combined or {} if p in columns]
    if combined and known:
        weights = {p: combined[p] for p in known}
        columns["combination"] = aggregate(rows, known, weights=weights)
    found = {p: agreement(v, values, groups=size) for p, v in columns.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].spearman))


def chance(n: int) -> float:
    """The rank correlation that one proxy in twenty exceeds by chance, either way.

    >>> round(chance(26), 2)
    0.39
    """
    return 1.96 / math.sqrt(n - 1)


def _space(folder: Path) -> tuple[Any, tuple[int, ...] | None]:
    """The space that the run searched, and the shape of its task's inputs."""
    path = folder / "call.pkl"
    try:
        call = pickle.loads(path.read_bytes())
    except Exception as error:
        raise InputError(
            f"the call that made this run was not kept in {str(path)!r} ({type(error).__name__}), "
            "so that its networks cannot be built again; score them in Python: see "
            "archwright.proxies.score and agreement"
        ) from None
    space = call["space"]
    if getattr(space, "build", None) is None:
        raise InputError("the run searched a space of values, which has no networks to score")
    shape = getattr(getattr(call["evaluate"], "task", None), "input_shape", None)
    return space, None if shape is None else tuple(shape)
