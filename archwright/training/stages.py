"""Training in stages: a run that can go on from where a shorter one was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from archwright import errors

FORMAT = 1


@dataclass(frozen=True)
class Stages:
    """A schedule whose course does not depend on how long the run will be, until its last part.

    The learning rate rises for at most one epoch and then stays at its peak; the last `anneal` of
    the run brings it down to 0. The state is kept where that begins. A longer run goes on from
    there, and computes what it would have computed from the start: what it repeats is the shorter
    run's last part alone.

    With the schedules of `Recipe` that is not so: their rate depends on the run's whole length
    from the first step on, so that a longer run has nothing to gain from a shorter one.

    Args:
        anneal: share of the run in which the rate falls, and rows are taken as they are.
        keep: given the state once, when the rate begins to fall; None keeps nothing.
        state: what `keep` was given in a shorter run; None begins anew.

    Raises:
        InputError: `anneal` is out of range, or `state` is none.

    Source: Hu et al., MiniCPM: Unveiling the Potential of Small Language Models with Scalable
    Training Strategies, COLM 2024, arXiv 2404.06395 (warmup, stable, decay); Hägele, Bakouch,
    Kosson, Ben Allal, von Werra and Jaggi, Scaling Laws and Compute-Optimal Training Beyond Fixed
    Training Durations, NeurIPS 2024, arXiv 2405.18392.

    Differences from the papers: the rate falls along half a cosine, in a larger share, as runs
    here are short.

    >>> stages = Stages(anneal=0.25)
    >>> [round(stages.factor(step, n_steps=100, n_warmup=10), 2) for step in (4.5, 20, 75, 99.5)]
    [0.45, 1.0, 1.0, 0.0]
    """

    anneal: float = 0.3
    keep: Callable[[dict[str, Any]], None] | None = None
    state: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.anneal < 1:
            raise errors.InputError(f"anneal must lie between 0 and 1, got {self.anneal!r}")
        if self.state is not None and self.state.get("format") != FORMAT:
            raise errors.InputError(
                "the state to go on from is none that training kept, or of another version of "
                "Archwright: train anew"
            )

    def n_trunk(self, n_steps: int) -> int:
        """Steps before the rate begins to fall: at least one, and fewer than all."""
        return min(max(1, round((1.0 - self.anneal) * n_steps)), max(1, n_steps - 1))

    def factor(self, step: float, *, n_steps: int, n_warmup: int) -> float:
        """The rate at a step, as a share of its peak."""
        trunk = self.n_trunk(n_steps)
        if step <= trunk:
            return min(1.0, step / n_warmup) if n_warmup else 1.0
        return 0.5 + 0.5 * math.cos(math.pi * (step - trunk) / (n_steps - trunk))
