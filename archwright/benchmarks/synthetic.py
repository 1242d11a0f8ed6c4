"""Problems with a known optimum, made of nothing: for tests, examples and first comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.table import Table
from archwright.errors import unknown_name, whole_number
from archwright.space import Architecture, Branch, Decision, Space, choice


def synthetic(kind: str = "additive", *, seed: int = 0) -> Benchmark:
    """A problem with a known optimum.

    Args:
        kind: "additive": six decisions of four values, each adds its part. "interactions": the
            parts of neighbouring decisions depend on each other. "deceptive": every single change
            leads away from the optimum, towards a lower summit. "needle": one architecture of 1,024
            is better, and nothing leads there. "conditional": decisions that exist under others
            only. "two_goals": accuracy against cost, with a known front. "curves": readable at 1,
            3, 9 and 27 epochs, early values misleading for some.
        seed: another problem of the same kind.

    Returns:
        The benchmark. The optimum is 1 (in "two_goals", of the accuracy).

    Raises:
        UnknownNameError: no such kind.

    >>> synthetic("needle").optimum
    1.0
    """
    if kind not in KINDS:
        raise unknown_name("synthetic problem", kind, KINDS)
    return KINDS[kind](Random(f"{kind}/{whole_number('seed', seed, least=0)}"), f"synthetic-{kind}")


def _flat(n: int, values: int) -> Space:
    return Space({f"d{i}": choice(list(range(values))) for i in range(n)})


def _scaled(raw: Mapping[Architecture, float], name: str, **how: Any) -> Benchmark:
    low, high = min(raw.values()), max(raw.values())
    rows = {a: {"valid": (v - low) / (high - low), "seconds": 60.0} for a, v in raw.items()}
    return Table(how["space"], rows, metric="valid", cost="seconds", name=name, dataset="made up")


def _sums(space: Space, rng: Random) -> dict[Architecture, float]:
    parts: dict[Any, float] = {(p, v): rng.random() for p in space.paths for v in range(4)}
    return {a: math.fsum(parts[item] for item in a.items()) for a in space.enumerate()}


def _additive(rng: Random, name: str) -> Benchmark:
    space = _flat(6, 4)
    raw = _sums(space, rng)
    return _scaled(raw, name, space=space)


def _interactions(rng: Random, name: str) -> Benchmark:
    space = _flat(6, 4)
    paths = space.paths
    pairs = list(zip(paths, (*paths[1:], paths[0]), strict=True))
    parts: dict[Any, float] = {
        (p, q, u, v): rng.gauss(0, 1) for p, q in pairs for u in range(4) for v in range(4)
    }
    raw = {a: math.fsum(parts[p, q, a[p], a[q]] for p, q in pairs) for a in space.enumerate()}
    return _scaled(raw, name, space=space)


def _deceptive(rng: Random, name: str) -> Benchmark:
    # Traps of three decisions (Goldberg, 1987): only the whole block of hidden values pays.
    space = _flat(6, 4)
    hidden = [rng.randrange(4) for _ in space.paths]
    lures = [(h + rng.randint(1, 3)) % 4 for h in hidden]

    def block(values: Sequence[Any], first: int) -> float:
        part = range(first, first + 3)
        if all(values[i] == hidden[i] for i in part):
            return 1.0
        return 0.25 * sum(values[i] == lures[i] for i in part)

    raw = {}
    for a in space.enumerate():
        values = list(a.values())
        raw[a] = block(values, 0) + block(values, 3)
    return _scaled(raw, name, space=space)


def _needle(rng: Random, name: str) -> Benchmark:
    space = _flat(5, 4)
    listed = list(space.enumerate())
    raw = {a: 0.5 * rng.random() for a in listed}
    raw[rng.choice(listed)] = 1.0
    return _scaled(raw, name, space=space)


def _conditional(rng: Random, name: str) -> Benchmark:
    def layer(i: int) -> Decision:
        kernel = Decision(f"layer.{i}=conv/kernel", choice([1, 3, 5, 7]))
        size = Decision(f"layer.{i}=pool/size", choice([2, 3]))
        return Decision(
            f"layer.{i}",
            choice(["conv", "pool", "skip"]),
            branches=(Branch({"conv"}, [kernel]), Branch({"pool"}, [size])),
        )

    space = Space([layer(i) for i in range(4)])
    parts: dict[Any, float] = {}
    raw = {}
    for a in space.enumerate():
        raw[a] = math.fsum(parts.setdefault(item, rng.gauss(0, 1)) for item in a.items())
    return _scaled(raw, name, space=space)


def _two_goals(rng: Random, name: str) -> Benchmark:
    space = _flat(5, 4)
    gains = [rng.uniform(0.5, 1.5) for _ in space.paths]
    costs = [rng.uniform(0.5, 1.5) for _ in space.paths]
    rows = {}
    most = sum(g * math.log2(4) for g in gains)
    for a in space.enumerate():
        values = [float(v) + 1 for v in a.values()]  # type: ignore[arg-type]
        gain = sum(g * math.log2(v) for g, v in zip(gains, values, strict=True)) / most
        rows[a] = {
            "valid": gain,
            "cost": sum(c * v for c, v in zip(costs, values, strict=True)),
            "seconds": 60.0,
        }
    return Table(
        space,
        rows,
        metric=["valid", "cost"],
        minimize=["cost"],
        cost="seconds",
        name=name,
        dataset="made up",
    )


def _curves(rng: Random, name: str) -> Benchmark:
    space = _flat(5, 4)
    finals = _sums(space, rng)
    low, high = min(finals.values()), max(finals.values())

    def rows() -> Iterator[tuple[Architecture, dict[str, float]]]:
        for a, raw in finals.items():
            final = (raw - low) / (high - low)
            pace = 0.15 + 0.35 * rng.random()
            for epochs in (1, 3, 9, 27):
                grown = 1.0 if epochs == 27 else 1 - math.exp(-pace * epochs)
                yield a, {"valid": final * grown, "epochs": epochs, "seconds": 10.0 * epochs}

    return Table(
        space,
        rows(),
        metric="valid",
        cost="seconds",
        budget="epochs",
        name=name,
        dataset="made up",
    )


KINDS: Mapping[str, Callable[[Random, str], Benchmark]] = {
    "additive": _additive,
    "interactions": _interactions,
    "deceptive": _deceptive,
    "needle": _needle,
    "conditional": _conditional,
    "two_goals": _two_goals,
    "curves": _curves,
}
"""Kind -> what makes it."""
