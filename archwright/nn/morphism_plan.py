"""Finds the weights with which a network computes what its parent computes.

The child's operations are gone through in order. Each value is either one of the parent's, known
with its channels (`Same`), or comes from layers that the parent lacks (`New`): those can be made to
pass on what they are given, or to answer zero, and which of the two is decided by who takes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd

from archwright.nn.morphism_graph import (
    ACTIVATIONS,
    POOLS,
    CannotError,
    Network,
    Operation,
    Parent,
    has_state,
    moments,
)
from archwright.nn.morphism_layers import (
    NORMS,
    SAME,
    Channels,
    Tensors,
    as_constant,
    as_identity,
    norm_dim,
    repeated,
    transfer,
)

# Of nothing they make nothing.
_KEEP_ZERO = (
    (ACTIVATIONS - {"sigmoid", "hardsigmoid"})
    | POOLS
    | {"mean", "flatten", "Flatten", "getitem", "mul", "add", "sub", "reshape", "view"}
)
_ELEMENTWISE = ACTIVATIONS | {"add", "sub", "mul", "truediv", "div", "neg"}
_FLAT = ("flatten", "Flatten", "reshape", "view")
# A hard sigmoid is 1 from 3 on, where it no longer learns: just below, it does.
_GATE_OPEN = 3.0 - 1e-6


@dataclass(frozen=True)
class Same:
    """A value of the parent's."""

    node: fx.Node
    channels: Channels = SAME


@dataclass
class New:
    """A value that layers make which the parent lacks; each part says how, or that it cannot."""

    identity: Callable[[], tuple[Same, Tensors]]
    constant: Callable[[float], Tensors]
    _known: dict[Any, Any] = field(default_factory=dict)

    def passed_on(self) -> tuple[Same, Tensors]:
        """The parent's value that it can be made, and the weights for it."""
        return self._ask("identity", self.identity)

    def made(self, value: float) -> Tensors:
        """The weights with which it is one number everywhere."""
        return self._ask(value, lambda: self.constant(value))

    def _ask(self, key: Any, how: Callable[[], Any]) -> Any:
        if key not in self._known:
            try:
                self._known[key] = how()
            except CannotError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, CannotError):
            raise found
        return found


Value = Same | New


class Planner:
    """Goes through a child's operations.

    Args:
        parent: the parent's graph.
        child: the child's.
        noise: see `transfer`.
        seed: of what noise draws, layer by layer.

    Attributes:
        tensors: the weights found, by their names in the child's state dict.
    """

    def __init__(self, parent: Parent, child: Network, noise: float, seed: int) -> None:
        self.parent, self.child, self.noise, self.seed = parent, child, noise, seed
        self.tensors: Tensors = {}
        self.values: dict[fx.Node, Value] = {}
        self.first_reason = ""

    def run(self) -> None:
        """Find all weights.

        Raises:
            CannotError: none give the child the parent's outputs; the text says why.
        """
        try:
            self._run()
        except CannotError as error:
            raise CannotError(self._shallower() or str(error)) from None

    def _shallower(self) -> str:
        """What to say where layers are missing in the child: others stand in their places."""
        own = {
            str(node.target)
            for node in self.child.nodes
            if (module := self.child.module(node)) is not None and has_state(module)
        }
        missing = [name for name in self.parent.calls if name not in own]
        if not missing or not own < set(self.parent.calls):
            return ""
        named = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        return (
            f"shallower: {len(own)} layers with weights instead of {len(self.parent.calls)} "
            f"(without {named})"
        )

    def _run(self) -> None:
        inputs = iter(self.parent.inputs)
        for node in self.child.nodes:
            if node.op == "placeholder":
                given = next(inputs, None)
                if given is None:
                    raise CannotError("it takes more inputs than the parent")
                self.values[node] = Same(given)
            elif node.op == "get_attr":
                self.values[node] = self._attribute(node)
            elif node.op == "output":
                try:
                    self._output(node)
                except CannotError as error:
                    raise CannotError(self.first_reason or str(error)) from None
            elif self.child.passes_on(node):
                self.values[node] = self.values[node.all_input_nodes[0]]
            else:
                module = self.child.module(node)
                with_weights = module is not None and has_state(module)
                self.values[node] = self._layer(node) if with_weights else self._operation(node)

    # -- the parts of a graph -------------------------------------------------------------

    def _output(self, node: fx.Node) -> None:
        theirs = self.parent.operations[self.parent.nodes[-1]]
        own = self.child.operations[node]
        expected = [self.parent.value[one] for one in theirs.inputs]
        if own.settings != theirs.settings:
            raise CannotError("it answers other outputs than the parent")
        for one, wanted in zip(own.inputs, expected, strict=True):
            same, tensors = self._passed_on(one)
            if same.node is not wanted:
                raise CannotError(
                    "what the parent computes in its last layers is not in the child: the outputs "
                    f"would be those of {same.node.name} instead of {wanted.name}"
                )
            if same.channels.map is not None:
                raise CannotError("the outputs themselves are widened")
            self._set(tensors)

    def _attribute(self, node: fx.Node) -> Value:
        name = str(node.target)
        own = self.child.seen[node]
        theirs = next((n for n in self.parent.nodes if n.op == "get_attr" and n.target == name),
                      None)  # fmt: skip
        if theirs is None or not isinstance(own, Tensor):
            return _cannot(f"{name}: the parent has no such tensor")
        tensor = self.parent.seen[theirs]
        if not isinstance(tensor, Tensor):
            return _cannot(f"{name}: the parent has no such tensor")
        if own.shape == tensor.shape:
            return self._constant(name, own, tensor, Same(theirs))
        differing = [
            d for d, (a, b) in enumerate(zip(own.shape, tensor.shape, strict=False)) if a != b
        ]
        if own.ndim != tensor.ndim or len(differing) > 1:
            return _cannot(f"{name}: shape {tuple(own.shape)} instead of {tuple(tensor.shape)}")
        dim = differing[0]
        try:
            channels = repeated(tensor.shape[dim], own.shape[dim], dim - own.ndim)
        except CannotError as error:
            return _cannot(f"{name}: {error}")
        assert channels.map is not None
        wanted = tensor.index_select(dim, channels.map)
        return self._constant(name, own, wanted, Same(theirs, channels))

    def _constant(self, name: str, own: Tensor, wanted: Tensor, value: Same) -> Value:
        """Set a tensor of the module's own; what is never saved must be right already."""
        if self._is_saved(name):
            self._set({name: wanted})
        elif not torch.equal(own, wanted):
            return _cannot(
                f"{name}: it differs from the parent's and is neither a parameter nor a buffer "
                "that is saved, so it cannot be passed on"
            )
        return value

    def _is_saved(self, name: str) -> bool:
        path, _, key = name.rpartition(".")
        module = self.child.modules.get(path)
        if module is None:
            return False
        is_buffer = key in module._buffers and key not in module._non_persistent_buffers_set
        return is_buffer or key in module._parameters

    def _layer(self, node: fx.Node) -> Value:
        module, name = self.child.module(node), str(node.target)
        assert module is not None
        why = ""
        try:
            given = [self._passed_on(one) for one in node.all_input_nodes]
        except CannotError as error:
            why, given = str(error), []
        for theirs in self._candidates(module, name) if given else ():
            other = self.parent.module(theirs)
            assert other is not None
            takes = [self.parent.value[one] for one in theirs.all_input_nodes]
            if takes != [same.node for same, _ in given]:
                why = why or f"{name} is given something else than in the parent"
                continue
            channels = given[0][0].channels
            if any(not _alike(same.channels, channels) for same, _ in given[1:]):
                why = f"{name}: its inputs are widened in different ways"
                continue
            if isinstance(module, NORMS) and channels.map is not None:
                shape = self.child.shape(node)
                assert shape is not None
                if channels.dim != norm_dim(module, len(shape)):
                    why = f"{name}: it normalises along another dimension than the widened one"
                    continue
            try:
                rng = torch.Generator().manual_seed(self.seed + zlib.crc32(name.encode()))
                tensors, out = transfer(module, other, channels, self.noise, rng)
                self._set({f"{name}.{key}": tensor for key, tensor in tensors.items()})
            except CannotError as error:
                why = f"{name}: {error}"
                # What comes later fails for this, and would say less.
                if str(theirs.target) == name:
                    self.first_reason = self.first_reason or why
                continue
            for _, needed in given:
                self._set(needed)
            return Same(self.parent.value[theirs], out)
        return self._new_layer(node, module, name, why)

    def _candidates(self, module: nn.Module, name: str) -> list[fx.Node]:
        """The parent's layers that this may be: that of its name, then those without a child."""
        calls = self.parent.calls
        found = list(calls.get(name, ()))
        for other, nodes in calls.items():
            twin = self.child.modules.get(other)
            if other != name and (
                twin is None or type(twin) is not type(self.parent.modules[other])
            ):
                found += nodes
        return [node for node in found if type(self.parent.module(node)) is type(module)]

    def _new_layer(self, node: fx.Node, module: nn.Module, name: str, why: str) -> Value:
        before = node.all_input_nodes[0]

        def full(tensors: Tensors) -> Tensors:
            return {f"{name}.{key}": tensor for key, tensor in tensors.items()}

        def identity() -> tuple[Same, Tensors]:
            same, needed = self._passed_on(before)
            value = self.parent.seen[same.node]
            shape = self.child.shape(node)
            if shape is None or not isinstance(value, Tensor):
                raise CannotError(f"{name}: not a layer of one tensor")
            dim = norm_dim(module, len(shape)) if isinstance(module, NORMS) else -1
            if isinstance(module, _ConvNd):
                dim = -1 - len(module.kernel_size)
            try:
                channels = same.channels if same.channels.map is not None else Channels(None, dim)
                tensors, out = as_identity(module, channels, value.shape[dim], moments(value, dim))
            except CannotError as error:
                raise CannotError(why or f"{name}: {error}") from None
            return Same(same.node, out), needed | full(tensors)

        def constant(value: float) -> Tensors:
            try:
                return full(as_constant(module, value))
            except CannotError:
                if value or not isinstance(module, NORMS):
                    raise
                return self._made(before, 0.0)  # a normalisation without a scale of its own

        return New(identity, constant)

    def _operation(self, node: fx.Node) -> Value:
        one = self.child.operations[node]
        why = ""
        try:
            given = [self._passed_on(source) for source in one.inputs]
            same = tuple(value for value, _ in given)
            if one.name == "relu" and same[0].node in self.parent.never_negative:
                found: fx.Node | None = same[0].node
                channels = same[0].channels
            else:
                found = self.parent.find(one, tuple(value.node for value in same))
                channels = SAME if found is None else self._flow(node, one, found, same)
            if found is not None:
                for _, needed in given:
                    self._set(needed)
                return Same(found, channels)
            why = f"{node.name}: the parent does not apply {one.name} to the same values"
        except CannotError as error:
            why = str(error)
        return self._new_operation(one, why)

    def _new_operation(self, one: Operation, why: str) -> Value:
        name, inputs = one.name, one.inputs

        def identity() -> tuple[Same, Tensors]:
            if name in ("add", "mul") and len(inputs) == 2:
                neutral = 0.0 if name == "add" else 1.0
                for kept, other in (inputs, inputs[::-1]):
                    try:
                        same, needed = self._passed_on(kept)
                        return same, needed | self._made(other, neutral)
                    except CannotError:
                        continue
            if name == "relu":
                same, needed = self._passed_on(inputs[0])
                if same.node in self.parent.never_negative:
                    return same, needed
                raise CannotError(
                    f"a new ReLU would cut off what is negative in the parent ({same.node.name})"
                )
            if name in ACTIVATIONS:
                raise CannotError(why or f"a new {name} cannot pass on what it is given")
            raise CannotError(why)

        def constant(value: float) -> Tensors:
            if value == 1.0 and name == "hardsigmoid":
                return self._made(inputs[0], _GATE_OPEN)
            if value == 0.0 and name == "mul":
                for source in inputs:
                    try:
                        return self._made(source, 0.0)
                    except CannotError:
                        continue
            if value == 0.0 and name in _KEEP_ZERO and inputs:
                needed: Tensors = {}
                for source in inputs:
                    needed |= self._made(source, 0.0)
                return needed
            raise CannotError(why or f"a new {name} cannot answer {value:g}")

        return New(identity, constant)

    # -- channels -------------------------------------------------------------------------

    def _flow(
        self, node: fx.Node, one: Operation, found: fx.Node, given: tuple[Same, ...]
    ) -> Channels:
        """The channels of an operation's result."""
        own, theirs = self.child.seen.get(node), self.parent.seen.get(found)
        if not isinstance(own, Tensor) or not isinstance(theirs, Tensor):
            if not isinstance(own, tuple | list) and own != theirs:
                raise CannotError(f"{one.name}: a size of the child's tensors is used as a number")
            if any(value.channels.map is not None for value in given) and isinstance(
                own, tuple | list
            ):
                return given[0].channels
            return SAME
        widened = [value for value in given if value.channels.map is not None]
        if not widened:
            return SAME
        channels = widened[0].channels
        shapes = [self.child.shape(source) or () for source in one.inputs]
        if one.name in _ELEMENTWISE or one.name in POOLS:
            self._check_agree(one, given, shapes)
            if one.name in POOLS and channels.dim == -1:
                raise CannotError(f"{one.name} mixes widened channels")
            return channels
        assert channels.map is not None
        shape = shapes[0]
        place = len(shape) + channels.dim
        if one.name == "mean" and len(given) == 1:
            if own.ndim == len(shape):
                if own.shape[place] == shape[place]:
                    return channels
            elif own.ndim == 2 and place == 1 and own.shape[1] == shape[1]:
                return Channels(channels.map, -1)
        if one.name in _FLAT and own.ndim == 2 and place == 1 and own.shape[0] == shape[0]:
            n_each = own.shape[1] // shape[1]
            each = torch.arange(n_each)
            return Channels((channels.map[:, None] * n_each + each).flatten(), -1)
        if one.name == "cat":
            return self._joined(one, given, found, own)
        raise CannotError(f"{one.name} behind widened channels is not known")

    def _check_agree(
        self, one: Operation, given: tuple[Same, ...], shapes: list[tuple[int, ...]]
    ) -> None:
        """Whether tensors that are combined number by number are widened alike."""
        first = next(value.channels for value in given if value.channels.map is not None)
        assert first.map is not None
        for value, shape in zip(given, shapes, strict=True):
            own = value.channels
            if own.map is None:
                size = shape[first.dim] if len(shape) >= -first.dim else 1
                agree = size == 1
            else:
                agree = _alike(own, first)
            if not agree:
                raise CannotError(f"{one.name}: its inputs are widened in different ways")

    def _joined(
        self, one: Operation, given: tuple[Same, ...], found: fx.Node, own: Tensor
    ) -> Channels:
        dim = next(value.channels.dim for value in given if value.channels.map is not None)
        shapes = [self.child.shape(source) or () for source in one.inputs]
        if sum(shape[dim] for shape in shapes) != own.shape[dim]:
            raise CannotError("cat: tensors with widened channels are joined along other ones")
        maps, n_before = [], 0
        for value, shape in zip(given, shapes, strict=True):
            maps.append(value.channels.along(dim, shape[dim]) + n_before)
            n_before += self.parent.seen[value.node].shape[dim]
        return Channels(torch.cat(maps), dim)

    # -- deciding -------------------------------------------------------------------------

    def _passed_on(self, node: fx.Node) -> tuple[Same, Tensors]:
        value = self.values[node]
        return (value, {}) if isinstance(value, Same) else value.passed_on()

    def _made(self, node: fx.Node, number: float) -> Tensors:
        value = self.values[node]
        if isinstance(value, Same):
            raise CannotError(f"{value.node.name} of the parent would have to be {number:g}")
        return value.made(number)

    def _set(self, tensors: Tensors) -> None:
        for name, tensor in tensors.items():
            known = self.tensors.get(name)
            if known is not None and not torch.equal(known, tensor):
                raise CannotError(f"{name} would need two values at once")
        self.tensors |= tensors


def _alike(a: Channels, b: Channels) -> bool:
    if a.map is None or b.map is None:
        return a.map is b.map
    return a.dim == b.dim and torch.equal(a.map, b.map)


def _cannot(why: str) -> New:
    def fail(*_: Any) -> Any:
        raise CannotError(why)

    return New(fail, fail)
