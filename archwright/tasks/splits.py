"""Splits of a data set: values, and how rows are dealt to train, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError, whole_number

if TYPE_CHECKING:
    import torch

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs and targets of one part of the data, in memory.

    Attributes:
        x: inputs, `n x *input_shape`; images stay uint8 where the source is 8-bit.
        y: targets: class indices `n` (int64), 0/1 labels `n x labels` (float32), or standardised
            regression targets `n x targets` (float32).

    >>> import torch
    >>> len(Split(torch.zeros(4, 2), torch.zeros(4)))
    4
    """

    x: torch.Tensor
    y: torch.Tensor

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise DataError(
                f"a split needs as many inputs as targets: got {len(self.x)} inputs and "
                f"{len(self.y)} targets"
            )

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: Indices | torch.Tensor) -> Split:
        """The rows at `indices`, in that order."""
        import torch

        rows = torch.as_tensor(indices)
        return Split(self.x[rows], self.y[rows])


def check_fraction(name: str, value: object, *, zero: bool = False) -> float:
    """`value` as a fraction of the rows, or a `DataError` that names the argument.

    >>> check_fraction("validation", 0.25)
    0.25
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if (zero and number == 0.0) or 0.0 < number < 1.0:
        return number
    raise DataError(
        f"{name} must be a fraction of the rows between 0 and 1 (both excluded), "
        f"or the data itself; got {value!r}: give for example {name}=0.2"
    )


def split_indices(
    n: int,
    *,
    validation: float,
    test: float,
    seed: int = 0,
    labels: npt.NDArray[np.generic] | None = None,
) -> tuple[Indices, Indices, Indices]:
    """Deal `n` rows to train, validation and test, reproducibly.

    With `labels` the parts are stratified: each class is dealt in proportion (largest remainders
    first), and at least one row of each class stays in train. Rows keep their order within a part.

    Args:
        n: number of rows.
        validation: fraction of all rows for validation; 0 for none.
        test: fraction of all rows for the test; 0 for none.
        seed: the deal is a function of the seed, the number of rows and the labels.
        labels: class of each row, `n`, or None for a plain random deal.

    Returns:
        Row numbers of train, validation and test, each sorted.

    >>> train, validation, test = split_indices(10, validation=0.2, test=0.2, seed=0)
    >>> len(train), len(validation), len(test)
    (6, 2, 2)
    >>> labels = np.array(["a"] * 8 + ["b"] * 2)
    >>> train, validation, _ = split_indices(10, validation=0.5, test=0, labels=labels)
    >>> sorted(labels[validation].tolist())
    ['a', 'a', 'a', 'a', 'b']
    """
    seed = whole_number("seed", seed, least=0)
    check_fraction("validation", validation, zero=True)
    check_fraction("test", test, zero=True)
    if validation + test >= 1.0:
        raise DataError(
            f"validation and test together must leave rows to train on: got validation={validation}"
            f" and test={test}; their sum must be below 1"
        )
    codes = np.zeros(n, np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(codes.ravel(), minlength=1)
    n_validation = _shares(counts, validation, counts - 1)
    n_test = _shares(counts, test, counts - 1 - n_validation)
    rng = np.random.default_rng(seed)
    parts: tuple[list[Indices], ...] = ([], [], [])
    order = rng.permutation(n)
    by_class = order[np.argsort(codes.ravel()[order], kind="stable")]
    start = 0
    for count, first, second in zip(counts, n_validation, n_test, strict=True):
        rows = by_class[start : start + count]
        start += count
        parts[1].append(rows[:first])
        parts[2].append(rows[first : first + second])
        parts[0].append(rows[first + second :])
    train, held, tested = (np.sort(np.concatenate(part)).astype(np.int64) for part in parts)
    return train, held, tested


def _shares(
    counts: npt.NDArray[np.int64], fraction: float, limit: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How many rows of each class make up `fraction` of all, none above its `limit`."""
    quota = counts * fraction
    shares = np.minimum(np.floor(quota + 1e-9).astype(np.int64), limit)
    lacking = round(float(counts.sum() * fraction)) - int(shares.sum())
    for index in np.argsort(-(quota - shares), kind="stable"):
        if lacking <= 0:
            break
        if shares[index] < limit[index]:
            shares[index] += 1
            lacking -= 1
    return shares
