"""What architectures cost, which of them are within limits, and the largest and the smallest."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from archwright.errors import ArchitectureError, InfeasibleError, InputError, unknown_name
from archwright.nn import ModelSpace
from archwright.space import Architecture, Choice, Decision, Integer, Real, Subset
from archwright.supernet.rules.base import compose
from archwright.trials import Objective

N_KEPT = 20_000
N_DRAWS = 50
N_STEPS = 400


class Sizes:
    """Costs of a space's architectures, counted on the meta device and remembered.

    Args:
        space: the space.
        input_shape: of one input, without the batch.
        limits: cost -> upper bound ("50k" will do), or a pair (low, high).

    Raises:
        InputError: a limit names no cost that is counted without running the network.

    >>> import archwright.nn as aw
    >>> space = aw.ModelSpace(lambda: aw.linear(2, aw.choice("width", [4, 8, 16])))
    >>> sizes = Sizes(space, (2,), {"params": 30})
    >>> sizes.largest, sizes.smallest
    (Architecture(width=8), Architecture(width=4))
    """

    def __init__(
        self,
        space: ModelSpace,
        input_shape: tuple[int, ...],
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        from archwright.hardware import COSTS

        self.space = space
        self._shape = tuple(input_shape)
        bounds = {name: _bound(name, value) for name, value in (limits or {}).items()}
        counted = [name for name, cost in COSTS.items() if not cost.needs_measurement]
        for name in bounds:
            if name not in counted:
                raise unknown_name("cost that can be counted while training", name, counted)
        self.limits = bounds
        # The goal plays no part: an objective needs one.
        self._objective = Objective.of(minimize="flops", limits=bounds)
        self._names = tuple(dict.fromkeys(("flops", "params", *bounds)))
        self._known: dict[Architecture, dict[str, float]] = {}
        self._largest: Architecture | None = None
        self._smallest: Architecture | None = None

    def costs(self, arch: Mapping[str, Any]) -> Mapping[str, float]:
        """FLOPs, parameters, and whatever the limits name."""
        from archwright.hardware import costs

        arch = self.space.check(arch)
        if arch not in self._known:
            if len(self._known) >= N_KEPT:
                self._known.clear()
            model = self.space.build(arch, device="meta")
            self._known[arch] = costs(model, self._shape, names=self._names)
        return self._known[arch]

    def flops(self, arch: Mapping[str, Any]) -> float:
        """FLOPs of one input."""
        return self.costs(arch)["flops"]

    def feasible(self, arch: Mapping[str, Any]) -> bool:
        """Whether an architecture is within the limits."""
        return not self.limits or self._excess(arch) == 0

    def _excess(self, arch: Mapping[str, Any]) -> float:
        return self._objective.violation(self.costs(arch))

    def draw(self, rng: random.Random, *, uniform: bool = False) -> Architecture:
        """A random architecture within the limits.

        Drawn again until one is; after 50 vain draws the nearest of them is changed, decision by
        decision, until it is.

        Raises:
            InfeasibleError: none was found.
        """
        nearest, least = None, math.inf
        for _ in range(N_DRAWS):
            arch = self.space.sample(rng=rng, uniform=uniform)
            if not self.limits:
                return arch
            excess = self._excess(arch)
            if excess == 0:
                return arch
            if excess < least:
                nearest, least = arch, excess
        assert nearest is not None
        for _ in range(N_STEPS):
            arch = self.space.mutate(nearest, rng=rng)
            excess = self._excess(arch)
            if excess == 0:
                return arch
            if excess <= least:
                nearest, least = arch, excess
        broken = "; ".join(self._objective.broken(self.costs(nearest)))
        raise InfeasibleError(
            f"no architecture within the limits was found to train; nearest: {broken}"
        )

    @property
    def largest(self) -> Architecture:
        """The architecture of the most FLOPs within the limits, found decision by decision."""
        if self._largest is None:
            self._largest = self._extreme(1)
        return self._largest

    @property
    def smallest(self) -> Architecture:
        """The architecture of the fewest FLOPs within the limits, found decision by decision."""
        if self._smallest is None:
            self._smallest = self._extreme(-1)
        return self._smallest

    def _extreme(self, sign: int) -> Architecture:
        """Coordinate ascent, numbers and subsets at their two ends, options one by one.

        Options are ranked at the first decision that has them; the other decisions with the same
        options try the best of them alone.
        """

        def size(arch: Architecture) -> tuple[float, float]:
            found = self.costs(arch)
            return sign * found["flops"], sign * found["params"]

        chosen: dict[str, Any] = {}

        def pick(decision: Decision) -> Any:
            return chosen.get(decision.path, _ends(decision)[-1 if sign > 0 else 0])

        best = _composed(self.space, pick)
        if best is None or not self.feasible(best):
            best = self.draw(random.Random(0))
        chosen.update(best)
        winners: dict[tuple[Any, ...], Any] = {}
        for decision in (d for root in self.space.decisions for d in root.walk()):
            path = decision.path
            if path not in best:
                continue
            tried = _tried(decision, all_of_them=bool(self.limits))
            options = tuple(tried)
            if len(options) > 2 and options in winners and not self.limits:
                tried = [winners[options]]
            for value in tried:
                before = chosen[path]
                if value == before:
                    continue
                chosen[path] = value
                arch = _composed(self.space, pick)
                if arch is not None and self.feasible(arch) and size(arch) > size(best):
                    best = arch
                    chosen.update(best)
                else:
                    chosen[path] = before
            winners[options] = chosen[path]
        return best


def _composed(space: ModelSpace, pick: Callable[[Decision], Any]) -> Architecture | None:
    try:
        return compose(space, pick)
    except ArchitectureError:
        return None


def _ends(decision: Decision) -> list[Any]:
    """The values among which a size is extreme: of numbers and subsets two, of options all."""
    domain = decision.domain
    if isinstance(domain, Real):
        return [domain.low, domain.high]
    if isinstance(domain, Subset) and domain.allowed is None:
        return [tuple(range(domain.low)), tuple(range(domain.most))]
    values: list[Any] = list(domain.values())
    if isinstance(domain, Integer | Subset):
        return [values[0], values[-1]]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return [min(values), max(values)]
    return values


def _tried(decision: Decision, *, all_of_them: bool) -> list[Any]:
    """Where limits forbid the ends, what lies between is tried, too."""
    if all_of_them and isinstance(decision.domain, Choice | Integer):
        return list(decision.domain.values())
    return _ends(decision)


def _bound(name: str, value: Any) -> Any:
    from archwright.hardware import parse_quantity

    if isinstance(value, str):
        return parse_quantity(value.strip().removeprefix("<="), name)
    if isinstance(value, tuple) and len(value) == 2:
        low, high = value
        return (-math.inf if low is None else low, math.inf if high is None else high)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            f"the limit on {name} must be a number, a quantity such as '50k' or a pair (low, "
            f"high), got {value!r}"
        )
    return value
