"""How far a training run has come: steps turned into progress between 0 and 1."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from archwright import errors


@dataclass(frozen=True)
class Pace:
    """The position of every step in the schedule, in pieces.

    Each piece is `(start, progress, end)`: from step `start` on, where progress was `progress`, the
    run heads straight for progress 1 at step `end`. A run that kept its plan has one piece; one
    that was made shorter (a machine that slowed down, early stopping) or longer has more. Given to
    `fit(pace=...)`, it repeats the run step by step, without a clock.

    Attributes:
        pieces: the pieces, by `start`.

    >>> pace = Pace.straight(100)
    >>> pace.progress(25)
    0.25
    >>> shorter = pace.heading(for_step=60, at_step=40)
    >>> shorter.n_steps, shorter.progress(40), shorter.progress(50), shorter.progress(60)
    (60, 0.4, 0.7, 1.0)
    """

    pieces: tuple[tuple[int, float, int], ...] = field(default=((0, 0.0, 1),))

    def __post_init__(self) -> None:
        pieces = tuple((int(a), float(p), int(b)) for a, p, b in self.pieces)
        object.__setattr__(self, "pieces", pieces)
        starts = [start for start, _, _ in pieces]
        positions = [progress for _, progress, _ in pieces]
        if (
            not pieces
            or pieces[0][:2] != (0, 0.0)
            or sorted(starts) != starts
            or sorted(positions) != positions
            or any(not 0.0 <= progress < 1.0 or end <= start for start, progress, end in pieces)
        ):
            raise errors.InputError(
                "a pace needs pieces (start, progress, end) that begin with (0, 0.0, ...), with "
                f"starts and progress that never fall and start < end, got {self.pieces!r}"
            )

    @classmethod
    def straight(cls, n_steps: int) -> Pace:
        """A pace that reaches its end at step `n_steps` without a bend."""
        return cls(((0, 0.0, n_steps),))

    @property
    def n_steps(self) -> int:
        """The step at which progress is 1."""
        return self.pieces[-1][2]

    def progress(self, step: float) -> float:
        """Progress after `step` steps, between 0 and 1."""
        if step >= self.n_steps:
            return 1.0
        for start, progress, end in reversed(self.pieces):
            if step >= start:
                return progress + (1.0 - progress) * (step - start) / (end - start)
        return 0.0

    def heading(self, *, for_step: int, at_step: int) -> Pace:
        """The same pace up to `at_step`, and straight to its end at `for_step` from there."""
        kept = tuple(piece for piece in self.pieces if piece[0] < at_step)
        return Pace((*kept, (at_step, self.progress(at_step), for_step)))


@dataclass(frozen=True)
class Stretch:
    """Some steps in a row, and what they took in all."""

    seconds: float
    n_steps: int

    @property
    def step_seconds(self) -> float:
        """Of one step."""
        return self.seconds / self.n_steps


def usual_step_seconds(stretches: Sequence[Stretch]) -> float:
    """The mean time of a step, without the slowest tenth of the stretches.

    Of four and more at least one is left out: a stall of the machine is no property of a step.

    >>> usual_step_seconds([Stretch(3.0, 1), Stretch(1.0, 9)])
    0.4
    >>> usual_step_seconds([Stretch(1.0, 10)] * 3 + [Stretch(50.0, 1)])
    0.1
    """
    n_stalls = math.ceil(len(stretches) / 10) if len(stretches) >= 4 else 0
    by_speed = sorted(stretches, key=lambda stretch: stretch.step_seconds)
    kept = by_speed[: len(stretches) - n_stalls]
    return sum(one.seconds for one in kept) / sum(one.n_steps for one in kept)


class Guard:
    """Keeps a run inside its time: shortens or lengthens what is left of its schedule.

    The time of a step to come is judged by as long a past as half of what is left, at least two
    intervals: a machine shared with others is slow for a while now and then, and a schedule cut
    for each such while would leave much of its time unused. The slowest tenth of the intervals is
    left out, so one stall does not count as a slow machine; the time it took is gone all the same.

    Attributes:
        n_steps: the most steps the run may take.
    """

    def __init__(
        self,
        *,
        deadline: float,
        interval: float,
        n_steps: int,
        rehearsed: Sequence[Stretch],
        validation_seconds: float = 0.0,
        steps_per_validation: int = 1,
    ) -> None:
        self.n_steps = n_steps
        self._deadline = deadline
        self._interval = interval
        self._stretches = deque(rehearsed, maxlen=60)
        self._validation_seconds = deque([validation_seconds], maxlen=5)
        self._steps_per_validation = steps_per_validation
        self._begun = self._since = math.inf
        self._at_step = 0

    def start(self, now: float) -> None:
        """The run begins."""
        self._begun = self._since = now

    def validated(self, seconds: float) -> None:
        """A validation took so long; it does not count as training."""
        self._validation_seconds.append(seconds)
        self._begun += seconds
        self._since += seconds

    def affordable(self, now: float) -> int:
        """How many steps, with their validations, fit into the time left; may be negative."""
        n_ahead = (self._deadline - now) / self._interval
        past = list(self._stretches)[-max(2, round(0.5 * n_ahead)) :]
        validation = median(self._validation_seconds)
        step = usual_step_seconds(past) + validation / self._steps_per_validation
        return int((self._deadline - now - validation) / step)

    def due(self, now: float) -> bool:
        """Whether it is time to `adjust` again."""
        # Often at first: what was rehearsed in a busy moment may be wrong by a factor.
        interval = 0.1 * self._interval + 0.5 * (self._since - self._begun)
        return now - self._since >= min(self._interval, interval)

    def adjust(self, pace: Pace, step: int, now: float) -> Pace:
        """The pace for the rest of the run, after `step` steps."""
        self._stretches.append(Stretch(now - self._since, step - self._at_step))
        self._since, self._at_step = now, step
        left = pace.n_steps - step
        if left < 1:
            return pace
        affordable = self.affordable(now)
        if affordable < 0.97 * left - 0.003 * pace.n_steps:
            # Annealing takes some steps, even where the time is up.
            end = step + min(left, max(affordable, 1 + pace.n_steps // 100))
        elif affordable > left + 0.05 * pace.n_steps and pace.progress(step) < 0.97:
            end = min(self.n_steps, step + max(left, int(0.97 * affordable)))
        else:
            return pace
        return pace if end == pace.n_steps else pace.heading(for_step=end, at_step=step)
