"""Differentiable costs: what a network of a relaxed space costs on average."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archwright.errors import InputError
from archwright.nn import ModelSpace
from archwright.nn.mixture import n_weights, positions_of, walk
from archwright.space import Real, Subset


@dataclass(frozen=True)
class ExpectedCost:
    """A cost as a sum over decisions: the expected value of a look-up table.

    The expected cost of a relaxed space is base + the sum over decisions of the probability that
    it is live times the expected entry of its table; exact where costs of options add up, as in
    chains of layers.

    Attributes:
        name: of the cost.
        base: what every network costs.
        table: path -> cost of each value (of each candidate input, for subsets).
        error: median relative error on architectures that the table was not made from; None where
            it was given.

    Sources: Han Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and
    Hardware", ICLR 2019, arXiv:1812.00332; Bichen Wu et al., "FBNet: Hardware-Aware Efficient
    ConvNet Design via Differentiable Neural Architecture Search", CVPR 2019, arXiv:1812.03443.

    Differences from the papers: entries may be fitted by least squares to costs of whole networks,
    and decisions may be nested.

    >>> import archwright.nn as aw
    >>> from torch import nn
    >>> def net():
    ...     return aw.layer("op", {"linear": lambda: aw.linear(3, 3), "id": nn.Identity})
    >>> cost = ExpectedCost("params", 0.0, {"op": (12.0, 0.0)})
    >>> float(cost(aw.ModelSpace(net), {"op": torch.tensor([0.25, 0.75])}))
    3.0
    """

    name: str
    base: float
    table: Mapping[str, Sequence[float]]
    error: float | None = None

    def __call__(self, space: ModelSpace, probabilities: Mapping[str, Tensor]) -> Tensor:
        """The expected cost.

        Args:
            space: the space.
            probabilities: path -> probability of each value, or of each input being taken.
                Decisions that are missing cost nothing.
        """
        total: Any = torch.tensor(self.base, dtype=torch.float32)
        pending: list[tuple[Any, Any]] = [(d, 1.0) for d in space.decisions]
        while pending:
            decision, live = pending.pop()
            p = probabilities.get(decision.path)
            if p is None:
                pending.extend((inner, live) for b in decision.branches for inner in b.decisions)
                continue
            entries = self.table.get(decision.path)
            if entries is not None:
                total = (
                    total + live * (p * torch.tensor(entries, dtype=p.dtype, device=p.device)).sum()
                )
            if isinstance(decision.domain, Subset):
                for branch in decision.branches:
                    common = set.intersection(*(set(v) for v in branch.values))
                    taken = live * p[min(common)] if common else live
                    pending.extend((inner, taken) for inner in branch.decisions)
                continue
            values = list(decision.domain.values())
            for branch in decision.branches:
                share = p[[k for k, v in enumerate(values) if v in branch.values]].sum()
                pending.extend((inner, live * share) for inner in branch.decisions)
        return total

    def of(self, space: ModelSpace, arch: Mapping[str, Any]) -> float:
        """The cost that the table says an architecture has."""
        total = self.base
        for path, entries in self.table.items():
            if path in arch:
                domain = space.decision(path).domain
                total += sum(entries[k] for k in positions_of(domain, arch[path]))
        return total

    @classmethod
    def fit(
        cls,
        space: ModelSpace,
        measure: Callable[[Mapping[str, Any]], float],
        *,
        name: str,
        n: int | None = None,
        seed: int = 0,
    ) -> ExpectedCost:
        """A table fitted to the costs of random architectures, by least squares.

        Args:
            space: the space.
            measure: architecture -> cost.
            name: of the cost.
            n: architectures; left out, three for each entry of the table, from 32 to 400.
            seed: of the architectures.

        Raises:
            InputError: fewer than 8 architectures.
        """
        columns: dict[str, int] = {}
        width = 1
        for decision in walk(space):
            if not isinstance(decision.domain, Real):
                columns[decision.path] = width
                width += n_weights(decision.domain)
        n = min(400, max(32, 3 * width)) if n is None else n
        if n < 8:
            raise InputError(f"a cost table needs at least 8 architectures, got n={n}")
        rng = random.Random(seed)
        rows = torch.zeros(n, width, dtype=torch.float64)
        rows[:, 0] = 1.0
        found = torch.zeros(n, dtype=torch.float64)
        for i in range(n):
            arch = space.sample(rng=rng)
            found[i] = measure(arch)
            for path, value in arch.items():
                if path in columns:
                    domain = space.decision(path).domain
                    for k in positions_of(domain, value):
                        rows[i, columns[path] + k] = 1.0
        held = max(2, n // 5)
        x, y = rows[held:], found[held:]
        scale = float(y.abs().mean()) or 1.0
        penalty = 1e-3 * torch.eye(width, dtype=torch.float64)
        penalty[0, 0] = 1e-9
        solved = torch.linalg.solve(x.T @ x + penalty, x.T @ (y / scale)) * scale
        error = (
            (rows[:held] @ solved - found[:held]).abs() / found[:held].abs().clamp_min(1e-9)
        ).median()
        table = {
            path: tuple(solved[start : start + n_weights(space.decision(path).domain)].tolist())
            for path, start in columns.items()
        }
        return cls(name, float(solved[0]), table, float(error))

    @classmethod
    def of_networks(
        cls,
        space: ModelSpace,
        name: str,
        input_shape: Sequence[int],
        *,
        n: int | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> ExpectedCost:
        """A table of "params", "flops", "latency_ms" or another cost that Archwright knows.

        Args:
            space: the space.
            name: of the cost.
            input_shape: of one input, without the batch.
            n: networks that are built, see `fit`.
            seed: of the architectures.
            device: where latency is measured.
        """
        from archwright.hardware import COSTS, costs

        timed = name in COSTS and COSTS[name].needs_measurement

        def measure(arch: Mapping[str, Any]) -> float:
            model = space.build(arch, seed=seed) if timed else space.build(arch, device="meta")
            return costs(model, input_shape, names=(name,), device=device)[name]

        return cls.fit(space, measure, name=name, n=n, seed=seed)
