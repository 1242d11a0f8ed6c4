"""``archwright search --strategy darts`` and the other methods that search by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError

if TYPE_CHECKING:
    from archwright.trials import Result

METHODS: Mapping[str, str] = {
    "beta-darts": "DARTS whose strengths are kept from growing apart (beta decay)",
    "darts": "DARTS, first order: a mixture of all options, learnt by gradients",
    "darts-2nd": "DARTS, second order",
    "darts-minus": "DARTS with an auxiliary skip connection that fades",
    "darts-pt": "DARTS, chosen by what removing an option costs",
    "drnas": "a Dirichlet distribution over the options",
    "fair-darts": "independent sigmoid strengths, driven to 0 or 1",
    "fbnet": "Gumbel-softmax over the options, with a cost in the loss",
    "gdas": "one option a step, drawn by hard Gumbel-softmax",
    "p-darts": "DARTS in stages, with ever fewer options",
    "pc-darts": "DARTS on a part of the channels, with strengths of edges",
    "proxyless": "two paths a step, binary gates (ProxylessNAS)",
    "sdarts": "DARTS smoothed by random perturbations of the strengths",
    "sdarts-adv": "DARTS smoothed by adversarial perturbations",
    "snas": "Gumbel-softmax over the options",
}
"""What each is: the names of `archwright.supernet.METHODS`, known without torch."""


def check_gradient(strategy: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a search by gradients would ignore.

    Raises:
        InputError: names the option.

    >>> check_gradient("darts", {"--stopping": "median"})
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: --stopping cannot be used with --strategy darts, which trains ...
    """
    for option, value in options.items():
        if value:
            raise InputError(
                f"{option} cannot be used with --strategy {strategy}, which trains one supernet "
                "and derives from it: leave it out, or take another strategy"
            )


def search_by_gradients(space: str, evaluate: Any, method: str, **options: Any) -> Result:
    """The search, with the arguments of `archwright.differentiable`."""
    from archwright.runs.differentiable import differentiable

    return differentiable(space, evaluate, method, **options)
