"""From raw data to a network's input, and from its output to predictions: plain constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from archwright.errors import DataError
from archwright.tasks.arrays import Arrays
from archwright.tasks.images import Images
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
        """
        return self.inputs.apply(raw)

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
