"""Progressive shrinking: the largest network first, then kernel, depth, expansion, width (OFA)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from archwright.errors import ArchitectureError, InputError, whole_number
from archwright.space import Architecture, Decision, Real
from archwright.supernet.rules.base import KEPT, Pass, Step, compose

ORDER: Mapping[str, tuple[str, ...]] = {
    "kernel": ("*kernel*",),
    "depth": ("*depth*", "*n_blocks*", "*layers*"),
    "expansion": ("*expan*", "*ratio*"),
    "width": ("*width*", "*channels*", "*filters*"),
}
"""Which decisions open in which stage, by patterns of their own names (what follows the last
slash of the path), stage by stage."""

OPENED_BY = 0.5
N_TRIES = 20
MOST_LISTED = 64


@dataclass(frozen=True)
class ProgressiveShrinking:
    """First the largest network alone, then more and more of the smaller ones inside it.

    The training is cut into a part for the largest network and equal parts for the stages. In a
    stage its decisions open one value after the other over the stage's first half, from the
    largest network's value downwards, and those of earlier stages stay open. The largest network,
    as it is when its part is over, is the teacher of all that follows. What belongs to no stage
    opens in a last one; stages without decisions are left out.

    Args:
        first: share of the training that the largest network gets.
        n: architectures a step, once there are several.
        teacher_share: weight of the teacher's outputs against the labels.
        order: name of a stage -> patterns of names of decisions.

    Raises:
        InputError: an argument is out of range.

    Source: Han Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
    Deployment", ICLR 2020, arXiv:1908.09791.

    Differences from the paper: values open evenly instead of by a table of epochs; widths are a
    stage, too, and any other decision a last one; channels are not sorted by their norms before
    expansion and width open; the learning rate follows the recipe's one schedule instead of one a
    stage. Kernels are cropped unless the supernet has transformation matrices
    (`archwright.supernet.add_kernel_transforms`).

    >>> ProgressiveShrinking().first
    0.3
    """

    first: float = 0.3
    n: int = 2
    teacher_share: float = 0.5
    order: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(ORDER))

    def __post_init__(self) -> None:
        if not 0 < self.first < 1:
            raise InputError(f"first must lie between 0 and 1, got {self.first!r}")
        if not 0 <= self.teacher_share <= 1:
            raise InputError(f"teacher_share must lie in 0 to 1, got {self.teacher_share!r}")
        whole_number("n", self.n)

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        if step.progress < self.first:
            return [Pass(step.largest)]
        if not step.memory.get("kept"):
            assert step.keep is not None
            step.keep(step.largest)
            step.memory["kept"] = True
        if "stages" not in step.scratch:
            step.scratch["stages"] = self.stages(step)
        stages: dict[str, int] = step.scratch["stages"]
        n_stages = 1 + max(stages.values(), default=0)
        at = n_stages * (step.progress - self.first) / (1 - self.first)
        return [
            Pass(self._drawn(step, stages, at), KEPT, self.teacher_share) for _ in range(self.n)
        ]

    def stages(self, step: Step) -> dict[str, int]:
        """Path -> number of the stage in which a decision opens."""
        patterns = list(self.order.values())
        found: dict[str, int] = {}
        for decision in _all(step.space.decisions):
            name = decision.path.rpartition("/")[2]
            found[decision.path] = next(
                (k for k, each in enumerate(patterns) if any(fnmatchcase(name, p) for p in each)),
                len(patterns),
            )
        used = sorted(set(found.values()))
        return {path: used.index(k) for path, k in found.items()}

    def _drawn(self, step: Step, stages: Mapping[str, int], at: float) -> Architecture:
        def pick(decision: Decision) -> Any:
            inside = at - stages[decision.path]
            ordered = _from_largest(step, decision)
            if inside < 0:
                return ordered[0]
            if not _is_listed(decision):
                return decision.domain.sample(step.rng)
            n_open = 1 + math.ceil((len(ordered) - 1) * min(1.0, inside / OPENED_BY))
            return step.rng.choice(ordered[:n_open])

        for _ in range(N_TRIES):
            try:
                arch = compose(step.space, pick)
            except ArchitectureError:
                continue
            if step.sizes.feasible(arch):
                return arch
        # Nothing of what is open is within the limits but what the largest network has.
        return step.largest


def _all(decisions: Sequence[Decision]) -> list[Decision]:
    return [inner for decision in decisions for inner in decision.walk()]


def _is_listed(decision: Decision) -> bool:
    return not isinstance(decision.domain, Real) and decision.domain.size <= MOST_LISTED


def _from_largest(step: Step, decision: Decision) -> list[Any]:
    """A decision's values: that of the largest network first, then downwards."""
    known: dict[str, list[Any]] = step.scratch.setdefault("ordered", {})
    if decision.path not in known:
        domain = decision.domain
        if not _is_listed(decision):
            known[decision.path] = [step.largest.get(decision.path, decision.default)]
            return known[decision.path]
        values: list[Any] = list(domain.values())
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            values.sort(reverse=True)
        first = step.largest.get(decision.path, values[0])
        values.remove(first)
        known[decision.path] = [first, *values]
    return known[decision.path]
