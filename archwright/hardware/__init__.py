"""What networks cost: parameters, FLOPs and memory computed, latency measured.

The names load on first use: reading a quantity such as "5ms" needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright.hardware.cores import n_cores as n_cores
    from archwright.hardware.counting import costs as costs
    from archwright.hardware.counting import n_params as n_params
    from archwright.hardware.host import Machine as Machine
    from archwright.hardware.host import device_name as device_name
    from archwright.hardware.host import machine as machine
    from archwright.hardware.kinds import COMPUTED as COMPUTED
    from archwright.hardware.kinds import COSTS as COSTS
    from archwright.hardware.kinds import Cost as Cost
    from archwright.hardware.layers import LayerProfile as LayerProfile
    from archwright.hardware.layers import profile as profile
    from archwright.hardware.structure import graph as graph
    from archwright.hardware.timing import Latency as Latency
    from archwright.hardware.timing import latency as latency
    from archwright.hardware.tracing import example_input as example_input
    from archwright.hardware.units import format_quantity as format_quantity
    from archwright.hardware.units import parse_quantity as parse_quantity

_HOMES = {
    "COMPUTED": "archwright.hardware.kinds",
    "COSTS": "archwright.hardware.kinds",
    "Cost": "archwright.hardware.kinds",
    "costs": "archwright.hardware.counting",
    "n_params": "archwright.hardware.counting",
    "Machine": "archwright.hardware.host",
    "device_name": "archwright.hardware.host",
    "machine": "archwright.hardware.host",
    "n_cores": "archwright.hardware.cores",
    "LayerProfile": "archwright.hardware.layers",
    "profile": "archwright.hardware.layers",
    "graph": "archwright.hardware.structure",
    "Latency": "archwright.hardware.timing",
    "latency": "archwright.hardware.timing",
    "example_input": "archwright.hardware.tracing",
    "format_quantity": "archwright.hardware.units",
    "parse_quantity": "archwright.hardware.units",
}

__all__ = [
    "COMPUTED",
    "COSTS",
    "Cost",
    "Latency",
    "LayerProfile",
    "Machine",
    "costs",
    "device_name",
    "example_input",
    "format_quantity",
    "graph",
    "latency",
    "machine",
    "n_cores",
    "n_params",
    "parse_quantity",
    "profile",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
