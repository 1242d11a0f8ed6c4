"""Strategies as samplers of Optuna."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from random import Random
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies import Strategy, as_strategy
from archwright.strategies.optuna_parameters import Parameters
from archwright.trials import Goal, History, Objective, State, Trial

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def as_optuna_sampler(strategy: str | Strategy, space: Space, *, seed: int = 0) -> BaseSampler:
    """A sampler that asks a strategy, for `optuna.create_study(sampler=...)`.

    The objective function suggests each decision of the space that is live, by the name of its path
    and with the same domain: a Choice by ``suggest_categorical(path, values)``, an Integer by
    ``suggest_int``, a Real by ``suggest_float``, a Subset by ``suggest_categorical`` over texts
    such as "[0, 2]" (or, where there are more than 256 subsets, ``suggest_int("path[j]", 0, 1)``
    for each thing). Parameters that are no decisions of the space are drawn at random, as is all
    when the strategy has nothing new to propose.

    Args:
        strategy: a strategy's name, or a strategy.
        space: the search space.
        seed: proposals follow from it, the trial's number and the trials before.

    Raises:
        UnknownNameError: no strategy has that name.
        InputError: at the first trial: the strategy cannot serve the space or the study's
            directions.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> import optuna
    >>> study = optuna.create_study(sampler=as_optuna_sampler("random", space))
    >>> study.optimize(lambda t: t.suggest_categorical("width", (16, 32, 64)), n_trials=3)
    >>> study.best_value
    16.0
    """
    return _StrategySampler(as_strategy(strategy), space, seed)


class _StrategySampler(BaseSampler):
    def __init__(self, strategy: Strategy, space: Space, seed: int) -> None:
        self._strategy, self._space, self._seed = strategy, space, seed
        self._parameters = Parameters(space)
        self._independent = RandomSampler(seed=seed)
        self._history: History | None = None
        self._study: tuple[int, int] | None = None
        self._read: set[int] = set()

    def __repr__(self) -> str:
        return f"as_optuna_sampler({self._strategy!r}, ...)"

    def reseed_rng(self) -> None:
        """Make the sampler of another process draw other numbers."""
        self._seed = int.from_bytes(os.urandom(4), "little")
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All decisions; `sample_relative` says which of them are live."""
        found: dict[str, BaseDistribution] = {}
        for path in self._space.paths:
            found |= self._parameters.distributions(path)
        return found

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The values that the strategy proposes."""
        history = self._follow(study, trial.number)
        rng = Random((self._seed << 32) + trial.number)
        proposal = self._strategy.propose(history, rng)
        if proposal is None:
            return {}
        storage = study._storage
        notes = {"origin": proposal.origin, "parent": proposal.parent}
        notes["architecture"] = proposal.architecture.to_json()
        storage.set_trial_system_attr(trial._trial_id, _KEY, json.dumps(notes))
        return self._parameters.of(proposal.architecture)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """What the strategy says nothing about: at random."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _follow(self, study: Study, number: int) -> History:
        key = (id(study._storage), study._study_id)
        history = self._history
        if history is None or self._study != key:
            history = self._history = History(self._space, _objective(study))
            self._study, self._read = key, set()
            check = getattr(self._strategy, "check", None)
            if check is not None:
                check(self._space, history.objective)
        for frozen in study.get_trials(deepcopy=False):
            if frozen.number in self._read or frozen.number == number:
                continue
            architecture, notes = self._architecture(frozen)
            if architecture is None:
                if frozen.state.is_finished():
                    self._read.add(frozen.number)
            elif frozen.state.is_finished():
                self._read.add(frozen.number)
                history.add(_trial(frozen, architecture, notes, history.objective))
            elif frozen.number not in history.running:
                history.start(_trial(frozen, architecture, notes, history.objective))
        return history

    def _architecture(self, frozen: FrozenTrial) -> tuple[Architecture | None, Mapping[str, Any]]:
        notes = json.loads(frozen.system_attrs.get(_KEY, "{}"))
        if notes:
            proposed = Architecture.from_json(notes["architecture"])
            if not frozen.state.is_finished() or _agree(
                self._parameters.of(proposed), frozen.params
            ):
                return self._space.check(proposed), notes
        # Another sampler's trial, or one that was enqueued.
        return self._parameters.read(frozen.params), {}


_KEY = "archwright:proposal"


def _agree(proposed: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    return all(params.get(name, value) == value for name, value in proposed.items())


def _objective(study: Study) -> Objective:
    names = study.metric_names or [f"value_{i}" for i in range(len(study.directions))]
    if any(d == StudyDirection.NOT_SET for d in study.directions):
        raise InputError("the study has no direction: create it with direction= or directions=")
    return Objective(
        tuple(
            Goal(name, direction == StudyDirection.MAXIMIZE)
            for name, direction in zip(names, study.directions, strict=True)
        )
    )


def _trial(
    frozen: FrozenTrial, architecture: Architecture, notes: Mapping[str, Any], objective: Objective
) -> Trial:
    values = frozen.values or ()
    complete = frozen.state == TrialState.COMPLETE
    names = [goal.metric for goal in objective.goals]
    return Trial(
        frozen.number,
        architecture,
        _STATES.get(frozen.state, "running"),
        metrics=dict(zip(names, values, strict=True)) if complete else {},
        origin=notes.get("origin", "strategy"),
        parent=notes.get("parent"),
    )
