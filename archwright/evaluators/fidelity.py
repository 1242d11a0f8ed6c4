"""Whether an evaluator can do what a `Fidelity` asks for, told before any work."""

from __future__ import annotations

from typing import Any

from archwright.errors import InputError
from archwright.space import Space
from archwright.trials import Fidelity


def require_fidelity(evaluator: Any, fidelity: Fidelity, space: Space) -> None:
    """Refuse a fidelity that an evaluator does not know, or that the space cannot be built at.

    An evaluator says what it knows by an attribute ``fidelities``, names of kinds such as
    ``{"epochs", "data"}``, and may look closer in a method ``check_fidelity(fidelity, space)``.
    One without the attribute, such as a plain function, is handed every fidelity as
    ``candidate.fidelity``, and what it makes of it is its own business.

    Raises:
        InputError: says which kind, and what there is instead.

    >>> from archwright.evaluators import Table
    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice((16, 32))})
    >>> table = Table(space, [({"width": 16}, {"accuracy": 0.8})])
    >>> require_fidelity(table, Fidelity(data=0.5), space)
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: Table evaluates in full only: it knows no lower data (asked ...
    """
    kinds = fidelity.kinds
    known = getattr(evaluator, "fidelities", None)
    if known is not None and not kinds <= set(known):
        unknown = ", ".join(sorted(kinds - set(known)))
        name = getattr(evaluator, "name", None) or type(evaluator).__name__
        what = f"knows only lower {', '.join(sorted(known))}" if known else "evaluates in full only"
        raise InputError(
            f"{name} {what}: it knows no lower {unknown} (asked for: {fidelity}). Leave that out, "
            "or give an evaluator that does"
        )
    smaller = getattr(space, "smaller", None)
    if known is not None and smaller is not None and kinds & {"width", "depth"}:
        smaller(width=fidelity.width, depth=fidelity.depth)
    own = getattr(evaluator, "check_fidelity", None)
    if own is not None:
        own(fidelity, space)
