"""Fisher: how much the loss would change if channels were removed.

Sources: Turner, Crowley, O'Boyle, Storkey and Gray, "BlockSwap: Fisher-guided Block Substitution
for Network Compression", ICLR 2020, arXiv:1906.04113; Theis, Korshunova, Tejani and Huszar,
"Faster gaze prediction with dense networks and Fisher pruning", 2018, arXiv:1801.05787.

For channel c of a layer with outputs a and their gradient g (of the mean loss), the sum being over
positions: 1/2 mean_n (sum a g)^2, summed over channels and layers. As in Abdelfattah et al. (ICLR
2021) each channel counts as often as it has weights.

Differences from the papers: all linear and convolution layers in one to three dimensions are
counted, and recurrent ones that put the batch first; attention's inner projections are not.
"""

from __future__ import annotations

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe


def fisher(probe: Probe) -> float:
    """Sum over layers and channels."""
    _ = probe.loss_gradients
    found = probe.gathered.fisher
    if not found:
        raise Undefined("no layer's output with the batch as its first dimension has a gradient")
    return sum(total.sum().item() * per_channel for total, per_channel in found)


PROXIES = (
    Proxy(
        "fisher",
        fisher,
        "networks with linear or convolution layers",
        "the shared forward pass and the loss's backward pass",
        "Turner et al., BlockSwap: Fisher-guided Block Substitution for Network Compression, "
        "ICLR 2020, arXiv:1906.04113",
        labels=True,
        hears=frozenset({"loss gradient", "fisher"}),
    ),
)
