"""Evaluators: what judges a candidate.

`Candidate`, `Evaluator` and `run_evaluation` load without torch; `Train` and `SharedWeights` do
not.
"""

from typing import TYPE_CHECKING

from archwright.evaluators.candidate import Candidate, StopCandidate
from archwright.evaluators.evaluate import (
    Evaluator,
    EvaluatorLike,
    Outcome,
    check_evaluator,
    run_evaluation,
    text_of,
)
from archwright.evaluators.fidelity import require_fidelity
from archwright.evaluators.table import Table

if TYPE_CHECKING:
    from archwright.evaluators.shared_weights import SharedWeights
    from archwright.evaluators.train import Train, Trained

__all__ = [
    "Candidate",
    "Evaluator",
    "EvaluatorLike",
    "Outcome",
    "SharedWeights",
    "StopCandidate",
    "Table",
    "Train",
    "Trained",
    "check_evaluator",
    "require_fidelity",
    "run_evaluation",
    "text_of",
]


def __getattr__(name: str) -> object:
    if name == "SharedWeights":
        from archwright.evaluators import shared_weights

        return shared_weights.SharedWeights
    if name in ("Train", "Trained"):
        from archwright.evaluators import train

        return getattr(train, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
