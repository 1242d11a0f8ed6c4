"""A traced forward as statements that a person would write."""

from __future__ import annotations

import inspect
import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import fx, nn

from archwright.export.literals import CannotWriteError, Hole, literal, quoted
from archwright.export.tracing import FUNCTIONS, Traced, tensor_arguments, unpacked

_BINARY: Final = {
    operator.add: ("+", 4),
    operator.sub: ("-", 4),
    operator.mul: ("*", 5),
    operator.truediv: ("/", 5),
    operator.floordiv: ("//", 5),
    operator.mod: ("%", 5),
    operator.matmul: ("@", 5),
    operator.pow: ("**", 7),
    operator.lt: ("<", 1),
    operator.le: ("<=", 1),
    operator.gt: (">", 1),
    operator.ge: (">=", 1),
    operator.eq: ("==", 1),
    operator.ne: ("!=", 1),
    operator.and_: ("&", 3),
    operator.or_: ("|", 2),
    operator.iadd: ("+", 4),
    operator.isub: ("-", 4),
    operator.imul: ("*", 5),
    operator.itruediv: ("/", 5),
}
_IN_PLACE: Final = (operator.iadd, operator.isub, operator.imul, operator.itruediv)
_UNARY: Final = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}
_ATOM: Final = 9
_LETTERS: Final = ("y", "z", "u", "v", "w")
_DIMENSIONS: Final = {2: ("n", "d"), 3: ("n", "t", "d"), 4: ("n", "c", "h", "w")}
_SIZES: Final = frozenset("nctdhw")
_CHAIN: Final = 76  # characters of an expression
_DEPTH: Final = 4  # calls inside one another

Parts = tuple[Any, ...]  # of str and Hole


def _is_default(function: Any, name: str, value: Any) -> bool:
    """Whether an argument of a torch function stands at its default or is for its insides."""
    if name == "_stacklevel":
        return True
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):
        return False
    if parameter is None or isinstance(value, fx.Node):
        return False
    return type(parameter.default) is type(value) and parameter.default == value


@dataclass
class _Expression:
    parts: Parts
    level: int
    reads: tuple[str, ...]
    depth: int = 0

    @property
    def length(self) -> int:
        return sum(len(literal(p.value)) if isinstance(p, Hole) else len(p) for p in self.parts)


class Forward:
    """Turns a traced forward into statements: chains on one line, names reused where they end."""

    def __init__(self, module: nn.Module, known: dict[int, Traced]) -> None:
        traced = known[id(module)]
        assert traced.graph is not None
        self.module = module
        self.nodes = list(traced.graph.nodes)
        self.known = known
        self.traced = traced
        self.taken = {"self", "nn", "torch", "F", "math", *traced.parameters}
        self.variables: dict[fx.Node, str] = {}
        self.expressions: dict[fx.Node, _Expression] = {}
        self.free: list[str] = [name for name in _LETTERS if name not in traced.parameters]
        self.n_names = 0
        self.last_use = {n: i for i, node in enumerate(self.nodes) for n in node.all_input_nodes}

    def statements(self) -> list[Parts]:
        """The body of the forward.

        A value that only the next step reads is written inside that step, up to a line's length;
        so steps stay in their order.
        """
        inputs = iter(self.traced.parameters)
        out: list[Parts] = []
        held: fx.Node | None = None  # the value that the step at hand reads, not yet written
        skip: set[fx.Node] = set()
        for i, node in enumerate(self.nodes):
            if node in skip:
                continue
            if node.op == "placeholder":
                self.variables[node] = next(inputs)
                if items := unpacked(node):
                    out.append(self.unpack(node, (self.variables[node],), items, i))
                    skip.update(items)
                continue
            if node.op == "get_attr":
                self.expressions[node] = self.express(node)
                continue
            loop = self.loop(i)
            expression = self.express(node)
            long = expression.length > _CHAIN or expression.depth > _DEPTH
            returned = node.op == "output" and node.args[0] is held
            if held is not None and (loop or (long and not returned)):
                out.append(self.assign(held, self.expressions.pop(held), i - 1))
                expression = self.express(node)
            held = None
            if loop:
                out += self.write_loop(loop)
                skip.update(loop)
            elif node.op == "output":
                out.append(("return ", *expression.parts))
            elif items := unpacked(node):
                out.append(self.unpack(node, expression.parts, items, i, expression.reads))
                skip.update(items)
            elif list(node.users) == [self.following(i)]:
                self.expressions[node] = expression
                held = node
            else:
                out.append(self.assign(node, expression, i))
        return out

    def loop(self, i: int) -> list[fx.Node]:
        """Three or more items of one list that are called one after the other from node `i`."""
        found: list[fx.Node] = []
        for node in self.nodes[i:]:
            owner, _, index = str(node.target).rpartition(".")
            if node.op != "call_module" or node.kwargs or len(node.args) != 1:
                break
            if not index.isdigit():
                break
            if found:
                before, _, number = str(found[-1].target).rpartition(".")
                follows = before == owner and int(index) == int(number) + 1
                if not follows or node.args[0] is not found[-1]:
                    break
                if list(found[-1].users) != [node]:
                    break
            elif not isinstance(node.args[0], fx.Node) or node.args[0].op == "get_attr":
                break
            found.append(node)
        return found if len(found) >= 3 else []

    def write_loop(self, nodes: list[fx.Node]) -> list[Parts]:
        """`for block in self.blocks:` for what `loop` found."""
        source, last = nodes[0].args[0], nodes[-1]
        owner, _, start = str(nodes[0].target).rpartition(".")
        items = self.module.get_submodule(owner)
        text = self.access(owner)
        if len(nodes) < len(list(items.children())):
            text += f"[{start}:{int(start) + len(nodes)}]"
        assert isinstance(source, fx.Node)
        out: list[Parts] = []
        name = self.variables[source]
        if self.last_use[source] > self.nodes.index(nodes[0]):
            name = self.new_name()
            out.append((f"{name} = {self.variables[source]}",))
        else:
            del self.variables[source]
        item = self.fresh("block" if "block" in owner else "layer")
        out += [(f"for {item} in {text}:",), (f"    {name} = {item}({name})",)]
        if last.users:
            self.variables[last] = name
        return out

    def unpack(
        self,
        node: fx.Node,
        parts: Parts,
        items: list[fx.Node],
        i: int,
        reads: tuple[str, ...] = (),
    ) -> Parts:
        """`n, c, h, w = x.shape`."""
        self.release([n for n in reads if self.last_use[self.owner(n)] <= i])
        if node.op == "placeholder":
            self.release([self.variables[node]])
        shape = node.target is getattr and node.args[1] == "shape"
        shape = shape or (node.target == "size" and len(node.args) == 1)
        wanted = _DIMENSIONS.get(len(items), ()) if shape else tuple("abcdefgh")
        names = []
        for item, name in itertools.zip_longest(items, wanted[: len(items)]):
            if not item.users:
                names.append("_")
                continue
            in_use = set(self.variables.values())
            if name is None or name in in_use or name in self.taken:
                name = self.new_name()
            self.variables[item] = name
            names.append(name)
        return (f"{', '.join(names)} = ", *parts)

    def following(self, i: int) -> fx.Node:
        """The next step after node `i` that computes."""
        i += 1
        while self.nodes[i].op == "get_attr":
            i += 1
        return self.nodes[i]

    def assign(self, node: fx.Node, expression: _Expression, i: int) -> Parts:
        """The statement that computes a value; its name is that of an operand that ends here."""
        if not node.users:
            return expression.parts
        ending = [n for n in expression.reads if self.last_use[self.owner(n)] <= i]
        self.release(ending)
        names = [name for name in ending if name not in _SIZES]
        name = names[0] if names else self.new_name()
        if name in self.free:
            self.free.remove(name)
        self.variables[node] = name
        return (f"{name} = ", *expression.parts)

    def owner(self, name: str) -> fx.Node:
        """The value that a name stands for."""
        return next(node for node, one in self.variables.items() if one == name)

    def release(self, names: Iterable[str]) -> None:
        """Names whose values are not read any more."""
        for name in dict.fromkeys(names):
            del self.variables[self.owner(name)]
            if name in _LETTERS and name not in self.taken:
                self.free = [n for n in _LETTERS if n in self.free or n == name]

    def new_name(self) -> str:
        """A name for a value that takes no operand's place."""
        if self.free:
            return self.free.pop(0)
        self.n_names += 1
        return f"t{self.n_names}"

    def fresh(self, base: str) -> str:
        """A name that nothing else has."""
        name, number = base, 1
        while name in self.taken or name in self.variables.values():
            number += 1
            name = f"{base}{number}"
        return name

    # -- one node ----------------------------------------------------------------------------------
    def express(self, node: fx.Node) -> _Expression:
        """The expression that computes a node."""
        reads: list[str] = []
        inner = (self.expressions[n] for n in node.all_input_nodes if n in self.expressions)
        depth = 1 + max((e.depth for e in inner), default=0)
        if node.op == "output":
            parts, _ = self.value(node.args[0], reads)
            return _Expression(tuple(parts), 0, tuple(reads), depth)
        if node.op == "get_attr":
            return _Expression((self.access(str(node.target)),), _ATOM, ())
        if node.op == "call_module":
            called = self.access(str(node.target))
            args, kwargs = node.args, node.kwargs
            child = self.module.get_submodule(str(node.target))
            if id(child) in self.known:
                args, kwargs = tuple(tensor_arguments(child, node)), {}
            parts = [called, "(", *self.arguments(args, kwargs, reads), ")"]
            return _Expression(tuple(parts), _ATOM, tuple(reads), depth)
        if node.op == "call_method":
            owner = self.operand(node.args[0], _ATOM, reads)
            rest = self.arguments(node.args[1:], node.kwargs, reads)
            parts = [*owner, f".{node.target}(", *rest, ")"]
            return _Expression(tuple(parts), _ATOM, tuple(reads), depth)
        parts, level = self.function(node, reads)
        return _Expression(tuple(parts), level, tuple(reads), depth)

    def function(self, node: fx.Node, reads: list[str]) -> tuple[list[Any], int]:
        """A function call or operator, and how tightly it binds."""
        target: Any = node.target
        if target is getattr:
            return [*self.operand(node.args[0], _ATOM, reads), f".{node.args[1]}"], _ATOM
        if target is operator.getitem:
            owner = self.operand(node.args[0], _ATOM, reads)
            return [*owner, "[", *self.index(node.args[1], reads), "]"], _ATOM
        if target is operator.add and node.args[0] == 0 and node.args[1] in self.expressions:
            # sum([...]) starts from 0
            return self.value(node.args[1], reads)
        if target in _BINARY:
            sign, level = _BINARY[target]
            if target in _IN_PLACE and len(getattr(node.args[0], "users", ())) > 1:
                raise CannotWriteError("an in-place operator on a value that is read later")
            left = self.operand(node.args[0], level, reads)
            right = self.operand(node.args[1], level + 1, reads)
            return [*left, f" {sign} ", *right], level
        if target in _UNARY:
            return [_UNARY[target], *self.operand(node.args[0], 6, reads)], 6
        name = FUNCTIONS.get(id(target))
        if name is None:
            label = getattr(target, "__name__", repr(target))
            raise CannotWriteError(f"the forward calls {label}, which is not torch's")
        kwargs = {k: v for k, v in node.kwargs.items() if not _is_default(target, k, v)}
        return [f"{name}(", *self.arguments(node.args, kwargs, reads), ")"], _ATOM

    def access(self, target: str) -> str:
        """`layers.0.conv` as `self.layers[0].conv`."""
        text = "self"
        module: Any = self.module
        for name in target.split("."):
            if isinstance(module, (nn.Sequential, nn.ModuleList)) and name.isdigit():
                text += f"[{list(module._modules).index(name)}]"
            elif isinstance(module, nn.ModuleDict):
                text += f"[{quoted(name)}]"
            else:
                text += f".{name}"
            module = getattr(module, name)
        return text

    def operand(self, value: Any, level: int, reads: list[str]) -> list[Any]:
        """A value, in parentheses if it binds less tightly than `level`."""
        parts, found = self.value(value, reads)
        return ["(", *parts, ")"] if found < level else parts

    def value(self, value: Any, reads: list[str]) -> tuple[list[Any], int]:
        """An argument of a node, and how tightly it binds; names read are added to `reads`."""
        if isinstance(value, fx.Node):
            inner = self.expressions.get(value)
            if inner is not None:
                reads.extend(inner.reads)
                return list(inner.parts), inner.level
            name = self.variables[value]
            reads.append(name)
            return [name], _ATOM
        if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            opened, closed = ("[", "]") if isinstance(value, list) else ("(", ")")
            parts: list[Any] = [opened]
            for i, one in enumerate(value):
                parts += [", "] if i else []
                parts += self.value(one, reads)[0]
            parts.append(",)" if isinstance(value, tuple) and len(value) == 1 else closed)
            return parts, _ATOM
        if isinstance(value, dict):
            parts = ["{"]
            for i, (key, one) in enumerate(value.items()):
                parts += [", " if i else "", f"{literal(key)}: ", *self.value(one, reads)[0]]
            return [*parts, "}"], _ATOM
        if isinstance(value, slice):
            inner_parts = self.arguments((value.start, value.stop, value.step), {}, reads)
            return ["slice(", *inner_parts, ")"], _ATOM
        if type(value) in (int, float) and math.isfinite(value):
            return [Hole(value, "size" if type(value) is int else "factor")], (
                _ATOM if value >= 0 else 6
            )
        return [literal(value)], _ATOM

    def index(self, value: Any, reads: list[str]) -> list[Any]:
        """What stands between the brackets of a subscript."""
        if isinstance(value, tuple) and value:
            parts: list[Any] = []
            for i, one in enumerate(value):
                parts += [", "] if i else []
                parts += (
                    self.index(one, reads)
                    if not isinstance(one, tuple)
                    else self.value(one, reads)[0]
                )
            return parts + ([","] if len(value) == 1 else [])
        if isinstance(value, slice):
            parts = []
            if value.start is not None:
                parts += self.value(value.start, reads)[0]
            parts.append(":")
            if value.stop is not None:
                parts += self.value(value.stop, reads)[0]
            if value.step is not None:
                parts += [":", *self.value(value.step, reads)[0]]
            return parts
        return self.value(value, reads)[0]

    def arguments(self, args: Sequence[Any], kwargs: dict[str, Any], reads: list[str]) -> list[Any]:
        """What stands between the parentheses of a call."""
        parts: list[Any] = []
        for i, value in enumerate(args):
            parts += [", "] if i else []
            parts += self.value(value, reads)[0]
        for name, value in kwargs.items():
            parts += [", "] if parts else []
            parts += [f"{name}=", *self.value(value, reads)[0]]
        return parts
