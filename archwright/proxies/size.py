"""The baselines every proxy must beat: how large the network is.

No paper: parameters, FLOPs and layers are what one would look at without any proxy.
"""

from __future__ import annotations

from archwright.errors import InputError
from archwright.hardware.counting import costs, n_params
from archwright.hardware.counting import n_layers as layers_of
from archwright.hardware.tracing import first_line
from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe


def params(probe: Probe) -> float:
    """Number of parameters."""
    return float(n_params(probe.model))


def flops(probe: Probe) -> float:
    """FLOPs of one forward pass of one sample; one multiply-add is two."""
    try:
        dtype = probe.inputs.dtype
        found = costs(probe.model, probe.input_shape, names=["flops"], dtype=dtype)
        return float(found["flops"])
    except InputError as error:
        raise Undefined(f"its operations cannot be counted: {first_line(error)}") from None


def n_layers(probe: Probe) -> float:
    """Layers with trainable weights."""
    return float(layers_of(probe.model))


PROXIES = (
    Proxy("params", params, "every network", "none", data=False),
    Proxy("flops", flops, "every network that can be traced", "none", data=False),
    Proxy("n_layers", n_layers, "every network", "none", data=False),
    Proxy(
        "complexity",
        flops,
        "every network that can be traced",
        "none",
        "Lee and Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, CVPR "
        "2024, arXiv:2403.19232",
        data=False,
    ),
)
