"""Published methods of differentiable search, each a small composition of parts."""

from __future__ import annotations

from archwright.errors import InputError, unknown_name
from archwright.supernet.method import Method
from archwright.supernet.methods.beta_darts import BETA_DARTS
from archwright.supernet.methods.darts import DARTS, DARTS_SECOND
from archwright.supernet.methods.darts_minus import DARTS_MINUS
from archwright.supernet.methods.darts_pt import DARTS_PT
from archwright.supernet.methods.drnas import DRNAS
from archwright.supernet.methods.fair_darts import FAIR_DARTS
from archwright.supernet.methods.fbnet import FBNET
from archwright.supernet.methods.gdas import GDAS
from archwright.supernet.methods.p_darts import P_DARTS
from archwright.supernet.methods.pc_darts import PC_DARTS
from archwright.supernet.methods.proxyless import PROXYLESS
from archwright.supernet.methods.sdarts import SDARTS, SDARTS_ADV
from archwright.supernet.methods.snas import SNAS

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        DARTS,
        DARTS_SECOND,
        GDAS,
        SNAS,
        DRNAS,
        PC_DARTS,
        FAIR_DARTS,
        BETA_DARTS,
        DARTS_MINUS,
        SDARTS,
        SDARTS_ADV,
        DARTS_PT,
        P_DARTS,
        PROXYLESS,
        FBNET,
    )
}
"""Methods by name."""


def as_method(given: str | Method) -> Method:
    """A method from its name, or as it is.

    Raises:
        UnknownNameError: there is none of that name.

    >>> as_method("darts").order
    'first'
    """
    if isinstance(given, Method):
        return given
    if not isinstance(given, str):
        raise InputError(f"method must be a name or a Method, got {given!r}")
    if given not in METHODS:
        raise unknown_name("differentiable method", given, METHODS)
    return METHODS[given]


__all__ = ["METHODS", "as_method"]
