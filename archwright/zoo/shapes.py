"""How large a network the data calls for: image sizes to strides, rows to widths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archwright.errors import InputError

# Below this many pixels a side there is nothing for a convolution to look at.
SMALLEST_SIDE = 4


@dataclass(frozen=True)
class ImageScale:
    """Where a convolutional network halves the image, and how wide it starts.

    Attributes:
        channels: channels of the image.
        height: pixels.
        width: pixels.
        stem_stride: by how much the stem shrinks the image: 1, 2 or 4.
        strides: stride of each stage.
        base: channels of the first stage.
    """

    channels: int
    height: int
    width: int
    stem_stride: int
    strides: tuple[int, ...]
    base: int

    @property
    def is_small(self) -> bool:
        """Whether a side has so few pixels (below 12) that one kernel of 5 sees most of the image.

        Such data are learned by networks of some 10,000 parameters, and that is what the spaces
        are sized to.

        >>> image_scale("x", (1, 8, 8)).is_small, image_scale("x", (1, 28, 28)).is_small
        (True, False)
        """
        return _side(self.height, self.width) < 12

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return len(self.strides)

    def widths(self, growth: float = 2.0) -> tuple[int, ...]:
        """Channels of each stage: `growth` times as many where the image is halved.

        >>> image_scale("x", (1, 8, 8)).widths()
        (12, 20, 40)
        """
        widths = []
        width = float(self.base)
        for i, stride in enumerate(self.strides):
            if i and stride > 1:
                width *= growth
            widths.append(_round(width))
        return tuple(widths)


def image_scale(name: str, input_shape: Sequence[int]) -> ImageScale:
    """The scale for images of a shape.

    The image is halved until about 4 pixels a side are left (7 from 224): once per stage, what is
    more than three times in the stem. Small images keep their pixels in the stem, as their
    details are few; large ones are shrunk by 4 before the first stage, as ImageNet networks do.

    Args:
        name: the space that asks (for messages).
        input_shape: (channels, height, width).

    Raises:
        InputError: it is no shape of an image, or an image of fewer than 4 pixels a side.

    >>> [image_scale("x", (3, s, s)).strides for s in (8, 28, 64, 224)]
    [(1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2, 2)]
    >>> [image_scale("x", (3, s, s)).stem_stride for s in (8, 28, 64, 224)]
    [1, 1, 2, 4]
    """
    channels, height, width = check_image_shape(name, input_shape)
    side = _side(height, width)
    n_halvings = min(5, max(0, round(math.log2(side / 4.0))))
    if side < 12:
        strides: tuple[int, ...] = (1, 2, 2) if side >= 7 else (1, 2)
        stem_stride = 1
    elif n_halvings <= 3:
        strides = (2,) * n_halvings if n_halvings == 3 else (1, 2, 2)
        stem_stride = 1
    elif n_halvings == 4:
        strides, stem_stride = (2, 2, 2), 2
    else:
        strides, stem_stride = (1, 2, 2, 2), 4
    base = 10 if side < 12 else 16 if n_halvings <= 4 else 32
    return ImageScale(channels, height, width, stem_stride, strides, base)


def fitted_strides(scale: ImageScale, strides: Sequence[int]) -> tuple[int, ...]:
    """Strides published for images of 224 pixels a side, for smaller ones.

    The last halvings are kept, as many as the image's size calls for; the early ones become 1.

    Args:
        scale: the image's scale.
        strides: the published strides, 1 or 2 each, from the stem on.

    >>> fitted_strides(image_scale("x", (3, 224, 224)), (2, 1, 2, 2, 2, 1, 2))
    (2, 1, 2, 2, 2, 1, 2)
    >>> fitted_strides(image_scale("x", (3, 32, 32)), (2, 1, 2, 2, 2, 1, 2))
    (1, 1, 1, 2, 2, 1, 2)
    """
    n = round(math.log2(scale.stem_stride * math.prod(scale.strides)))
    fitted = []
    for stride in reversed(strides):
        fitted.append(stride if n > 0 else 1)
        n -= stride > 1
    return tuple(reversed(fitted))


def around(usual: int, *factors: float) -> list[int]:
    """Widths around a usual one: multiples of 4, in increasing order, each once.

    >>> around(16, 0.5, 0.75, 1, 1.5)
    [8, 12, 16, 24]
    """
    return sorted({usual if factor == 1 else _round(usual * factor) for factor in factors})


def _side(height: int, width: int) -> float:
    # A long narrow image must not be halved away along its short side.
    return min(math.sqrt(height * width), 4.0 * min(height, width))


def _round(width: float) -> int:
    return max(4, int(width / 4 + 0.5) * 4)


def check_image_shape(name: str, input_shape: Sequence[int]) -> tuple[int, int, int]:
    """The three numbers of an image's shape.

    Raises:
        InputError: it is no shape of an image, or one of fewer than 4 pixels a side.

    >>> check_image_shape("mobilenet", (2, 2))
    Traceback (most recent call last):
    ...
    archwright.errors.InputError: mobilenet: input_shape must be (channels, height, width), such ...
    """
    shape = check_shape(name, input_shape)
    if len(shape) != 3:
        raise InputError(
            f"{name}: input_shape must be (channels, height, width), such as (3, 32, 32), got "
            f"{shape}; take the space 'mlp' for data that are no images"
        )
    channels, height, width = shape
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{name}: images must have at least {SMALLEST_SIDE} pixels a side, got {height} x "
            f"{width}; take the space 'mlp', or enlarge the images"
        )
    return channels, height, width


def check_shape(name: str, input_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple.

    Raises:
        InputError: it is no sequence of positive whole numbers.

    >>> check_shape("mlp", (8,))
    (8,)
    """
    try:
        shape = tuple(input_shape)
    except TypeError:
        shape = ()
    if not shape or not all(_positive(size) for size in shape):
        raise InputError(
            f"{name}: input_shape must be the shape of one input without the batch, positive whole "
            f"numbers such as (3, 32, 32) or (12,), got {input_shape!r}"
        )
    return tuple(int(size) for size in shape)


def check_count(name: str, argument: str, value: Any, *, low: int = 1) -> int:
    """A whole number of at least `low`.

    Raises:
        InputError: it is none.

    >>> check_count("mlp", "n_outputs", 10)
    10
    """
    if not _positive(value, low):
        raise InputError(
            f"{name}: {argument} must be a whole number of at least {low}, got {value!r}"
        )
    return int(value)


def _positive(value: Any, low: int = 1) -> bool:
    try:
        return not isinstance(value, bool) and int(value) == value and value >= low
    except (TypeError, ValueError):
        return False
