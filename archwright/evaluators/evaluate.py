"""One evaluation from start to end: whatever goes wrong becomes an `Outcome`."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from archwright.errors import InputError, NotFinite, OutOfMemory, TrialFailure
from archwright.evaluators.candidate import Candidate, StopCandidate
from archwright.trials import State


class Evaluator(Protocol):
    """Judges candidates; a plain function ``evaluate(candidate)`` will do as well.

    An evaluator may also have: ``objective`` (the `Objective` used when the call names none),
    ``input_shape`` (so that parameters and FLOPs are counted), ``full_budget`` (what an evaluation
    in full costs, in the unit of ``candidate.budget``; for strategies with several budgets),
    ``isolated`` (True: run it in worker processes unless told otherwise), ``own_metrics`` (names
    of metrics that it knows by itself: costs among them are not computed, nor is any that no goal
    or limit names), ``fidelities`` (the kinds of `Fidelity` that it knows; see `require_fidelity`),
    ``task``, and ``final(candidate, ...)`` (train the winner anew and test it).
    """

    def evaluate(self, candidate: Candidate) -> Mapping[str, float]:
        """Metric name -> number. Called in a worker process; must not change the evaluator."""
        ...


EvaluatorLike = Evaluator | Callable[[Candidate], "Mapping[str, float] | float"]


@dataclass(frozen=True)
class Outcome:
    """How one evaluation ended: plain values that travel between processes."""

    state: State
    metrics: dict[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()
    seconds: float = 0.0
    error: str | None = None
    note: str | None = None


def check_evaluator(given: Any) -> None:
    """Refuse what cannot evaluate, before any work starts.

    Raises:
        InputError: it is neither callable nor has an ``evaluate`` method.
    """
    if isinstance(given, type) or not (callable(given) or callable(getattr(given, "evaluate", 0))):
        raise InputError(
            "the evaluator must be a function evaluate(candidate) -> {metric: number}, or an "
            f"object with such a method, got {given!r}"
        )


def run_evaluation(evaluator: EvaluatorLike, candidate: Candidate, metric: str) -> Outcome:
    """Evaluate, time and classify. Nothing but `KeyboardInterrupt` comes through.

    Args:
        evaluator: the evaluator or function.
        candidate: what to evaluate.
        metric: name for the number that a function returns without a name.
    """
    start = time.perf_counter()
    state: State = "complete"
    metrics: dict[str, float] = {}
    error = None
    try:
        call: Any = getattr(evaluator, "evaluate", evaluator)
        metrics = as_metrics(call(candidate), metric)
    except StopCandidate as stop:
        state, error = "pruned", str(stop) or None
    except (MemoryError, TrialFailure, InputError) as failure:
        kind = OutOfMemory.__name__ if isinstance(failure, MemoryError) else type(failure).__name__
        state, error = "failed", f"{kind}: {text_of(failure)}"
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        state, text = "failed", text_of(failure)
        if "out of memory" in text.lower() or "can't allocate memory" in text:
            error = f"{OutOfMemory.__name__}: {text}"
        else:
            error = "".join(traceback.format_exception(failure, limit=-6))
    seconds = time.perf_counter() - start
    curve: tuple[Mapping[str, float], ...] = ()
    note = None
    try:
        curve = tuple(map(_point, candidate.curve))
        note = "; ".join(candidate.notes) or None
    except Exception as failure:
        if state != "failed":
            state = "failed"
            error = (
                "InputError: candidate.curve and candidate.notes were changed by hand "
                f"({type(failure).__name__}: {text_of(failure)}); use candidate.report(step, ...)"
            )
    return Outcome(state, metrics, curve, seconds, error, note)


def _point(given: Mapping[str, Any]) -> dict[str, float]:
    """One point of a curve, as `Candidate.report` writes it."""
    point = {str(name): float(value) for name, value in given.items()}
    return {**point, "step": int(given["step"])}


def text_of(error: BaseException) -> str:
    """An exception's message, also where making it fails.

    >>> text_of(ValueError("no"))
    'no'
    """
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as second:
        return f"(its message cannot be read: {type(second).__name__})"


def as_metrics(returned: Any, metric: str) -> dict[str, float]:
    """What an evaluator returned, as metric -> finite number.

    Raises:
        InputError: it is no number and no mapping of numbers.
        NotFinite: the number asked for, or any other, is NaN or infinite.

    >>> as_metrics(0.5, "accuracy")
    {'accuracy': 0.5}
    """
    named = returned if isinstance(returned, Mapping) else {metric: returned}
    metrics = {}
    for name, value in named.items():
        try:
            # Arrays and tensors of one number will do.
            number = float(value.item() if callable(getattr(value, "item", None)) else value)
            metrics[str(name)] = number
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise InputError(
                f"an evaluator must return a number or a mapping of metric names to numbers, got "
                f"{value!r} for {name!r}"
            ) from None
        if not math.isfinite(number):
            raise NotFinite(f"{name} is {number}")
    if metric not in metrics:
        raise InputError(
            f"the evaluator returned {', '.join(map(repr, metrics)) or 'nothing'}, but not the "
            f"metric {metric!r} that the search is to optimise"
        )
    return metrics
