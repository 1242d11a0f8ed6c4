"""`Candidate`: what an evaluator is handed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.trials import Fidelity
from archwright.trials.fidelity import IN_FULL

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.pt"
INHERITED = "weights.pt"

Judge = Callable[[Sequence[Mapping[str, float]]], "str | None"]
"""Asked after each report with the curve so far: why to stop, or None to go on."""


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
        fidelity: the shares of a full evaluation that this one takes; `Fidelity()`: in full. A
            share of epochs is one of `budget`.
        seconds: wall-clock seconds that it may take, or None.
        device: torch device to run on, such as "cpu" or "cuda:0".
        n_threads: threads that it may use, or None for torch's own number.
        folder: a folder of its own, or None when the run keeps nothing on disk.
        curve: what was reported so far.
        staged: whether the strategy evaluates with several budgets; then the same architecture may
            come back with a larger one.
        checkpoint: a folder to leave the state of training in, from which a later candidate goes
            on; None where none will. See `save_checkpoint`.
        previous: the folder that the candidate which this one continues left; else None.
        previous_budget: the budget that one had.
        legacy: a folder to leave the trained weights in, from which candidates that are changed
            copies of this one start; None where none will. See `keep_weights`.
        parent: what this one is a changed copy of, with `legacy` naming the folder that the parent
            left its weights in (None: they are not kept any more); None where it has no parent, or
            its weights are not to be used.
        notes: what a reader of the trial should know, one sentence each.

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
        staged: bool = False,
        checkpoint: str | Path | None = None,
        previous: str | Path | None = None,
        previous_budget: float | None = None,
        judge: Judge | None = None,
        fidelity: Fidelity | None = None,
        legacy: str | Path | None = None,
        parent: Mapping[str, Any] | None = None,
    ) -> None:
        self.space = space
        self.architecture = architecture
        self.number = number
        self.seed = seed
        self.budget = budget
        self.fidelity = IN_FULL if fidelity is None else fidelity
        self.seconds = seconds
        self.device = device
        self.n_threads = n_threads
        self.folder = None if folder is None else Path(folder)
        self.curve: list[dict[str, float]] = []
        self.staged = staged
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.previous = None if previous is None else Path(previous)
        self.previous_budget = previous_budget
        self.legacy = None if legacy is None else Path(legacy)
        self.parent = None if parent is None else Candidate(space, **parent)
        self.notes: list[str] = []
        self._judge = judge

    @property
    def hyper(self) -> dict[str, Any]:
        """The decisions that are not the model's: the hyper-parameters searched along with it."""
        part = getattr(self.space, "hyper_part", None)
        return dict(self.architecture if part is None else part(self.architecture))

    def model(self) -> nn.Module:
        """A new network of this architecture, plain torch, initialised from `seed`, on `device`.

        Narrower or shallower where the fidelity says so; see `ModelSpace.smaller`.

        Raises:
            InputError: the space describes no networks, or has no smaller copies of them.
        """
        build = getattr(self.space, "build", None)
        if build is None:
            raise InputError(
                "this space has no networks to build: it is a plain Space of values. Read them "
                "from candidate.architecture, or search an archwright.ModelSpace"
            )
        architecture = self.architecture
        if self.fidelity.kinds & {"width", "depth"}:
            space: Any = self.space
            if not hasattr(space, "smaller"):
                raise InputError(
                    f"this space has no smaller copies of its networks, which {self.fidelity} "
                    "asks for: search an archwright.ModelSpace with scaled="
                )
            build = space.smaller(width=self.fidelity.width, depth=self.fidelity.depth).build
            architecture = space.model_part(architecture)
        network: nn.Module = build(architecture, seed=self.seed)
        return network.to(self.device)

    def report(self, step: int, **metrics: float) -> None:
        """Keep one point of the learning curve.

        Args:
            step: epoch or step, from 1.
            metrics: name -> number; what is not finite is left out.

        Raises:
            StopCandidate: the search's stopping rule says that it is not worth going on; let it
                through, and the trial is recorded as pruned with its curve.
        """
        known = {k: float(v) for k, v in metrics.items() if math.isfinite(float(v))}
        self.curve.append({"step": int(step), **known})
        if self._judge is not None:
            reason = self._judge(self.curve)
            if reason is not None:
                raise StopCandidate(reason)

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

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep the state of training, so that the same architecture can go on from it.

        Written whole or not at all. Does nothing where no later candidate will go on from it.

        Args:
            state: tensors, numbers, strings, and lists and mappings of such; ``state_dict()`` of
                networks and optimisers will do.
        """
        if self.checkpoint is None:
            return
        import torch

        self.checkpoint.mkdir(parents=True, exist_ok=True)
        part = self.checkpoint / (CHECKPOINT + ".part")
        torch.save(dict(state), part)
        part.replace(self.checkpoint / CHECKPOINT)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """What the candidate that this one continues gave to `save_checkpoint`, on `device`.

        None where this one begins anew: it continues none, or its checkpoint is missing or cannot
        be read, which `notes` then says. Loads tensors and plain values only, no code.
        """
        if self.previous is None:
            return None
        import torch

        try:
            state: dict[str, Any] = torch.load(
                self.previous / CHECKPOINT, map_location=self.device, weights_only=True
            )
        except Exception as error:  # whatever is wrong with a file, training anew mends it
            missing = isinstance(error, FileNotFoundError)
            self.notes.append(
                f"trained anew: the checkpoint of trial {self.previous.name.lstrip('0') or '0'} "
                + ("is missing" if missing else f"cannot be read ({type(error).__name__})")
            )
            return None
        return state

    def keep_weights(self, model: nn.Module) -> None:
        """Keep the trained weights for candidates that are changed copies of this one.

        Written whole or not at all. Does nothing where there will be none.
        """
        if self.legacy is None:
            return
        import torch

        self.legacy.mkdir(parents=True, exist_ok=True)
        part = self.legacy / (INHERITED + ".part")
        torch.save(model.state_dict(), part)
        part.replace(self.legacy / INHERITED)

    def parent_model(self) -> nn.Module | None:
        """The parent's network with its trained weights, in eval mode, on the CPU.

        None where there is no parent, or its weights are missing or cannot be read, which `notes`
        then says. Loads tensors alone, no code.
        """
        if self.parent is None:
            return None
        import torch

        number = self.parent.number
        try:
            if self.parent.legacy is None:
                raise FileNotFoundError
            state = torch.load(
                self.parent.legacy / INHERITED, map_location="cpu", weights_only=True
            )
        except Exception as error:  # whatever is wrong with a file, its own first weights will do
            missing = isinstance(error, FileNotFoundError)
            self.notes.append(
                f"started from new weights: those of its parent, trial {number}, "
                + ("are not kept" if missing else f"cannot be read ({type(error).__name__})")
            )
            return None
        model = self.parent.model().to("cpu")
        try:
            model.load_state_dict(state)
        except RuntimeError:
            self.notes.append(
                f"started from new weights: those of its parent, trial {number}, are of another "
                "network"
            )
            return None
        return model.eval()
