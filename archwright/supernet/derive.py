"""From strengths to an architecture of the space."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from archwright.space import Architecture, Decision, Space, Subset
from archwright.supernet.relaxations import Relaxation
from archwright.supernet.strengths import Strengths

Feasible = Callable[[Architecture], bool]
_LEAST = 1e-12


def scores(strengths: Strengths, relaxation: Relaxation) -> dict[str, dict[Any, float]]:
    """For each decision the logarithm of each value's probability.

    Inputs of a cell's node whose edges have operations, and no strengths of their own, follow the
    rule of DARTS: an edge is as strong as its strongest operation that is not nothing, and the
    subset of the strongest edges is the best. Where the number of edges is open, an edge is taken
    where that operation is stronger than nothing.

    Source: Hanxiao Liu et al., "DARTS", ICLR 2019, arXiv:1806.09055, section 2.4.
    """
    found: dict[str, dict[Any, float]] = {}
    for path, one in strengths.decisions.items():
        if path in strengths.values:
            p = strengths.probability(path, relaxation).tolist()
            found[path] = {
                value: math.log(max(share, _LEAST))
                for value, share in zip(one.domain.values(), p, strict=True)
            }
    for path, one in strengths.decisions.items():
        if path not in strengths.values:
            found[path] = _wiring(one, strengths, found)
        elif one.is_wiring:
            # With strengths of the edges, as in PC-DARTS, the product of both decides.
            own = found[path]
            by_ops = _wiring(one, strengths, found)
            found[path] = {value: own[value] + by_ops[value] for value in own}
    _leave_out_nothing(strengths, found)
    return found


def _wiring(
    one: Any, strengths: Strengths, found: Mapping[str, dict[Any, float]]
) -> dict[Any, float]:
    gains = []
    for op in one.edges:
        decision = strengths.decisions.get(op)
        if decision is None or op not in found:
            gains.append(0.0)
            continue
        logs = list(found[op].values())
        best = max(x for k, x in enumerate(logs) if k not in decision.zeros or len(logs) == 1)
        nothing = max((logs[k] for k in decision.zeros), default=math.log(_LEAST))
        fixed_number = isinstance(one.domain, Subset) and one.domain.low == one.domain.most
        gains.append(best if fixed_number else best - nothing)
    totals = {value: sum(gains[j] for j in value) for value in one.domain.values()}
    most = max(totals.values())
    return {value: total - most for value, total in totals.items()}


def _leave_out_nothing(strengths: Strengths, found: dict[str, dict[Any, float]]) -> None:
    """An edge that is taken does something: nothing is the last of its operations."""
    for one in strengths.decisions.values():
        if one.is_wiring:
            for op in one.edges:
                decision = strengths.decisions.get(op)  # type: ignore[arg-type]
                if decision is None or decision.path not in found:
                    continue
                values = list(found[decision.path])
                if len(decision.zeros) < len(values):
                    for k in decision.zeros:
                        found[decision.path][values[k]] += math.log(_LEAST)


def derive(
    space: Space,
    found: Mapping[str, Mapping[Any, float]],
    *,
    fixed: Mapping[str, Any] | None = None,
    feasible: Feasible | None = None,
    n: int = 1,
    most: int = 400,
) -> list[Architecture]:
    """The most probable architectures that belong to the space and keep the limits.

    Each decision takes its most probable value, under the values of those above it. Where that
    breaks a constraint of the space or a limit, others are tried in the order of how much
    probability they give up.

    Args:
        space: the space.
        found: path -> value -> logarithm of its probability (`scores`).
        fixed: path -> value of decisions that take no part.
        feasible: whether an architecture keeps the limits; None: all do.
        n: how many, different in the sense of `space.canonical`.
        most: architectures that are tried at most.

    Returns:
        Up to `n`, the most probable first; fewer, or none, where no more were found.

    >>> from archwright.space import Choice
    >>> space = Space({"a": Choice((1, 2)), "b": Choice((1, 2))})
    >>> found = {"a": {1: -0.1, 2: -2.3}, "b": {1: -0.7, 2: -0.6}}
    >>> [tuple(arch.values()) for arch in derive(space, found, n=2)]
    [(1, 2), (1, 1)]
    """
    fixed = fixed or {}
    made: list[Architecture] = []
    seen: set[Any] = set()
    for tried, arch in enumerate(_in_order(space, found, fixed)):
        if tried >= most:
            break
        if space.why_not(arch) is not None:
            continue
        checked = space.check(arch)
        form = space.canonical(checked)
        if form in seen:
            continue
        seen.add(form)
        if feasible is None or feasible(checked):
            made.append(checked)
            if len(made) == n:
                break
    return made


def _in_order(
    space: Space, found: Mapping[str, Mapping[Any, float]], fixed: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Architectures in the order of what they give up against the best value of each decision."""
    count = itertools.count()
    start: tuple[tuple[str, Any], ...] = ()
    queue: list[tuple[float, int, dict[str, Any]]] = [(0.0, next(count), dict(start))]
    seen: set[tuple[tuple[str, Any], ...]] = {start}
    while queue:
        given_up, _, forced = heapq.heappop(queue)
        arch: dict[str, Any] = {}
        options: list[tuple[float, str, Any]] = []
        final: set[str] = set()  # decisions without others below them
        for decision in _live(space, arch, found, fixed, forced):
            path = decision.path
            if path in fixed or path in forced or path not in found:
                continue
            own = found[path]
            best = own[arch[path]]
            options += [(best - x, path, v) for v, x in own.items() if v != arch[path]]
            if not decision.branches:
                final.add(path)
        yield arch
        broken = {
            path for limit in space.constraints if not limit.allows(arch) for path in limit.paths
        }
        if broken:
            # Only fewer edges can mend it, or another value that decides which of them are live;
            # what else may change is tried below those.
            options = [
                (loss, path, value)
                for loss, path, value in options
                if (len(value) < len(arch[path]) if path in broken else path not in final)
            ]
        options.sort(key=lambda option: option[0])
        for loss, path, value in options[:64]:
            more = {**forced, path: value}
            key = tuple(sorted(more.items()))
            if key not in seen:
                seen.add(key)
                heapq.heappush(queue, (given_up + loss, next(count), more))


def _live(
    space: Space,
    arch: dict[str, Any],
    found: Mapping[str, Mapping[Any, float]],
    fixed: Mapping[str, Any],
    forced: Mapping[str, Any],
) -> Iterator[Decision]:
    """Live decisions in tree order; each gets its value in `arch` before it is answered."""
    pending = list(reversed(space.decisions))
    while pending:
        decision = pending.pop()
        path = decision.path
        if path in forced:
            value = forced[path]
        elif path in fixed or path not in found:
            value = fixed.get(path, decision.default)
        else:
            value = max(found[path], key=found[path].__getitem__)
        arch[path] = value
        pending.extend(reversed(list(decision.live(value))))
        yield decision
