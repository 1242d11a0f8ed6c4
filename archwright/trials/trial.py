"""`Trial`: the frozen record of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from archwright.space import Architecture
from archwright.trials.fidelity import Fidelity

State = Literal["running", "complete", "failed", "infeasible", "pruned"]
"""`infeasible`: broke a limit and was never trained; `pruned`: stopped early on purpose."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy asks to be evaluated next.

    Attributes:
        architecture: the architecture.
        budget: how much to spend on it, in the evaluator's own unit (epochs, ...); None: in full.
        origin: where it comes from, for the report: "default", "random", "mutation", ...
        parent: number of the trial it was derived from.
        continues: number of the finished trial of the same architecture, with a smaller budget,
            whose training goes on; None: the evaluation begins anew.
        fidelity: in which shares of a full evaluation; None: as the search says, which is in full
            unless it was given a fidelity. A share of epochs is one of `budget`.
    """

    architecture: Architecture
    budget: float | None = None
    origin: str = "strategy"
    parent: int | None = None
    continues: int | None = None
    fidelity: Fidelity | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation of one architecture.

    Attributes:
        number: position in the order of starting, from 0.
        architecture: what was evaluated.
        state: "running", "complete", "failed", "infeasible" (broke a limit before any training)
            or "pruned" (stopped early on purpose).
        metrics: name -> value, costs included.
        curve: one mapping a report, in order: ``{"step": 1, "accuracy": 0.8, ...}``.
        budget: what it was given, in the evaluator's unit; None: in full.
        seconds: wall-clock seconds that the evaluation took.
        error: why it failed, or which limit it broke.
        origin: where the architecture came from.
        parent: number of the trial it was derived from.
        seed: the seed its evaluation ran with.
        started: seconds after the start of the search (over all its sittings) when it began.
        finished: the same, when it ended.
        continues: number of the trial that it went on from, with a larger budget.
        note: what a reader should know of it, such as that a checkpoint was missing.
        fidelity: the shares of a full evaluation that it was made with; None: in full.

    >>> from archwright.space import Architecture
    >>> Trial(0, Architecture({"width": 16}), metrics={"accuracy": 0.9}).state
    'complete'
    """

    number: int
    architecture: Architecture
    state: State = "complete"
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()
    budget: float | None = None
    seconds: float = 0.0
    error: str | None = None
    origin: str = "strategy"
    parent: int | None = None
    seed: int = 0
    started: float = 0.0
    finished: float = 0.0
    continues: int | None = None
    note: str | None = None
    fidelity: Fidelity | None = None

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain JSON values; `from_dict` reads it back."""
        return {
            "number": self.number,
            "architecture": dict(self.architecture),
            "state": self.state,
            "metrics": dict(self.metrics),
            "curve": [dict(point) for point in self.curve],
            "budget": self.budget,
            "seconds": self.seconds,
            "error": self.error,
            "origin": self.origin,
            "parent": self.parent,
            "seed": self.seed,
            "started": self.started,
            "finished": self.finished,
            "continues": self.continues,
            "note": self.note,
            "fidelity": None if self.fidelity is None else self.fidelity.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """The trial that `to_dict` wrote.

        >>> from archwright.space import Architecture
        >>> trial = Trial(3, Architecture({"op": "skip"}), curve=({"step": 1, "loss": 0.5},))
        >>> Trial.from_dict(trial.to_dict()) == trial
        True
        """
        known = dict(values)
        architecture = {
            path: tuple(value) if isinstance(value, list) else value
            for path, value in known.pop("architecture").items()
        }
        curve = tuple(known.pop("curve", ()))
        # Records written before there were fidelities do not name one.
        if known.get("fidelity") is not None:
            known["fidelity"] = Fidelity.from_dict(known["fidelity"])
        return cls(architecture=Architecture(architecture), curve=curve, **known)
