"""What a differentiable method is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from torch import Tensor

from archwright.errors import InputError
from archwright.supernet.relaxations import Relaxation, Softmax
from archwright.supernet.strengths import Strengths

Order = Literal["first", "second", "single"]

Regulariser = Callable[[Strengths, Relaxation, float], Tensor]
"""`regulariser(strengths, relaxation, progress)`: added to the loss of the architecture step."""


class Change(Protocol):
    """Changes the weights of a mixture before they are computed."""

    def __call__(
        self, path: str, weights: Tensor, strengths: Strengths, *, progress: float, phase: str
    ) -> Tensor:
        """The weights to compute with.

        Args:
            path: the decision.
            weights: of its values.
            strengths: all of the search.
            progress: 0 to 1.
            phase: which step it is.
        """


@dataclass(frozen=True)
class Stage:
    """A part of a progressive search.

    Attributes:
        share: of the epochs.
        keep: share of the operations of each decision that are left in it.
        depth: share of the networks' depth, where the space says how it is scaled.
        dropout: with which probability a pass-through operation is left out at the beginning.
    """

    share: float
    keep: float = 1.0
    depth: float = 1.0
    dropout: float = 0.0


@dataclass(frozen=True)
class Method:
    """A method of differentiable search, as a composition of parts.

    Attributes:
        name: how it is called.
        reference: authors, title, venue, year, arXiv id.
        relaxation: strengths to weights.
        order: "first": the architecture's gradient with the weights as they are; "second": with
            the weights one step further (DARTS); "single": both on the same loss and rows.
        edge_weights: whether inputs have strengths of their own; else the operations on their
            edges decide them (DARTS' rule).
        regularisers: added to the loss of the architecture step.
        changes: of the mixture's weights.
        perturbation: radius of the perturbation of the weights' step (SDARTS); 0: none.
        adversarial: steps of ascent towards the worst perturbation; 0: it is random.
        partial: share of the channels that pass the operations (PC-DARTS).
        affine: whether scale and shift of batch normalisation inside mixed operations are learnt; a
            scale could make up for a small weight, so that most methods keep them at one and zero
            (where they begin there).
        warmup: share of the epochs without architecture steps.
        stages: of a progressive search, () for none.
        selection: "strongest", or "perturbation" (DARTS-PT).
        cost: how a cost enters the loss: "add" or "multiply".
        start: deviation of the first strengths.
        architecture_lr: step size of the strengths (Adam).
        architecture_betas: of Adam.
        architecture_decay: weight decay of the strengths.
        lr: first step size of the weights (SGD, half a cosine to `lr_last`).
        lr_last: the last.
        momentum: of SGD.
        weight_decay: of the weights.
        clip_norm: greatest norm of the weights' gradient.
    """

    name: str
    reference: str
    relaxation: Relaxation = field(default_factory=Softmax)
    order: Order = "first"
    edge_weights: bool = False
    regularisers: tuple[Regulariser, ...] = ()
    changes: tuple[Change, ...] = ()
    perturbation: float = 0.0
    adversarial: int = 0
    partial: float = 1.0
    affine: bool = False
    warmup: float = 0.0
    stages: tuple[Stage, ...] = ()
    selection: Literal["strongest", "perturbation"] = "strongest"
    cost: Literal["add", "multiply"] = "add"
    start: float = 1e-3
    architecture_lr: float = 3e-4
    architecture_betas: tuple[float, float] = (0.5, 0.999)
    architecture_decay: float = 1e-3
    lr: float = 0.025
    lr_last: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip_norm: float = 5.0

    def __post_init__(self) -> None:
        if self.order not in ("first", "second", "single"):
            raise InputError(f'order must be "first", "second" or "single", got {self.order!r}')
        if self.selection not in ("strongest", "perturbation"):
            raise InputError(
                f'selection must be "strongest" or "perturbation", got {self.selection!r}'
            )
        if self.cost not in ("add", "multiply"):
            raise InputError(f'cost must be "add" or "multiply", got {self.cost!r}')
        for name in ("partial", "lr", "architecture_lr", "clip_norm"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if not 0 <= self.warmup < 1 or self.partial > 1:
            raise InputError(
                f"warmup must be from 0 to below 1 and partial at most 1, got {self.warmup!r} and "
                f"{self.partial!r}"
            )

    def replace(self, **changes: Any) -> Method:
        """The same method with other settings.

        >>> Method("mine", "").replace(order="second").order
        'second'
        """
        return replace(self, **changes)
