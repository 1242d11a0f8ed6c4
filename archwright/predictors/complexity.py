"""How complex an architecture is, for methods that go from simple to complex."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from random import Random

from archwright.predictors.graphs import cell_graph
from archwright.predictors.memo import Remembered
from archwright.space import Architecture, Real, Space

_N_DRAWN = 300


def complexity(space: Space, architecture: Architecture) -> int:
    """A whole number that grows as parts are added to an architecture.

    - In a space of cells: the operations that are left in the cells when what is skipped, zero or
      does not reach the output is gone.
    - Else, in a space where some decisions are live under conditions only: the number of live
      decisions; for a repeated block that is its depth.
    - Else the number of decisions that are not at their default, real numbers left out.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"a": Choice((1, 2)), "b": Choice((1, 2))})
    >>> [complexity(space, arch) for arch in space.enumerate()]
    [0, 1, 1, 2]
    """
    if space.cells:
        return sum(graph.n_operations for graph in cell_graph(space, architecture).values())
    if any(decision.branches for decision in space.decisions):
        return len(architecture)
    found = 0
    for path, value in architecture.items():
        decision = space.decision(path)
        found += value != decision.default and not isinstance(decision.domain, Real)
    return found


class Levels:
    """Complexities cut into levels of about equally many random architectures.

    Args:
        space: the search space.
        n: how many levels there are at most; there are fewer where fewer complexities occur.

    >>> from archwright.space import Choice, Space
    >>> space = Space({name: Choice((0, 1)) for name in "abcd"})
    >>> levels = Levels(space, 3)  # at most one decision changed, two, more
    >>> levels.n, levels.of(space.default)
    (3, 0)
    """

    def __init__(self, space: Space, n: int) -> None:
        self._known: Remembered[Architecture, int] = Remembered(partial(complexity, space))
        # From the space alone: always the same draws.
        rng = Random(0)
        drawn = sorted(complexity(space, space.sample(rng=rng)) for _ in range(_N_DRAWN))
        # A level ends when it holds about its share; what is rare is no level of its own.
        self._starts: list[int] = []
        least, begun = 0.8 * len(drawn) / n, 0
        for i in range(1, len(drawn)):
            if drawn[i] > drawn[i - 1] and i - begun >= least and len(drawn) - i >= least / 2:
                self._starts.append(drawn[i])
                begun = i

    @property
    def n(self) -> int:
        """The number of levels."""
        return len(self._starts) + 1

    def of(self, architecture: Architecture) -> int:
        """The level of an architecture, from 0 for the simplest."""
        return self.at(self.complexity(architecture))

    def at(self, complexity: int) -> int:
        """The level of a complexity."""
        return bisect_right(self._starts, complexity)

    def complexity(self, architecture: Architecture) -> int:
        """The complexity of an architecture, remembered."""
        return self._known[architecture]
