"""Watching a search: skip connections, entropy, the architecture's curvature; stopping early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archwright.errors import InputError, unknown_name
from archwright.supernet.strengths import Strengths

Stop = Callable[[Sequence[Mapping[str, Any]]], str | None]
"""`stop(epochs) -> why`: asked after each epoch; a text ends the search."""


def skip_share(probabilities: Mapping[str, Sequence[float]], strengths: Strengths) -> float:
    """Share of the choices of an operation whose most probable value passes on what comes.

    Choices without such a value do not count.
    """
    found = []
    for path, p in probabilities.items():
        one = strengths.decisions[path]
        if one.skips and one.is_operation:
            # An edge that passes nothing is no operation: the strongest of the others counts.
            others = [k for k in range(len(p)) if k not in one.zeros] or list(range(len(p)))
            found.append(max(others, key=lambda k: p[k]) in one.skips)
    return sum(found) / len(found) if found else 0.0


def dominant_eigenvalue(
    loss: Tensor, parameters: Sequence[Tensor], *, steps: int = 10, tolerance: float = 0.02
) -> float:
    """The greatest eigenvalue (by size) of the Hessian of a loss, by power iteration.

    Source: Arber Zela et al., "Understanding and Robustifying Differentiable Architecture Search"
    (RobustDARTS), ICLR 2020, arXiv:1909.09656.

    Args:
        loss: a scalar; its graph is used and kept.
        parameters: with respect to which.
        steps: products of the Hessian and a vector, at most.
        tolerance: relative change at which it is done.

    >>> x = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> round(dominant_eigenvalue((x * x * torch.tensor([1.0, 3.0])).sum(), [x], steps=50), 2)
    6.0
    """
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    used = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
    used = [(p, g) for p, g in used if g.requires_grad]
    if not used:
        return 0.0
    flat = torch.cat([g.flatten() for _, g in used])
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(len(flat), generator=generator).to(flat)
    vector = vector / vector.norm()
    value = 0.0
    for _ in range(steps):
        product = torch.autograd.grad(
            flat @ vector, [p for p, _ in used], retain_graph=True, allow_unused=True
        )
        new = torch.cat(
            [
                (torch.zeros_like(p) if h is None else h).flatten()
                for h, (p, _) in zip(product, used, strict=True)
            ]
        )
        before, value = value, float(vector @ new)
        size = new.norm()
        if float(size) == 0.0 or abs(value - before) <= tolerance * abs(value):
            break
        vector = new / size
    return value


@dataclass(frozen=True)
class Eigenvalue:
    """Stops when the dominant eigenvalue has grown too fast (RobustDARTS, DARTS-ES).

    Args:
        ratio: it stops where the mean `window` epochs ago is below `ratio` times the mean now.
        window: epochs that a mean is of, and between the two means.

    Source: Arber Zela et al., ICLR 2020, arXiv:1909.09656 (ratio 0.75, window 5).

    Differences from the paper: the architecture at the end is handed over, not that of `window`
    epochs before; derive it from the trajectory where that is wanted.

    >>> Eigenvalue(window=1)([{"eigenvalue": 1.0}, {"eigenvalue": 2.0}])
    'the dominant eigenvalue of the architecture has grown from 1 to 2'
    """

    ratio: float = 0.75
    window: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1 or self.window < 1:
            raise InputError(
                f"ratio must lie between 0 and 1 and window be at least 1, got {self.ratio!r}, "
                f"{self.window!r}"
            )

    def __call__(self, epochs: Sequence[Mapping[str, Any]]) -> str | None:
        """See `Stop`."""
        found = [abs(e["eigenvalue"]) for e in epochs if "eigenvalue" in e]
        if len(found) < 2 * self.window:
            return None
        now = sum(found[-self.window :]) / self.window
        then = sum(found[-2 * self.window : -self.window]) / self.window
        if then < self.ratio * now:
            grown = f"from {then:.3g} to {now:.3g}"
            return f"the dominant eigenvalue of the architecture has grown {grown}"
        return None


@dataclass(frozen=True)
class Skips:
    """Stops when too many choices are skip connections (DARTS+).

    Args:
        most: the share of the choices from which it stops.

    Source: Hanwen Liang et al., "DARTS+: Improved Differentiable Architecture Search with Early
    Stopping", 2019, arXiv:1909.06035.

    Differences from the paper: a share of all choices of operations, as spaces differ in how many
    there are, instead of two or more in a normal cell.

    >>> Skips(0.5)([{"skip_share": 0.6}])
    'a share of 0.6 of the operations are skip connections'
    """

    most: float = 0.4

    def __post_init__(self) -> None:
        if not 0 < self.most <= 1:
            raise InputError(f"most must be above 0 and at most 1, got {self.most!r}")

    def __call__(self, epochs: Sequence[Mapping[str, Any]]) -> str | None:
        """See `Stop`."""
        if epochs and epochs[-1]["skip_share"] >= self.most:
            share = epochs[-1]["skip_share"]
            return f"a share of {share:.2g} of the operations are skip connections"
        return None


STOPS: dict[str, Callable[[], Stop]] = {"eigenvalue": Eigenvalue, "skips": Skips}
"""Rules by name."""


def as_stop(given: str | Stop | None) -> Stop | None:
    """A rule from its name, or as it is.

    Raises:
        UnknownNameError: there is none of that name.

    >>> as_stop("skips")
    Skips(most=0.4)
    """
    if isinstance(given, str):
        if given not in STOPS:
            raise unknown_name("rule to stop a differentiable search", given, STOPS)
        return STOPS[given]()
    return given
