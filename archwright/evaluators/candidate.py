"""`Candidate`: what an evaluator is handed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError
from archwright.space import Architecture, Space

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"


class StopCandidate(Exception):
    """Raised by `Candidate.report` when the candidate is to stop early."""


class Candidate:
    """One architecture on its way through an evaluator.

    Attributes:
        space: the space it comes from.
        architecture: its decisions, path -> value.
        number: the trial's number.
        seed: what to seed the evaluation with.
        budget: how much to spend, in the evaluator's own unit; None: in full.
        seconds: wall-clock seconds that it may take, or None.
        device: torch device to run on, such as "cpu" or "cuda:0".
        n_threads: threads that it may use, or None for torch's own number.
        folder: a folder of its own, or None when the run keeps nothing on disk.
        curve: what was reported so far.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32))})
    >>> candidate = Candidate(space, space.default)
    >>> candidate.report(1, accuracy=0.5)
    >>> candidate.curve
    [{'step': 1, 'accuracy': 0.5}]
    """

    def __init__(
        self,
        space: Space,
        architecture: Architecture,
        *,
        number: int = 0,
        seed: int = 0,
        budget: float | None = None,
        seconds: float | None = None,
        device: str = "cpu",
        n_threads: int | None = None,
        folder: str | Path | None = None,
    ) -> None:
        self.space = space
        self.architecture = architecture
        self.number = number
        self.seed = seed
        self.budget = budget
        self.seconds = seconds
        self.device = device
        self.n_threads = n_threads
        self.folder = None if folder is None else Path(folder)
        self.curve: list[dict[str, float]] = []

    @property
    def hyper(self) -> dict[str, Any]:
        """The decisions that are not the model's: the hyper-parameters searched along with it."""
        part = getattr(self.space, "hyper_part", None)
        return dict(self.architecture if part is None else part(self.architecture))

    def model(self) -> nn.Module:
        """A new network of this architecture, plain torch, initialised from `seed`, on `device`.

        Raises:
            InputError: the space describes no networks.
        """
        build = getattr(self.space, "build", None)
        if build is None:
            raise InputError(
                "this space has no networks to build: it is a plain Space of values. Read them "
                "from candidate.architecture, or search an archwright.ModelSpace"
            )
        network: nn.Module = build(self.architecture, seed=self.seed)
        return network.to(self.device)

    def report(self, step: int, **metrics: float) -> None:
        """Keep one point of the learning curve.

        Args:
            step: epoch or step, from 1.
            metrics: name -> number; what is not finite is left out.
        """
        known = {k: float(v) for k, v in metrics.items() if math.isfinite(float(v))}
        self.curve.append({"step": int(step), **known})

    def save(self, model: nn.Module) -> None:
        """Keep the trained weights, so that the search can hand this network over.

        Does nothing when the run keeps nothing on disk.
        """
        if self.folder is None:
            return
        from safetensors.torch import save_model

        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / (WEIGHTS + ".part")
        save_model(model, str(part))
        part.replace(self.folder / WEIGHTS)
