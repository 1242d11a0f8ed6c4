"""The architecture's parameters: how strong each value of each decision is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from archwright.errors import SpaceError
from archwright.nn import ModelSpace, Supernet
from archwright.nn.containers import ElasticLayer
from archwright.nn.mixture import Mixture, branches_open, n_weights, walk
from archwright.space import CellGraph, Decision, Domain, Subset
from archwright.supernet.relaxations import Phase, Relaxation
from archwright.supernet.relaxing import Relaxable

# Up to this many subsets of inputs are weighed one by one.
_MOST_SUBSETS = 5000


@dataclass(frozen=True)
class Relaxed:
    """One decision of a search.

    Attributes:
        path: its path.
        domain: its values.
        mixed: whether its values are computed together; else one is drawn in each step.
        edges: for inputs of a cell's node with operations on the edges: their decisions.
        skips: positions that pass on what comes.
        zeros: positions that pass nothing.
        is_operation: whether it chooses a module.
    """

    path: str
    domain: Domain
    mixed: bool
    edges: tuple[str | None, ...] = ()
    skips: tuple[int, ...] = ()
    zeros: tuple[int, ...] = ()
    is_operation: bool = False

    @property
    def is_wiring(self) -> bool:
        """Whether it is decided by the operations on its edges (DARTS' rule)."""
        return bool(self.edges) and all(self.edges)

    def relaxation(self, given: Relaxation) -> Relaxation:
        """What weighs this decision: numbers and subsets may need another relaxation."""
        if isinstance(self.domain, Subset):
            return getattr(given, "of_subsets", given)
        return given if self.is_operation else getattr(given, "of_numbers", given)


@dataclass
class Strengths:
    """The strengths of all decisions of a search, and what they make of its supernet.

    Attributes:
        space: the space.
        decisions: the decisions that take part, by path.
        values: path -> tensor; none for wiring that the operations decide.
        fixed: path -> value of the decisions that take no part.
        allowed: path -> positions that are still in the search; missing: all.
    """

    space: ModelSpace
    decisions: dict[str, Relaxed]
    values: dict[str, Tensor]
    fixed: dict[str, Any]
    allowed: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        space: ModelSpace,
        supernet: Supernet,
        found: Relaxable,
        *,
        edge_weights: bool,
        scale: float,
        device: torch.device,
    ) -> Strengths:
        """Strengths about zero, drawn from torch's current generator."""
        skips, zeros, operations = _kinds(supernet, space.cells)
        edges = _edges_of(space.cells)
        decisions, values, fixed = {}, {}, {}
        for decision in walk(space):
            path = decision.path
            if path in found.fixed:
                fixed[path] = decision.default
                continue
            made = decisions[path] = Relaxed(
                path,
                decision.domain,
                path not in found.drawn,
                edges.get(path, ()),
                skips.get(path, ()),
                zeros.get(path, ()),
                path in operations,
            )
            if made.is_wiring and made.mixed and not edge_weights:
                continue
            n = n_weights(decision.domain)
            values[path] = (scale * torch.randn(n)).to(device).requires_grad_()
        return cls(space, decisions, values, fixed)

    def tensors(self) -> list[Tensor]:
        """What the architecture step changes."""
        return list(self.values.values())

    def of_values(self, path: str) -> Tensor:
        """One strength for each value of the domain; subsets add up those of their members."""
        strengths = self.values[path]
        domain = self.decisions[path].domain
        if isinstance(domain, Subset):
            strengths = _table(domain, strengths.device, strengths.dtype) @ strengths
        allowed = self.allowed.get(path)
        if allowed is not None:
            out = torch.full_like(strengths, -1e9)
            out[list(allowed)] = 0.0
            strengths = strengths + out
        return strengths

    def mixture(
        self, relaxation: Relaxation, *, progress: float, phase: Phase, detached: bool
    ) -> tuple[Mixture, Tensor | None]:
        """A mixture for one step, and the log probability of what was drawn (None: nothing was).

        Args:
            relaxation: of the operations and inputs; numbers take it too unless it is a sigmoid.
            progress: 0 to 1.
            phase: which step it is.
            detached: whether no gradient is wanted.
        """
        weights: dict[str, Tensor] = {}
        computed: dict[str, tuple[int, ...]] = {}
        values: dict[str, Any] = {}
        logs: list[Tensor] = []
        pending = list(reversed(self.space.decisions))
        while pending:
            decision = pending.pop()
            path = decision.path
            if path in self.fixed:
                values[path] = self.fixed[path]
                pending.extend(reversed(list(decision.live(values[path]))))
                continue
            one = self.decisions[path]
            if path not in self.values:
                assert isinstance(one.domain, Subset)
                weights[path] = torch.ones(one.domain.n, device=self._device)
            elif not one.mixed:
                strengths = self.of_values(path)
                k = int(torch.multinomial(strengths.detach().softmax(0), 1))
                values[path] = list(one.domain.values())[k]
                if not detached:
                    logs.append(strengths.log_softmax(0)[k])
            else:
                w, c = self._weigh(one, relaxation, progress, phase)
                weights[path] = w.detach() if detached else w
                if c is not None:
                    computed[path] = c
            pending.extend(reversed(list(_below(decision, path, weights, computed, values))))
        return Mixture(weights, computed, values), sum(logs[1:], logs[0]) if logs else None

    def _weigh(
        self, one: Relaxed, relaxation: Relaxation, progress: float, phase: Phase
    ) -> tuple[Tensor, tuple[int, ...] | None]:
        relaxation = one.relaxation(relaxation)
        strengths, allowed = self.of_values(one.path), self.allowed.get(one.path)
        if allowed is not None:
            rows = list(allowed)
            w, c = relaxation(strengths[rows], progress=progress, phase=phase)
            full = torch.zeros_like(strengths).index_put((torch.tensor(rows, device=w.device),), w)
            w, c = full, allowed if c is None else tuple(rows[k] for k in c)
        else:
            w, c = relaxation(strengths, progress=progress, phase=phase)
        if not isinstance(one.domain, Subset):
            return w, c
        table = _table(one.domain, w.device, w.dtype)
        members = None
        if c is not None:
            subsets = list(one.domain.values())
            members = tuple(sorted({j for k in c for j in subsets[k]}))
        return w @ table, members

    def probabilities(self, relaxation: Relaxation) -> dict[str, list[float]]:
        """What the strengths say of each value of each decision, as plain numbers."""
        found = {}
        for path in self.values:
            found[path] = self.probability(path, relaxation).tolist()
        return found

    def probability(self, path: str, relaxation: Relaxation) -> Tensor:
        """The probabilities of a decision's values."""
        with torch.no_grad():
            return self._probabilities(path, relaxation)

    def _probabilities(self, path: str, relaxation: Relaxation) -> Tensor:
        one = self.decisions[path]
        if not one.mixed:
            return self.of_values(path).softmax(0)
        relaxation = one.relaxation(relaxation)
        strengths = self.of_values(path)
        allowed = self.allowed.get(path)
        if allowed is None:
            return relaxation.probabilities(strengths)
        rows = torch.tensor(allowed, device=strengths.device)
        p = relaxation.probabilities(strengths[rows])
        return torch.zeros_like(strengths).index_put((rows,), p)

    def shares(self, relaxation: Relaxation) -> dict[str, Tensor]:
        """Probabilities that add up to one, with gradients: of values, for subsets of members."""
        found = {}
        for path in self.values:
            one = self.decisions[path]
            p = self._probabilities(path, relaxation)
            p = p / p.sum().clamp_min(1e-12)
            if isinstance(one.domain, Subset):
                p = p @ _table(one.domain, p.device, p.dtype)
            found[path] = p
        return found

    @property
    def _device(self) -> torch.device:
        return next((v.device for v in self.values.values()), torch.device("cpu"))


def _below(
    decision: Decision,
    path: str,
    weights: Mapping[str, Tensor],
    computed: Mapping[str, tuple[int, ...]],
    values: Mapping[str, Any],
) -> Iterator[Decision]:
    if path in values:
        return decision.live(values[path])
    return branches_open(decision, computed.get(path, range(len(weights[path]))))


def _table(domain: Subset, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Subsets x members: whether each subset holds each candidate."""
    if domain.size > _MOST_SUBSETS:
        raise SpaceError(
            f"a choice of inputs has {domain.size} subsets, differentiable search takes at most "
            f"{_MOST_SUBSETS}: bound how many are taken"
        )
    table = torch.zeros(domain.size, domain.n, device=device, dtype=dtype)
    for row, members in enumerate(domain.values()):
        table[row, list(members)] = 1.0
    return table


def _edges_of(cells: tuple[CellGraph, ...]) -> dict[str, tuple[str | None, ...]]:
    return {
        node.inputs: tuple(edge.op if isinstance(edge.op, str) else None for edge in node.edges)
        for cell in cells
        for node in cell.nodes
        if node.inputs
    }


def _kinds(
    supernet: Supernet, cells: tuple[CellGraph, ...]
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]], set[str]]:
    """For each choice of an operation: what passes all and what nothing; and all such choices."""
    skips: dict[str, tuple[int, ...]] = {}
    zeros: dict[str, tuple[int, ...]] = {}
    named: dict[str, CellGraph] = {}
    for cell in cells:
        for node in cell.nodes:
            ops = [edge.op for edge in node.edges] + [node.op]
            named.update({op: cell for op in ops if isinstance(op, str)})
    for module in supernet.modules():
        if not isinstance(module, ElasticLayer):
            continue
        choice, passing, nothing = module._choice, [], []
        held = named.get(choice.path)
        for k, value in enumerate(choice.domain.values()):
            option = module._modules.get(module._names.get(value, ""))
            if held is not None and value == held.zero:
                nothing.append(k)
            elif (held is not None and value == held.identity) or isinstance(
                option, torch.nn.Identity
            ):
                passing.append(k)
        skips[choice.path], zeros[choice.path] = tuple(passing), tuple(nothing)
    return skips, zeros, set(skips)


def entropy(probabilities: Mapping[str, list[float]]) -> float:
    """The mean entropy of the decisions, each as a share of the greatest it could have.

    >>> entropy({"a": [0.5, 0.5], "b": [1.0, 0.0]})
    0.5
    """
    shares = []
    for p in probabilities.values():
        if len(p) > 1:
            q = torch.tensor(p, dtype=torch.float64)
            q = q / q.sum().clamp_min(1e-12)
            shares.append(float(torch.special.entr(q).sum()) / math.log(len(p)))
    return sum(shares) / len(shares) if shares else 0.0
