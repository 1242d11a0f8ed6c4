"""ModelSpace: a search space written as a torch module."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from archwright.errors import ArchwrightError, SpaceError
from archwright.nn.elastic import Elastic, is_elastic, plain_layer_message, swallowed
from archwright.nn.reading import Build, Reading, Trace, Widest, current
from archwright.nn.seeding import seeded
from archwright.nn.supernet import Supernet
from archwright.nn.twin import Twin
from archwright.space import Architecture, CellGraph, Decision, EdgeLimit, Space


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
        self, factory: Callable[..., nn.Module], *args: Any, dynamic: bool = False, **kwargs: Any
    ) -> None:
        _check_factory(factory, args, kwargs)
        self.factory = factory
        self.args = args
        self.kwargs = kwargs
        self.dynamic = dynamic
        self.hyper_paths: frozenset[str] = frozenset()
        trace = self._trace()
        super().__init__(trace.tree(), cells=trace.cells, constraints=trace.constraints)

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
        place = contextlib.nullcontext() if device is None else torch.device(device)
        with seeded(seed), place:
            return self._construct(Build(checked))

    def supernet(self, *, seed: int | None = None) -> Supernet:
        """One module that holds every architecture of the space, with shared weights.

        Args:
            seed: for the initial weights; None draws from torch's generators.
        """
        reading = Widest(self)
        with seeded(seed):
            model = self._construct(reading)
        return Supernet(self, model, reading.active)

    def _trace(self) -> Trace:
        try:
            reading = Trace()
            with torch.device("meta"):
                model = self._construct(reading)
        except SpaceError as error:
            if not isinstance(error.__cause__, Exception):
                raise
            # It may only be that this constructor cannot run on meta (it looks at numbers).
            reading = Trace()
            with seeded(0):
                model = self._construct(reading)
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
                f"{_name(self.factory)} raised {type(error).__name__} while {_WHILE[type(reading)]}"
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
    import os
    import traceback

    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    place = ""
    for frame in frames:
        module = frame.f_globals.get("__name__", "")
        if module == "torch" or module.startswith("torch."):
            for value in _locals(frame):
                if isinstance(value, Elastic):
                    names = frame.f_code.co_qualname.split(".")
                    name = names[0] if names[-1] == "__init__" else names[-1]
                    return SpaceError(plain_layer_message(name, value, place))
        elif not module.startswith("archwright.nn"):
            line = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
            place = line
    return None


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
                    + f" (module {path!r}, {name})"
                )
