"""How a network is trained: one frozen record, sized to the task where it says nothing."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright import errors
from archwright.training.optimizers import OPTIMIZERS
from archwright.training.schedules import SCHEDULES

if TYPE_CHECKING:
    from archwright.tasks import Task

PRECISIONS = ("auto", "float32", "bf16", "fp16")


@dataclass(frozen=True)
class Recipe:
    """Optimiser, schedule and regularisation of one training run.

    A field left at None is chosen by rule from the task's kind, modality and number of rows (see
    `for_task`); so `Recipe(epochs=20)` is a whole recipe.

    Attributes:
        optimizer: "adamw" (Loshchilov and Hutter, 2019) or "sgd" (with Nesterov momentum).
        lr: peak learning rate.
        weight_decay: of weight matrices and kernels; norms and biases are never decayed.
        momentum: of SGD.
        batch_size: rows of one optimiser step, at most; an epoch is cut into equal batches.
        epochs: passes over the data; 0.5 trains on half of it. With `fit(seconds=...)` the most
            that are made.
        schedule: "cosine", "one_cycle", "linear" or "constant".
        warmup: share of the run in which the rate rises, at least 0 and below 1.
        label_smoothing: share of each target spread over all classes (classification only).
        clip_norm: largest gradient norm; None does not clip.
        ema: judge and keep an exponential moving average of the weights; a number is its decay per
            step, True chooses it from the length of the run.
        mixup: alpha of mixup; 0 is off, 1 is most.
        cutmix: alpha of CutMix (images only); 0 is off, 1 is most. With both, each batch gets one
            or the other.
        augment: whether the task's augmentation is used.
        augment_share: share of each batch that is augmented. The rows left as they are keep the
            statistics of batch norm near those of validation.
        augment_until: share of the run in which rows are augmented and mixed; what is left is
            trained on the rows as they are (He et al., 2019, arXiv:1909.09148).
        precision: "auto" is mixed precision on a GPU and float32 elsewhere.
        channels_last: memory layout of images; "auto" chooses from the network and the device.
        patience: epochs without a better validation score after which the schedule is brought to
            its end within a tenth of the epochs made so far; None trains the whole schedule.
        validate_every: epochs from one validation to the next; the last is always validated.
        distill_alpha: weight of the teacher's outputs against the labels, if `fit` gets a teacher.
        distill_temperature: softens both outputs.

    >>> Recipe(lr=0.01, batch_size=32).lr
    0.01
    >>> Recipe(schedule="cosin")
    Traceback (most recent call last):
    ...
    archwright.errors.UnknownNameError: unknown schedule 'cosin': did you mean 'cosine'? Known: ...
    """

    optimizer: str = "adamw"
    lr: float | None = None
    weight_decay: float | None = None
    momentum: float = 0.9
    batch_size: int | None = None
    epochs: float | None = None
    schedule: str = "one_cycle"
    warmup: float = 0.2
    label_smoothing: float | None = None
    clip_norm: float | None = 1.0
    ema: bool | float = True
    mixup: float | None = None
    cutmix: float | None = None
    augment: bool | None = None
    augment_share: float = 0.75
    augment_until: float = 0.75
    precision: str = "auto"
    channels_last: bool | str = "auto"
    patience: int | None = None
    validate_every: int | None = None
    distill_alpha: float = 0.5
    distill_temperature: float = 2.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):  # recipes are kept as JSON
                object.__setattr__(self, field.name, value.item())
        if self.optimizer not in OPTIMIZERS:
            raise errors.unknown_name("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise errors.unknown_name("schedule", self.schedule, SCHEDULES)
        if self.precision not in PRECISIONS:
            raise errors.unknown_name("precision", self.precision, PRECISIONS)
        _check_number("lr", self.lr, above=0, optional=True)
        _check_number("weight_decay", self.weight_decay, low=0, optional=True)
        _check_number("momentum", self.momentum, low=0, below=1)
        _check_whole("batch_size", self.batch_size)
        _check_number("epochs", self.epochs, above=0, optional=True)
        _check_number("warmup", self.warmup, low=0, below=1)
        _check_number("label_smoothing", self.label_smoothing, low=0, below=1, optional=True)
        _check_number("clip_norm", self.clip_norm, above=0, optional=True)
        if not isinstance(self.ema, bool):
            _check_number("ema", self.ema, above=0, below=1, also="True or False")
        _check_number("mixup", self.mixup, low=0, high=1, optional=True)
        _check_number("cutmix", self.cutmix, low=0, high=1, optional=True)
        if self.augment is not None and not isinstance(self.augment, bool):
            raise errors.InputError(
                f"augment must be True, False or None (by rule), got {self.augment!r}"
            )
        _check_number("augment_share", self.augment_share, low=0, high=1)
        _check_number("augment_until", self.augment_until, low=0, high=1)
        if self.channels_last != "auto" and not isinstance(self.channels_last, bool):
            raise errors.InputError(
                f'channels_last must be True, False or "auto", got {self.channels_last!r}'
            )
        _check_whole("patience", self.patience)
        _check_whole("validate_every", self.validate_every)
        _check_number("distill_alpha", self.distill_alpha, low=0, high=1)
        _check_number("distill_temperature", self.distill_temperature, above=0)

    @classmethod
    def for_task(cls, task: Task, **fixed: Any) -> Recipe:
        """The recipe that the rules choose for a task, but for the fields given.

        >>> from archwright.tasks import Task
        >>> Recipe.for_task(Task.load("digits"), epochs=20).batch_size
        32
        """
        return (
            cls()
            .replace(**fixed)
            .resolve(kind=task.kind, modality=task.modality, n_rows=len(task.train))
        )

    def replace(self, **changes: Any) -> Recipe:
        """The same recipe with some fields changed.

        Raises:
            UnknownNameError: a name is no field of a recipe.
            InputError: a value is out of its range.

        >>> Recipe().replace(lr=0.1).lr
        0.1
        """
        for name in changes:
            if name not in RECIPE_FIELDS:
                raise errors.unknown_name("recipe field", name, RECIPE_FIELDS)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a JSON-able mapping; `Recipe(**mapping)` reads it.

        >>> Recipe(**Recipe(lr=0.1).to_dict()) == Recipe(lr=0.1)
        True
        """
        return asdict(self)

    def resolve(self, *, kind: str, modality: str, n_rows: int) -> Recipe:
        """This recipe with every None replaced by a value chosen for such data.

        Args:
            kind: "classification", "multilabel" or "regression".
            modality: "image", "tabular" or "other".
            n_rows: rows to train on.

        >>> recipe = Recipe(lr=0.02).resolve(kind="regression", modality="tabular", n_rows=300)
        >>> recipe.lr, recipe.batch_size, recipe.label_smoothing
        (0.02, 32, 0.0)
        """
        image = modality == "image"
        batch_size = self.batch_size or _batch_size(n_rows, modality)
        chosen: dict[str, Any] = {
            "batch_size": batch_size,
            "lr": _lr(self.optimizer, batch_size, modality),
            "weight_decay": 0.05 if self.optimizer == "adamw" else 5e-4,
            "epochs": _epochs(n_rows, image=image),
            "label_smoothing": 0.1 if kind == "classification" and image else 0.0,
            "mixup": 0.0,
            "cutmix": 0.0,
            "augment": True,
        }
        return replace(
            self, **{name: value for name, value in chosen.items() if getattr(self, name) is None}
        )


RECIPE_FIELDS = tuple(field.name for field in fields(Recipe))
"""Names of all fields of a recipe: hyper-parameters of these names override it."""


def _batch_size(n_rows: int, modality: str) -> int:
    # About the square root of the rows: small data is not starved of steps (digits: 32 rows beat
    # 64 and 128), large data is not slow. Rows of a table are so cheap that twice as many cost half
    # the time, for the same score.
    tabular = modality == "tabular"
    exponent = round(math.log2(math.sqrt(n_rows) * (2 if tabular else 1)))
    return int(2 ** min(max(exponent, 4), 9 if tabular else 8))


def _lr(optimizer: str, batch_size: int, modality: str) -> float:
    # Measured on small networks: Fashion-MNIST rose from 2e-3 to 1.6e-2 at 64 rows and was flat
    # to 3e-2; digits and tables were flat from 2e-3 to 1.6e-2. Other inputs
    # (sequences, signals) are not measured: less, for networks without batch norm.
    if optimizer == "sgd":
        return (0.2 if modality == "image" else 0.05) * batch_size / 64
    peak = {"image": 12e-3, "tabular": 4e-3}.get(modality, 2e-3)
    return peak * math.sqrt(batch_size / 64)


def _epochs(n_rows: int, *, image: bool) -> int:
    # Small data needs many passes, large data few; tables, without augmentation, overfit sooner.
    most, passes = (150, 400_000) if image else (100, 300_000)
    return min(max(passes // n_rows, 15), most)


def _check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    optional: bool = False,
    also: str = "",
) -> None:
    if value is None and optional:
        return
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    if right:
        right = (
            math.isfinite(value)
            and (low is None or value >= low)
            and (above is None or value > above)
            and (high is None or value <= high)
            and (below is None or value < below)
        )
    if not right:
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", low),
                ("above", above),
                ("at most", high),
                ("below", below),
            )
            if bound is not None
        ]
        rule = f"{name} must be a number {' and '.join(bounds)}"
        rule += f", or {also}" if also else ", or None" if optional else ""
        raise errors.InputError(f"{rule}, got {value!r}")


def _check_whole(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise errors.InputError(
            f"{name} must be a whole number of at least 1, or None, got {value!r}"
        )
