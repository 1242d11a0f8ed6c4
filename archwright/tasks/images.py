"""Images to numbers: one size, one mode, and each channel's mean and standard deviation.

Only NumPy and Pillow are needed to prepare an image for a trained network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Images:
    """The preparation of images.

    Attributes:
        channels: 1 for grey, 3 for colour (arrays may have any number).
        height: in pixels.
        width: in pixels.
        mean: of each channel over the training images, in the raw unit.
        std: standard deviation of each channel.
        eight_bit: raw values are whole numbers from 0 to 255, kept as uint8.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    eight_bit: bool = True

    modality = "image"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one prepared image: channels, height, width."""
        return (self.channels, self.height, self.width)

    def apply(self, raw: Any) -> Array:
        """Prepare images.

        Args:
            raw: array `n x channels x height x width` (or without the channel, or channels last).

        Returns:
            float32, `n x channels x height x width`, normalised.
        """
        array = raw_images(raw).astype(np.float32)
        if array.shape[1:] != self.input_shape:
            raise DataError(
                f"images of shape {self.input_shape} (channels, height, width) are expected, got "
                f"{array.shape[1:]}"
            )
        mean, std = (np.array(v, np.float32).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return np.asarray((array - mean) / std, np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "modality": self.modality,
            "channels": self.channels,
            "height": self.height,
            "width": self.width,
            "mean": list(self.mean),
            "std": list(self.std),
            "eight_bit": self.eight_bit,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Images:
        """The inverse of `to_dict`."""
        return cls(
            channels=data["channels"],
            height=data["height"],
            width=data["width"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
            eight_bit=data["eight_bit"],
        )


def raw_images(raw: Any) -> Array:
    """An array of images as `n x channels x height x width`.

    A channel axis is added where there is none, and moved to the front where it is last.
    """
    if hasattr(raw, "detach"):
        raw = raw.detach().cpu().numpy()
    array = np.asarray(raw)
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4:
        if array.shape[3] in (1, 2, 3, 4) and array.shape[1] not in (1, 2, 3, 4):
            return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        return array
    raise DataError(
        "images are an array n x channels x height x width, n x height x width x channels, or "
        f"n x height x width; got shape {array.shape}"
    )


def fit_images(x: Array) -> Images:
    """The preparation of training images `n x channels x height x width`."""
    channels = x.shape[1]
    totals = np.zeros(channels)
    squares = np.zeros(channels)
    for start in range(0, len(x), 4096):  # float64 copies of all images would not fit
        part = x[start : start + 4096].astype(np.float64)
        totals += part.sum((0, 2, 3))
        squares += (part**2).sum((0, 2, 3))
    n = x.size / channels
    mean = totals / n
    std = np.sqrt(np.maximum(squares / n - mean**2, 0))
    if not (std > 0).any():
        raise DataError(
            f"all training images are the same flat {mean.tolist()}: there is nothing to learn "
            "from. Check how they were read"
        )
    std = np.where(std > 0, std, 1.0)
    return Images(
        channels=channels,
        height=x.shape[2],
        width=x.shape[3],
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        eight_bit=x.dtype == np.uint8,
    )
