"""Images at a lower resolution, as a cheaper version of a task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archwright.errors import InputError
from archwright.tasks.splits import Split

if TYPE_CHECKING:
    from torch import Tensor

    from archwright.tasks.task import Task

_ROWS_AT_ONCE = 4096


def lower_resolution(task: Task, share: float) -> Task:
    """The same task with the height and the width of its images times a share, rounded.

    Every new pixel is a weighted mean of those that it covers (bilinear with antialiasing), of
    the raw images, which keep their dtype. For a search: the training and the validation images
    are resampled, and the test data left out, since nothing is tested at a low resolution. Shifts
    and erased squares of the augmentation are in pixels, and shrink along.

    Args:
        task: of images.
        share: above 0 and at most 1.

    Raises:
        InputError: the task has no images, or the share changes nothing.

    >>> import numpy as np
    >>> from archwright.tasks import Task
    >>> images = np.random.default_rng(0).integers(0, 255, (40, 1, 8, 8)).astype("uint8")
    >>> task = Task.from_arrays(images, np.arange(40) % 2)
    >>> lower_resolution(task, 0.5).input_shape
    (1, 4, 4)
    """
    if task.modality != "image":
        raise InputError(
            f"a lower resolution is for images, and the inputs of {task.name!r} are "
            f"{task.modality} data: choose another kind of fidelity, such as data= or epochs="
        )
    before = tuple(task.input_shape[-2:])
    size = (max(1, int(before[0] * share + 0.5)), max(1, int(before[1] * share + 0.5)))
    if size == before:
        raise InputError(
            f"resolution {100 * share:g} % leaves images of {before[0]} x {before[1]} pixels as "
            "they are; choose a smaller share"
        )
    augment = task.augment
    if augment is not None:
        ratio = size[0] / before[0]
        augment = replace(
            augment,
            shift=int(augment.shift * ratio + 0.5),
            cutout=int(augment.cutout * ratio + 0.5),
        )
    return replace(
        task,
        train=_resized(task.train, size),
        validation=_resized(task.validation, size),
        test=None,
        augment=augment,
    )


def _resized(split: Split, size: tuple[int, int]) -> Split:
    import torch

    parts = [_resample(part, size) for part in split.x.split(_ROWS_AT_ONCE)]
    return Split(torch.cat(parts), split.y)


def _resample(images: Tensor, size: tuple[int, int]) -> Tensor:
    import torch
    from torch.nn.functional import interpolate

    made = interpolate(
        images.float(), size=size, mode="bilinear", antialias=True, align_corners=False
    )
    if images.dtype == torch.uint8:
        return made.round().clamp(0, 255).to(torch.uint8)
    return made.to(images.dtype)
