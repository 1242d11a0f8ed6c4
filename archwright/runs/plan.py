"""A time budget turned into epochs, rows, sizes and shares, so that everything started can end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError
from archwright.training import row_seconds

if TYPE_CHECKING:
    from torch import nn

    from archwright.evaluators import Train

EXPORT_SECONDS = 11.0
"""Kept for the export, its checks and the report, on an ordinary machine."""

WORKER_SECONDS = 2.0
"""Kept for the start of the process of the final training."""

N_EPOCHS_LEAST = 3.0


@dataclass(frozen=True)
class Plan:
    """How the time of a search on a task is spent.

    Attributes:
        epochs: epochs of each candidate's training.
        n_rows: rows that candidates are trained on, or None for all.
        search_seconds: for the search itself; None without a time budget.
        final_seconds: kept for the final training and test.
        reserve_seconds: kept for the export and the report.
        trial_seconds: after so long a candidate is stopped as hung.
        max_flops: larger candidates could not be trained in the time left for the final training.
        epoch_seconds: one epoch of the default network, one worker.
        notes: what a reader should know, one sentence each.
    """

    epochs: float
    n_rows: int | None = None
    search_seconds: float | None = None
    final_seconds: float | None = None
    reserve_seconds: float = 0.0
    trial_seconds: float | None = None
    max_flops: float | None = None
    epoch_seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        from dataclasses import asdict

        return {**asdict(self), "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` wrote.

        >>> Plan.from_dict(Plan(epochs=3.0).to_dict()) == Plan(epochs=3.0)
        True
        """
        return cls(**{**values, "notes": tuple(values["notes"])})


def plan_training(
    evaluator: Train,
    networks: Sequence[nn.Module],
    flops: Sequence[float],
    *,
    seconds: float | None,
    n_trials: int | None,
    n_workers: int,
    n_threads: int,
    n_cores: int,
    device: str,
    exports: bool,
    n_finals: int = 1,
    n_searches: int = 1,
) -> Plan:
    """Plan a search from the measured speed of the space's default network and a larger one.

    Args:
        evaluator: what trains.
        networks: the default network, and a larger one.
        flops: FLOPs of each.
        seconds: what is left of the time budget, or None when only trials are counted.
        n_trials: trials asked for, or None.
        n_workers: evaluations at once.
        n_threads: threads of each.
        n_cores: threads of the final training.
        device: where training runs.
        exports: whether an export is to follow.
        n_finals: networks that are trained at the end.
        n_searches: searches that share the time, such as this and a random one beside it.

    Raises:
        InputError: the time is too short for a single training to end.
    """
    task = evaluator.task
    n_train, n_valid = len(task.train), len(task.validation)
    full = evaluator.epochs_of()
    if seconds is None:
        return Plan(epochs=full)
    timed = [
        row_seconds(model, task, evaluator.recipe, device=device, n_threads=n_threads)
        for model in networks
    ]
    final_row = timed[0]
    if n_cores > n_threads:
        final_row = min(
            final_row,
            row_seconds(networks[0], task, evaluator.recipe, device=device, n_threads=n_cores),
        )
    # A worker beside this one, and validation's metrics, cost extra.
    per_row = 1.2 * timed[0]
    epoch_seconds = per_row * (n_train + 0.35 * n_valid)
    reserve = EXPORT_SECONDS if exports else 2.0
    usable = seconds - reserve - WORKER_SECONDS
    final_epochs = evaluator.epochs_of(final=True)
    final_needs = n_finals * final_epochs * 1.2 * final_row * (n_train + n_valid)
    shortest = 2 * epoch_seconds * min(1.0, 500 / n_train)
    if usable < 2 * shortest + 1:
        needed = reserve + 2 * shortest + 3
        raise InputError(
            f"the time is too short: {max(seconds, 0):.0f} s are left, and about {needed:.0f} s "
            "are needed to train a few small networks, train the best one, and export it; give "
            "more minutes"
        )
    final = min(max(0.2 * usable, min(final_needs, 0.5 * usable)), usable - shortest)
    search = usable - final
    training = search * n_workers / n_searches
    wanted = n_trials or _n_wanted(training)
    affordable = training / (wanted * epoch_seconds)
    epochs, n_rows, notes = min(full, affordable), None, []
    if evaluator.recipe.epochs is not None:
        epochs = full
    elif epochs < min(N_EPOCHS_LEAST, full):
        epochs = min(N_EPOCHS_LEAST, full)
        share = max(affordable / epochs, min(1.0, 500 / n_train))
        if share < 0.8:
            n_rows = max(int(share * n_train), min(n_train, 200))
            notes.append(
                f"candidates were trained on {n_rows:,} of {n_train:,} rows, to fit the time"
            )
    if n_rows is None:
        n_rows = evaluator.n_rows
    # Whole epochs, so that what is printed is what was done.
    epochs = float(round(epochs)) if epochs >= 2 else epochs
    expected = epochs * epoch_seconds * (n_rows or n_train) / n_train
    ratio = min(final / max(0.3 * final_needs, 1e-9), 0.25 * training / expected)
    max_flops = _flops_at(ratio * timed[0], timed, flops)
    return Plan(
        epochs=epochs,
        n_rows=n_rows,
        search_seconds=search,
        final_seconds=final,
        reserve_seconds=reserve,
        trial_seconds=max(30.0, 8 * expected * max(ratio, 1.0)),
        max_flops=max_flops,
        epoch_seconds=epoch_seconds,
        notes=tuple(notes),
    )


def _n_wanted(seconds: float) -> float:
    """Trials that so many seconds of training are shared among.

    Few and well trained while time is short, since a ranking after too little training is chance;
    more of them with the square root of the time.
    """
    return 8.0 + 5.0 * math.sqrt(seconds / 60.0)


def _flops_at(row_seconds: float, timed: Sequence[float], flops: Sequence[float]) -> float | None:
    """FLOPs at which one row takes so long, on the line through the networks timed.

    Small networks take much the same time whatever their FLOPs, so proportion would mislead.
    Never below the default network's FLOPs; None where nothing that large was found.
    """
    if len(timed) < 2 or flops[-1] <= flops[0] or timed[-1] <= timed[0]:
        return None if row_seconds >= timed[-1] else flops[0]
    slope = (timed[-1] - timed[0]) / (flops[-1] - flops[0])
    return flops[0] + max(0.0, (row_seconds - timed[0]) / slope)
