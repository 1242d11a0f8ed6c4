"""Elastic twins: torch's own layers that answer for the active architecture.

A twin is a subclass of a torch layer and holds the widest weights. It changes one thing, the
look-up of attributes: while an architecture is active, `weight` is the slice and
`out_channels` the number that this architecture has. So torch's own `forward` computes, and
what a built layer computes is what the twin computes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn.elastic import IDLE, Active, Elastic, describe, is_elastic, now, widest


class Twin(nn.Module):
    """What all elastic twins share; mixed in before the torch class.

    A concrete twin calls the torch class's constructor with the widest numbers, then
    `_become_elastic`, and says in `_cut` which part of each tensor an architecture uses.
    """

    # Until _become_elastic has run, torch's constructor sees the whole tensors.
    _active: Active = IDLE
    _numbers: dict[str, Any]
    # The numbers of which several can be computed at once, at the greatest of them.
    _sizes: frozenset[str] = frozenset()

    def _become_elastic(self, active: Active, **numbers: Any) -> None:
        self._active = active
        elastic = {name: value for name, value in numbers.items() if is_elastic(value)}
        for name, value in numbers.items():
            if name in elastic:
                # An attribute of the instance would be found before __getattr__ is asked.
                self.__dict__.pop(name, None)
            else:
                setattr(self, name, value)
        self._numbers = elastic

    def _cut(self, name: str, full: Tensor) -> Tensor | None:
        """The part of parameter or buffer `name` that the active architecture uses."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        active: Active = own.get("_active", IDLE)
        numbers = own.get("_numbers")
        if numbers is not None and name in numbers:
            value = numbers[name]
            if active.values is None:
                return value
            if active.mixture is not None and name in self._sizes:
                return active.mixture.size(value)
            return now(value)
        found = super().__getattr__(name)
        if active.values is not None and isinstance(found, Tensor):
            return self._cut(name, found)
        return found

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What torch's layer computes, with the active architecture's weights and numbers."""
        if self._active.values is None:
            raise SpaceError(_NOT_ACTIVE)
        return super().forward(*args, **kwargs)

    def extra_repr(self) -> str:
        """The numbers that are elastic, as expressions."""
        return ", ".join(f"{name}={_show(value)}" for name, value in self._numbers.items())


_NOT_ACTIVE = (
    "no architecture is active, so this supernet does not know which part of its weights to "
    "use: call it inside `with supernet.active(arch):`"
)


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_show, value))})"
    return str(value)


def leading(full: Tensor, *sizes: int) -> Tensor:
    """The first `sizes` entries of the leading dimensions (the tensor itself when that is all).

    >>> import torch
    >>> leading(torch.zeros(4, 6), 2, 3).shape
    torch.Size([2, 3])
    """
    for dim, size in enumerate(sizes):
        if full.shape[dim] != size:
            full = full.narrow(dim, 0, size)
    return full


def centred(full: Tensor, first: int, sizes: tuple[int, ...]) -> Tensor:
    """The middle `sizes` entries of the dimensions from `first` on: a kernel cropped.

    >>> import torch
    >>> centred(torch.arange(5), 0, (3,))
    tensor([1, 2, 3])
    """
    for dim, size in enumerate(sizes, start=first):
        extra = full.shape[dim] - size
        if extra:
            full = full.narrow(dim, extra // 2, size)
    return full


def whole(name: str, argument: str, value: Any, *, low: int = 1) -> Any:
    """The greatest value of an argument that must be a whole number of at least `low`.

    Raises:
        SpaceError: it can be a fraction or less than `low`.
    """
    greatest = widest(value)
    if isinstance(value, Elastic):
        least = value._bounds()[0]
        if not isinstance(greatest, int) or isinstance(greatest, bool):
            raise SpaceError(
                f"aw.{name}: {argument} must be a whole number, but {describe(value)} can be "
                f"{greatest!r}; use // or aw.divisible instead of / and fractions"
            )
        if least < low:
            raise SpaceError(
                f"aw.{name}: {argument} must be at least {low}, but {describe(value)} can be "
                f"{least}"
            )
    return greatest
