"""The proxies by name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

from archwright.errors import InputError, unknown_name
from archwright.proxies import (
    az_nas,
    features,
    fisher,
    grasp,
    jacobian,
    patterns,
    regions,
    samples,
    size,
    synflow,
    vkdnw,
    weights,
    zen,
    zico,
)
from archwright.proxies.base import Proxy

_FAMILIES = (
    size, weights, fisher, grasp, synflow, jacobian, patterns, features, zen, zico, samples,
    regions, az_nas, vkdnw,
)  # fmt: skip

PROXIES: dict[str, Proxy] = {
    proxy.name: proxy for proxy in itertools.chain(*(family.PROXIES for family in _FAMILIES))
}
"""Every proxy, by name."""

BASELINES = ("params", "flops", "n_layers")
"""What a proxy must beat to be worth its time."""

GROUPS: dict[str, tuple[str, ...]] = {
    "az_nas": ("expressivity", "progressivity", "trainability", "complexity"),
    "vkdnw_aggregate": ("vkdnw", "jacov", "expressivity", "trainability", "flops"),
    "te_nas": ("ntk", "linear_regions"),
}
"""Names that stand for several proxies; `aggregate` ranks a population by them."""


COMBINATION = ("params", "naswot", "meco", "synflow", "trainability", "vkdnw_entropy")
"""Label-free proxies that, by `aggregate`'s non-linear ranking, agree well with accuracy together.

Chosen on 133 cells of NAS-Bench-201 and 120 of digits-cells, and tried on others of the former:
see docs/proxies.md.
"""

COMBINATION_WEIGHTS = {"meco": 2.0}
"""What counts more than once in `COMBINATION`."""


def resolve(names: str | Iterable[str]) -> list[str]:
    """Names of proxies, each once, groups replaced by their members.

    Raises:
        InputError: none is named.
        UnknownNameError: a name is neither a proxy's nor a group's.

    >>> resolve(["naswot", "te_nas"])
    ['naswot', 'ntk', 'linear_regions']
    """
    asked = [names] if isinstance(names, str) else list(names)
    found: dict[str, None] = {}
    for name in asked:
        if name in GROUPS:
            found.update(dict.fromkeys(GROUPS[name]))
        elif name in PROXIES:
            found[name] = None
        else:
            raise unknown_name("proxy", name, [*PROXIES, *GROUPS])
    if not found:
        raise InputError(f"name at least one proxy; known: {', '.join([*PROXIES, *GROUPS])}")
    return list(found)


def upward(scores: Mapping[str, float], name: str) -> float:
    """A proxy's value turned so that larger is better; NaN where it has none.

    >>> upward({"ntk": 5.0}, "ntk"), upward({"ntk": 5.0}, "params")
    (-5.0, nan)
    """
    if name not in scores:
        return math.nan
    return scores[name] if PROXIES[name].larger_is_better else -scores[name]
