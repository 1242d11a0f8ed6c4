"""A bare parameter whose shape may be elastic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn.elastic import active_of, is_elastic, now
from archwright.nn.twin import leading, whole

Init = Callable[[Tensor], Any]


def parameter(*shape: Any, init: Init = nn.init.zeros_) -> Any:
    """A bare parameter; each size of its shape may be elastic.

    Given plain numbers it is an `nn.Parameter`. In a supernet it is a module that stands for
    the slice that the active architecture has: use it in `forward` like a tensor (arithmetic,
    indexing, torch functions, methods).

    Args:
        *shape: its sizes.
        init: fills it in place, as the functions of `torch.nn.init` do.

    Raises:
        SpaceError: an elastic size that can be a fraction or less than 1.

    >>> parameter(1, 4, init=nn.init.ones_)
    Parameter containing:
    tensor([[1., 1., 1., 1.]], requires_grad=True)
    """
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = tuple(shape[0])
    if not callable(init):
        raise SpaceError(f"aw.parameter: init must be a function of a tensor, got {init!r}")
    full = nn.Parameter(torch.empty([whole("parameter", "a size", size) for size in shape]))
    with torch.no_grad():
        init(full)
    return ElasticParameter(full, shape) if is_elastic(shape) else full


class ElasticParameter(nn.Module):
    """The elastic twin of `nn.Parameter`: stands for the first entries of each dimension.

    Attributes:
        full: the whole parameter.
    """

    def __init__(self, full: nn.Parameter, shape: tuple[Any, ...]) -> None:
        super().__init__()
        self._shape = shape
        self._active = active_of(shape)
        self.full = full

    def live(self) -> Tensor:
        """The slice of the active architecture; the whole parameter where none is active."""
        if self._active.values is None:
            return self.full
        return leading(self.full, *now(self._shape))

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {key: _tensor(value) for key, value in (kwargs or {}).items()}
        return func(*[_tensor(arg) for arg in args], **kwargs)

    def __getattr__(self, name: str) -> Any:
        # Special methods (`__deepcopy__`, ...) stay the module's own.
        if name == "full" or name.startswith("__") or not self.__dict__.get("_parameters"):
            return super().__getattr__(name)
        return getattr(self.live(), name)

    def extra_repr(self) -> str:
        """The elastic shape."""
        return f"({', '.join(map(str, self._shape))})"


def _tensor(value: Any) -> Any:
    if isinstance(value, ElasticParameter):
        return value.live()
    if type(value) in (list, tuple):
        return type(value)([_tensor(item) for item in value])
    return value


def _operator(name: str) -> Callable[..., Any]:
    def apply(self: ElasticParameter, *others: Any) -> Any:
        return getattr(self.live(), name)(*[_tensor(other) for other in others])

    apply.__name__ = name
    return apply


# Python looks operators up on the class, past __getattr__.
_OPERATORS = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv"),
    *("rfloordiv", "mod", "pow", "rpow", "matmul", "rmatmul", "neg", "abs", "getitem", "len"),
    *("iter", "lt", "le", "gt", "ge"),
)
for _name in _OPERATORS:
    setattr(ElasticParameter, f"__{_name}__", _operator(f"__{_name}__"))
