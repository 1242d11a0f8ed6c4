"""ENAS: a controller and the shared weights learn in alternation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from archwright.errors import InputError, whole_number
from archwright.space import Architecture, Space
from archwright.supernet.rules.base import Pass, Step, as_values

N_DRAWS = 20


class Learner(Protocol):
    """A distribution over architectures that follows rewards."""

    def draw(self, rng: Random) -> Architecture | None:
        """An architecture of the distribution; None where the draw came to nothing."""
        ...

    def learn(self, arch: Architecture, reward: float) -> None:
        """Take a reward into account. The same lessons in the same order: the same learner."""
        ...


class Sampler(Protocol):
    """Begins learners, such as `archwright.strategies.Policy`."""

    def begin(self, space: Space) -> Learner:
        """A learner that has learnt nothing yet."""
        ...


@dataclass(frozen=True)
class Enas:
    """Each step trains one architecture of a controller that learns from their rewards.

    At the start of each epoch but the first the controller draws `n_lessons` architectures and
    learns from the metric that each reaches, with the shared weights as they are, on a batch of
    validation rows. In between it stays as it is.

    Args:
        sampler: the controller, such as ``archwright.strategies.Policy()``.
        n_lessons: lessons an epoch.

    Raises:
        InputError: `sampler` begins no learners, or a number is out of range.

    Source: Hieu Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML
    2018, arXiv:1802.03268.

    Differences from the paper: the controller is whatever is given (the strategies' LSTM has one
    layer, its own learning rate and entropy bonus, and no tanh constant); 100 lessons an epoch
    instead of 2,000, for training of minutes; the first epoch, before which no reward means
    anything, draws from an untaught controller; what is searched afterwards is up to the strategy.
    """

    sampler: Any
    n_lessons: int = 100

    def __post_init__(self) -> None:
        if not callable(getattr(self.sampler, "begin", None)) or isinstance(self.sampler, type):
            raise InputError(
                "sampler must be an object with begin(space), such as "
                f"archwright.strategies.Policy(), got {self.sampler!r}"
            )
        whole_number("n_lessons", self.n_lessons)

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        lessons: list[tuple[dict[str, Any], float]] = step.memory.setdefault("lessons", [])
        if "learner" not in step.scratch:
            learner: Learner = self.sampler.begin(step.space)
            for values, reward in lessons:
                learner.learn(step.space.check(values), reward)
            step.scratch["learner"] = learner
        learner = step.scratch["learner"]
        if step.starts_epoch and step.number:
            assert step.reward is not None
            for _ in range(self.n_lessons):
                arch = _drawn(step, learner)
                reward = step.reward(arch)
                learner.learn(arch, reward)
                lessons.append((as_values(arch), reward))
        return [Pass(_drawn(step, learner))]


def _drawn(step: Step, learner: Learner) -> Architecture:
    for _ in range(N_DRAWS):
        arch = learner.draw(step.rng)
        if arch is not None and step.sizes.feasible(arch):
            return arch
    return step.draw()
