"""A network's graph of operations, with what flowed through it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.dropout import _DropoutNd

from archwright.nn.contexts import evaluating

# One operation under its several names; what is not here keeps its own.
_NAMES = {"iadd": "add", "add_": "add", "imul": "mul", "mul_": "mul", "relu_": "relu"}
_ACTIVATIONS = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
    nn.Hardswish: "hardswish",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "hardsigmoid",
    nn.ELU: "elu",
    nn.LeakyReLU: "leaky_relu",
    nn.ReLU6: "relu6",
}
ACTIVATIONS = frozenset(_ACTIVATIONS.values())
POOLS = frozenset(
    f"{kind}{n}d" for kind in ("MaxPool", "AvgPool", "AdaptiveAvgPool") for n in (1, 2)
) | {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "max_pool1d", "avg_pool1d"}
_COMMUTING = ("add", "mul")
_NEVER_NEGATIVE = ("relu", "relu6", "sigmoid", "hardsigmoid", "softmax", "Softmax")
_KEEP_SIGN = POOLS | {"mean", "flatten", "Flatten", "add", "mul", "cat", "getitem", "reshape"}


def copied(inputs: Any) -> Any:
    """Inputs to call a network with that may write into them, as ReLU(inplace=True) does."""
    if isinstance(inputs, Tensor):
        return inputs.detach().clone()
    if type(inputs) in (tuple, list):
        return type(inputs)(copied(one) for one in inputs)
    if type(inputs) is dict:
        return {name: copied(one) for name, one in inputs.items()}
    return inputs


class CannotError(Exception):
    """A change that no weights preserve; its text says why."""


@dataclass(frozen=True)
class Operation:
    """What a node computes, whatever it is written with.

    Attributes:
        name: its name; the same for `nn.ReLU()`, `F.relu` and `x.relu()`.
        settings: everything else that decides the result.
        inputs: the nodes it takes, in order.
    """

    name: str
    settings: str
    inputs: tuple[fx.Node, ...]

    def key(self, values: tuple[fx.Node, ...]) -> tuple[Any, ...]:
        """What tells it from others, given the values that it takes."""
        names = [value.name for value in values]
        ordered = sorted(names) if self.name in _COMMUTING else names
        return (self.name, self.settings, *ordered)


class Network:
    """A module's graph, the operation of each node, and the values of one batch.

    Args:
        model: a plain module; neither changed nor kept in another mode.
        inputs: what its forward takes.

    Raises:
        CannotError: its forward cannot be traced (it branches on values, say).
    """

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.modules = dict(model.named_modules())
        try:
            graph = fx.Tracer().trace(model)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            name = type(model).__name__
            raise CannotError(f"the forward of {name} cannot be traced: {reason}") from None
        self.nodes = list(graph.nodes)
        self.seen: dict[fx.Node, Any] = {}
        recorder = _Recorder(fx.GraphModule(model, graph), self.seen)
        with evaluating(model):
            recorder.module.eval()
            # What is trained in eval mode, and frozen for it, must not be put into training.
            recorder.run(*copied(inputs))
        self.operations = {node: self._operation(node) for node in self.nodes}

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module that a node calls, if it calls one."""
        return self.modules[str(node.target)] if node.op == "call_module" else None

    def shape(self, node: fx.Node) -> tuple[int, ...] | None:
        """The shape of a node's value; None where it is no tensor."""
        value = self.seen.get(node)
        return tuple(value.shape) if isinstance(value, Tensor) else None

    def passes_on(self, node: fx.Node) -> bool:
        """Whether a node, in eval mode, answers what it is given."""
        if node.op == "call_function" and getattr(node.target, "__name__", "") == "dropout":
            return True
        return isinstance(self.module(node), nn.Identity | _DropoutNd)

    def _operation(self, node: fx.Node) -> Operation:
        module = self.module(node)
        inputs = tuple(node.all_input_nodes)
        if module is not None:
            if type(module) in _ACTIVATIONS:
                settings = module.extra_repr().replace("inplace=True", "").strip(", ")
                return Operation(_ACTIVATIONS[type(module)], settings, inputs)
            return Operation(type(module).__name__, module.extra_repr(), inputs)
        if node.op == "placeholder":
            return Operation("input", str(node.name), ())
        name = getattr(node.target, "__name__", str(node.target))
        name = _NAMES.get(name, name)
        if name in ACTIVATIONS and len(node.args) == 1:
            left = {k: v for k, v in node.kwargs.items() if k != "inplace" and v not in (None, 0)}
            return Operation(name, str(left) if left else "", inputs)
        # The nodes of the arguments are named by their places, so that two networks agree.
        places: dict[fx.Node, str] = {}
        found: list[fx.Node] = []

        def placed(one: fx.Node) -> str:
            found.append(one)
            return places.setdefault(one, f"#{len(found)}")

        arguments = fx.node.map_arg((node.args, dict(node.kwargs)), placed)
        return Operation(name, str(arguments), tuple(found))


class _Recorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, seen: dict[fx.Node, Any]) -> None:
        super().__init__(module)
        self.seen = seen

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        # A copy: an operation in place, such as ReLU(inplace=True), would change it.
        self.seen[n] = value.detach().clone() if isinstance(value, Tensor) else value
        return value


class Parent(Network):
    """The parent's graph, looked up by what operations take."""

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...]) -> None:
        super().__init__(model, inputs)
        self.value: dict[fx.Node, fx.Node] = {}
        self.never_negative: set[fx.Node] = set()
        self._by_key: dict[tuple[Any, ...], fx.Node] = {}
        self.calls: dict[str, list[fx.Node]] = {}
        for node in self.nodes:
            one = self.operations[node]
            values = tuple(self.value[source] for source in one.inputs)
            if self.passes_on(node):
                self.value[node] = values[0]
                continue
            if one.name == "relu" and values[0] in self.never_negative:
                self.value[node] = values[0]
                continue
            self.value[node] = node
            signs = [value in self.never_negative for value in values]
            if one.name in _NEVER_NEGATIVE or (
                one.name in _KEEP_SIGN and signs and all(signs) and not _has_minus(one)
            ):
                self.never_negative.add(node)
            module = self.module(node)
            if module is not None and has_state(module):
                self.calls.setdefault(str(node.target), []).append(node)
            elif node.op in ("call_function", "call_method", "call_module"):
                self._by_key.setdefault(one.key(values), node)
        self.inputs = [node for node in self.nodes if node.op == "placeholder"]

    def find(self, operation: Operation, values: tuple[fx.Node, ...]) -> fx.Node | None:
        """The value of an operation without weights on given values, where the parent has it."""
        return self._by_key.get(operation.key(values))


def has_state(module: nn.Module) -> bool:
    """Whether a module holds parameters or buffers, in itself or below."""
    return bool(next(module.parameters(), None) is not None) or bool(
        next(module.buffers(), None) is not None
    )


def _has_minus(operation: Operation) -> bool:
    return "-" in operation.settings


def moments(value: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel; `dim` counts from the last, below 0."""
    flat = value.movedim(dim, 0).flatten(1).to(torch.float32)
    return flat.mean(1), flat.var(1, unbiased=False)
