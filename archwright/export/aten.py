"""Plain source for networks whose forward cannot be followed class by class: step by step."""

from __future__ import annotations

import operator
from typing import Any, Final

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind

from archwright.export.layout import wrap
from archwright.export.literals import CannotWriteError, literal, quoted
from archwright.export.source import Source

_BINARY: Final = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.floordiv: "//",
    operator.truediv: "/",
    operator.mod: "%",
    operator.pow: "**",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}
_CHECKS: Final = ("_assert", "_guards_fn", "sym_constrain_range")


def write_steps(model: nn.Module, program: torch.export.ExportedProgram) -> Source:
    """Write a network as the list of its operations, from a `torch.export` program.

    The weights keep their names, so the same file loads; the classes are lost.

    Args:
        model: the network.
        program: what `torch.export` captured of it.

    Returns:
        The source, in parts.

    Raises:
        CannotWriteError: the program holds more than tensor operations of torch (a branch).
    """
    tensors: dict[str, torch.Tensor] = dict(model.state_dict(keep_vars=True))
    constants: dict[str, torch.Tensor] = {}
    names: dict[str, str] = {}
    inputs: list[str] = []
    for spec in program.graph_signature.input_specs:
        argument = str(spec.arg.name)
        if spec.kind is InputKind.USER_INPUT:
            inputs.append(argument)
        elif spec.target is None:
            raise CannotWriteError(f"an input of kind {spec.kind.name}")
        else:
            names[argument] = spec.target
            if spec.target not in tensors:
                value = program.constants.get(spec.target)
                if not isinstance(value, torch.Tensor):
                    raise CannotWriteError(f"a constant {spec.target} that is no tensor")
                tensors[spec.target] = constants[spec.target] = value
    kinds = [spec.kind for spec in program.graph_signature.output_specs]
    if kinds != [OutputKind.USER_OUTPUT]:
        raise CannotWriteError("a network that changes its buffers or returns several tensors")
    steps = _steps(program.graph, names)
    return Source(_class(tensors, inputs, steps), "Network()", constants, ())


def _steps(graph: fx.Graph, names: dict[str, str]) -> list[str]:
    lines: list[str] = []

    def text(value: Any) -> str:
        if isinstance(value, fx.Node):
            return f"w[{quoted(names[value.name])}]" if value.name in names else value.name
        if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            inner = ", ".join(text(v) for v in value)
            if isinstance(value, list):
                return f"[{inner}]"
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        return literal(value)

    for node in graph.nodes:
        label = str(node.target)
        if node.op == "placeholder" or any(check in label for check in _CHECKS):
            continue
        if node.op == "output":
            (result,) = node.args[0]
            lines.append(f"return {text(result)}")
            continue
        if node.op != "call_function":
            raise CannotWriteError(f"the captured program holds a branch ({label})")
        args = [text(a) for a in node.args]
        if node.target is operator.getitem:
            call = f"{args[0]}[{args[1]}]"
        elif node.target in _BINARY:
            call = f"{args[0]} {_BINARY[node.target]} {args[1]}"
        elif isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "aten":
            given = [*args, *(f"{k}={text(v)}" for k, v in node.kwargs.items())]
            call = f"{label}({', '.join(given)})"
        else:
            raise CannotWriteError(f"the captured program calls {label}")
        lines.append(f"{node.name} = {call}" if node.users else call)
    return lines


def _class(tensors: dict[str, torch.Tensor], inputs: list[str], steps: list[str]) -> str:
    lines = [
        "aten = torch.ops.aten",
        "",
        "",
        "class Network(nn.Module):",
        '    """The network, operation by operation: its own classes could not be followed."""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
    ]
    for name, tensor in tensors.items():
        kind = "" if tensor.dtype is torch.float32 else f", {tensor.dtype}"
        keep = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        lines.append(f"        self._{keep}({quoted(name)}, {literal(tuple(tensor.shape))}{kind})")
    lines += [
        "",
        "    def _parameter(self, name, shape, dtype=torch.float32):",
        "        owner, name = self._owner(name)",
        "        tensor = torch.empty(shape, dtype=dtype)",
        "        owner.register_parameter(",
        "            name, nn.Parameter(tensor, requires_grad=tensor.is_floating_point())",
        "        )",
        "",
        "    def _buffer(self, name, shape, dtype=torch.float32):",
        "        owner, name = self._owner(name)",
        "        owner.register_buffer(name, torch.empty(shape, dtype=dtype))",
        "",
        "    def _owner(self, path):",
        '        """The module that holds a tensor, made if missing, and its name there."""',
        '        owner, *names = self, *path.split(".")',
        "        for name in names[:-1]:",
        "            if name not in owner._modules:",
        "                owner.add_module(name, nn.Module())",
        "            owner = owner._modules[name]",
        "        return owner, names[-1]",
        "",
        f"    def forward(self, {', '.join(inputs)}):",
        "        w = {**dict(self.named_parameters()), **dict(self.named_buffers())}",
        *(f"        {step}" for step in steps),
    ]
    return "\n".join(wrap(line) for line in lines)
