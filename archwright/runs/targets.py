"""One evaluator, several targets: a network for each device or budget."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archwright.errors import InputError
from archwright.runs.api import search
from archwright.trials import Result


def search_targets(
    space: Any,
    evaluate: Any,
    targets: Mapping[str, Mapping[str, Any]],
    *,
    out: str | Path | None = None,
    baselines: bool = False,
    **options: Any,
) -> dict[str, Result]:
    """Search once for each target, each with limits of its own.

    Made for `archwright.SharedWeights`, whose one training serves all targets, and which
    remembers what it has judged: an architecture that two targets come across is judged once.

    Args:
        space: as for `search`.
        evaluate: as for `search`.
        targets: name -> limits, such as ``{"phone": {"flops": "5M"}, "watch": {"params": "20k"}}``.
        out: a folder, in which each target has one of its name.
        baselines: as for `search`, but not unless asked for.
        **options: other arguments of `search`, the same for all; `minutes` is for each.

    Returns:
        Name -> result, in the order given.

    Raises:
        InputError: there are no targets, or an argument of `search` cannot be used.
        InfeasibleError: a target has no architecture within its limits; names the target.

    >>> from archwright.space import Space, choice
    >>> wide = Space({"width": choice([16, 32, 64])})
    >>> found = search_targets(
    ...     wide,
    ...     lambda candidate: {"score": candidate.architecture["width"], "cost": 1.0},
    ...     {"all": {}, "none": {"score": (0, 40)}},
    ...     maximize="score",
    ... )
    >>> [(name, result.best.metrics["score"]) for name, result in found.items()]
    [('all', 64.0), ('none', 32.0)]
    """
    if not isinstance(targets, Mapping) or not targets:
        raise InputError(f"targets must map at least one name to its limits, got {targets!r}")
    for name, limits in targets.items():
        named = isinstance(name, str) and name not in ("", ".", "..") and "/" not in name
        if not named or not isinstance(limits, Mapping):
            raise InputError(
                f"a target is a name and a mapping of limits, such as 'phone': {{'flops': '5M'}}, "
                f"got {name!r}: {limits!r}"
            )
    if "limits" in options:
        raise InputError("each target has limits of its own: leave limits= out")
    found = {}
    for name, limits in targets.items():
        try:
            found[name] = search(
                space,
                evaluate,
                limits=limits,
                out=None if out is None else Path(out) / name,
                baselines=baselines,
                **options,
            )
        except Exception as error:
            error.add_note(f"raised while searching for the target {name!r}")
            raise
    return found
