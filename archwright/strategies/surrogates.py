"""What strategies with a model of the score share: its examples, and where it is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

from archwright.space import Architecture, Space
from archwright.trials import History, Trial

Scores = npt.NDArray[np.float64]

_MOST_VAIN = 40  # draws in a row that give nothing new: what is left there is little


def evidence(history: History, *, n_complete: int | None = None) -> tuple[list[Trial], Scores]:
    """What a model of the score learns from: trials, and a score for each.

    Evaluations that failed or broke a limit count as the worst that succeeded (as in SMAC), so
    that the model keeps away from where they were; of these the latest only, no more than there
    are successful ones (and twenty), as a tight limit may break by the thousand.

    Args:
        history: the trials so far, of which at least one is complete.
        n_complete: as it was when so many trials were complete and feasible; None: now.

    Source: for what failed, Lindauer et al., SMAC3: A Versatile Bayesian Optimization Package for
    Hyperparameter Optimization, JMLR 2022, arXiv 2109.09831.
    """
    n = len(history.complete) if n_complete is None else n_complete
    good, scores = history.complete[:n], np.array(history.scores[:n], dtype=float)
    bad: list[Trial] = []
    if len(history.trials) > len(history.complete):
        left = n
        is_good = {trial.number for trial in good}
        for trial in history.trials:
            if trial.number in is_good:
                left -= 1
                if not left:
                    break
            elif trial.state != "pruned":
                bad.append(trial)
        if n_complete is None:
            known = is_good | {trial.number for trial in bad}
            bad += [t for t in history.trials if t.number not in known and t.state != "pruned"]
        bad = bad[-max(20, n) :]
    return good + bad, np.concatenate([scores, np.full(len(bad), scores.min())])


def settled(history: History, n_initial: int, batch: int) -> int | None:
    """The number of complete trials that a model trained every `batch` trials knows.

    None while the initial random architectures are not all complete, apart from those that still
    run.
    """
    n = len(history.complete)
    if n + len(history.running) < n_initial or not n:
        return None
    return n if n < n_initial else n_initial + (n - n_initial) // batch * batch


def best_trials(history: History, n: int) -> list[Trial]:
    """The `n` complete, feasible trials with the best scores, best first."""
    scores = history.scores
    if n == 1:
        return [history.complete[max(range(len(scores)), key=scores.__getitem__)]]
    order = np.argsort(-np.asarray(scores), kind="stable")[:n]
    return [history.complete[i] for i in order]


def mutated(
    space: Space, architecture: Architecture, rng: Random, *, more: float = 0.25
) -> Architecture:
    """One decision changed, with probability `more` a second one, with its square a third, ..."""
    n_changed = 1
    while n_changed < 8 and rng.random() < more:
        n_changed += 1
    return space.mutate(architecture, rng=rng, n=n_changed)


class Pool:
    """Architectures that were not evaluated before, no two of them canonical duplicates.

    Attributes:
        architectures: the architectures.
        parents: for each the number of the trial that it was derived from, or None.
    """

    def __init__(self, history: History) -> None:
        self.architectures: list[Architecture] = []
        self.parents: list[int | None] = []
        self._history = history
        self._known: set[Architecture] = set()

    def __len__(self) -> int:
        return len(self.architectures)

    def add(self, architecture: Architecture, parent: int | None = None) -> bool:
        """Add one, unless it is known; says whether it was added."""
        canonical = self._history.space.canonical(architecture)
        if canonical in self._history.seen or canonical in self._known:
            return False
        self._known.add(canonical)
        self.architectures.append(architecture)
        self.parents.append(parent)
        return True

    def add_random(self, rng: Random, n: int) -> None:
        """Add up to `n` random architectures."""
        self._fill(n, lambda: (self._history.space.sample(rng=rng), None))

    def add_mutations(
        self, rng: Random, parents: Sequence[Trial], n: int, *, more: float = 0.25
    ) -> None:
        """Add up to `n` mutations of trials, each in its turn.

        How many decisions change is drawn (see `mutated`): what is near is looked at most, and a
        space whose near part is known is left all the same.
        """
        turns = itertools.cycle(parents)

        def make() -> tuple[Architecture, int | None]:
            parent = next(turns)
            child = mutated(self._history.space, parent.architecture, rng, more=more)
            return child, parent.number

        self._fill(n, make)

    def _fill(self, n: int, make: Callable[[], tuple[Architecture, int | None]]) -> None:
        wanted, n_vain = len(self) + n, 0
        while len(self) < wanted and n_vain < _MOST_VAIN:
            n_vain = 0 if self.add(*make()) else n_vain + 1
