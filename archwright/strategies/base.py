"""What a strategy is, and the two questions that every one asks: is it new, and what else is."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Protocol, TypeVar, runtime_checkable

from archwright.errors import SpaceError
from archwright.space import Architecture, Space
from archwright.trials import History, Proposal

T = TypeVar("T")

N_RANDOM_TRIES = 200
LARGEST_LISTED = 1_000_000


@runtime_checkable
class Strategy(Protocol):
    """Proposes what to evaluate next, as a function of what has been evaluated.

    `propose` is called in the search's own process whenever a worker is free. It must depend on
    its arguments alone: the same history and the same state of `rng` give the same proposal,
    whether the history was fed trial by trial or at once; that is why a search resumes without
    a strategy storing anything. A cache that the history determines may be kept in
    ``history.memory``.

    A strategy that cannot serve every search may have ``check(space, objective)``, which raises an
    `InputError` that says why; it is called before any work starts.
    """

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """The next architecture to evaluate, or None when the space is exhausted.

        Args:
            history: finished trials in the order they finished, and the running ones.
            rng: the only source of randomness; fresh for each call.
        """
        ...


def remembered(history: History, key: Any, make: Callable[[], T]) -> T:
    """A strategy's cache in a history, made when it is first asked for."""
    memory = history.memory
    if key not in memory:
        memory[key] = make()
    found: T = memory[key]
    return found


def first_new(
    history: History, make: Callable[[], Architecture], *, n_tries: int
) -> Architecture | None:
    """The first of up to `n_tries` results of `make` that was not evaluated before, or None."""
    for _ in range(n_tries):
        architecture = make()
        if history.is_new(architecture):
            return architecture
    return None


def any_new(history: History, rng: Random) -> Architecture | None:
    """A random architecture that was not evaluated before; None when there is none left.

    Draws decision by decision first. When that keeps meeting known ones, the architectures left
    are listed and one is chosen uniformly; a space too large to list counts as exhausted after
    ten thousand vain draws.
    """
    space = history.space
    found = first_new(history, lambda: space.sample(rng=rng), n_tries=N_RANDOM_TRIES)
    if found is not None:
        return found
    if not _can_be_listed(space):
        return first_new(history, lambda: space.sample(rng=rng), n_tries=10_000)
    left = history.memory.get("archwright.left")
    if left is None:
        left = list(space.enumerate())
    left = history.memory["archwright.left"] = [a for a in left if history.is_new(a)]
    return rng.choice(left) if left else None


def random_proposal(history: History, rng: Random) -> Proposal | None:
    """A proposal of `any_new`."""
    architecture = any_new(history, rng)
    return None if architecture is None else Proposal(architecture, origin="random")


def _can_be_listed(space: Space) -> bool:
    try:
        return space.size <= LARGEST_LISTED
    except SpaceError:  # a dynamic space does not know its size
        return False
