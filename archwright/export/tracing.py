"""The forward of each of the user's classes, traced on its own: submodules stay calls."""

from __future__ import annotations

import builtins
import contextlib
import dis
import inspect
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.proxy import Attribute

from archwright.export.constructors import is_torch_layer, torch_class
from archwright.export.literals import CannotWriteError
from archwright.hardware.length import len_as

# Functions that make tensors: wrapped while tracing, so that sizes taken from the input stay so.
_FACTORIES: Final = (
    "arange",
    "zeros",
    "ones",
    "full",
    "empty",
    "linspace",
    "eye",
    "tensor",
    "rand",
    "randn",
)
_CONTAINERS: Final = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def is_sequential(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other and does nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def is_container(module: nn.Module) -> bool:
    """Whether a module only holds others: a Sequential, ModuleList or ModuleDict."""
    return torch_class(type(module)) in _CONTAINERS


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is written by its constructor alone."""
    return is_torch_layer(module) and not is_container(module)


@dataclass
class Traced:
    """A module of the user's with the graph of its forward.

    Attributes:
        module: the module.
        parameters: the names of the inputs of its forward.
        pattern: how it is called; a module called in two ways has no one forward.
        graph: the traced forward; None when it is never called itself.
        constants: tensors that the forward uses and the module does not own, by new names.
    """

    module: nn.Module
    parameters: tuple[str, ...] = ()
    pattern: tuple[Any, ...] = ()
    graph: fx.Graph | None = None
    constants: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pattern:
    """How a module is called: an expression for each argument, and the inputs that are tensors.

    A static argument (a flag, None) is part of the pattern: the forward is traced with it.
    """

    names: tuple[str, ...]
    source: str
    values: tuple[Any, ...]

    def key(self) -> tuple[Any, ...]:
        return (self.names, self.source, tuple(repr(v) for v in self.values))


class _Proxy(fx.Proxy):
    """A stand-in that remembers when it was unpacked: `n, c = x.shape` is not `x.shape[0]`."""

    def __getattr__(self, name: str) -> Attribute:
        return _Attribute(self, name)

    def __iter__(self) -> Iterator[Any]:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        code, offset = frame.f_back.f_code, frame.f_back.f_lasti
        step = next((i for i in dis.get_instructions(code) if i.offset == offset), None)
        if step is None or step.opname != "UNPACK_SEQUENCE":
            return iter(self.tracer.iter(self))
        items = [operator.getitem(self, i) for i in range(int(step.argval))]
        for item in items:
            item.node.meta["unpacked"] = len(items)
        return iter(items)


class _Attribute(Attribute, _Proxy):
    pass


class _Tracer(fx.Tracer):
    def __init__(self, inlined: set[int]) -> None:
        super().__init__(autowrap_modules=(math,))
        self.proxy_buffer_attributes = True
        self._autowrap_search.append(torch)
        self._autowrap_function_ids.update(id(getattr(torch, name)) for name in _FACTORIES)
        self.inlined = inlined

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return id(m) not in self.inlined


def trace_all(model: nn.Module) -> dict[int, Traced]:
    """Trace the forward of the model and of every module of the user's that it calls.

    Each class is traced for itself with the calls of its submodules left as calls; one that cannot
    be traced so (its path depends on how it is called) is traced as a part of its caller.

    Args:
        model: the network, in evaluation mode. It is altered while tracing: give a copy.

    Returns:
        What was traced, by the module's `id`. Modules never called are there without a graph.

    Raises:
        CannotWriteError: the forward takes a path that depends on values or on the input's shape.
    """
    traced: dict[int, Traced] = {}
    inlined: set[int] = set()
    root = _Pattern(("x",), "{x}", ())
    if not is_leaf(model) and not is_sequential(model):
        name = next(iter(inspect.signature(model.forward).parameters), "x")
        root = _Pattern((_safe(name),), _safe(name), ())
    _trace(model, root, traced, inlined)
    for module in model.modules():
        if id(module) not in traced and not is_leaf(module) and not is_container(module):
            traced[id(module)] = Traced(module)
    return traced


def _safe(name: str) -> str:
    return f"{name}_" if name in ("nn", "torch", "F", "math", "self") else name


def _trace(
    module: nn.Module, pattern: _Pattern, traced: dict[int, Traced], inlined: set[int]
) -> None:
    """Trace one module and those that it calls, adding them to `traced`."""
    if is_leaf(module):
        return
    if is_sequential(module):
        if len(pattern.names) != 1:
            raise CannotWriteError("a Sequential is called with several arguments")
        for child in module.children():
            name = "x"
            if not is_leaf(child) and not is_sequential(child):
                name = _safe(next(iter(inspect.signature(child.forward).parameters), "x"))
            _trace(child, _Pattern((name,), name, ()), traced, inlined)
        return
    known = traced.get(id(module))
    if known is not None:
        if known.pattern != pattern.key():
            raise CannotWriteError(f"{type(module).__name__} is called in several ways")
        return
    while True:
        graph, constants = _symbolic(module, pattern, inlined)
        failed = False
        for child, calls in _calls(module, graph).items():
            if is_leaf(child):
                continue
            try:
                patterns = [_pattern(child, node) for node in calls]
                if any(p.key() != patterns[0].key() for p in patterns):
                    raise CannotWriteError("it is called in several ways")
                before = dict(traced)
                try:
                    _trace(child, patterns[0], traced, inlined)
                except CannotWriteError:
                    traced.clear()
                    traced.update(before)
                    raise
            except CannotWriteError:
                if id(child) in inlined:
                    raise
                inlined.add(id(child))
                if is_sequential(child):
                    inlined.update(id(m) for m in child.children() if not is_leaf(m))
                for part in child.modules():
                    traced.pop(id(part), None)
                failed = True
        if not failed:
            break
    traced[id(module)] = Traced(module, pattern.names, pattern.key(), graph, constants)


def _calls(module: nn.Module, graph: fx.Graph) -> dict[nn.Module, list[fx.Node]]:
    calls: dict[nn.Module, list[fx.Node]] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls.setdefault(module.get_submodule(str(node.target)), []).append(node)
    return calls


def _pattern(child: nn.Module, node: fx.Node) -> _Pattern:
    """The way a node calls a module, for a trace of that module alone."""
    try:
        signature = inspect.signature(child.forward)
        bound = signature.bind(*node.args, **node.kwargs).arguments
    except TypeError as error:
        raise CannotWriteError(str(error)) from error
    names: list[str] = []
    parts: list[str] = []
    values: list[Any] = []
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise CannotWriteError(f"{type(child).__name__} takes any number of arguments")
        safe = _safe(name)
        text = _nested(value, safe, values)
        prefix = "" if kind is inspect.Parameter.POSITIONAL_ONLY else f"{name}="
        parts.append(f"{prefix}{text}")
        if _has_node(value):
            names.append(safe)
    return _Pattern(tuple(names), ", ".join(parts), tuple(values))


def tensor_arguments(child: nn.Module, node: fx.Node) -> list[Any]:
    """The arguments of a call that its traced forward takes: those that hold tensors."""
    bound = inspect.signature(child.forward).bind(*node.args, **node.kwargs).arguments
    return [value for value in bound.values() if _has_node(value)]


def _has_node(value: Any) -> bool:
    if isinstance(value, fx.Node):
        return True
    if isinstance(value, dict):
        return any(_has_node(v) for v in value.values())
    return isinstance(value, (list, tuple)) and any(_has_node(v) for v in value)


def _nested(value: Any, path: str, values: list[Any]) -> str:
    """An expression for an argument in terms of the input `path`; constants go to `values`."""
    if isinstance(value, fx.Node):
        return path
    if not _has_node(value):
        values.append(value)
        return f"_values[{len(values) - 1}]"
    if isinstance(value, dict):
        items = (f"{k!r}: {_nested(v, f'{path}[{k!r}]', values)}" for k, v in value.items())
        return "{" + ", ".join(items) + "}"
    items = (_nested(v, f"{path}[{i}]", values) for i, v in enumerate(value))
    text = ", ".join(items)
    return f"[{text}]" if isinstance(value, list) else f"({text},)"


@contextlib.contextmanager
def _with_forward(module: nn.Module, pattern: _Pattern) -> Iterator[None]:
    """The module takes exactly the inputs of a pattern; the rest is filled in."""
    kind = type(module)
    scope: dict[str, Any] = {"_kind": kind, "_values": pattern.values}
    inputs = ", ".join(("self", *pattern.names))
    exec(f"def forward({inputs}):\n    return _kind.forward(self, {pattern.source})", scope)
    module.__class__ = type(kind.__name__, (kind,), {"forward": scope["forward"]})
    try:
        yield
    finally:
        module.__class__ = kind


def _traced_len(value: Any) -> Any:
    if isinstance(value, fx.Proxy):
        return value.tracer.create_proxy("call_function", len, (value,), {})
    return len(value)


def _symbolic(
    module: nn.Module, pattern: _Pattern, inlined: set[int]
) -> tuple[fx.Graph, dict[str, torch.Tensor]]:
    buffers = {id(b) for b in module.buffers()}
    with len_as(_traced_len, module), _with_forward(module, pattern):
        tracer = _Tracer(inlined)
        try:
            graph = tracer.trace(module)
        except Exception as error:  # whatever a forward does with stand-ins for tensors
            raise CannotWriteError(
                f"the forward of {type(module).__name__} cannot be followed: {error}"
            ) from error
    constants = {}
    for node in graph.nodes:
        if node.op == "get_attr":
            value = _resolve(module, str(node.target))
            if not isinstance(value, torch.Tensor):
                raise CannotWriteError(f"{node.target} is no tensor")
            owned = isinstance(value, nn.Parameter) or id(value) in buffers
            if not owned:
                constants[str(node.target)] = value
    _drop_dead(graph)
    return graph, constants


def _resolve(module: nn.Module, path: str) -> Any:
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _drop_dead(graph: fx.Graph) -> None:
    """Remove what nothing reads and what changes nothing (sizes that were unpacked in passing)."""
    for node in reversed(graph.nodes):
        if node.users or node.op in ("placeholder", "output", "call_module"):
            continue
        if node.target is operator.getitem and _is_unpacked(node):
            continue
        name = node.target if isinstance(node.target, str) else node.target.__name__
        pure = node.op == "get_attr" or node.target in (getattr, operator.getitem)
        if pure or not (name.endswith("_") or node.kwargs.get("inplace")):
            graph.erase_node(node)


def _is_unpacked(node: fx.Node) -> bool:
    """Whether an item is one of `a, b, c = value`, of which others are read."""
    source = node.args[0]
    return (
        isinstance(source, fx.Node)
        and bool(unpacked(source))
        and any(user.users for user in source.users)
    )


def unpacked(source: fx.Node) -> list[fx.Node]:
    """The items into which a value is unpacked at once; none when it is used otherwise."""
    items = list(source.users)
    if not items or any(item.meta.get("unpacked") != len(items) for item in items):
        return []
    in_a_row = all(b.prev is a for a, b in zip([source, *items], items, strict=False))
    return items if in_a_row else []


def _function_names() -> dict[int, str]:
    names: dict[int, str] = {}
    spaces = (
        (F, "F"),
        (torch, "torch"),
        (torch.special, "torch.special"),
        (torch.linalg, "torch.linalg"),
        (torch.fft, "torch.fft"),
        (math, "math"),
    )
    for space, prefix in spaces:
        for name, value in vars(space).items():
            if callable(value) and not name.startswith("_"):
                names.setdefault(id(value), f"{prefix}.{name}")
    for name in ("len", "int", "float", "max", "min", "abs", "sum", "round"):
        names.setdefault(id(getattr(builtins, name)), name)
    return names


FUNCTIONS: Final = _function_names()
