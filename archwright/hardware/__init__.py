"""What networks cost: parameters, FLOPs and memory computed, latency measured."""

from archwright.hardware.costs import COMPUTED as COMPUTED
from archwright.hardware.costs import COSTS as COSTS
from archwright.hardware.costs import Cost as Cost
from archwright.hardware.costs import costs as costs
from archwright.hardware.costs import n_params as n_params
from archwright.hardware.graph import graph as graph
from archwright.hardware.latency import Latency as Latency
from archwright.hardware.latency import latency as latency
from archwright.hardware.layers import LayerProfile as LayerProfile
from archwright.hardware.layers import profile as profile
from archwright.hardware.machine import Machine as Machine
from archwright.hardware.machine import device_name as device_name
from archwright.hardware.machine import machine as machine
from archwright.hardware.machine import n_cores as n_cores
from archwright.hardware.tracing import example_input as example_input
from archwright.hardware.units import format_quantity as format_quantity
from archwright.hardware.units import parse_quantity as parse_quantity

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
