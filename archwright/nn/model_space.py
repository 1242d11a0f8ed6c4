"""ModelSpace: a search space written as a torch module."""

from __future__ import annotations

import inspect
import os
import random
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

from archwright.errors import ArchwrightError, InputError, SpaceError
from archwright.nn.discovery import DynamicTree
from archwright.nn.elastic import (
    Elastic,
    is_elastic,
    is_ours,
    is_torch,
    plain_layer_message,
    swallowed,
    torch_name,
)
from archwright.nn.reading import Build, Reading, Trace, Widest, current
from archwright.nn.seeding import seeded
from archwright.nn.sketch import sketching
from archwright.nn.smaller import check_scaled, scaled_arguments
from archwright.nn.supernet import Supernet
from archwright.nn.twin import Twin
from archwright.space import Architecture, CellGraph, Decision, EdgeLimit, Space

R = TypeVar("R", bound=Reading)
M = TypeVar("M", bound="ModelSpace")


class ModelSpace(Space):
    """The architectures that a module's constructor can make.

    The constructor is traced once, on the `meta` device (no memory is used; on the CPU where it
    cannot run there), to find its decisions.

    Args:
        factory: an `nn.Module` class, or a function that makes a module.
        *args: its arguments.
        dynamic: whether the constructor may branch on its choices; the decisions are then
            found as each architecture is built. What needs the whole tree (`size`, `enumerate`,
            `supernet`, ...) refuses.
        scaled: arguments of the constructor on which no decision depends, each with what it is,
            "width" or "depth": ``{"channels": "width"}``. What `smaller` scales.
        **kwargs: its keyword arguments.

    Raises:
        SpaceError: a factory that cannot be called or fails, a duplicate path, an empty domain,
            a constructor that branches on an elastic value, a plain torch layer that receives
            one.

    >>> import archwright as aw
    >>> class Net(nn.Module):
    ...     def __init__(self, classes):
    ...         super().__init__()
    ...         width = aw.choice("width", [16, 32, 64])
    ...         self.stem = nn.Sequential(aw.conv2d(3, width, kernel=3), nn.ReLU())
    ...         self.head = aw.linear(width, classes)
    ...
    ...     def forward(self, x):
    ...         return self.head(self.stem(x).mean((2, 3)))
    >>> space = aw.ModelSpace(Net, 10)
    >>> space.size
    3
    >>> space.build({"width": 32}).head
    Linear(in_features=32, out_features=10, bias=True)
    """

    def __init__(
        self,
        factory: Callable[..., nn.Module],
        *args: Any,
        dynamic: bool = False,
        scaled: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_factory(factory, args, kwargs)
        self.scaled = check_scaled(factory, args, kwargs, {} if scaled is None else scaled)
        self.factory = factory
        self.args = args
        self.kwargs = kwargs
        self.dynamic = dynamic
        self.hyper_paths: frozenset[str] = frozenset()
        if dynamic:
            super().__init__(())
            self.default  # noqa: B018  # a constructor that cannot run at all says so now
        else:
            trace = self._on_meta(Trace)
            super().__init__(trace.tree(), cells=trace.cells, constraints=trace.constraints)

    def _prepare(self) -> None:
        super()._prepare()
        self._tree = DynamicTree(self._on_meta, repr(self)) if self.dynamic else None
        # The decisions of a dynamic space that are known: hyper-parameters.
        self._hyper: Space = self
        self._copies: dict[tuple[float, float], ModelSpace] = {}
        if self.dynamic:
            self._hyper = Space(self.decisions, cells=self.cells, constraints=self.constraints)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key not in _CACHES}

    # ------------------------------------------------------------------ readings

    def build(
        self,
        arch: Mapping[str, Any],
        *,
        seed: int | None = None,
        device: str | torch.device | None = None,
    ) -> nn.Module:
        """The network of one architecture, made of plain torch modules (and your own) only.

        Args:
            arch: an architecture of this space; decisions of `hyper_paths` are passed over.
            seed: for the initial weights; None draws from torch's generators as calling the
                class by hand does.
            device: where to make it; left out, torch's current default.

        Raises:
            ArchitectureError: `arch` is not in the space.
        """
        checked = self.check(arch)
        with seeded(seed), _on(device):
            return self._construct(Build(checked))

    def supernet(self, *, seed: int | None = None) -> Supernet:
        """One module that holds every architecture of the space, with shared weights.

        Args:
            seed: for the initial weights; None draws from torch's generators.
        """
        if self._tree is not None:
            raise self._tree.refuse("a supernet")
        reading = Widest(self)
        with seeded(seed):
            model = self._construct(reading)
        return Supernet(self, model, reading.active)

    def smaller(self, *, width: float = 1.0, depth: float = 1.0) -> ModelSpace:
        """The same architectures, built narrower or shallower: for cheaper evaluations.

        The copy's constructor gets the arguments that `scaled` declares, times the share (whole
        numbers rounded, from 1). It has no hyper-parameters: build it with `model_part`.

        Args:
            width: share of the width, above 0 and at most 1.
            depth: share of the depth.

        Raises:
            InputError: nothing is declared as that, it would change nothing, or the copy's
                decisions are others.

        >>> import archwright as aw
        >>> def net(channels):
        ...     kernel = aw.choice("kernel", [3, 5])
        ...     return nn.Sequential(aw.conv2d(3, channels, kernel=kernel))
        >>> space = aw.ModelSpace(net, 32, scaled={"channels": "width"})
        >>> space.smaller(width=0.25).build(space.default)[0].out_channels
        8
        """
        key = (width, depth)
        if key not in self._copies:
            args, kwargs = scaled_arguments(
                self.factory, self.args, self.kwargs, self.scaled, {"width": width, "depth": depth}
            )
            copy = ModelSpace(self.factory, *args, dynamic=self.dynamic, **kwargs)
            for arch in (self.default, *(self.sample(seed=seed) for seed in range(8))):
                problem = copy.why_not(self.model_part(arch))
                if problem is not None:
                    raise InputError(
                        f"the smaller copy of {self!r} does not take its architectures: {problem}. "
                        "An argument in scaled= must not change the decisions: scale what is made "
                        "of their values instead"
                    )
            self._copies[key] = copy
        return self._copies[key]

    def _on_meta(self, make: Callable[[], R]) -> R:
        """Run the constructor without memory where it can be, in a reading that notes it."""
        try:
            reading = make()
            with sketching():
                model = self._construct(reading)
        except SpaceError as error:
            if not isinstance(error.__cause__, Exception):
                raise
            # It may only be that this constructor cannot run on meta (it looks at numbers).
            reading = make()
            with seeded(0):
                model = self._construct(reading)
        if isinstance(reading, Trace):
            _check_plain_layers(model)
        return reading

    def _construct(self, reading: Reading) -> nn.Module:
        """Run the constructor in a reading."""
        token = current.set(reading)
        box: list[SpaceError] = []
        box_token = swallowed.set(box)
        try:
            model = self.factory(*self.args, **self.kwargs)
        except ArchwrightError:
            raise
        except Exception as error:
            # Torch answers an elastic size with a TypeError of its own: ours says more.
            if box:
                raise box[-1] from None
            found = _elastic_argument(error)
            if found is not None:
                raise found from None
            raise SpaceError(
                f"{_name(self.factory)} raised {type(error).__name__}{_where(error)} while "
                f"{_WHILE.get(type(reading), 'an architecture was looked for')}"
                f": {error}"
            ) from error
        finally:
            swallowed.reset(box_token)
            current.reset(token)
        if not isinstance(model, nn.Module):
            raise SpaceError(
                f"{_name(self.factory)} must make a torch module, but answered {model!r}"
            )
        return model

    # ------------------------------------------------------------------ other spaces

    def _derive(
        self,
        decisions: Iterable[Decision],
        cells: Iterable[CellGraph],
        constraints: Iterable[EdgeLimit],
    ) -> ModelSpace:
        made = object.__new__(type(self))
        made.__dict__.update(
            factory=self.factory,
            args=self.args,
            kwargs=self.kwargs,
            dynamic=self.dynamic,
            hyper_paths=self.hyper_paths,
            scaled=self.scaled,
        )
        Space.__init__(made, decisions, cells=cells, constraints=constraints)
        return made

    def __and__(self, other: Space) -> ModelSpace:
        """This space with the hyper-parameters of `other`, which `build` passes over.

        >>> import archwright as aw
        >>> both = aw.ModelSpace(lambda: aw.linear(2, aw.choice("width", [2, 4]))) & aw.Space(
        ...     {"lr": aw.real(1e-4, 1e-1, log=True)}
        ... )
        >>> both.paths, sorted(both.hyper_paths)
        (('width', 'lr'), ['lr'])
        """
        if not isinstance(other, Space):
            return NotImplemented
        if isinstance(other, ModelSpace):
            raise SpaceError(
                "two spaces of models cannot be multiplied, as one model is built; write a "
                "module that holds both, each in its own aw.scope"
            )
        made = super().__and__(other)
        assert isinstance(made, ModelSpace)
        made.hyper_paths = self.hyper_paths | frozenset(other.paths)
        return made

    def __rand__(self, other: Space) -> ModelSpace:
        return self & other

    def model_part(self, arch: Mapping[str, Any]) -> Architecture:
        """What of an architecture describes the model."""
        return Architecture({p: v for p, v in arch.items() if p not in self.hyper_paths})

    def hyper_part(self, arch: Mapping[str, Any]) -> Architecture:
        """What of an architecture are hyper-parameters."""
        return Architecture({p: v for p, v in arch.items() if p in self.hyper_paths})

    # ------------------------------------------------------------------ dynamic spaces
    #
    # What the tree of `Space` holds is then the hyper-parameters only; the model's decisions are
    # found by running the constructor.

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all decisions, live or not, in tree order."""
        self._static("paths")
        return super().paths

    def decision(self, path: str) -> Decision:
        """The decision with this path; in a dynamic space, where it was met already.

        Raises:
            SpaceError: there is none; the message names the nearest path.
        """
        if self._tree is not None and path in self._tree.met:
            return self._tree.met[path]
        return super().decision(path) if self._tree is None else self._hyper.decision(path)

    @property
    def size(self) -> int | float:
        """The exact number of architectures; infinity where a real number is among them.

        Raises:
            SpaceError: the space is dynamic.
        """
        self._static("size")
        return super().size

    @property
    def default(self) -> Architecture:
        """Every live decision at its default."""
        if self._tree is None:
            return super().default
        return self._with_hyper(self._tree.default(), self._hyper.default)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature of `encode`."""
        self._static("encode")
        return super().feature_names

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell spaces apart, equal in every process."""
        self._static("fingerprint")
        return super().fingerprint

    def __repr__(self) -> str:
        if not self.dynamic:
            return super().__repr__()
        return f"ModelSpace({_name(self.factory)}, dynamic=True)"

    def __eq__(self, other: object) -> bool:
        if self.dynamic and isinstance(other, ModelSpace):
            mine = (self.factory, self.args, self.kwargs, self.decisions)
            return other.dynamic and mine == (
                other.factory,
                other.args,
                other.kwargs,
                other.decisions,
            )
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.factory) if self.dynamic else super().__hash__()

    def describe(self) -> str:
        """The tree of decisions, for a person to read; of a dynamic space those met so far."""
        if self._tree is None:
            return super().describe()
        lines = ["dynamic: decisions are found as each architecture is built; met so far:"]
        for decision in (*self._tree.met.values(), *self.decisions):
            lines += decision.lines("  ")
        return "\n".join(lines)

    def sample(
        self, seed: int | None = None, *, rng: random.Random | None = None, uniform: bool = False
    ) -> Architecture:
        """A random architecture; see `Space.sample`.

        Raises:
            SpaceError: `uniform` in a dynamic space, which would need the whole tree.
        """
        if self._tree is None:
            return super().sample(seed, rng=rng, uniform=uniform)
        if uniform:
            raise self._tree.refuse("uniform sampling")
        rng = rng or random.Random(seed)
        return self._with_hyper(self._tree.sample(rng), self._hyper.sample(rng=rng))

    def enumerate(self) -> Iterator[Architecture]:
        """All architectures; see `Space.enumerate`."""
        self._static("enumerate")
        return super().enumerate()

    def neighbours(self, arch: Mapping[str, Any]) -> list[Architecture]:
        """All architectures that differ in one live decision; see `Space.neighbours`."""
        if self._tree is None:
            return super().neighbours(arch)
        model, hyper = self.model_part(arch), self.hyper_part(arch)
        return [self._with_hyper(other, hyper) for other in self._tree.neighbours(model)] + [
            self._with_hyper(model, other) for other in self._hyper.neighbours(hyper)
        ]

    def mutate(
        self, arch: Mapping[str, Any], *, rng: random.Random, n: int = 1, rate: float | None = None
    ) -> Architecture:
        """Some live decisions drawn anew, each to another value; see `Space.mutate`.

        In a dynamic space with hyper-parameters, one of the two parts is changed, as likely as
        its share of the decisions.
        """
        if self._tree is None:
            return super().mutate(arch, rng=rng, n=n, rate=rate)
        model, hyper = self.model_part(arch), self.hyper_part(arch)
        if rng.random() * len(arch) < len(hyper):
            return self._with_hyper(model, self._hyper.mutate(hyper, rng=rng, n=n, rate=rate))
        return self._with_hyper(self._tree.mutate(model, rng, n, rate), hyper)

    def crossover(
        self, a: Mapping[str, Any], b: Mapping[str, Any], *, rng: random.Random
    ) -> Architecture:
        """A child of two architectures; see `Space.crossover`."""
        if self._tree is None:
            return super().crossover(a, b, rng=rng)
        return self._with_hyper(
            self._tree.crossover(self.model_part(a), self.model_part(b), rng),
            self._hyper.crossover(self.hyper_part(a), self.hyper_part(b), rng=rng),
        )

    def why_not(self, arch: Mapping[str, Any]) -> str | None:
        """Why the architecture does not belong to this space; None where it does."""
        if self._tree is None or not isinstance(arch, Mapping):
            return super().why_not(arch)
        problem = self._tree.problem(self.model_part(arch))[0]
        return problem or self._hyper.why_not(self.hyper_part(arch))

    def check(self, arch: Mapping[str, Any]) -> Architecture:
        """The architecture with the domains' own values; see `Space.check`.

        Raises:
            ArchitectureError: it is not in the space; the message says why.
        """
        if self._tree is None or not isinstance(arch, Mapping):
            return super().check(arch)
        model = self._tree.check(self.model_part(arch))
        return self._with_hyper(model, self._hyper.check(self.hyper_part(arch)))

    def canonical(self, arch: Mapping[str, Any]) -> Architecture:
        """What the architecture is up to isomorphism of its cells; see `Space.canonical`.

        In a dynamic space it is the architecture itself.
        """
        return super().canonical(arch) if self._tree is None else self.check(arch)

    def encode(self, arch: Mapping[str, Any]) -> Any:
        """The architecture as a vector of fixed length; see `Space.encode`."""
        self._static("encode")
        return super().encode(arch)

    def encode_mask(self, arch: Mapping[str, Any]) -> Any:
        """Whether the decision behind each feature is live; see `Space.encode_mask`."""
        self._static("encode")
        return super().encode_mask(arch)

    def restrict(self: M, to: Mapping[str, Any]) -> M:
        """The part of this space in which some decisions have fewer values."""
        self._static("restrict")
        return super().restrict(to)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description of the decisions; `Space.from_dict` reads it."""
        self._static("to_dict")
        return super().to_dict()

    def _static(self, what: str) -> None:
        if self._tree is not None:
            raise self._tree.refuse(what)

    def _with_hyper(self, model: Architecture, hyper: Architecture) -> Architecture:
        return model | hyper if self.hyper_paths else model


_CACHES = ("_tree", "_hyper", "_copies")


def _on(device: str | torch.device | None) -> AbstractContextManager[Any]:
    if device is None:
        return nullcontext()
    device = torch.device(device)
    return sketching() if device.type == "meta" else device


_WHILE: dict[type[Reading], str] = {
    Trace: "the space was traced",
    Build: "an architecture was built",
    Widest: "the supernet was made",
}


def _name(factory: Any) -> str:
    return getattr(factory, "__qualname__", None) or repr(factory)


def _check_factory(factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if isinstance(factory, nn.Module):
        raise SpaceError(
            f"the factory must be a module class or a function that makes a module, got a "
            f"finished {type(factory).__name__}; give the class and its arguments: "
            f"aw.ModelSpace({type(factory).__name__}, ...)"
        )
    if not callable(factory):
        raise SpaceError(
            f"the factory must be a module class or a function that makes a module, got {factory!r}"
        )
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        raise SpaceError(
            f"{_name(factory)} cannot be called with the arguments given: {error}; write "
            f"aw.ModelSpace({_name(factory)}, its arguments ...)"
        ) from None
    except ValueError:
        pass  # Some built-in callables have no signature.


def _elastic_argument(error: BaseException) -> SpaceError | None:
    """Our error, when torch failed because one of its layers received an elastic value."""
    where = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if is_torch(frame):
            for value in _locals(frame):
                if isinstance(value, Elastic):
                    return SpaceError(plain_layer_message(torch_name(frame), value, where))
        elif not is_ours(frame):
            where = f"{os.path.basename(frame.f_code.co_filename)}:{line}"
    return None


def _where(error: BaseException) -> str:
    """Where the user's code raised an error."""
    where = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not is_torch(frame) and not is_ours(frame):
            where = f" at {os.path.basename(frame.f_code.co_filename)}:{line}"
    return where


def _locals(frame: Any) -> Iterator[Any]:
    for value in frame.f_locals.values():
        if isinstance(value, tuple | list):
            yield from value
        else:
            yield value


def _check_plain_layers(model: nn.Module) -> None:
    """Some torch layers keep what they are given, and would fail only when called."""
    for path, module in model.named_modules():
        if isinstance(module, Twin) or not type(module).__module__.startswith("torch.nn"):
            continue
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules") and is_elastic(value):
                first = (
                    value
                    if isinstance(value, Elastic)
                    else next(item for item in value if isinstance(item, Elastic))
                )
                raise SpaceError(
                    plain_layer_message(type(module).__name__, first, "")
                    + f" ({name} of {f'the module {path!r}' if path else 'the whole model'})"
                )
