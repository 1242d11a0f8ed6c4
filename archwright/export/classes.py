"""Instances of equal structure become one class; what differs between them its arguments."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archwright.export.constructors import REQUIRED, Call
from archwright.export.forward import Parts
from archwright.export.literals import Hole, literal, quoted


@dataclass(frozen=True)
class Made:
    """Stands in an expression for an instance of a class that is written in the same file."""

    instance: int


@dataclass(frozen=True)
class Items:
    """Stands for a list or dictionary display of modules."""

    names: tuple[str, ...] | None
    values: tuple[Any, ...]


@dataclass
class Body:
    """What one instance of a user's class is made of, before equal ones become one class."""

    name: str
    path: str
    init: list[tuple[str, Any]] = field(default_factory=list)
    tensors: list[Parts] = field(default_factory=list)
    parameters: tuple[str, ...] = ()
    forward: list[Parts] | None = None


class Group:
    """The instances of one class, and which of its literals are arguments."""

    def __init__(self) -> None:
        self.name = ""
        self.instances: list[int] = []
        self.bodies: list[Body] = []
        self.columns: list[tuple[Any, ...]] = []  # one value an instance, in the order of writing
        self.hole_names: list[str] = []
        self.column_of: list[int | None] = []  # for each literal: its argument, None when fixed
        self.arguments: list[int] = []  # the literal that stands for each argument

    def reduce(self, groups: Groups) -> None:
        """Find the literals that differ between instances; equal columns are one argument."""
        rows = [groups.literals(body) for body in self.bodies]
        first = rows[0]
        self.hole_names = [hole.name for hole in first]
        self.columns = list(zip(*[[h.value for h in row] for row in rows], strict=True))
        known: dict[Any, int] = {}
        for i, column in enumerate(self.columns):
            typed = tuple((type(v), v) for v in column)
            if all(v == typed[0] for v in typed):
                self.column_of.append(None)
                continue
            if typed not in known:
                known[typed] = len(self.arguments)
                self.arguments.append(i)
            self.column_of.append(known[typed])

    def argument_names(self, taken: Iterable[str]) -> dict[int, str]:
        """A name for each argument, none of them that of a part."""
        used = {"self", *taken}
        names: dict[int, str] = {}
        counts: dict[str, int] = {}
        for number, position in enumerate(self.arguments):
            base = self.hole_names[position]
            name = base
            while name in used:
                counts[base] = counts.get(base, 1) + 1
                name = f"{base}{counts[base]}"
            used.add(name)
            names[number] = name
        return names

    def parameters(self, names: dict[int, str]) -> list[str]:
        """The names of the arguments in order."""
        return [names[number] for number in range(len(self.arguments))]

    def values(self, instance: int) -> list[Hole]:
        """The arguments that make one instance."""
        row = self.instances.index(instance)
        return [Hole(self.columns[i][row], self.hole_names[i]) for i in self.arguments]


class Groups(list[Group]):
    """All classes, parts before wholes."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[int, Group] = {}
        self._known: dict[Any, Group] = {}

    def add(self, instance: int, body: Body) -> None:
        """Put an instance to those of equal structure; its parts must have been added."""
        key = self.key(body)
        if key not in self._known:
            group = Group()
            self._known[key] = group
            self.append(group)
        group = self._known[key]
        group.instances.append(instance)
        group.bodies.append(body)
        self.of[instance] = group

    def key(self, body: Body) -> Any:
        """What two instances of one class have in common: all but the literals."""
        forward = None if body.forward is None else tuple(map(self._key, body.forward))
        init = tuple((name, self._key(e)) for name, e in body.init)
        return (body.name, tuple(map(self._key, body.tensors)), init, body.parameters, forward)

    def _key(self, part: Any) -> Any:
        if isinstance(part, Hole):
            return Hole
        if isinstance(part, Made):
            return id(self.of[part.instance])
        if isinstance(part, Items):
            return (part.names, tuple(map(self._key, part.values)))
        if isinstance(part, Call):
            return (part.function, tuple((a.name, self._key(a.value)) for a in part.arguments))
        if isinstance(part, tuple):
            return tuple(map(self._key, part))
        return part

    def literals(self, body: Body) -> list[Hole]:
        """The literals of an instance in the order in which they are written."""
        found: list[Hole] = []
        for parts in body.tensors:
            self._literals(parts, found)
        for _, expression in body.init:
            self._literals(expression, found)
        for parts in body.forward or ():
            self._literals(parts, found)
        return found

    def _literals(self, part: Any, found: list[Hole]) -> None:
        if isinstance(part, Hole):
            found.append(part)
        elif isinstance(part, Made):
            found.extend(self.of[part.instance].values(part.instance))
        elif isinstance(part, Items):
            for value in part.values:
                self._literals(value, found)
        elif isinstance(part, Call):
            for argument in part.arguments:
                self._literals(argument.value, found)
        elif isinstance(part, tuple):
            for one in part:
                self._literals(one, found)


class Renderer:
    """Writes expressions, with the literals that are arguments by their names."""

    def __init__(self, groups: Groups, shown: dict[int, str], imports: set[str]) -> None:
        self.groups = groups
        self.shown = shown
        self.imports = imports
        self.group: Group | None = None
        self.position = 0
        self.used: list[str] = []
        self.in_forward = False

    def start(self, group: Group) -> None:
        """Begin to write a class: its literals come in the order of `Groups.literals`."""
        self.group = group
        self.position = 0

    def hole(self, hole: Hole) -> tuple[str, bool]:
        """A literal as written, and whether it is fixed."""
        if self.group is None:
            return literal(hole.value), True
        number = self.group.column_of[self.position]
        self.position += 1
        if number is None:
            return literal(hole.value), True
        name = self.shown[number]
        self.used.append(name)
        return (f"self.{name}" if self.in_forward else name), False

    def parts(self, parts: Parts) -> str:
        """A statement as text."""
        return "".join(self.hole(p)[0] if isinstance(p, Hole) else str(p) for p in parts)

    def text(self, part: Any) -> str:
        """An expression as text."""
        if isinstance(part, str):
            return part
        if isinstance(part, Hole):
            return self.hole(part)[0]
        if isinstance(part, Made):
            group = self.groups.of[part.instance]
            names = group.argument_names(self._taken(group))
            texts = [self.hole(h)[0] for h in group.values(part.instance)]
            if len(texts) > 2:
                texts = [f"{names[i]}={t}" for i, t in enumerate(texts)]
            return f"{group.name}({', '.join(texts)})"
        if isinstance(part, Items):
            return self.items(part)
        assert isinstance(part, Call)
        if part.function == "nn.Sequential" and not any(
            isinstance(a.value, Items) for a in part.arguments
        ):
            texts = _repeated([self.text(a.value) for a in part.arguments])
            return f"nn.Sequential({', '.join(texts)})"
        written = []
        for argument in part.arguments:
            value = argument.value
            if isinstance(value, Hole):
                text, fixed = self.hole(value)
                if fixed and argument.default is not REQUIRED and value.value == argument.default:
                    continue
            elif part.function == "nn.Sequential":
                text = self.ordered(value)
            else:
                text = self.text(value)
            written.append(text if argument.name is None else f"{argument.name}={text}")
        return f"{part.function}({', '.join(written)})"

    def items(self, items: Items) -> str:
        """A list or dictionary display of modules."""
        texts = [self.text(v) for v in items.values]
        if items.names is None:
            return f"[{', '.join(_repeated(texts))}]"
        pairs = (f"{quoted(n)}: {t}" for n, t in zip(items.names, texts, strict=True))
        return "{" + ", ".join(pairs) + "}"

    def ordered(self, items: Items) -> str:
        """An OrderedDict, with keywords where the names allow it."""
        assert items.names is not None
        if not all(n.isidentifier() and not keyword.iskeyword(n) for n in items.names):
            return f"OrderedDict({self.items(items)})"
        pairs = (f"{n}={self.text(v)}" for n, v in zip(items.names, items.values, strict=True))
        return f"OrderedDict({', '.join(pairs)})"

    @staticmethod
    def _taken(group: Group) -> set[str]:
        body = group.bodies[0]
        return {name for name, _ in body.init} | {str(t[0]).split()[0] for t in body.tensors}


def _repeated(texts: Sequence[str]) -> list[str]:
    """Three or more equal modules in a row as a generator."""
    out: list[str] = []
    i = 0
    while i < len(texts):
        n = 1
        while i + n < len(texts) and texts[i + n] == texts[i]:
            n += 1
        if n >= 3:
            out.append(f"*({texts[i]} for _ in range({n}))")
        else:
            out.extend(texts[i : i + n])
        i += n
    return out
