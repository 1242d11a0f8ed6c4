"""The costs that can be asked for by name; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cost:
    """One kind of cost that can be asked for by name.

    Attributes:
        name: the metric's name, as in `limits={"params": 50_000}`.
        unit: the base unit, `""` for counts.
        description: one line that explains it.
        needs_forward: a forward pass (on descriptions of tensors) is needed to know it.
        needs_measurement: it is measured by running the network, not computed.
    """

    name: str
    unit: str
    description: str
    needs_forward: bool = False
    needs_measurement: bool = False


COSTS: Final[dict[str, Cost]] = {
    cost.name: cost
    for cost in (
        Cost("params", "", "number of parameters, shared ones counted once"),
        Cost("trainable_params", "", "number of parameters that require a gradient"),
        Cost("flops", "", "floating-point operations of the matrix products and convolutions "
             "of one forward pass; one multiply-add counts 2", True),
        Cost("macs", "", "multiply-adds of one forward pass: half the FLOPs", True),
        Cost("activation_bytes", "bytes", "peak memory of the activations during inference", True),
        Cost("weight_bytes", "bytes", "memory of parameters and buffers"),
        Cost("memory_bytes", "bytes", "memory of weights and peak activations together", True),
        Cost("size_bytes", "bytes", "size of the weights file (safetensors)"),
        Cost("n_layers", "", "number of layers with a weight matrix or kernel"),
        Cost("latency_ms", "ms", "median time of one forward pass on this machine", False, True),
    )
}  # fmt: skip

#: The costs that `costs` answers when none are named: all that need no measurement.
COMPUTED: Final = tuple(name for name, cost in COSTS.items() if not cost.needs_measurement)
