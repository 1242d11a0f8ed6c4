"""Folders of images, one folder a class: what is there, and which size serves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError, whole_number
from archwright.tasks.images import (
    DEEP_MODES,
    GREY_MODES,
    IMAGE_SUFFIXES,
    in_threads,
    is_image,
    raise_unreadable,
    try_images,
    with_image,
)
from archwright.tasks.tables import existing

Array = npt.NDArray[Any]

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
"""Names of folders that are taken as given splits."""

LARGEST_SIDE = 64
"""Images are resized so that no side is longer, unless `size` says otherwise: a search on a few
cores trains hundreds of networks."""


MOST_PIXELS = 4_194_304
"""Images of more pixels than this (2048 x 2048) are no size to train at."""


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Images of a folder in memory.

    Attributes:
        parts: `"train"` and, where given, `"validation"` and `"test"`: uint8 images
            `n x channels x height x width` and the class of each.
        depth: what 16-bit values were divided by.
        notes: what was chosen or left out.
    """

    parts: Mapping[str, tuple[Array, Array]]
    depth: float
    notes: tuple[str, ...]


def read_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    skip_unreadable: bool = False,
) -> ImageFolder:
    """Read a folder of images: `path/class/*.png`, or `path/train/class/*.png` and so on.

    Args:
        path: of the folder.
        size: side, or height and width, that all images are resized to; None for the median of
            the training images, with no side over `LARGEST_SIDE`.
        skip_unreadable: leave out images that cannot be read instead of refusing them.

    Raises:
        DataError: no such folder, no class folders, a class without images, an unreadable image.
    """
    root = existing(path, "folder")
    if not root.is_dir():
        raise DataError(f"{str(root)!r} is a file: a folder with one folder a class is expected")
    if not os.access(root, os.R_OK | os.X_OK):
        raise DataError(f"the folder {str(root)!r} may not be read: check its rights")
    notes: list[str] = []
    parts = {name: _classes(folder) for name, folder in _parts(root).items()}
    n_other = sum(count for _, count in parts.values())
    if n_other:
        notes.append(f"{n_other} files that are no images were left out")
    files = {
        name: [(file, label) for label, found in classes.items() for file in found]
        for name, (classes, _) in parts.items()
    }
    every = [file for pairs in files.values() for file, _ in pairs]
    heads, problems = _look(every)
    if not skip_unreadable:
        raise_unreadable(list(problems.values()), len(every), mend=_SKIP)
    skipped = dict(problems)
    files = {name: [one for one in pairs if one[0] not in skipped] for name, pairs in files.items()}
    _check_classes(parts, files, skipped, len(every))
    sizes, modes, depth = _seen(heads)
    n_train = len(files["train"])
    chosen = _size(sizes[:n_train], size)
    seen = sorted(set(sizes))
    if len(seen) > 1 or seen[0] != chosen:
        (low_height, low_width), (high_height, high_width) = seen[0], seen[-1]
        what = (
            f"images of {len(seen)} sizes, from {low_height} x {low_width} to "
            f"{high_height} x {high_width} (height x width)"
            if len(seen) > 1
            else f"images of {low_height} x {low_width} (height x width)"
        )
        how = "as asked" if size is not None else "the median, no side over " + str(LARGEST_SIDE)
        notes.append(f"{what}, are resized to {chosen[0]} x {chosen[1]} ({how}); size= for another")
    channels = 1 if all(mode in GREY_MODES for mode in modes) else 3
    arrays: dict[str, Array] = {}
    for name, pairs in files.items():
        found = [file for file, _ in pairs]
        arrays[name], odd = try_images(found, channels=channels, size=chosen, depth=depth)
        skipped |= {found[place]: problem for place, problem in odd.items()}
        if odd and skip_unreadable:
            kept = [place for place in range(len(pairs)) if place not in odd]
            files[name], arrays[name] = [pairs[place] for place in kept], arrays[name][kept]
    if not skip_unreadable:
        raise_unreadable(list(skipped.values()), len(every), mend=_SKIP)
    _check_classes(parts, files, skipped, len(every))
    if skipped:
        shown = ", ".join(repr(str(one.relative_to(root))) for one in list(skipped)[:5])
        notes.append(
            f"{len(skipped)} of {len(every)} images cannot be read and were left out: {shown}"
            + (", ..." if len(skipped) > 5 else "")
        )
    if channels == 3 and all(_is_grey(images) for images in arrays.values()):
        arrays = {name: images[:, :1].copy() for name, images in arrays.items()}
        channels = 1
    if len(set(modes)) > 1 or (channels == 1 and modes[0] not in GREY_MODES):
        notes.append(
            f"images of mode {', '.join(sorted(set(modes)))} are all read as "
            f"{'grey' if channels == 1 else 'colour'}"
            + ("; what is transparent becomes white" if set(modes) & {"RGBA", "LA", "P"} else "")
        )
    labels = {
        name: np.array([label for _, label in pairs], object) for name, pairs in files.items()
    }
    if len(arrays) > 1:
        notes.append(f"the folders {', '.join(arrays)} are taken as the splits")
    return ImageFolder({name: (arrays[name], labels[name]) for name in arrays}, depth, tuple(notes))


_SKIP = ", or leave what cannot be read out with skip_unreadable=True"


def _check_classes(
    parts: Mapping[str, tuple[Mapping[str, Sequence[Path]], int]],
    files: Mapping[str, Sequence[tuple[Path, str]]],
    skipped: Mapping[Path, str],
    n: int,
) -> None:
    """Refuse to leave out most images, or all of a class."""
    if len(skipped) > n / 2:
        raise_unreadable(list(skipped.values()), n, mend=": most cannot be read")
    for name, (classes, _) in parts.items():
        left = {label for _, label in files[name]}
        for label in classes:
            if label not in left:
                lost = [why for file, why in skipped.items() if file in classes[label]]
                raise_unreadable(lost, n, mend=f": no image of the class {label!r} is left")


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        one for one in folder.iterdir() if one.is_dir() and not one.name.startswith((".", "__"))
    )


def _parts(root: Path) -> dict[str, Path]:
    """Folder of each split; the root itself where splits are not given."""
    folders = _subfolders(root)
    if not folders:
        images = [one for one in root.iterdir() if is_image(one)]
        found = f"{len(images)} images but no folders" if images else "neither folders nor images"
        raise DataError(
            f"a folder of images needs one folder a class ({root.name}/cat/1.png, "
            f"{root.name}/dog/2.png); {str(root)!r} holds {found}"
        )
    by_name = {one.name.casefold(): one for one in folders}
    given = {
        split: by_name[name]
        for split, names in SPLIT_FOLDERS.items()
        for name in names
        if name in by_name
    }
    nested = all(_subfolders(folder) for folder in given.values())
    if "train" in given and len(given) == len(folders) and nested:
        return given
    return {"train": root}


def _classes(root: Path) -> tuple[dict[str, list[Path]], int]:
    """Image files of each class folder, and the number of other files."""
    classes: dict[str, list[Path]] = {}
    n_other = 0
    for folder in _subfolders(root):
        files = sorted(
            one
            for one in folder.rglob("*")
            if one.is_file() and not one.name.startswith(".") and one.name != "Thumbs.db"
        )
        images = [one for one in files if is_image(one)]
        n_other += len(files) - len(images)
        if not images:
            held = f"{len(files)} files, none of them an image" if files else "no files"
            raise DataError(
                f"the class folder {str(folder)!r} holds {held} (expected "
                f"{', '.join(IMAGE_SUFFIXES)}): add images or remove the folder"
            )
        classes[folder.name] = images
    return classes, n_other


Head = tuple[tuple[int, int], str, float]
"""Height and width, mode, and the highest value of an image of more than 8 bits."""


def _look(files: Sequence[Path]) -> tuple[list[Head], dict[Path, str]]:
    """What the head of each readable file says, and what is wrong with each of the others."""

    def look(place: int) -> Head | str:
        try:
            return with_image(files[place], _header)
        except DataError as error:
            return str(error)

    found = in_threads(look, range(len(files)))
    problems = {file: one for file, one in zip(files, found, strict=True) if isinstance(one, str)}
    return [one for one in found if not isinstance(one, str)], problems


def _seen(headers: Sequence[Head]) -> tuple[list[tuple[int, int]], list[str], float]:
    """Height and width, and mode, of each image, and the divisor of 16-bit values."""
    highest = max(one[2] for one in headers)
    if highest <= 1:
        depth = 1 / 255 if highest > 0 else 257.0
    else:
        depth = 1.0 if highest <= 255 else 16.0 if highest <= 4095 else 257.0
    return [one[0] for one in headers], [one[1] for one in headers], depth


def _header(image: Any) -> Head:
    width, height = image.size
    if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # lies on its side
        width, height = height, width
    highest = float(np.asarray(image).max()) if image.mode in DEEP_MODES else 0.0
    return (height, width), str(image.mode), highest


def _size(sizes: Sequence[tuple[int, int]], asked: int | tuple[int, int] | None) -> tuple[int, int]:
    if asked is not None:
        given = tuple(asked) if isinstance(asked, list | tuple) else (asked, asked)
        try:
            height, width = (whole_number("size", one, least=4) for one in given)
        except ValueError:
            height = width = MOST_PIXELS  # refused below
        if height * width > MOST_PIXELS:
            raise DataError(
                "size must be a side or (height, width) of at least 4 pixels, and of no more than "
                f"{MOST_PIXELS:,} in all; got {asked!r}"
            )
        return height, width
    middle = np.median(np.array(sizes), axis=0)
    shrink = min(1.0, LARGEST_SIDE / float(middle.max()))
    return max(4, round(middle[0] * shrink)), max(4, round(middle[1] * shrink))


def _is_grey(images: Array) -> bool:
    return bool((images[:, 0] == images[:, 1]).all() and (images[:, 1] == images[:, 2]).all())
