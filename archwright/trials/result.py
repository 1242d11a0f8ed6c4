"""`Result`: what a search found, with the finals, the baselines and the facts of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright.errors import InfeasibleError, InputError
from archwright.space import Architecture, Space
from archwright.trials.history import History
from archwright.trials.objective import Objective
from archwright.trials.trial import Trial

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Baseline:
    """A plain competitor judged on the same data with the same metric.

    Attributes:
        name: what it is, such as "random forest" or "default network".
        validation: metric -> value on the validation data.
        test: metric -> value on the test data, or None when it was not read.
        seconds: what it cost.
    """

    name: str
    validation: Mapping[str, float]
    test: Mapping[str, float] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Final:
    """A found architecture, trained anew with the full budget and tested once.

    Attributes:
        trial: number of the trial that found it.
        architecture: the architecture.
        test: metric -> value on the test data; None when there is no test data.
        interval: the main test metric's 95 % confidence interval, or None.
        costs: params, flops, latency_ms, ... measured on the final network.
        curve: one mapping an epoch.
        seconds: what the training took.
        n_epochs: epochs trained; the same number repeats the training.
        trained_on: "train" or "train+validation".
        folder: where its export lies, or None.
        graph: the network as nodes and edges, for drawing; None when it was not taken.
        notes: what a reader should know, one sentence each.
    """

    trial: int
    architecture: Architecture
    test: Mapping[str, float] | None = None
    interval: tuple[float, float] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()
    seconds: float = 0.0
    n_epochs: int = 0
    trained_on: str = "train+validation"
    folder: str | None = None
    graph: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        values = asdict(self)
        values["architecture"] = dict(self.architecture)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Final:
        """The record that `to_dict` wrote."""
        known = dict(values)
        known["architecture"] = Architecture(
            {k: tuple(v) if isinstance(v, list) else v for k, v in known["architecture"].items()}
        )
        known["curve"] = tuple(known.get("curve", ()))
        known["notes"] = tuple(known.get("notes", ()))
        if known.get("interval") is not None:
            known["interval"] = tuple(known["interval"])
        return cls(**known)


@dataclass
class Result:
    """What `archwright.runs` returns.

    Attributes:
        history: every trial.
        info: the facts of the run: ``seed``, ``strategy``, ``space``, ``metric``, ``seconds``,
            ``search_seconds``, ``stopped`` (why the search ended), ``command``, ``versions``,
            ``machine``, ``notes``, ``task`` and more, plain JSON values.
        finals: the winner, or each of the front on request, trained anew and tested once.
        baselines: the plain competitors.
        folder: the run's folder, or None when nothing was kept.
        model: the trained network of the first of `finals` (plain PyTorch), or None.
    """

    history: History
    info: dict[str, Any] = field(default_factory=dict)
    finals: list[Final] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)
    folder: Path | None = None
    model: Any = None
    task: Any = None

    @property
    def space(self) -> Space:
        """The space that was searched."""
        return self.history.space

    @property
    def objective(self) -> Objective:
        """The goals and limits."""
        return self.history.objective

    @property
    def trials(self) -> list[Trial]:
        """Every finished trial, in the order in which they finished."""
        return self.history.trials

    @property
    def best(self) -> Trial:
        """The trial with the best primary goal among those that keep all limits.

        Raises:
            InfeasibleError: no trial completed within the limits; carries the closest.
        """
        best = self.history.best
        if best is None:
            raise nothing_found(self.history)
        return best

    @property
    def front(self) -> list[Trial]:
        """The trials that no other dominates, best primary goal first."""
        return self.history.front

    @property
    def n_failed(self) -> int:
        """How many evaluations failed (a broken limit is no failure)."""
        return sum(trial.state == "failed" for trial in self.trials)

    def frame(self) -> pandas.DataFrame:
        """One row a trial: number, state, origin, seconds, metrics and decisions.

        Decisions are columns named by their path; a decision that is not live is missing there.
        """
        import pandas as pd

        rows = [
            {
                "number": t.number,
                "state": t.state,
                "origin": t.origin,
                "parent": t.parent,
                "budget": t.budget,
                "fidelity": None if t.fidelity is None else str(t.fidelity),
                "seconds": t.seconds,
                "started": t.started,
                "finished": t.finished,
                **t.metrics,
                **{path: _cell(value) for path, value in t.architecture.items()},
                "error": t.error,
            }
            for t in sorted(self.trials, key=lambda t: t.number)
        ]
        return pd.DataFrame(rows)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the report, one self-contained HTML file, and return its path."""
        from archwright.report import write_report

        return write_report(self, path)

    def export(self, path: str | Path) -> Path:
        """Write the trained network: a folder of formats, or one ``.onnx`` or ``.pt2`` file.

        Raises:
            InputError: there is no trained network: none was trained, or ``final=False``.
        """
        from archwright.runs import export_result

        if self.model is None:
            raise InputError(
                "there is no trained network to export: the winner was not trained anew. With "
                "archwright.Train: search(..., final=True) with the same out= trains it; in a "
                "function of your own call candidate.save(model), in a search with out=, and take "
                "the result that search(...) returns"
            )
        return export_result(self, path)

    def __repr__(self) -> str:
        best = self.history.best
        name = self.objective.primary.metric
        found = "nothing feasible" if best is None else f"{name} {best.metrics[name]:.4g}"
        return f"<Result: {len(self.trials)} trials, {found}>"


def nothing_found(history: History) -> InfeasibleError:
    """The error for a search that ended without a complete, feasible trial."""
    counts = Counter(trial.state for trial in history.trials)
    closest = history.closest
    if counts["failed"] and not counts["complete"]:
        last = next(t for t in reversed(history.trials) if t.state == "failed")
        reason = (last.error or "unknown").strip().splitlines()[-1]
        return InfeasibleError(
            f"no evaluation succeeded: {counts['failed']} of {len(history)} trials failed, the "
            f"last with: {reason}",
            closest=closest,
        )
    if counts["pruned"] and not counts["complete"]:
        return InfeasibleError(
            f"the time was up before the first of {counts['pruned']} evaluations had ended; give "
            "the search more minutes",
            closest=closest,
        )
    if closest is not None:
        why = "; ".join(history.objective.broken(closest.metrics))
        return InfeasibleError(
            f"none of {len(history)} architectures tried keeps the limits. The closest, trial "
            f"{closest.number}: {why}. Loosen the limit, or search a space with smaller networks",
            closest=closest,
        )
    return InfeasibleError("no trial was finished", closest=None)


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, tuple) else value
