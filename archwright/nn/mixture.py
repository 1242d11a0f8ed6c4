"""Mixtures: what a supernet computes while its choices are relaxed.

A mixture gives each value of a decision a weight. Layers add up what their options answer,
cells and selections weigh their edges, repeats weigh their depths, and elastic widths and kernels
are computed at their widest and masked by the weights.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archwright.errors import SpaceError
from archwright.space import Decision, Domain, Real, Space, Subset

if TYPE_CHECKING:
    from archwright.nn.elastic import Elastic

# Up to this many combinations of mixed numbers one width is weighed by.
_MOST_COMBINATIONS = 4096


class NotRelaxable(SpaceError):
    """A decision is used in a way in which only one value at a time can be computed.

    Attributes:
        paths: the decisions.
        reason: why.
    """

    def __init__(self, paths: Iterable[str], reason: str) -> None:
        self.paths = tuple(paths)
        self.reason = reason
        named = ", ".join(map(repr, self.paths))
        super().__init__(
            f"{named}: {reason}, so its values cannot be mixed: give one value of it in the "
            "mixture's values (as `archwright.supernet` does, which then draws one a step)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return NotRelaxable, (self.paths, self.reason)


@dataclass(frozen=True)
class Mixture:
    """Weights of the values of relaxed decisions; `supernet.mixed(mixture)` computes it.

    Args:
        weights: path -> one number a value, in the domain's order; for `inputs` (a subset) one
            number a candidate input. Each a tensor of one dimension.
        computed: path -> the positions that are computed at all; a path that is missing computes
            all of them. What is not computed counts as nothing.
        values: path -> value of the decisions that are not mixed.

    Sources: Hanxiao Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019,
    arXiv:1806.09055 (operations); Alvin Wan et al., "FBNetV2: Differentiable Neural Architecture
    Search for Spatial and Channel Dimensions", CVPR 2020, arXiv:2004.05565 (masks of channels);
    Dimitrios Stamoulis et al., "Single-Path NAS", ECML PKDD 2019, arXiv:1904.02877 (kernels as
    parts of one kernel).

    Differences from the papers: channels are masked where a layer reads them, not where one writes
    them, as a normalisation between would undo a common factor; kernels are weighed, not gated by
    thresholds on their norms.

    >>> import archwright.nn as aw
    >>> from torch import nn
    >>> space = aw.ModelSpace(
    ...     lambda: aw.layer("op", {"linear": lambda: aw.linear(2, 2), "id": nn.Identity})
    ... )
    >>> supernet = space.supernet(seed=0)
    >>> with supernet.mixed(Mixture({"op": torch.tensor([0.0, 0.5])})):
    ...     supernet(torch.ones(1, 2))
    tensor([[0.5000, 0.5000]], grad_fn=<AddBackward0>)
    """

    weights: Mapping[str, Tensor]
    computed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def positions(self, path: str) -> tuple[int, ...]:
        """The positions of a mixed decision that are computed."""
        found = self.computed.get(path)
        return tuple(range(len(self.weights[path]))) if found is None else found

    @classmethod
    def one_hot(
        cls,
        space: Space,
        arch: Mapping[str, Any],
        *,
        keep: Iterable[str] = (),
        dtype: torch.dtype = torch.float32,
        device: Any = None,
    ) -> Mixture:
        """The mixture that computes one architecture.

        Args:
            space: the space.
            arch: the architecture.
            keep: decisions that are not mixed; those that are not live take their defaults.
            dtype: of the weights.
            device: where they are.
        """
        checked, kept = space.check(arch), frozenset(keep)
        weights, values = {}, {}
        for decision in walk(space):
            value = checked.get(decision.path, decision.default)
            if decision.path in kept:
                values[decision.path] = value
            elif not isinstance(decision.domain, Real):
                chosen = positions_of(decision.domain, value)
                hot = torch.zeros(n_weights(decision.domain), dtype=dtype, device=device)
                hot[list(chosen)] = 1.0
                weights[decision.path] = hot
        return cls(weights, {}, values)


def walk(space: Space) -> Iterator[Decision]:
    """All decisions of a space, in tree order."""
    for root in space.decisions:
        yield from root.walk()


def n_weights(domain: Domain) -> int:
    """How many weights a decision's mixture has: one a value, for subsets one a candidate.

    >>> from archwright.space import Integer
    >>> n_weights(Subset(4, 2, 2)), n_weights(Integer(1, 3))
    (4, 3)
    """
    return domain.n if isinstance(domain, Subset) else int(domain.size)


def positions_of(domain: Domain, value: Any) -> tuple[int, ...]:
    """The positions of a value's weights.

    >>> from archwright.space import Integer
    >>> positions_of(Subset(4, 2, 2), (1, 3)), positions_of(Integer(1, 3), 2)
    ((1, 3), (1,))
    """
    if isinstance(domain, Subset):
        return tuple(value)
    return (list(domain.values()).index(value),)


def branches_open(decision: Decision, positions: Sequence[int]) -> Iterator[Decision]:
    """What is live below a mixed decision of which some positions are computed."""
    if isinstance(decision.domain, Subset):
        taken = set(positions)
        for branch in decision.branches:
            subsets = [set(value) for value in branch.values]  # type: ignore[arg-type]
            if taken & set.intersection(*subsets) or any(taken >= s for s in subsets):
                yield from branch.decisions
        return
    values = list(decision.domain.values())
    open_values = {values[k] for k in positions}
    for branch in decision.branches:
        if open_values & set(branch.values):
            yield from branch.decisions


class Mixing:
    """A mixture that is active: answers the elastic values and containers that compute it.

    Args:
        space: the space of the supernet.
        mixture: what is to be computed.

    Raises:
        SpaceError: a decision that is live has neither weights nor a value; weights of another
            length.
    """

    def __init__(self, space: Space, mixture: Mixture) -> None:
        self.mixture = mixture
        self.weights = mixture.weights
        self._sizes: dict[int, tuple[Any, Any, list[Any], Tensor | None]] = {}
        self._full: Mixture | None = None
        values: dict[str, Any] = {}
        self._domains: dict[str, Domain] = {}
        pending = list(reversed(space.decisions))
        while pending:
            decision = pending.pop()
            path = decision.path
            if path in mixture.weights:
                _check_weights(decision, mixture)
                positions = mixture.positions(path)
                # A stand-in: it says that the decision is live, and no layer reads it.
                values[path] = decision.default
                self._domains[path] = decision.domain
                below = list(branches_open(decision, positions))
            elif path in mixture.values:
                value = values[path] = mixture.values[path]
                self._domains[path] = decision.domain
                below = list(decision.live(value))
            else:
                raise SpaceError(
                    f"{path}: the mixture has neither weights nor a value for this decision"
                )
            pending.extend(reversed(below))
        self.values = values

    def is_mixed(self, path: str) -> bool:
        """Whether a decision is relaxed."""
        return path in self.weights

    def refuse(self, value: Elastic) -> None:
        """Raises where a number is asked for that several values of a decision share."""
        mixed = self._mixed_leaves(value)
        if mixed:
            raise NotRelaxable(
                [leaf.path for leaf in mixed],
                f"{value} is used as a plain number" if value._args else "it is used as it is",
            )

    def _mixed_leaves(self, value: Elastic) -> list[Any]:
        found = {leaf.path: leaf for leaf in value._needed(self.values)}
        return [leaf for path, leaf in found.items() if path in self.weights]

    def combinations(self, value: Elastic) -> tuple[list[Any], Tensor | None]:
        """The values of an elastic number and the weight of each; no weights: it is not mixed.

        What is computed together is all combinations of the mixed decisions it is made of.
        """
        known = self._sizes.get(id(value))
        if known is not None:
            return known[2], known[3]
        leaves = self._mixed_leaves(value)
        for part in value._parts():
            if part._places_vary:
                self.refuse(part)
        if not leaves:
            found: list[Any] = [value._evaluate(self.values)]
            weights = None
        else:
            found, weights = self._joint(value, leaves)
        # `value` is kept, so that its number stays its own.
        self._sizes[id(value)] = (value, None, found, weights)
        return found, weights

    def _joint(self, value: Elastic, leaves: list[Any]) -> tuple[list[Any], Tensor]:
        axes = []
        for leaf in leaves:
            if isinstance(leaf.domain, Subset):
                raise NotRelaxable([leaf.path], f"{value} depends on how many inputs are taken")
            values = list(leaf.domain.values())
            axes.append([(values[k], k) for k in self.mixture.positions(leaf.path)])
        if math.prod(map(len, axes)) > _MOST_COMBINATIONS:
            raise NotRelaxable(
                [leaf.path for leaf in leaves],
                f"{value} has more than {_MOST_COMBINATIONS} combinations of values",
            )
        paths = [leaf.path for leaf in leaves]
        found = [
            value._evaluate({**self.values, **dict(zip(paths, [v for v, _ in combo], strict=True))})
            for combo in itertools.product(*axes)
        ]
        weights = None
        for path, axis in zip(paths, axes, strict=True):
            own = self.weights[path]
            if len(axis) < len(own):
                own = own[[k for _, k in axis]]
            weights = own if weights is None else (weights[:, None] * own).flatten()
        assert weights is not None
        return found, weights

    def size(self, value: Any) -> Any:
        """The greatest of an elastic number's computed values; plain numbers as they are."""
        if type(value) is tuple:
            return tuple([self.size(item) for item in value])
        if not hasattr(value, "_evaluate"):
            return value
        return max(self.combinations(value)[0])

    def mask(self, value: Any) -> Tensor | None:
        """Weights of the first `size(value)` channels; None where the number is not mixed.

        Channel c has the weights of all sizes that are greater than c.
        """
        if not hasattr(value, "_evaluate"):
            return None
        sizes, weights = self.combinations(value)
        if weights is None:
            return None
        held = torch.tensor(sizes, device=weights.device)[:, None]
        inside = torch.arange(max(sizes), device=weights.device) < held
        return weights @ inside.to(weights.dtype)

    def full(self, prefix: str) -> Mixture:
        """The mixture with weights for all decisions below a prefix, for cells.

        Those that are not mixed get a one, alone computed, which needs no gradient.
        """
        if self._full is None:
            weights, computed = dict(self.weights), dict(self.mixture.computed)
            some = next(iter(self.weights.values()), torch.zeros(1))
            for path, value in self.mixture.values.items():
                if path in weights or path not in self._domains:
                    continue
                domain = self._domains[path]
                if isinstance(domain, Real):
                    continue
                hot = torch.zeros(n_weights(domain), dtype=some.dtype, device=some.device)
                chosen = positions_of(domain, value)
                hot[list(chosen)] = 1.0
                weights[path], computed[path] = hot, chosen
            self._full = Mixture(weights, computed, self.mixture.values)
        return self._full


def mixed_sum(path: str, weights: Tensor, outputs: Sequence[tuple[int, Any]]) -> Any:
    """The sum of weight times output over computed positions, `outputs` of (position, tensor).

    Raises:
        NotRelaxable: the outputs have different shapes.
    """
    total: Any = None
    lone = len(outputs) == 1 and not weights.requires_grad and float(weights[outputs[0][0]]) == 1.0
    for position, output in outputs:
        if not isinstance(output, Tensor):
            raise NotRelaxable([path], f"its options answer {type(output).__name__}, not tensors")
        if total is not None and total.shape != output.shape:
            raise NotRelaxable(
                [path],
                f"its options answer different shapes, {tuple(total.shape)} and "
                f"{tuple(output.shape)}",
            )
        term = output if lone else weights[position] * output
        total = term if total is None else total + term
    return total


def _check_weights(decision: Decision, mixture: Mixture) -> None:
    path, weights = decision.path, mixture.weights[decision.path]
    if isinstance(decision.domain, Real):
        raise NotRelaxable([path], "it is a real number")
    n = n_weights(decision.domain)
    if not isinstance(weights, Tensor) or weights.shape != (n,):
        shape = tuple(weights.shape) if isinstance(weights, Tensor) else weights
        raise SpaceError(f"{path}: the mixture must have {n} weights, a tensor, got {shape}")
    positions = mixture.computed.get(path)
    if positions is not None and not (
        all(0 <= k < n for k in positions) and (positions or isinstance(decision.domain, Subset))
    ):
        raise SpaceError(
            f"{path}: computed must hold positions from 0 to {n - 1}, at least one, got {positions}"
        )
