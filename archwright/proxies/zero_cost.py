"""`ZeroCost`: proxies as evaluator, as score for warm starts, and as filter before training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from archwright.errors import InputError, unknown_name, whole_number
from archwright.proxies.aggregation import HOWS, Ranking, aggregate
from archwright.proxies.base import Scores
from archwright.proxies.registry import COMBINATION, PROXIES, resolve
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

    Raises:
        UnknownNameError: a name is not known.

    >>> ZeroCost(["naswot"]).objective.metrics, ZeroCost().objective.metrics
    (('naswot',), ('zero_cost',))
    """

    isolated = False

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
    ) -> None:
        if how is not None and how not in HOWS:
            raise unknown_name("way to rank", how, HOWS)
        self.names = resolve(COMBINATION if names is None else names)
        self.how = HOWS[0] if names is None and how is None else how
        self.n_reference = whole_number("n_reference", n_reference)
        self._rankings: dict[Space, Ranking] = {}
        self.input_shape = None if input_shape is None else tuple(input_shape)
        self.batch = whole_number("batch", batch)
        self.data = data
        self.device = device
        self.seed = whole_number("seed", seed, least=0)

    def __repr__(self) -> str:
        return f"ZeroCost({self.names}, batch={self.batch}, seed={self.seed})"

    def evaluate(self, candidate: Any) -> dict[str, float]:
        """The scores of a candidate's network.

        Raises:
            InputError: no proxy has a value on it, or the shape of its input is not known.
        """
        model = candidate.model()
        device = self.device or candidate.device
        found = self._score(candidate.space, model.to(device), device, candidate.seed)
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
        build = getattr(space, "build", None)
        if build is None:
            raise InputError(
                "this space has no networks to build: it is a plain Space of values; give an "
                "archwright.ModelSpace"
            )
        device = self.device or "cpu"
        return [
            self._score(space, build(a, seed=self.seed).to(device), device, self.seed)
            for a in architectures
        ]

    def scorer(self, space: Space) -> Callable[[Mapping[str, Any]], float]:
        """A function architecture -> number, larger is better, for instance for `CheapScores`.

        One proxy gives its value; several are ranked among random architectures, which are scored
        when the function is first called.
        """

        def one(architecture: Mapping[str, Any]) -> float:
            (found,) = self.scores(space, [architecture])
            if len(self.names) == 1:
                (name,) = self.names
                sign = 1 if PROXIES[name].larger_is_better else -1
                return sign * found[name] if name in found else float("nan")
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
        every = [space.check(a) for a in architectures]
        table = self.scores(space, every)
        ranks = aggregate(table, self._defined(table), how=self.how or HOWS[0])
        order = sorted(range(len(every)), key=lambda i: -ranks[i])
        return [every[i] for i in order[: whole_number("n", n)]]

    @property
    def objective(self) -> Objective:
        """What a search is after that names no goal: the combination, else the first proxy."""
        if self.how is not None:
            return Objective.of(maximize="zero_cost")
        name = self.names[0]
        if PROXIES[name].larger_is_better:
            return Objective.of(maximize=name)
        return Objective.of(minimize=name)

    def _score(self, space: Space, model: Any, device: str, seed: int) -> Scores:
        shape = self.input_shape
        if shape is None and (self.data is None or isinstance(self.data, str)):
            shape = shape_of(space)
        return score(
            model,
            self.names,
            input_shape=shape,
            batch=self.batch,
            seed=seed,
            data=self.data,
            device=device,
        )

    def _within(self, space: Space, how: str) -> Ranking:
        """The ranking among random architectures of a space, made once."""
        known = self._rankings.get(space)
        if known is None:
            rng = Random(self.seed)
            table = self.scores(space, [space.sample(rng=rng) for _ in range(self.n_reference)])
            known = self._rankings[space] = Ranking(table, self._defined(table), how=how)
        return known

    def _defined(self, table: Sequence[Scores]) -> list[str]:
        """Those of the proxies that have a value somewhere."""
        found = [name for name in self.names if any(name in scores for scores in table)]
        if not found and table:
            reasons = table[0].undefined
            raise InputError("; ".join(f"{n} is {why}" for n, why in reasons.items()))
        return found


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
