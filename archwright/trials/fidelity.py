"""`Fidelity`: in which shares of a full evaluation a cheaper one is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from archwright.errors import InputError, unknown_name

KINDS = ("epochs", "data", "resolution", "width", "depth")
"""The kinds of fidelity, in the order of `Fidelity.shares`."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Shares, each above 0 and at most 1, of what an evaluation in full takes.

    Attributes:
        epochs: of the passes over the data.
        data: of the training rows.
        resolution: of the height and the width of images.
        width: of the network's channels; the evaluation trains a narrower copy.
        depth: of the network's blocks; the evaluation trains a shallower copy.

    Raises:
        InputError: a share is no number above 0 and at most 1.

    >>> low = Fidelity(epochs=0.25, width=0.5)
    >>> str(low), low.full, low.cost
    ('epochs 25 %, width 50 %', False, 0.0625)
    >>> Fidelity.from_dict(low.to_dict()) == low, str(Fidelity())
    (True, 'in full')
    """

    epochs: float = 1.0
    data: float = 1.0
    resolution: float = 1.0
    width: float = 1.0
    depth: float = 1.0

    def __post_init__(self) -> None:
        for kind in KINDS:
            share = getattr(self, kind)
            number = isinstance(share, Real) and not isinstance(share, bool)
            if not (number and math.isfinite(share) and 0 < share <= 1):
                raise InputError(
                    f"{kind} of a Fidelity must be a share above 0 and at most 1, got {share!r}: "
                    "1 is what an evaluation in full takes, 0.5 half of it"
                )
            object.__setattr__(self, kind, float(share))

    @property
    def shares(self) -> tuple[float, ...]:
        """The five shares, in the order of `KINDS`."""
        return (self.epochs, self.data, self.resolution, self.width, self.depth)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds whose share is below 1."""
        return frozenset(kind for kind in KINDS if getattr(self, kind) < 1)

    @property
    def full(self) -> bool:
        """Whether nothing is below 1."""
        return self.shares == (1.0,) * len(KINDS)

    @property
    def cost(self) -> float:
        """Estimated share of the cost of an evaluation in full.

        ``epochs * data * resolution**2 * width**2 * depth``: how the multiplications of a
        convolutional network grow. An estimate: what does not shrink (start-up, validation,
        layers that are not scaled) is left out, and small layers use a processor less well.
        `archwright.check_fidelity` measures it.
        """
        return self.epochs * self.data * self.resolution**2 * self.width**2 * self.depth

    def to_dict(self) -> dict[str, float]:
        """The shares below 1, as plain JSON values; `from_dict` reads them back."""
        return {kind: getattr(self, kind) for kind in KINDS if getattr(self, kind) < 1}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fidelity:
        """The fidelity that `to_dict` wrote; kinds that are not named are in full.

        Raises:
            UnknownNameError: a name is no kind of fidelity.
        """
        for name in values:
            if name not in KINDS:
                raise unknown_name("kind of fidelity", str(name), KINDS)
        return cls(**values)

    @classmethod
    def parse(cls, text: str) -> Fidelity:
        """A fidelity from text.

        Raises:
            InputError: it cannot be read.

        >>> Fidelity.parse("epochs=0.25, width=50%")
        Fidelity(epochs=0.25, width=0.5)
        """
        values: dict[str, float] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, number = (piece.strip() for piece in part.partition("="))
            try:
                value = float(number.rstrip("% "))
            except ValueError:
                raise InputError(
                    f"the fidelity {text!r} cannot be read at {part!r}; write kind=share, such "
                    f"as epochs=0.25 or width=50%, with commas between; kinds: {', '.join(KINDS)}"
                ) from None
            if name in values:
                raise InputError(f"the fidelity {text!r} names {name} twice")
            values[name] = value / 100 if number.endswith("%") else value
        return cls.from_dict(values)

    def __str__(self) -> str:
        parts = [f"{kind} {100 * share:g} %" for kind, share in self.to_dict().items()]
        return ", ".join(parts) or "in full"

    def __repr__(self) -> str:
        return f"Fidelity({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"


IN_FULL = Fidelity()


def as_fidelity(given: Any) -> Fidelity | None:
    """A fidelity below full, or None: for None and for one in full.

    Raises:
        InputError: it is neither None, nor a Fidelity, nor a mapping of shares.

    >>> as_fidelity(Fidelity()) is None, as_fidelity({"data": 0.5})
    (True, Fidelity(data=0.5))
    """
    if isinstance(given, Mapping):
        given = Fidelity.from_dict(given)
    if given is not None and not isinstance(given, Fidelity):
        raise InputError(
            f"fidelity must be an archwright.Fidelity, such as Fidelity(epochs=0.25), got {given!r}"
        )
    return None if given is None or given.full else given
