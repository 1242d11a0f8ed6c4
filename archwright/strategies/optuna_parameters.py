"""A space's decisions as Optuna's parameters, there and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from archwright.space import Architecture, Choice, Decision, Integer, Real, Space, Subset
from archwright.strategies.vectors import grow

_MOST_LISTED = 256


class Parameters:
    """The parameters that stand for a space's decisions.

    A Choice is categorical, an Integer or Real is one too; a Subset is categorical with a text such
    as "[0, 2]" for each subset, or, where there are more than 256, one parameter "path[j]" of 0 or
    1 for each thing. What is live is suggested, in tree order: define by run.

    Args:
        space: the search space.
        numeric: whether a Choice is the number of its value instead, for samplers that can do with
            numbers only.
    """

    def __init__(self, space: Space, *, numeric: bool = False) -> None:
        self._space, self._numeric = space, numeric
        self._made: dict[str, dict[str, BaseDistribution]] = {}

    def distributions(self, path: str) -> dict[str, BaseDistribution]:
        """The parameters of one decision."""
        found = self._made.get(path)
        if found is None:
            domain = self._space.decision(path).domain
            if isinstance(domain, Integer) and domain.log and domain.step > 1:
                found = {path: CategoricalDistribution(tuple(domain.values()))}
            elif isinstance(domain, Integer):
                low, high = domain.low, domain.last
                found = {path: IntDistribution(low, high, log=domain.log, step=domain.step)}
            elif isinstance(domain, Real):
                found = {path: FloatDistribution(domain.low, domain.high, log=domain.log)}
            elif isinstance(domain, Choice) and self._numeric:
                found = {path: IntDistribution(0, domain.size - 1)}
            elif isinstance(domain, Choice):
                found = {path: CategoricalDistribution(domain.values_)}
            elif self._listed(domain):
                texts = tuple(json.dumps(list(value)) for value in domain.values())
                found = {path: CategoricalDistribution(texts)}
            else:
                found = {f"{path}[{j}]": IntDistribution(0, 1) for j in range(domain.n)}
            self._made[path] = found
        return found

    def of(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters' values in an architecture."""
        found: dict[str, Any] = {}
        for path, value in architecture.items():
            domain = self._space.decision(path).domain
            if isinstance(domain, Choice) and self._numeric:
                found[path] = domain.index(value)
            elif not isinstance(domain, Subset):
                found[path] = value
            elif self._listed(domain):
                found[path] = json.dumps(list(value))
            else:
                found |= {f"{path}[{j}]": int(j in value) for j in range(domain.n)}
        return found

    def read(self, params: Mapping[str, Any]) -> Architecture | None:
        """The architecture that parameters stand for; None where they are none of this space."""
        values: dict[str, Any] = {}
        pending = list(reversed(self._space.decisions))
        while pending:
            decision = pending.pop()
            names = list(self.distributions(decision.path))
            if any(name not in params for name in names):
                return None
            domain, given = decision.domain, params[names[0]]
            value: Any = given
            if isinstance(domain, Choice) and self._numeric:
                value = domain.values_[given] if 0 <= given < domain.size else None
            elif isinstance(domain, Subset) and self._listed(domain):
                value = tuple(json.loads(given))
            elif isinstance(domain, Subset):
                value = tuple(j for j, name in enumerate(names) if params[name])
            values[decision.path] = value
            if not domain.contains(value):
                return None
            pending += reversed(list(decision.live(domain.normalise(value))))
        made = Architecture(values)
        return None if self._space.why_not(made) else self._space.check(made)

    def suggested(self, trial: optuna.Trial, rng: Random) -> Architecture | None:
        """What a trial suggests; None where it breaks a limit of the space.

        Args:
            trial: of a study whose sampler suggests.
            rng: mends subsets of a wrong size.
        """
        made = Architecture(grow(self._space, lambda decision: self._value(trial, decision, rng)))
        return None if self._space.why_not(made) else self._space.check(made)

    def _value(self, trial: optuna.Trial, decision: Decision, rng: Random) -> Any:
        domain, path = decision.domain, decision.path
        parameters = self.distributions(path)
        if path not in parameters:
            assert isinstance(domain, Subset)
            taken = [j for j in range(domain.n) if trial.suggest_int(f"{path}[{j}]", 0, 1)]
            return _mended(domain, taken, rng)
        distribution = parameters[path]
        value: Any
        if isinstance(distribution, CategoricalDistribution):
            value = trial.suggest_categorical(path, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            low, high, step = distribution.low, distribution.high, distribution.step
            value = trial.suggest_int(path, low, high, step=step, log=distribution.log)
        else:
            assert isinstance(distribution, FloatDistribution)
            value = trial.suggest_float(
                path, distribution.low, distribution.high, log=distribution.log
            )
        if isinstance(domain, Choice) and self._numeric:
            return domain.values_[value]
        return tuple(json.loads(value)) if isinstance(domain, Subset) else value

    @staticmethod
    def _listed(domain: Subset) -> bool:
        return domain.allowed is not None or domain.size <= _MOST_LISTED


def _mended(domain: Subset, taken: list[int], rng: Random) -> tuple[int, ...]:
    if len(taken) > domain.most:
        taken = rng.sample(taken, domain.most)
    elif len(taken) < domain.low:
        left = [j for j in range(domain.n) if j not in taken]
        taken = taken + rng.sample(left, domain.low - len(taken))
    return tuple(sorted(taken))
