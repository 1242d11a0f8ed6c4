"""Which decisions of a space can be relaxed: found by calling its supernet, not by rules."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from archwright.errors import SpaceError
from archwright.nn import ModelSpace, Supernet, seeded
from archwright.nn.mixture import Mixture, NotRelaxable, positions_of, walk
from archwright.space import Decision, Real, Subset

N_TRIED = 4
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Relaxable:
    """How the decisions of a space take part in a differentiable search.

    Attributes:
        mixed: those whose values are computed together, each with a weight.
        drawn: those of which one value is drawn in each step, and why; their gradient is that of
            the score function.
        fixed: those that stay at their defaults, and why.
    """

    mixed: tuple[str, ...]
    drawn: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)


def relaxable(space: ModelSpace, inputs: Tensor, *, seed: int = 0) -> Relaxable:
    """Sort the decisions of a space into those that can be mixed and those that cannot.

    A supernet with random weights computes a few architectures, once each as an architecture and
    once as a mixture with weights of one and zero, in float64. What fails, or answers something
    else, is not mixed: strides and strings, depths that a `forward` iterates over, options that
    answer other shapes, widths of what is joined. Where it is several decisions together, those
    that come first in the tree stay mixed.

    Args:
        space: the space.
        inputs: a batch as the network takes it; two rows of it are used.
        seed: of weights and architectures.

    Raises:
        SpaceError: the space is dynamic, or its supernet cannot be computed.

    >>> import archwright.nn as aw
    >>> from torch import nn
    >>> def net():
    ...     kernel, stride = aw.choice("kernel", [3, 5]), aw.choice("stride", [1, 2])
    ...     return nn.Sequential(
    ...         aw.conv2d(1, 2, kernel=kernel, stride=stride), nn.AdaptiveMaxPool2d(1)
    ...     )
    >>> found = relaxable(aw.ModelSpace(net), torch.zeros(2, 1, 8, 8))
    >>> found.mixed, list(found.drawn)
    (('kernel',), ['stride'])
    """
    from archwright.testing.law import randomise

    decisions = list(walk(space))
    hyper: frozenset[str] = getattr(space, "hyper_paths", frozenset())
    fixed = {
        d.path: "it is a real number"
        if isinstance(d.domain, Real)
        else "it is no part of the model"
        for d in decisions
        if isinstance(d.domain, Real) or d.path in hyper
    }
    with seeded(seed):
        supernet = space.supernet(seed=seed).eval()
        randomise(supernet)
        supernet.double()
        x = torch.randn(2, *inputs.shape[1:], dtype=torch.float64)
        if not inputs.is_floating_point():
            x = inputs[:2].to("cpu")
    trial = _Trial(space, supernet, x, fixed)
    trial.drawn.update(_loose(space))
    rng = random.Random(seed)
    met: set[str] = set()
    for _ in range(N_TRIED):
        arch = space.sample(rng=rng)
        met.update(arch)
        trial.check(arch)
    for path, above in _conditions(space).items():
        if path not in met and path not in fixed:
            found = _reaching(space, above, rng)
            if found is not None:
                met.update(found)
                trial.check(found)
    mixed = tuple(d.path for d in decisions if d.path not in trial.kept)
    return Relaxable(mixed, dict(trial.drawn), fixed)


def _loose(space: ModelSpace) -> dict[str, str]:
    """The wiring of cells that answer the nodes that no edge starts from: known beforehand."""
    reason = "the cell's output is made of the nodes that no edge starts from"
    return {
        path: reason
        for cell in space.cells
        if cell.output == "loose"
        for node in cell.nodes
        for path in (node.inputs, *(edge.source for edge in node.edges))
        if isinstance(path, str)
    }


def _conditions(space: ModelSpace) -> dict[str, dict[str, frozenset[Any]]]:
    """For each decision, the values of those above it under which it is live."""
    found: dict[str, dict[str, frozenset[Any]]] = {}

    def visit(decision: Decision, above: dict[str, frozenset[Any]]) -> None:
        found[decision.path] = above
        for branch in decision.branches:
            for inner in branch.decisions:
                visit(inner, {**above, decision.path: branch.values})

    for root in space.decisions:
        visit(root, {})
    return found


def _reaching(
    space: ModelSpace, wanted: Mapping[str, frozenset[Any]], rng: random.Random
) -> Mapping[str, Any] | None:
    """A random architecture in which some decisions have certain values; None: there is none."""
    for _ in range(20):
        arch: dict[str, Any] = {}
        pending = list(space.decisions)
        while pending:
            decision = pending.pop()
            value: Any = decision.domain.sample(rng)
            if decision.path in wanted:
                values = wanted[decision.path]
                value = rng.choice([v for v in decision.domain.values() if v in values])
            arch[decision.path] = value
            pending.extend(decision.live(value))
        if space.why_not(arch) is None:
            return space.check(arch)
    return None


class _Trial:
    def __init__(
        self, space: ModelSpace, supernet: Supernet, x: Tensor, fixed: Iterable[str]
    ) -> None:
        self.space = space
        self.supernet = supernet
        self.x = x
        self.fixed = frozenset(fixed)
        self.drawn: dict[str, str] = {}

    @property
    def kept(self) -> frozenset[str]:
        return self.fixed | frozenset(self.drawn)

    def check(self, arch: Mapping[str, Any]) -> None:
        """Draw what cannot be mixed, until the mixture computes the architecture."""
        with torch.no_grad(), self.supernet.active(arch):
            expected = _first(self.supernet(self.x))
        while not self._equal(arch, expected, self.kept):
            # Several may be at fault only together: one after the other is added to the mixture.
            order = [d.path for d in walk(self.space) if d.path not in self.kept]
            good: set[str] = set()
            before = len(self.drawn)
            for path in order:
                keep = frozenset(order) - good - {path} | self.kept
                if path in self.drawn:
                    continue
                if self._equal(arch, expected, keep):
                    good.add(path)
                else:
                    self.drawn.setdefault(
                        path, "in a mixture other channels would be read than in an architecture"
                    )
            if len(self.drawn) == before:
                raise SpaceError(
                    "this supernet does not compute in a mixture what it computes for "
                    f"{dict(arch)}: differentiable search cannot be used on this space"
                )

    def _equal(self, arch: Mapping[str, Any], expected: Tensor, keep: frozenset[str]) -> bool:
        while True:
            mixture = Mixture.one_hot(self.space, arch, keep=keep, dtype=torch.float64)
            computed = {
                d.path: positions_of(d.domain, arch[d.path])
                for d in walk(self.space)
                if isinstance(d.domain, Subset) and d.path in arch and d.path in mixture.weights
            }
            try:
                with (
                    torch.no_grad(),
                    self.supernet.mixed(Mixture(mixture.weights, computed, mixture.values)),
                ):
                    found = _first(self.supernet(self.x))
            except NotRelaxable as error:
                new = [path for path in error.paths if path not in self.drawn]
                if not new:
                    raise
                self.drawn.update(dict.fromkeys(new, error.reason))
                keep |= set(new)
                continue
            except RuntimeError:
                return False
            if found.shape != expected.shape:
                return False
            allowed = _TOLERANCE * (1 + float(expected.abs().max()))
            return float((found - expected).abs().max()) <= allowed


def _first(output: Any) -> Tensor:
    while not isinstance(output, Tensor):
        output = output[0]
    return output
