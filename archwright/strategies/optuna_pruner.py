"""Any pruner of Optuna as a stopping rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archwright.errors import InputError
from archwright.strategies.stopping import Judge, check_single, warn_without_curves
from archwright.trials import History, Objective, Trial


@dataclass(frozen=True)
class OptunaPruner:
    """Asks one of Optuna's pruners after each report.

    Earlier trials are replayed to the pruner, report by report, so that those which remember
    (successive halving, Hyperband) know what they decided; a copy of what it then knows travels to
    the worker. With several workers, what runs at the same time is not known to it.

    Args:
        pruner: an ``optuna.pruners.BasePruner``.

    Raises:
        InputError: it has no ``prune`` method.

    Source: Akiba, Sano, Yanase, Ohta and Koyama, Optuna: A Next-generation Hyperparameter
    Optimization Framework, KDD 2019, arXiv 1907.10902.

    >>> import optuna
    >>> OptunaPruner(optuna.pruners.MedianPruner()).name
    'MedianPruner'
    """

    pruner: Any

    def __post_init__(self) -> None:
        if not callable(getattr(self.pruner, "prune", None)):
            raise InputError(
                "OptunaPruner needs a pruner such as optuna.pruners.HyperbandPruner(), got "
                f"{self.pruner!r}"
            )

    @property
    def name(self) -> str:
        """The pruner's class."""
        return type(self.pruner).__name__

    def __repr__(self) -> str:
        options = {
            key: value
            for key, value in sorted(vars(self.pruner).items())
            if value is None or isinstance(value, bool | int | float | str)
        }
        return f"OptunaPruner({self.name}({', '.join(f'{k}={v!r}' for k, v in options.items())}))"

    def check(self, objective: Objective) -> None:
        """Refuse several objectives, which Optuna's pruners do not know."""
        check_single(objective)

    def prepare(self, history: History, trial: Trial) -> Judge | None:
        """See `Stopping.prepare`."""
        goal = history.objective.primary
        warn_without_curves(history, goal.metric)
        memory = history.memory.setdefault((OptunaPruner, id(self)), {"n_read": 0, "study": None})
        if memory["study"] is None:
            memory["study"] = _study(self.pruner, goal.maximize, ())
        for done in history.trials[memory["n_read"] :]:
            _replay(memory["study"], done, goal.metric)
        memory["n_read"] = len(history.trials)
        known = tuple(memory["study"].get_trials(deepcopy=False))
        return _PrunerJudge(self.pruner, goal.metric, goal.maximize, known)


class _PrunerJudge:
    """Holds what the pruner knows, and once it is asked a study made of that."""

    def __init__(self, pruner: Any, metric: str, maximize: bool, known: tuple[Any, ...]) -> None:
        self._given = (pruner, metric, maximize, known)
        self._asked: Any = None
        self._n_told = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given

    def __call__(self, curve: Sequence[Mapping[str, float]]) -> str | None:
        pruner, metric, maximize, known = self._given
        if self._asked is None:
            self._asked = _study(pruner, maximize, known).ask()
        stop = False
        for point in curve[self._n_told :]:
            if metric in point:
                self._asked.report(point[metric], int(point["step"]))
                stop = self._asked.should_prune()
        self._n_told = len(curve)
        return f"{type(pruner).__name__} at step {int(curve[-1]['step'])}" if stop else None


def _study(pruner: Any, maximize: bool, known: Sequence[Any]) -> Any:
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            pruner=pruner, direction="maximize" if maximize else "minimize", study_name="archwright"
        )
        study.add_trials(known)
    finally:
        optuna.logging.set_verbosity(level)
    return study


def _replay(study: Any, trial: Trial, metric: str) -> None:
    """Tell the pruner of a finished trial as if it had watched."""
    from optuna.trial import TrialState

    if trial.state == "infeasible":
        return
    asked = study.ask()
    for point in trial.curve:
        if metric in point:
            asked.report(point[metric], int(point["step"]))
            asked.should_prune()
    if trial.state == "complete":
        study.tell(asked, trial.metrics[metric])
    else:
        state = TrialState.PRUNED if trial.state == "pruned" else TrialState.FAIL
        study.tell(asked, state=state)
