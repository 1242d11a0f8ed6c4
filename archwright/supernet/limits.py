"""Deriving within limits that the most probable architectures break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archwright.nn import ModelSpace
from archwright.space import Architecture
from archwright.supernet.costs import ExpectedCost
from archwright.supernet.derive import Feasible, derive

_N_HALVINGS = 12


def derive_within(
    space: ModelSpace,
    found: Mapping[str, Mapping[Any, float]],
    costs: Sequence[tuple[ExpectedCost, float]],
    *,
    fixed: Mapping[str, Any],
    feasible: Feasible,
    n: int = 1,
) -> list[Architecture]:
    """Probable architectures under limits: each value's logarithm less a price for its cost.

    The price is the smallest, up to a factor of two to the number of halvings, at which the best
    architecture keeps the limits; then values with more probability are taken as long as it does.

    Args:
        space: the space.
        found: path -> value -> logarithm of its probability.
        costs: tables of the limited costs, each with its upper bound.
        fixed: path -> value of decisions that take no part.
        feasible: whether an architecture keeps the limits, as measured.
        n: how many.

    Returns:
        Up to `n`; none where no price was high enough.
    """

    def priced(price: float) -> dict[str, dict[Any, float]]:
        changed = {path: dict(values) for path, values in found.items()}
        for cost, bound in costs:
            for path, values in changed.items():
                entries = cost.table.get(path)
                if entries is None:
                    continue
                for k, value in enumerate(values):
                    own = sum(entries[j] for j in value) if isinstance(value, tuple) else entries[k]
                    values[value] -= price * own / max(bound, 1e-12)
        return changed

    def best(price: float) -> list[Architecture]:
        return derive(space, priced(price), fixed=fixed, feasible=feasible, n=1, most=20)

    high = 1.0
    while not best(high):
        high *= 4.0
        if high > 1e6:
            return []
    low = 0.0
    for _ in range(_N_HALVINGS):
        middle = 0.5 * (low + high)
        if best(middle):
            high = middle
        else:
            low = middle
    made = derive(space, priced(high), fixed=fixed, feasible=feasible, n=n, most=20 * n)
    return [_improved(space, arch, found, feasible) for arch in made[:1]] + made[1:]


def _improved(
    space: ModelSpace,
    arch: Architecture,
    found: Mapping[str, Mapping[Any, float]],
    feasible: Feasible,
) -> Architecture:
    """Single decisions changed to more probable values, as long as the limits hold."""
    changed = True
    while changed:
        changed = False
        gains = [
            (x - found[path][arch[path]], path, value)
            for path in arch
            if path in found
            for value, x in found[path].items()
            if x > found[path][arch[path]]
        ]
        for _, path, value in sorted(gains, key=lambda gain: -gain[0]):
            tried = {**arch, path: value}
            if space.why_not(tried) is None and feasible(space.check(tried)):
                arch, changed = space.check(tried), True
                break
    return arch
