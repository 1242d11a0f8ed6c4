"""The ledger as an Optuna study: readable by optuna-dashboard and by Optuna's own tools."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from archwright.errors import LedgerError
from archwright.ledger.journal import SafeJournalFile, journal_storage
from archwright.space import Choice, Domain, Integer, Real, Space
from archwright.trials import Objective, Trial

RECORD = "archwright"
"""User attribute under which a trial's whole record lies."""

_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "infeasible": TrialState.PRUNED,
    "pruned": TrialState.PRUNED,
}


class OptunaLedger:
    """Trials as an Optuna study in a journal file, or in any database Optuna can reach.

    Every trial has its decisions as parameters (named by their path), its goals as objective
    values, its metrics as user attributes, its curve as intermediate values, and its whole record
    as one JSON user attribute from which it is read back.

    Args:
        storage: a file's path (an Optuna journal), or a URL such as
            ``postgresql://user@host/base`` or ``sqlite:///trials.db``.
        study_name: the study within the storage.
        space: the space, for the parameters' distributions.
        objective: the goals, for the study's directions.

    Raises:
        LedgerError: the storage cannot be opened, or the study in it has other goals.

    >>> import tempfile
    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32))})
    >>> path = tempfile.mkdtemp() + "/journal.log"
    >>> ledger = OptunaLedger(path, "doc", space, Objective.of(maximize="accuracy"))
    >>> trial = Trial(0, space.default, "running")
    >>> ledger.start(trial)
    >>> again = OptunaLedger(path, "doc", space, Objective.of(maximize="accuracy"))
    >>> again.load() == ([], [trial])
    True
    """

    def __init__(
        self, storage: str | Path, study_name: str, space: Space, objective: Objective
    ) -> None:
        self._space = space
        self._objective = objective
        self._distributions: dict[str, BaseDistribution] = {}
        self._ids: dict[int, int] = {}
        self._journal: SafeJournalFile | None = None
        self._behind: list[dict[str, Any]] = []
        self._storage = self._open(storage)
        with _quiet():
            # Asking first keeps the journal as it is when a run is only read.
            try:
                self._study = optuna.load_study(study_name=study_name, storage=self._storage)
            except KeyError:
                self._study = optuna.create_study(
                    storage=self._storage,
                    study_name=study_name,
                    directions=["maximize" if g.maximize else "minimize" for g in objective.goals],
                    load_if_exists=True,
                )
        self._study_id = self._study._study_id
        self._check_goals(study_name)
        self._salvage()

    @property
    def study(self) -> optuna.Study:
        """The Optuna study itself."""
        return self._study

    def load(self) -> tuple[list[Trial], list[Trial]]:
        """See `Ledger.load`."""
        finished: list[Trial] = []
        running: list[Trial] = []
        seen: set[int] = set()
        for frozen in self._storage.get_all_trials(self._study_id, deepcopy=False):
            if RECORD not in frozen.user_attrs:
                continue
            trial = Trial.from_dict(json.loads(frozen.user_attrs[RECORD]))
            if trial.number in seen:  # a file that was copied behind itself
                continue
            seen.add(trial.number)
            if frozen.state == TrialState.RUNNING:
                running.append(trial)
                self._ids[trial.number] = frozen._trial_id
            elif trial.state != "running":
                finished.append(trial)
        finished.sort(key=lambda trial: trial.finished)
        return finished, running

    def start(self, trial: Trial) -> None:
        """See `Ledger.start`; a trial that was left running before continues its own entry."""
        if trial.number not in self._ids:
            self._ids[trial.number] = self._create(trial)

    def finish(self, trial: Trial) -> None:
        """See `Ledger.finish`."""
        trial_id = self._ids.pop(trial.number, None)
        if trial_id is None:
            self._create(trial)
            return
        with self._batch():
            for step, value in self._intermediate(trial).items():
                self._storage.set_trial_intermediate_value(trial_id, step, value)
            for key, value in self._attributes(trial).items():
                self._storage.set_trial_user_attr(trial_id, key, value)
            self._storage.set_trial_state_values(
                trial_id, _STATES[trial.state], self._values(trial)
            )

    def keep(self, name: str, value: Any) -> Any:
        """See `Ledger.keep`."""
        kept = self.find(name)
        if kept is None:
            self._study.set_user_attr(f"{RECORD}.{name}", json.dumps(value))
        return kept

    def find(self, name: str) -> Any:
        """See `Ledger.find`."""
        kept = self._study.user_attrs.get(f"{RECORD}.{name}")
        return None if kept is None else json.loads(kept)

    def _open(self, storage: str | Path) -> BaseStorage:
        try:
            if "://" in str(storage):
                return RDBStorage(str(storage))
            journal, self._journal, self._behind = journal_storage(storage)
            return journal
        except Exception as error:
            raise LedgerError(
                f"the trials' storage {str(storage)!r} cannot be opened: {error}. Give the path "
                "of a journal file or a database URL, for instance 'sqlite:///trials.db'; or move "
                "that file away to begin anew"
            ) from error

    def _salvage(self) -> None:
        """Write the finished trials that stood behind a damaged line anew."""
        if not self._behind:
            return
        finished, _ = self.load()
        known = {trial.number for trial in finished}
        for entry in self._behind:
            text = (entry.get("user_attr") or entry.get("user_attrs") or {}).get(RECORD)
            if text is None:
                continue
            trial = Trial.from_dict(json.loads(text))
            if trial.state != "running" and trial.number not in known:
                known.add(trial.number)
                self.finish(trial)

    def _check_goals(self, study_name: str) -> None:
        wanted = [
            StudyDirection.MAXIMIZE if g.maximize else StudyDirection.MINIMIZE
            for g in self._objective.goals
        ]
        names = [goal.metric for goal in self._objective.goals]
        kept = self._study.metric_names
        if self._study.directions != wanted or (kept is not None and kept != names):
            raise LedgerError(
                f"the run {study_name!r} was begun with the goals {kept}, and this call asks for "
                f"{', '.join(map(str, self._objective.goals))}: resume with the same goals, or "
                "start a new run in another folder"
            )
        if kept is None:
            with _quiet():
                self._study.set_metric_names(names)

    def _create(self, trial: Trial) -> int:
        state = _STATES[trial.state]
        values = self._values(trial)
        params, distributions = self._params(trial)
        now = datetime.now(tz=UTC)
        frozen = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            values=values,
            datetime_start=now,
            datetime_complete=now if state.is_finished() else None,
            params=params,
            distributions=distributions,
            user_attrs=self._attributes(trial),
            system_attrs={},
            intermediate_values=self._intermediate(trial),
        )
        return self._storage.create_new_trial(self._study_id, template_trial=frozen)

    def _values(self, trial: Trial) -> list[float] | None:
        if trial.state != "complete":
            return None
        return [trial.metrics[goal.metric] for goal in self._objective.goals]

    def _intermediate(self, trial: Trial) -> dict[int, float]:
        # Optuna shows one curve a trial and none for several objectives.
        metric = self._objective.primary.metric
        if not self._objective.single:
            return {}
        return {int(p["step"]): float(p[metric]) for p in trial.curve if metric in p}

    def _attributes(self, trial: Trial) -> dict[str, Any]:
        attributes: dict[str, Any] = {RECORD: json.dumps(trial.to_dict())}
        if trial.state == "running":
            return attributes
        goals = {goal.metric for goal in self._objective.goals}
        attributes |= {k: v for k, v in trial.metrics.items() if k not in goals and k != RECORD}
        attributes |= {"seconds": trial.seconds, "origin": trial.origin}
        if trial.fidelity is not None:
            attributes["fidelity"] = str(trial.fidelity)
        if trial.error:
            attributes["error"] = trial.error.strip().splitlines()[-1][:1000]
        return attributes

    def _params(self, trial: Trial) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        params = {
            path: json.dumps(list(value)) if isinstance(value, tuple) else value
            for path, value in trial.architecture.items()
        }
        return params, {path: self._distribution(path) for path in params}

    def _distribution(self, path: str) -> BaseDistribution:
        if path not in self._distributions:
            self._distributions[path] = _distribution(self._space.decision(path).domain)
        return self._distributions[path]

    @contextmanager
    def _batch(self) -> Iterator[None]:
        with self._journal.batch() if self._journal is not None else contextlib.nullcontext():
            yield


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Integer):
        return IntDistribution(
            domain.low, domain.high, log=domain.log, step=1 if domain.log else domain.step
        )
    if isinstance(domain, Real):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.values_)
    return CategoricalDistribution(
        tuple(json.dumps(list(v)) if isinstance(v, tuple) else v for v in domain.values())
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's log lines and notices of experimental features off the user's screen."""
    import warnings

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
