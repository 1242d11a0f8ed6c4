"""Arrays of any other shape (sequences, signals, volumes, tokens): standardised, or as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Arrays:
    """The preparation of arrays.

    Attributes:
        shape: of one sample.
        tokens: whole numbers that stay as they are (indices into an embedding).
        mean: of each entry of the first axis of a sample, over train.
        std: likewise.
    """

    shape: tuple[int, ...]
    tokens: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    modality = "other"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one prepared sample."""
        return self.shape

    def apply(self, raw: Any) -> Array:
        """Prepare samples: int64 tokens, or float32 standardised by the first axis."""
        if hasattr(raw, "detach"):
            raw = raw.detach().cpu().numpy()
        array = np.asarray(raw)
        if array.shape[1:] != self.shape:
            raise DataError(
                f"samples of shape {self.shape} are expected, got {array.shape[1:]} in an array "
                f"of shape {array.shape}"
            )
        if self.tokens:
            return array.astype(np.int64)
        tail = (-1,) + (1,) * (len(self.shape) - 1)
        mean, std = np.array(self.mean).reshape(tail), np.array(self.std).reshape(tail)
        return ((array - mean) / std).astype(np.float32)

    def summary(self) -> dict[str, Any]:
        """What a report says of the arrays, as plain JSON values."""
        return {"shape": list(self.shape), "tokens": self.tokens}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "modality": self.modality,
            "shape": list(self.shape),
            "tokens": self.tokens,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Arrays:
        """The inverse of `to_dict`."""
        return cls(
            shape=tuple(data["shape"]),
            tokens=data["tokens"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
        )


def fit_arrays(x: Array) -> Arrays:
    """The preparation of training samples `n x ...`."""
    shape = tuple(x.shape[1:])
    if x.dtype.kind in "iu" and x.dtype != np.uint8:
        return Arrays(shape, tokens=True)
    axes = (0, *range(2, x.ndim))
    std = x.std(axes, dtype=np.float64)
    return Arrays(
        shape,
        mean=tuple(x.mean(axes, dtype=np.float64).tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
    )
