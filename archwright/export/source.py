"""A network written as plain PyTorch source: its classes, its constructors, its forward."""

from __future__ import annotations

import copy
import keyword
import re
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from archwright.export.classes import Body, Group, Groups, Items, Made, Renderer
from archwright.export.constructors import Argument, Call, constructor
from archwright.export.forward import Forward, Parts
from archwright.export.layout import wrap
from archwright.export.literals import CannotWriteError, Hole
from archwright.export.tracing import (
    Traced,
    is_container,
    is_leaf,
    is_sequential,
    trace_all,
)


@dataclass(frozen=True)
class Source:
    """A written network.

    Attributes:
        classes: the source of its classes, in the order in which they need one another.
        build: the expression that makes the network.
        constants: tensors that the source registers as buffers although the network's
            `state_dict` does not hold them.
        imports: further lines of import.
    """

    classes: str
    build: str
    constants: dict[str, torch.Tensor]
    imports: tuple[str, ...]


_NAMELESS: Final = ("GraphModule", "Module")


def write_source(model: nn.Module) -> Source:
    """Write a network as plain PyTorch: its classes, its constructors and its forward.

    Every class of the user's becomes a class of the same name whose forward is the path that the
    network takes in evaluation mode; submodules keep their names, so that the weights load.
    Instances of equal structure share a class, and what differs becomes its arguments.

    Args:
        model: the network. It is copied, not altered.

    Returns:
        The source, in parts.

    Raises:
        CannotWriteError: the forward's path depends on values, or a layer is not known.
    """
    model = copy.deepcopy(model).eval()
    traced = trace_all(model)
    writer = _Writer(model, traced)
    return writer.write()


class _Writer:
    def __init__(self, model: nn.Module, traced: dict[int, Traced]) -> None:
        self.model = model
        self.traced = traced
        self.paths: dict[int, str] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            self.paths.setdefault(id(module), path)
        self.given = {type(m).__name__ for m in model.modules()} - set(_NAMELESS)
        self.bodies: dict[int, Body] = {}
        self.constants: dict[str, torch.Tensor] = {}
        self.imports: set[str] = set()
        self.keys: dict[int, Any] = {}

    # -- instances --------------------------------------------------------------------------------
    def write(self) -> Source:
        root = self.expression(self.model)
        groups = self.group()
        for group in groups:
            group.reduce(groups)
        names: set[str] = {"nn", "torch", "F", "math", "OrderedDict", "json", "Path"}
        for group in groups:
            name = group.bodies[0].name
            group.name = _unused(name, names)
            names.add(group.name)
        classes = "\n\n\n".join(self.render_class(group, groups) for group in groups)
        build = Renderer(groups, {}, self.imports).text(root)
        if "math." in classes:
            self.imports.add("import math")
        return Source(classes, build, self.constants, tuple(sorted(self.imports)))

    def expression(self, module: nn.Module) -> Any:
        if is_leaf(module):
            try:
                return constructor(module)
            except CannotWriteError as error:
                path = self.paths.get(id(module)) or "the network"
                raise CannotWriteError(f"{path}: {error}") from error
        if is_sequential(module):
            return self.container("nn.Sequential", module)
        if is_container(module):
            kind = "nn.ModuleDict" if isinstance(module, nn.ModuleDict) else "nn.ModuleList"
            return self.container(kind, module)
        if id(module) not in self.bodies:
            self.bodies[id(module)] = self.body(module)
        return Made(id(module))

    def container(self, kind: str, module: nn.Module) -> Call:
        if module._parameters or module._buffers:
            raise CannotWriteError(f"{kind} at {self.paths[id(module)]} owns tensors itself")
        if any(child is None for child in module._modules.values()):
            raise CannotWriteError(f"{kind} at {self.paths[id(module)]} holds None")
        names = tuple(module._modules)
        values = tuple(self.expression(c) for c in module._modules.values() if c is not None)
        if kind == "nn.ModuleDict" or names != tuple(str(i) for i in range(len(names))):
            if kind == "nn.ModuleList":
                raise CannotWriteError(f"a ModuleList with the names {names}")
            if kind == "nn.Sequential":
                self.imports.add("from collections import OrderedDict")
            return Call(kind, (Argument(None, Items(names, values)),))
        if kind == "nn.ModuleList":
            return Call(kind, (Argument(None, Items(None, values)),))
        return Call(kind, tuple(Argument(None, v) for v in values))

    def body(self, module: nn.Module) -> Body:
        traced = self.traced[id(module)]
        path = self.paths[id(module)]
        body = Body(_class_name(module, path, self.given), path)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                body.tensors.append(_tensor(name, parameter, parameter=True))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                body.tensors.append(_tensor(name, buffer, parameter=False))
                if name in module._non_persistent_buffers_set:
                    self.constants[_join(body.path, name)] = buffer
        for name, constant in traced.constants.items():
            if "." in name:
                raise CannotWriteError(f"{body.name} reads the plain tensor {name} of a part")
            body.tensors.append(_tensor(name, constant, parameter=False))
            self.constants[_join(body.path, name)] = constant
        seen: dict[int, str] = {}
        for name, child in module._modules.items():
            if child is None:
                continue
            if not name.isidentifier() or keyword.iskeyword(name):
                raise CannotWriteError(f"{body.name} has a part named {name!r}")
            if id(child) in seen:
                body.init.append((name, f"self.{seen[id(child)]}"))
                continue
            seen[id(child)] = name
            body.init.append((name, self.expression(child)))
        if traced.graph is not None:
            body.parameters = traced.parameters
            body.forward = Forward(module, self.traced).statements()
        return body

    # -- equal instances become one class -----------------------------------------------------
    def group(self) -> Groups:
        groups = Groups()
        for instance, body in self.bodies.items():  # parts come before the whole
            groups.add(instance, body)
        return groups

    def render_class(self, group: Group, groups: Groups) -> str:
        body = group.bodies[0]
        taken = {name for name, _ in body.init} | {str(t[0]).split()[0] for t in body.tensors}
        shown = group.argument_names(taken)
        renderer = Renderer(groups, shown, self.imports)
        inputs = ", ".join(["self", *group.parameters(shown)])
        more = len(group.bodies) - 1
        text = "The network." if not body.path else f"The part `{body.path}`"
        if body.path:
            text += f" and {more} more like it." if more else "."
        lines = [f"class {group.name}(nn.Module):", f'    """{text}"""', ""]
        bare = not (body.tensors or body.init or shown) and body.forward is not None
        if not bare:
            lines.append(f"    def __init__({inputs}):")
            lines.append("        super().__init__()")
        renderer.start(group)
        for parts in body.tensors:
            lines.append("        " + renderer.parts(parts))
        for name, expression in body.init:
            lines.append(f"        self.{name} = {renderer.text(expression)}")
        n_init = len(renderer.used)
        forward: list[str] = []
        if body.forward is not None:
            arguments = ", ".join(["self", *body.parameters])
            forward = [*([] if bare else [""]), f"    def forward({arguments}):"]
            renderer.in_forward = True
            for parts in body.forward:
                forward.append("        " + renderer.parts(parts))
        for name in dict.fromkeys(renderer.used[n_init:]):
            lines.append(f"        self.{name} = {name}")
        lines = [line for text in [*lines, *forward] for line in [wrap(text)]]
        return "\n".join(line.rstrip() if not line.strip() else line for line in lines)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _unused(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}{number}" in taken:
        number += 1
    return f"{name}{number}"


def _class_name(module: nn.Module, path: str, given: set[str]) -> str:
    """The class's own name; that of its place for a class that torch.fx made."""
    name = type(module).__name__
    if name in _NAMELESS or not name.isidentifier():
        words = [w for w in re.split(r"[._]", path) if w and not w.isdigit()]
        name = words[-1].capitalize().removesuffix("s") if words else "Cell" if path else "Network"
        if name in given:
            name = f"{name}Graph"
    return name if name[0].isupper() else name[0].upper() + name[1:]


def _tensor(name: str, tensor: torch.Tensor, *, parameter: bool) -> Parts:
    """The statement that makes a parameter or buffer of the right shape."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise CannotWriteError(f"a tensor is named {name!r}")
    shape: list[Any] = []
    for i, size in enumerate(tensor.shape):
        shape += [", " if i else "", Hole(int(size), "size")]
    if not shape:
        shape = ["()"]
    kind = "" if tensor.dtype is torch.float32 else f", dtype={tensor.dtype}"
    if parameter:
        grad = "" if tensor.is_floating_point() else ", requires_grad=False"
        return (f"self.{name} = nn.Parameter(torch.empty(", *shape, kind, f"){grad})")
    return (f'self.register_buffer("{name}", torch.empty(', *shape, kind, "))")
