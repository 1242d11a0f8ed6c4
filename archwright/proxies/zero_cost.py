"""`ZeroCost`: proxies as evaluator, as score for warm starts, and as filter before training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from archwright.errors import InputError, unknown_name, whole_number
from archwright.proxies.aggregation import HOWS, Ranking
from archwright.proxies.base import Scores
from archwright.proxies.registry import (
    COMBINATION,
    COMBINATION_WEIGHTS,
    PROXIES,
    resolve,
    upward,
)
from archwright.proxies.scoring import Data, score
from archwright.space import Architecture, Space
from archwright.trials import Objective

N_REFERENCE = 32


class ZeroCost:
    """Judges architectures by zero-cost proxies instead of training them.

    As an evaluator: `aw.search(space, ZeroCost(["naswot"], input_shape=(3, 32, 32)),
    maximize="naswot")`. Its metrics are the scores; what has no value is left out, with the reason
    in the trial's notes. Where several are combined there is one metric more, `zero_cost`: the
    network's place among random architectures of the space, which are scored first.

    It trains nothing, so that there is nothing to save: a lower `Fidelity` is refused.

    As a warm start: `CheapScores(ZeroCost().scorer(space))`. As a filter before training: `keep`.

    Args:
        names: proxies or groups; by default `COMBINATION`, combined.
        input_shape: shape of one input without the batch. Left out, that of `data`, or the one
            that the space was made with, as those of the zoo are.
        batch: samples in the batch.
        data: inputs, or (inputs, labels), "natural" or None for white noise; see `score`.
        device: where to compute; None: where a candidate is to be.
        seed: of random inputs, and of the weights where an architecture is not a search's.
        how: how several are combined, one of `HOWS`. None: `evaluate` does not combine proxies
            that were named.
        n_reference: random architectures that combined scores are ranked among.
        repeats: initialisations of the network that scores are averaged over.

    Raises:
        UnknownNameError: a name is not known.

    >>> ZeroCost(["naswot"]).objective.metrics, ZeroCost().objective.metrics
    (('naswot',), ('zero_cost',))
    """

    isolated = False
    fidelities = frozenset[str]()

    def __init__(
        self,
        names: str | Iterable[str] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        batch: int = 64,
        data: Data = "natural",
        device: str | None = None,
        seed: int = 0,
        how: str | None = None,
        n_reference: int = N_REFERENCE,
        repeats: int = 1,
    ) -> None:
        if how is not None and how not in HOWS:
            raise unknown_name("way to rank", how, HOWS)
        self.names = resolve(COMBINATION if names is None else names)
        self.how = HOWS[0] if names is None and how is None else how
        self._weights = COMBINATION_WEIGHTS if names is None else {}
        self.n_reference = whole_number("n_reference", n_reference)
        self.repeats = whole_number("repeats", repeats)
        self._rankings: dict[Space, Ranking] = {}
        self.input_shape = None if input_shape is None else tuple(input_shape)
        self.batch = whole_number("batch", batch)
        self.data = data
        self.device = device
        self.seed = whole_number("seed", seed, least=0)

    def __repr__(self) -> str:
        data = repr(self.data) if self.data is None or isinstance(self.data, str) else "(given)"
        return (
            f"ZeroCost({self.names}, input_shape={self.input_shape}, batch={self.batch}, "
            f"data={data}, seed={self.seed}, how={self.how!r}, n_reference={self.n_reference}, "
            f"repeats={self.repeats})"
        )

    def evaluate(self, candidate: Any) -> dict[str, float]:
        """The scores of a candidate's network.

        Raises:
            InputError: no proxy has a value on it, or the shape of its input is not known.
        """
        device = self.device or candidate.device
        found = self._score(candidate.space, candidate.architecture, device, candidate.seed)
        for name, reason in found.undefined.items():
            candidate.notes.append(f"{name} is {reason}")
        if not found:
            raise InputError("; ".join(f"{n} is {why}" for n, why in found.undefined.items()))
        metrics = dict(found)
        if self.how is not None:
            metrics["zero_cost"] = self._within(candidate.space, self.how)(found)
        return metrics

    def scores(self, space: Space, architectures: Iterable[Mapping[str, Any]]) -> list[Scores]:
        """The scores of some architectures of a space of networks.

        Raises:
            InputError: the space has no networks to build.
        """
        device = self.device or "cpu"
        return [self._score(space, a, device, self.seed) for a in architectures]

    def scorer(self, space: Space) -> Callable[[Mapping[str, Any]], float]:
        """A function architecture -> number, larger is better, for instance for `CheapScores`.

        One proxy gives its value; several are ranked among random architectures, which are scored
        when the function is first called.
        """

        def one(architecture: Mapping[str, Any]) -> float:
            (found,) = self.scores(space, [architecture])
            if len(self.names) == 1:
                (name,) = self.names
                return upward(found, name)
            return self._within(space, self.how or HOWS[0])(found)

        return one

    def keep(
        self,
        space: Space,
        architectures: Iterable[Mapping[str, Any]],
        n: int,
    ) -> list[Architecture]:
        """The best of some architectures, best first: what is worth training.

        Args:
            space: the space of networks.
            architectures: what to choose from.
            n: how many to keep.

        Raises:
            InputError: there are none, or no proxy has a value on any.
        """
        n = whole_number("n", n)
        every = [space.check(a) for a in architectures]
        ranks = self.rank(space, every)
        order = sorted(range(len(every)), key=lambda i: -ranks[i])
        return [every[i] for i in order[:n]]

    def rank(self, space: Space, architectures: Sequence[Mapping[str, Any]]) -> list[float]:
        """A number for each of some architectures, larger is better, from its place among them.

        Args:
            space: the space of networks.
            architectures: what to rank.

        Raises:
            InputError: no proxy has a value on any.
        """
        table = self.scores(space, architectures)
        ranks: list[float] = self._ranking(table, self.how or HOWS[0]).all(table).tolist()
        return ranks

    @property
    def objective(self) -> Objective:
        """What a search is after that names no goal: the combination, else the first proxy."""
        if self.how is not None:
            return Objective.of(maximize="zero_cost")
        name = self.names[0]
        if PROXIES[name].larger_is_better:
            return Objective.of(maximize=name)
        return Objective.of(minimize=name)

    def _score(
        self, space: Space, architecture: Mapping[str, Any], device: str, seed: int
    ) -> Scores:
        build = getattr(space, "build", None)
        if build is None:
            raise InputError(
                "this space has no networks to build: it is a plain Space of values; give an "
                "archwright.ModelSpace"
            )
        shape = self.input_shape
        if shape is None and (self.data is None or isinstance(self.data, str)):
            shape = shape_of(space)
        found = []
        for repeat in range(self.repeats):
            # Seeds of candidates follow each other; those of repeats must not be the next one's.
            at = seed + repeat * 1_000_003
            options: dict[str, Any] = {"input_shape": shape, "batch": self.batch, "data": self.data}
            model = build(architecture, seed=at).to(device)
            found.append(score(model, self.names, seed=at, device=device, **options))
        return mean_scores(found)

    def _within(self, space: Space, how: str) -> Ranking:
        """The ranking among random architectures of a space, made once."""
        known = self._rankings.get(space)
        if known is None:
            rng = Random(self.seed)
            table = self.scores(space, [space.sample(rng=rng) for _ in range(self.n_reference)])
            known = self._rankings[space] = self._ranking(table, how)
        return known

    def _ranking(self, table: Sequence[Scores], how: str) -> Ranking:
        names = self._defined(table)
        weights = {name: w for name, w in self._weights.items() if name in names}
        return Ranking(table, names, how=how, weights=weights)

    def _defined(self, table: Sequence[Scores]) -> list[str]:
        """Those of the proxies that have a value somewhere."""
        found = [name for name in self.names if any(name in scores for scores in table)]
        if not found and table:
            reasons = table[0].undefined
            raise InputError("; ".join(f"{n} is {why}" for n, why in reasons.items()))
        return found


def mean_scores(found: Sequence[Scores]) -> Scores:
    """The means of several scorings; what has no value in one of them has none.

    >>> dict(mean_scores([Scores({"zen": 1.0}), Scores({"zen": 2.0})]))
    {'zen': 1.5}
    """
    if len(found) == 1:
        return found[0]
    undefined = {name: why for scores in reversed(found) for name, why in scores.undefined.items()}
    return Scores(
        {
            name: sum(scores[name] for scores in found) / len(found)
            for name in found[0]
            if name not in undefined
        },
        undefined,
        {name: sum(scores.seconds.get(name, 0.0) for scores in found) for name in found[0].seconds},
    )


def shape_of(space: Any) -> tuple[int, ...]:
    """The shape of one input that a space was made with, as the zoo's are.

    Raises:
        InputError: the space does not say.
    """
    given = (*getattr(space, "args", ()), *getattr(space, "kwargs", {}).values())
    named = getattr(space, "kwargs", {}).get("input_shape")
    for value in (named, *given[:1]):
        if isinstance(value, (tuple, list)) and all(isinstance(n, int) for n in value) and value:
            return tuple(value)
    raise InputError(
        "input_shape is needed: the shape of one input without the batch, such as "
        "ZeroCost(..., input_shape=(3, 32, 32))"
    )
