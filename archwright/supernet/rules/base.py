"""What a training rule of a supernet is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from archwright.space import Architecture, Decision

if TYPE_CHECKING:
    from archwright.nn import ModelSpace
    from archwright.supernet.sizes import Sizes

FIRST = "first"
KEPT = "kept"


@dataclass(frozen=True)
class Pass:
    """One architecture that is run on the step's batch, and what it learns from.

    Attributes:
        architecture: what is active.
        teacher: None: learns from the labels; "first": from the outputs of the step's first pass
            (in-place distillation); "kept": from the network that `Step.keep` has kept.
        teacher_share: weight of the teacher's outputs against the labels, 0 to 1.
        weight: of its loss among the step's passes.
    """

    architecture: Architecture
    teacher: str | None = None
    teacher_share: float = 1.0
    weight: float = 1.0


class Rule(Protocol):
    """Says which architectures a step trains, and by what.

    A rule is a value: what it has to remember from step to step goes into `Step.memory`, so that
    a training that was killed goes on as if it had not been.
    """

    def plan(self, step: Step) -> Sequence[Pass]:
        """The passes of a step, in order; their gradients are added before one update.

        Called once a step, in the training process.
        """
        ...


@dataclass
class Step:
    """One step of the training of a supernet, as a rule sees it.

    Attributes:
        space: the space.
        sizes: draws architectures within the limits, and knows what they cost.
        rng: what the rule draws from; its state is kept in checkpoints.
        number: the step's number, from 0.
        progress: how much of the training is done, 0 to 1.
        starts_epoch: whether it is the first of a pass over the data.
        memory: what the rule remembers; plain values, tensors, tuples, lists and mappings of such.
        scratch: what it may cache; empty after a resumption.
        loss: architecture -> its loss on this step's batch, without gradient.
        reward: architecture -> its main metric on a batch of validation rows; larger is better.
        keep: keeps a copy of an architecture's network, as it is now, as the teacher "kept".
    """

    space: ModelSpace
    sizes: Sizes
    rng: Random
    number: int = 0
    progress: float = 0.0
    starts_epoch: bool = False
    memory: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, Any] = field(default_factory=dict)
    loss: Callable[[Architecture], float] | None = None
    reward: Callable[[Architecture], float] | None = None
    keep: Callable[[Architecture], None] | None = None

    def draw(self, *, uniform: bool = False) -> Architecture:
        """A random architecture within the limits; see `Space.sample`."""
        return self.sizes.draw(self.rng, uniform=uniform)

    @property
    def largest(self) -> Architecture:
        """The largest architecture within the limits, by FLOPs."""
        return self.sizes.largest

    @property
    def smallest(self) -> Architecture:
        """The smallest architecture within the limits, by FLOPs."""
        return self.sizes.smallest


def compose(space: ModelSpace, pick: Callable[[Decision], Any]) -> Architecture:
    """The architecture whose live decisions are `pick`'s answers, asked in tree order.

    Raises:
        ArchitectureError: it breaks a limit on edges.

    >>> import archwright.nn as aw
    >>> space = aw.ModelSpace(lambda: aw.linear(2, aw.choice("width", [4, 8])))
    >>> compose(space, lambda decision: list(decision.domain.values())[-1])
    Architecture(width=8)
    """
    values: dict[str, Any] = {}
    pending = list(reversed(space.decisions))
    while pending:
        decision = pending.pop()
        value = values[decision.path] = pick(decision)
        pending.extend(reversed(list(decision.live(value))))
    return space.check(values)


def as_values(arch: Mapping[str, Any]) -> dict[str, Any]:
    """An architecture as a plain mapping, for a rule's memory."""
    return dict(arch)
