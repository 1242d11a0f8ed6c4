"""New data for a trained network: tables, images and arrays, as files hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archwright.errors import DataError

if TYPE_CHECKING:
    from archwright.tasks import Preprocessing

_ARRAY_SUFFIXES = (".npy", ".npz")
_ARRAY_NAMES = ("x", "X", "inputs", "images", "data", "x_test", "X_test")


@dataclass(frozen=True)
class Inputs:
    """Data to predict.

    Attributes:
        raw: what the network's preprocessing takes.
        files: for images in files, a name for each; else None.
    """

    raw: Any
    files: tuple[str, ...] | None = None


def read_inputs(data: str, preprocessing: Preprocessing | None) -> Inputs:
    """Read new data as a network needs it.

    Args:
        data: a table's file, an image, a folder of images, an .npy or .npz file.
        preprocessing: of the network; None for one that takes plain arrays.

    Raises:
        DataError: it cannot be read, or is not what the network was trained on.
    """
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(f"there is no file or folder {data!r} to predict")
    if path.suffix.lower() in _ARRAY_SUFFIXES:
        return Inputs(_read_array(path))
    modality = "other" if preprocessing is None else preprocessing.modality
    if modality == "tabular":
        from archwright.tasks.tables import read_table

        if path.is_dir():
            raise DataError(
                f"the network was trained on a table, and {data!r} is a folder; give a CSV or "
                "Parquet file with the same columns"
            )
        return Inputs(read_table(path).frame)
    if modality == "image":
        from archwright.tasks.images import image_files, is_image

        if path.is_file() and not is_image(path):
            raise DataError(
                f"the network was trained on images, and {data!r} is none; give an image, a "
                "folder of images, or an .npy or .npz file of them"
            )
        files = image_files(path)
        base = path if path.is_dir() else path.parent
        return Inputs(files, tuple(file.relative_to(base).as_posix() for file in files))
    raise DataError(
        f"the network was trained on arrays; give an .npy or .npz file of them, not {data!r}"
    )


def _read_array(path: Path) -> Any:
    import numpy as np

    try:
        # Arrays of objects are pickles, which could run anything.
        found = np.load(path, allow_pickle=False)
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{str(path)!r} cannot be read as arrays ({first})") from None
    if isinstance(found, np.ndarray):
        return found
    with found:
        names = list(found.files)
        if not names:
            raise DataError(f"{str(path)!r} holds no array")
        name = next((n for n in _ARRAY_NAMES if n in names), names[0] if len(names) == 1 else None)
        if name is None:
            raise DataError(
                f"{str(path)!r} holds the arrays {', '.join(names)}; name the one to predict x"
            )
        try:
            return found[name]
        except ValueError as error:
            raise DataError(f"{name} in {str(path)!r} cannot be read ({error})") from None
