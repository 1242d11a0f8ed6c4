"""The policy of a controller by itself: drawn from and taught by whoever holds it."""

from __future__ import annotations

from random import Random

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.controller import Learner
from archwright.strategies.reinforce import Reinforce
from archwright.trials import Objective, Trial

_OBJECTIVE = Objective.of(maximize="reward")


class Policy:
    """An LSTM controller that learns by REINFORCE, outside a search.

    For training that alternates with the controller's, as in ENAS (`archwright.supernet.Enas`).

    Args:
        settings: the controller's options.

    Raises:
        InputError: `settings` is no `Reinforce`.

    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> taught = Policy().begin(space)
    >>> for _ in range(60):
    ...     for width in (16, 32, 64):
    ...         taught.learn(space.check({"width": width}), float(width == 32))
    >>> rng = Random(0)
    >>> sum(taught.draw(rng)["width"] == 32 for _ in range(50)) > 30
    True
    """

    def __init__(self, settings: Reinforce | None = None) -> None:
        self.settings = Reinforce() if settings is None else settings
        if not isinstance(self.settings, Reinforce):
            raise InputError(f"settings must be a Reinforce, got {settings!r}")

    def __repr__(self) -> str:
        return f"Policy({self.settings!r})"

    def begin(self, space: Space) -> TaughtPolicy:
        """A controller that has learnt nothing yet."""
        return TaughtPolicy(self.settings, space)


class TaughtPolicy:
    """A controller and what it has learnt. The same lessons in the same order: the same policy."""

    def __init__(self, settings: Reinforce, space: Space) -> None:
        self._settings = settings
        self._learner = Learner(settings, space, _OBJECTIVE)
        self._trials: list[Trial] = []

    def draw(self, rng: Random) -> Architecture | None:
        """An architecture of the policy; None where it breaks an edge limit."""
        return self._learner.draw(rng, 1.0)

    def learn(self, arch: Architecture, reward: float) -> None:
        """Take a reward into account, larger being better."""
        self._trials.append(
            Trial(len(self._trials), arch, "complete", {"reward": reward}, origin="policy")
        )
        self._learner.read(self._trials, self._settings._update)
