"""From raw data to a network's input, and from its output to predictions: plain constants."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError
from archwright.tasks.arrays import Arrays
from archwright.tasks.images import Images, image_files
from archwright.tasks.targets import Predictions, Target

if TYPE_CHECKING:
    from archwright.tasks.columns import Columns

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Preprocessing:
    """All that is needed to use a trained network on raw data; it travels with an export.

    Attributes:
        inputs: the preparation of inputs: `Columns` (a table), `Images` or `Arrays`.
        target: what the outputs mean.

    >>> from archwright.tasks import Task
    >>> kept = Task.load("iris").preprocessing
    >>> kept = Preprocessing.from_dict(kept.to_dict())
    >>> kept.apply([[5.1, 3.5, 1.4, 0.2]]).shape
    (1, 4)
    >>> kept.decode([[0.1, 3.0, 0.2]]).values
    array(['versicolor'], dtype=object)
    """

    inputs: Columns | Images | Arrays
    target: Target

    @property
    def modality(self) -> str:
        """`"tabular"`, `"image"` or `"other"`."""
        return self.inputs.modality

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one prepared sample."""
        return self.inputs.input_shape

    def apply(self, raw: Any) -> Array:
        """Raw data as a network takes it: float32, `n x *input_shape`.

        Args:
            raw: what `Columns.apply`, `Images.apply` or `Arrays.apply` takes.

        Raises:
            DataError: it does not fit what the network was trained on, or is not finite.
        """
        prepared = self.inputs.apply(raw)
        usable = np.isfinite(prepared).reshape(len(prepared), -1).all(1)
        if not usable.all():
            raise DataError(
                f"inputs must be finite: {int((~usable).sum())} of {len(prepared)} rows are not, "
                f"the first is row {int(np.flatnonzero(~usable)[0])} (counting from 0). Correct "
                "or leave them out"
            )
        return prepared

    def read(self, source: Any) -> tuple[list[str], Array]:
        """Names of the rows, and their prepared inputs, of files to predict on.

        Args:
            source: a table file (its columns in any order, with or without the target); a folder
                of images (at any depth), an image or a list of them; a NumPy file (`.npy`, or
                `.npz` with an array `x`); or what `apply` takes.

        Returns:
            Row numbers from 0, or file names (in a folder: from there); and float32,
            `n x *input_shape`.

        Raises:
            DataError: there is nothing to predict on, or it cannot be read.
        """
        from archwright.tasks.tables import existing, read_table

        paths = isinstance(source, str | Path)
        if paths and Path(source).suffix.lower() in (".npy", ".npz"):
            prepared = self.apply(_numpy_file(existing(source, "file")))
        elif self.modality == "tabular" and paths:
            prepared = self.apply(read_table(source, header=self.inputs.header).frame)  # type: ignore[union-attr]
        elif self.modality == "image" and (paths or _are_paths(source)):
            files = image_files(source)
            root = Path(source).expanduser() if paths else None
            folder = root if root is not None and root.is_dir() else None
            names = [str(one.relative_to(folder)) if folder else str(one) for one in files]
            return names, self.apply(files)
        elif paths:
            raise DataError(
                f"the network takes arrays of shape {self.input_shape}: give a NumPy file (.npy, "
                f"or .npz with an array x), not {str(source)!r}"
            )
        else:
            prepared = self.apply(source)
        return [str(row) for row in range(len(prepared))], prepared

    def decode(self, outputs: Any) -> Predictions:
        """A network's outputs, `n x n_outputs`, as predictions with probabilities."""
        if hasattr(outputs, "detach"):
            outputs = outputs.detach().float().cpu().numpy()
        return self.target.decode(outputs)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"version": 1, "inputs": self.inputs.to_dict(), "target": self.target.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`."""
        inputs: Columns | Images | Arrays
        modality = data["inputs"]["modality"]
        if modality == "tabular":
            from archwright.tasks.columns import Columns

            inputs = Columns.from_dict(data["inputs"])
        elif modality == "image":
            inputs = Images.from_dict(data["inputs"])
        elif modality == "other":
            inputs = Arrays.from_dict(data["inputs"])
        else:
            raise DataError(
                f"unknown kind of input {modality!r} in the preprocessing: it was written by "
                "another version; use that version to read it"
            )
        return cls(inputs, Target.from_dict(data["target"]))


def _are_paths(source: Any) -> bool:
    return (
        isinstance(source, list | tuple)
        and len(source) > 0
        and all(isinstance(one, str | Path) for one in source)
    )


def _numpy_file(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            names = {name.casefold(): name for name in loaded.files}
            for wanted in ("x", "x_test", "images", "data", "inputs", "features"):
                if wanted in names:
                    return np.asarray(loaded[names[wanted]])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{str(path)!r} cannot be read as a NumPy file ({error})") from None
    raise DataError(f"{path.name} must hold an array named x; it holds {', '.join(names)}")
