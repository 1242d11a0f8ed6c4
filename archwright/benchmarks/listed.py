"""A space of which only some architectures have results."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from archwright.errors import whole_number
from archwright.space import Architecture, CellGraph, Decision, EdgeLimit, Space

_TRIES = 40


class ListedSpace(Space):
    """The part of a space that a table lists.

    Drawing, mutating, crossing and listing give listed architectures only, so that a strategy is
    not sent where nothing is known. What a strategy puts together by itself may still not be
    listed: `Space.contains` answers for the whole space, `is_listed` for the part.

    Args:
        space: the whole space.
        n: how many are listed, each canonical form once.
        member: number from 0 to n - 1 -> the architecture.
        is_listed: whether an architecture (or a canonical duplicate of it) is listed.

    >>> from archwright.space import choice
    >>> whole = Space({"a": choice([1, 2, 3]), "b": choice([1, 2, 3])})
    >>> some = [a for a in whole.enumerate() if a["a"] == a["b"]]
    >>> part = ListedSpace(whole, 3, some.__getitem__, set(some).__contains__)
    >>> part.size, part.sample(seed=0) in some
    (3, True)
    """

    def __init__(
        self,
        space: Space,
        n: int,
        member: Callable[[int], Architecture],
        is_listed: Callable[[Architecture], bool],
    ) -> None:
        super().__init__(space.decisions, cells=space.cells, constraints=space.constraints)
        self.name = space.name
        self.n_listed = n
        self.member = member
        self.is_listed = is_listed

    def _derive(
        self,
        decisions: Iterable[Decision],
        cells: Iterable[CellGraph],
        constraints: Iterable[EdgeLimit],
    ) -> Space:
        return Space(decisions, cells=cells, constraints=constraints)

    @property
    def size(self) -> int:
        """How many architectures are listed."""
        return self.n_listed

    @property
    def default(self) -> Architecture:
        """The whole space's default where it is listed, else the first that is."""
        usual = super().default
        return usual if self.is_listed(usual) else self._own(0)

    def sample(
        self,
        seed: int | None = None,
        *,
        rng: random.Random | None = None,
        uniform: bool = True,
    ) -> Architecture:
        """A random one of those listed, each equally likely."""
        if rng is None:
            rng = random.Random(None if seed is None else whole_number("seed", seed, least=0))
        return self._own(int(rng.random() * self.n_listed))

    def enumerate(self) -> Iterator[Architecture]:
        """Those listed, in their order."""
        return map(self._own, range(self.n_listed))

    def neighbours(self, arch: Mapping[str, Any]) -> list[Architecture]:
        """The neighbours in the whole space that are listed and differ from `arch`."""
        own = self.canonical(self.check(arch))
        return [
            n for n in super().neighbours(arch) if self.canonical(n) != own and self.is_listed(n)
        ]

    def mutate(
        self,
        arch: Mapping[str, Any],
        *,
        rng: random.Random,
        n: int = 1,
        rate: float | None = None,
    ) -> Architecture:
        """A mutation that is listed and no canonical duplicate of `arch`.

        Mutations are drawn until one is; after every 40 vain draws with one more change, and after
        160 a random one of those listed.
        """
        own = self.canonical(self.check(arch))
        for extra in range(4):
            for _ in range(_TRIES):
                child = super().mutate(arch, rng=rng, n=n + extra, rate=rate)
                if self.is_listed(child) and self.canonical(child) != own:
                    return child
        return self.sample(rng=rng)

    def crossover(
        self, a: Mapping[str, Any], b: Mapping[str, Any], *, rng: random.Random
    ) -> Architecture:
        """A child that is listed; after 40 vain draws a mutation of `a`."""
        for _ in range(_TRIES):
            child = super().crossover(a, b, rng=rng)
            if self.is_listed(child):
                return child
        return self.mutate(a, rng=rng)

    def _own(self, i: int) -> Architecture:
        return self.check(self.member(i))


class Members:
    """A list of architectures as the function that `ListedSpace` asks for (and can be pickled).

    >>> Members([Architecture({"a": 1})])(0)
    Architecture(a=1)
    """

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self.architectures = architectures

    def __call__(self, i: int) -> Architecture:
        """The architecture with this number."""
        return self.architectures[i]
