"""Images to numbers: one size, one mode, and each channel's mean and standard deviation.

Only NumPy and Pillow are needed to prepare an image for a trained network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]
T = TypeVar("T")

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Files that are taken as images."""

GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes without colour."""

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes of more than 8 bits."""


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
        white: raw value of white, 255 or 1; None where it is not known.
        depth: values of 16-bit images are divided by it to give 0 to 255.

    >>> images = Images(1, 2, 2, mean=(100.0,), std=(50.0,))
    >>> images.apply(np.full((1, 2, 2), 200, np.uint8)).ravel()
    array([2., 2., 2., 2.], dtype=float32)
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    eight_bit: bool = True
    white: float | None = 255.0
    depth: float = 257.0

    modality = "image"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one prepared image: channels, height, width."""
        return (self.channels, self.height, self.width)

    def apply(self, raw: Any) -> Array:
        """Prepare images.

        Args:
            raw: an array or tensor `n x channels x height x width` (or without the channel, or
                channels last); or one path, Pillow image or array of any size and mode, or a
                list of them.

        Returns:
            float32, `n x channels x height x width`, normalised.

        Raises:
            DataError: an image cannot be read (the file is named), or has the wrong shape.
        """
        array = self.raw(raw).astype(np.float32)
        mean, std = (np.array(v, np.float32).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return np.asarray((array - mean) / std, np.float32)

    def raw(self, raw: Any) -> Array:
        """Images in one size and mode, but not normalised: as `Split.x` keeps them."""
        if _is_picture(raw):
            raw = [raw]
        if isinstance(raw, Sequence) and any(_is_picture(one) for one in raw):
            pictures = [one if _is_picture(one) else _as_image(one) for one in raw]
            return self._in_unit(self._read_all(pictures))
        if isinstance(raw, Sequence) and len({np.shape(one) for one in raw}) > 1:
            return self._in_unit(self._read_all([_as_image(one) for one in raw]))
        array = as_array(raw)
        if array.ndim == 2 or (self.channels > 1 and array.ndim == 3):
            array = array[None]  # one image
        array = raw_images(array)
        if array.shape[1:] == self.input_shape:
            return array
        if array.dtype == np.uint8 and array.shape[1] in (1, 3, 4):
            pictures = [_as_image(one.transpose(1, 2, 0)) for one in array]
            return self._in_unit(self._read_all(pictures))
        raise DataError(
            f"images of shape {self.input_shape} (channels, height, width) are expected, or 8-bit "
            f"ones of any size; got {array.shape[1:]} of {array.dtype}"
        )

    def _read_all(self, sources: Sequence[Any]) -> Array:
        if self.channels not in (1, 3):
            raise DataError(
                f"the network was trained on arrays of {self.channels} channels: give arrays "
                f"n x {self.channels} x {self.height} x {self.width}, not image files"
            )
        return read_images(
            sources,
            channels=self.channels,
            size=(self.height, self.width),
            depth=self.depth,
        )

    def _in_unit(self, eight_bit: Array) -> Array:
        if self.eight_bit:
            return eight_bit
        if self.white is None:
            raise DataError(
                "the network was trained on arrays in a unit of their own (neither 0 to 255 nor "
                "0 to 1): give arrays in that unit, not image files"
            )
        return eight_bit.astype(np.float32) * np.float32(self.white / 255.0)

    def summary(self) -> dict[str, Any]:
        """What a report says of the images, as plain JSON values."""
        return {"channels": self.channels, "height": self.height, "width": self.width}

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
            "white": self.white,
            "depth": self.depth,
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
            white=data["white"],
            depth=data["depth"],
        )


def _is_picture(source: Any) -> bool:
    """Whether it is a path or a Pillow image."""
    return isinstance(source, str | Path) or hasattr(source, "getbands")


def as_array(values: Any) -> Array:
    """A NumPy array of a tensor or of nested lists.

    Raises:
        DataError: rows of different lengths.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        return np.asarray(values)
    except ValueError:
        raise DataError(
            "inputs must all have one shape to form an array; these differ from row to row. Pad, "
            "cut or resize them first"
        ) from None


def raw_images(raw: Any) -> Array:
    """An array of images as `n x channels x height x width`.

    A channel axis is added where there is none, and moved to the front where it is last.
    """
    array = as_array(raw)
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


def fit_images(x: Array, *, depth: float = 257.0) -> Images:
    """The preparation of training images `n x channels x height x width`.

    Raises:
        DataError: all images are one flat colour.
    """
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
    if not (std > 1e-12 * np.maximum(1, np.abs(mean))).any():
        raise DataError(
            f"all training images are the same flat {mean.tolist()}: there is nothing to learn "
            "from. Check how they were read"
        )
    eight_bit = x.dtype == np.uint8
    unit = not eight_bit and float(x.min()) >= 0 and float(x.max()) <= 1
    return Images(
        channels=channels,
        height=x.shape[2],
        width=x.shape[3],
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
        eight_bit=eight_bit,
        white=255.0 if eight_bit else (1.0 if unit else None),
        depth=depth,
    )


def read_images(
    sources: Sequence[Any], *, channels: int, size: tuple[int, int], depth: float = 257.0
) -> Array:
    """Read images into one array.

    Args:
        sources: paths or Pillow images of any size and mode.
        channels: 1 for grey or 3 for colour.
        size: height and width that all are resized to.
        depth: values of 16-bit images are divided by it.

    Returns:
        uint8, `n x channels x height x width`.

    Raises:
        DataError: images cannot be read; the first files are named.
    """
    made, problems = try_images(sources, channels=channels, size=size, depth=depth)
    raise_unreadable(list(problems.values()), len(sources))
    return made


def try_images(
    sources: Sequence[Any], *, channels: int, size: tuple[int, int], depth: float = 257.0
) -> tuple[Array, dict[int, str]]:
    """As `read_images`; what cannot be read is zero, and told by its place."""
    made = np.zeros((len(sources), channels, *size), np.uint8)

    def read(place: int) -> str | None:
        try:
            with_image(
                sources[place],
                lambda image: made.__setitem__(place, to_array(image, channels, size, depth)),
            )
        except DataError as error:
            return str(error)
        return None

    said = in_threads(read, range(len(sources)))
    return made, {place: problem for place, problem in enumerate(said) if problem}


def raise_unreadable(problems: Sequence[str], n: int, *, mend: str = "") -> None:
    """Raise a `DataError` that names the first five of the images that could not be read.

    Args:
        problems: a sentence on each.
        n: how many images there were.
        mend: what else can be done.
    """
    if problems:
        count = f"{len(problems)} of {n} images cannot be read: " if n > 1 else ""
        shown = "; ".join(problems[:5]) + ("; ..." if len(problems) > 5 else "")
        it = "it" if len(problems) == 1 else "them"
        raise DataError(f"{count}{shown}. Replace or remove {it}{mend}")


def in_threads(call: Callable[[int], T], places: Sequence[int]) -> list[T]:
    """`[call(place) for place in places]`, by threads where there are many.

    Pillow releases the interpreter's lock while it decodes.
    """
    if len(places) < 32:
        return [call(place) for place in places]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(call, places))


def with_image(source: Any, use: Callable[[Image], T]) -> T:
    """Open an image, use it and close it.

    Raises:
        DataError: it cannot be read; the file is named.
    """
    import warnings

    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    if hasattr(source, "getbands"):
        return use(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no concern of ours
            with pillow.open(source) as image:
                return use(image)
    except UnidentifiedImageError:
        raise DataError(f"{str(source)!r} is not an image that can be read") from None
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their format's author chose
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{str(source)!r} cannot be read as an image ({first})") from None


def to_array(image: Image, channels: int, size: tuple[int, int], depth: float) -> Array:
    """A Pillow image as `channels x height x width`, uint8.

    Turned upright by its orientation tag; what is transparent becomes white; of an animation the
    first picture counts.
    """
    from PIL import Image as pillow
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in DEEP_MODES:
        values = np.asarray(image, np.float64) / depth
        image = pillow.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        white = pillow.new("RGBA", image.size, (255, 255, 255, 255))
        image = pillow.alpha_composite(white, image)
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size
    if image.size != (width, height):
        image = image.resize((width, height), pillow.Resampling.BILINEAR)
    array = np.asarray(image, np.uint8)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _as_image(array: Any) -> Image:
    from PIL import Image as pillow

    values = as_array(array)
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and values.shape[2] not in (1, 3, 4):
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.dtype != np.uint8 or values.ndim not in (2, 3):
        raise DataError(
            "images of different sizes must be 8-bit arrays (uint8) of height x width or height x "
            f"width x channels; got {values.dtype} of shape {values.shape}"
        )
    return pillow.fromarray(np.ascontiguousarray(values))


def image_files(source: Any) -> list[Path]:
    """The image files of a folder (and those below it), or the files given, sorted.

    Raises:
        DataError: nothing is there.
    """
    from archwright.tasks.tables import existing

    if not isinstance(source, str | Path):
        return [existing(one, "image") for one in source]
    path = existing(source)
    if path.is_file():
        return [path]
    files = sorted(one for one in path.rglob("*") if is_image(one))
    if not files:
        raise DataError(f"the folder {str(path)!r} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    return files


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image; hidden files are not."""
    return (
        path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
