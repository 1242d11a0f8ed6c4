"""The fast way to compute a mixed cell: the same sum with less work.

Found by looking at the modules, wherever they are torch's own and have no hooks:

- what operations begin with and has no weights (ReLU, pooling) is computed once for each tensor,
  not once for each operation that reads it;
- a depthwise convolution and what surrounds it is one function, whose gradients are computed by
  convolutions of their own, in channels_last order;
- a batch normalisation at the end of an operation is not carried out: its mean and deviation enter
  the node's weighed sum, and the gradients of the weights fall out of its own;
- no gradient is computed of what needs none: of the network's weights while those of the mixture
  are trained, if `requires_grad_(False)` says so, and the other way round.

The mathematics is that of `mixed_cells.plain`; the order of sums differs, and dropout draws in the
order in which images lie in memory. On other devices than the CPU, and under autocast, cells are
computed plainly: nothing of this was measured there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archwright.nn.channelwise import Norm, Window, last, statistics
from archwright.nn.mixed_functions import added_up, convolved
from archwright.nn.mixed_plan import check_shapes
from archwright.nn.wiring import MODULE

if TYPE_CHECKING:
    from archwright.nn.containers import ElasticCell
    from archwright.nn.mixed_plan import Edge, MixedPlan
    from archwright.nn.mixture import Mixture

_POOLS = (nn.MaxPool2d, nn.AvgPool2d)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
Key = tuple[Any, ...]


class Term(NamedTuple):
    """What an operation answers, before its last batch normalisation where it ends in one."""

    key: Key | None
    x: Tensor
    norm: nn.BatchNorm2d | None


def is_fast(cell: ElasticCell, plan: MixedPlan, inputs: tuple[Tensor, ...]) -> bool:
    """Whether a cell is computed the fast way: images, on a CPU, and modules that are known.

    Args:
        cell: the cell.
        plan: what of it is computed.
        inputs: its inputs.
    """
    first = inputs[0]
    if not all(
        type(x) in (Tensor, nn.Parameter)
        and x.ndim == 4
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.dtype == first.dtype
        and x.numel()
        for x in inputs
    ):
        return False
    if (
        torch.is_autocast_enabled("cpu")
        or torch.compiler.is_compiling()
        or torch._C._functorch.maybe_current_level() is not None
    ):
        return False
    n_known = 0
    for module in _modules(cell, plan):
        layers = layers_of(module)
        if layers and _begins_in_place(layers[0]):
            return False  # in place: what the others read depends on when they read it
        n_known += any(type(x) in (nn.Conv2d, nn.BatchNorm2d, *_POOLS) for x in layers)
    return n_known > 0


def _modules(cell: ElasticCell, plan: MixedPlan) -> Iterator[nn.Module]:
    for step in plan.steps:
        for edge in (*step.edges, step.own):
            for _, value, kind in edge.options:
                if kind == MODULE:
                    yield cell._modules[edge.name].option(value)  # type: ignore[union-attr, operator]


def layers_of(module: nn.Module) -> list[nn.Module]:
    """The layers of a module one after the other: those of plain sequences, or itself.

    >>> layers_of(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Identity(), nn.Tanh())))
    [ReLU(), Tanh()]
    """
    if _hooked(module):
        return [module]
    if type(module) is nn.Sequential:
        return [layer for child in module for layer in layers_of(child)]
    return [] if type(module) is nn.Identity else [module]


def _hooked(module: nn.Module) -> bool:
    return any(getattr(module, name, None) for name in _HOOKS)


def _begins_in_place(module: nn.Module) -> bool:
    """Whether a module says that it changes its input, which plain operations would share."""
    return any(getattr(part, "inplace", False) for part in module.modules())


def _may_change(module: nn.Module) -> bool:
    """Whether a module may change its input: any that is not known to leave it alone."""
    return type(module) not in (nn.Conv2d, nn.BatchNorm2d, *_POOLS) or _hooked(module)


def fast(
    cell: ElasticCell, plan: MixedPlan, inputs: tuple[Tensor, ...], mixture: Mixture
) -> dict[int | None, Tensor]:
    """What each node of a cell answers.

    Args:
        cell: the cell.
        plan: what of it is computed.
        inputs: its inputs.
        mixture: with weights for all decisions of the cell that are live.
    """
    return _Run(cell, mixture).steps(plan, inputs)


class _Run:
    """One computation of one cell."""

    def __init__(self, cell: ElasticCell, mixture: Mixture) -> None:
        self._cell = cell
        self._weights = mixture.weights
        self._known: dict[Key, Tensor] = {}
        self._moments: dict[Key, Tensor] = {}
        self._counts: dict[int, Tensor] = {}
        self._read: dict[str, list[float]] = {}

    def steps(self, plan: MixedPlan, inputs: tuple[Tensor, ...]) -> dict[int | None, Tensor]:
        """See `fast`."""
        found: dict[int | None, Tensor] = {i: last(x) for i, x in enumerate(inputs)}
        for step in plan.steps:
            terms: list[tuple[Term, Any]] = []
            for edge in step.edges:
                factor = None
                for path, position in edge.factors:
                    factor = _product(factor, self._weight(path, position))
                terms += self._edge(edge, (edge.source,), found[edge.source], factor)
            total = self._sum(step.edges[-1].op, terms)
            if step.own.op:
                own = list(self._edge(step.own, ("sum", step.number), total, None))
                total = self._sum(step.own.op, own)
            found[step.number] = total
        self._count()
        return found

    def _edge(self, edge: Edge, key: Key, x: Tensor, factor: Any) -> Iterator[tuple[Term, Any]]:
        """What the operations of an edge answer, and the weight of each."""
        if not edge.op:
            yield Term(key, x, None), factor
            return
        layer: Any = self._cell._modules[edge.name]
        for position, value, kind in edge.options:
            weight = _product(factor, self._weight(edge.op, position))
            layers = layers_of(layer.option(value)) if kind == MODULE else []
            yield self._operation(layers, key, x), weight

    def _weight(self, path: str, position: int) -> Any:
        """A weight; None for a one that needs no gradient."""
        weights = self._weights[path]
        if not weights.requires_grad:
            if path not in self._read:
                self._read[path] = weights.tolist()
            if self._read[path][position] == 1.0:
                return None
        return weights[position]

    def _operation(self, layers: list[nn.Module], key: Key | None, x: Tensor) -> Term:
        i = 0
        while i < len(layers) and key is not None:
            begun = _signature(layers[i])
            if begun is None:
                break
            key = (*key, begun)
            if key not in self._known:
                self._known[key] = layers[i](x) if begun[0] is not nn.ReLU else F.relu(x)
            x = self._known[key]
            i += 1
        # What other operations read, too; a module may hand it on as it is, for the next to change.
        kept = x.untyped_storage().data_ptr() if i else None
        while i < len(layers):
            layer = layers[i]
            after = layers[i + 1 : i + 4]
            if _is_norm(layer, x):
                if not after:
                    return Term(key, x, layer)  # type: ignore[arg-type]
                if len(after) > 1 and _is_relu(after[0]) and _is_depthwise(after[1]):
                    n_read, x = self._convolved(layers[i + 2 : i + 4], key, x, layer)
                    i, key = i + 2 + n_read, None
                    continue
            if _is_depthwise(layer):
                n_read, x = self._convolved(layers[i : i + 2], key, x, None)
            else:
                if _may_change(layer) and x.untyped_storage().data_ptr() == kept:
                    x = x.clone()
                n_read, x = 1, layer(x)
            i, key = i + n_read, None
        return Term(key, x, None)

    def _convolved(
        self, layers: list[nn.Module], key: Key | None, x: Tensor, norm: Any
    ) -> tuple[int, Tensor]:
        """A depthwise convolution with a 1 x 1 behind it, if there is one: how many, and what."""
        depthwise: Any = layers[0]
        pointwise: Any = layers[1] if len(layers) > 1 and _is_pointwise(layers[1]) else None
        window = Window(
            depthwise.kernel_size[0], depthwise.stride[0], depthwise.padding[0],
            depthwise.dilation[0],
        )  # fmt: skip
        x = last(x)
        if min(window.out(size) for size in x.shape[2:]) < 1 or (
            depthwise.groups != x.shape[1] or depthwise.weight.dtype != x.dtype
        ):
            return 1, depthwise(x if norm is None else F.relu(norm(x)))  # torch says what is wrong
        normed = (None, None, None)
        if norm is not None:
            normed = (self._norm(norm, key, x), norm.weight, norm.bias)  # type: ignore[assignment]
        weight = None if pointwise is None else pointwise.weight
        y = convolved(x, *normed, depthwise.weight, weight, window)
        return 1 if pointwise is None else 2, y

    def _norm(self, norm: nn.BatchNorm2d, key: Key | None, x: Tensor) -> Norm:
        """What a batch normalisation does, which learns from it in training."""
        line = (norm.weight, norm.bias)
        with torch.no_grad():
            if not norm.training and norm.running_mean is not None:
                assert norm.running_var is not None
                known = torch.stack([norm.running_mean, norm.running_var]).double()
                return statistics(x, eps=norm.eps, known=known, line=line, batch=False)
            running, share = None, 0.0
            if norm.training and norm.running_mean is not None:
                assert norm.running_var is not None
                running, share = (norm.running_mean, norm.running_var), self._share(norm)
            seen = None if key is None else self._moments.get(key)
            found = statistics(x, eps=norm.eps, known=seen, line=line, running=running, share=share)
        if key is not None:
            self._moments[key] = found.moments
        return found

    def _share(self, norm: nn.BatchNorm2d) -> float:
        """How much of a batch normalisation's running statistics is new; counts the batch."""
        count = norm.num_batches_tracked
        if norm.momentum is not None:
            if id(norm) in self._counts:
                self._count()
            if count is not None:
                self._counts[id(norm)] = count
            return norm.momentum
        assert count is not None
        count.add_(1)
        return 1.0 / float(count)

    def _count(self) -> None:
        """Counts the batches of all batch normalisations at once."""
        if self._counts:
            torch._foreach_add_(list(self._counts.values()), 1)
            self._counts.clear()

    def _sum(self, path: str, terms: list[tuple[Term, Any]]) -> Tensor:
        first = terms[0][0].x
        for term, _ in terms[1:]:
            check_shapes(path, first.shape, term.x.shape)
        if len(terms) == 1 and terms[0][1] is None and terms[0][0].norm is None:
            return first
        if first.ndim != 4 or any(term.x.dtype != first.dtype for term, _ in terms):
            return self._plain_sum(terms)
        one = first.new_ones(())
        weights = torch.stack([one if w is None else w.to(first.dtype) for _, w in terms])
        norms: list[Any] = [term.norm for term, _ in terms]
        xs = [last(term.x) for term, _ in terms]
        return added_up(
            weights,
            xs,
            [
                None if norm is None else self._norm(norm, term.key, x)
                for (term, _), norm, x in zip(terms, norms, xs, strict=True)
            ],
            [None if norm is None else norm.weight for norm in norms],
            [None if norm is None else norm.bias for norm in norms],
        )

    @staticmethod
    def _plain_sum(terms: list[tuple[Term, Any]]) -> Tensor:
        total: Any = None
        for term, weight in terms:
            x = term.x if term.norm is None else term.norm(term.x)
            x = x if weight is None else weight * x
            total = x if total is None else total + x
        return total


def _product(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return one * other


def _signature(layer: nn.Module) -> Key | None:
    """What tells layers without weights apart; None for all others."""
    if _hooked(layer):
        return None
    if type(layer) is nn.ReLU:
        return (nn.ReLU,)
    if type(layer) is nn.MaxPool2d and not layer.return_indices:
        return (nn.MaxPool2d, layer.kernel_size, layer.stride, layer.padding, layer.dilation,
                layer.ceil_mode)  # fmt: skip
    if type(layer) is nn.AvgPool2d:
        return (nn.AvgPool2d, layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode,
                layer.count_include_pad, layer.divisor_override)  # fmt: skip
    return None


def _is_relu(layer: nn.Module) -> bool:
    return type(layer) is nn.ReLU and not _hooked(layer)


def _is_norm(layer: nn.Module, x: Tensor) -> bool:
    """Whether it is a batch normalisation that fits; torch says what is wrong with others."""
    if type(layer) is not nn.BatchNorm2d or _hooked(layer):
        return False
    own = layer.training or layer.running_mean is None
    fits = x.ndim == 4 and x.shape[1] == layer.num_features and x.numel() > 0
    given = [t for t in (layer.weight, layer.running_mean, layer.running_var) if t is not None]
    return (
        fits
        and not (own and x.numel() == x.shape[1])
        and all(t.dtype == x.dtype and t.device == x.device and t.is_contiguous() for t in given)
    )


def _is_depthwise(layer: nn.Module) -> bool:
    return (
        type(layer) is nn.Conv2d
        and not _hooked(layer)
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.bias is None
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(
            size[0] == size[1]
            for size in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        )
    )


def _is_pointwise(layer: nn.Module) -> bool:
    return (
        type(layer) is nn.Conv2d
        and not _hooked(layer)
        and layer.kernel_size == (1, 1)
        and layer.stride == (1, 1)
        and layer.padding == (0, 0)
        and layer.groups == 1
        and layer.bias is None
    )
