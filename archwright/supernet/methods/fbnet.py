"""FBNet: soft draws with a falling temperature, and the loss times a power of the latency.

Source: Bichen Wu et al., "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural
Architecture Search", CVPR 2019, arXiv:1812.03443.

Differences from the paper: the loss is multiplied by (cost / cost at the beginning) ** weight
instead of by alpha * log(latency) ** beta, so that no scale needs to be chosen; halves of the
training rows instead of 80 % and 20 %.
"""

from archwright.supernet.method import Method
from archwright.supernet.relaxations import Gumbel

FBNET = Method(
    "fbnet",
    "Wu et al., FBNet, CVPR 2019, arXiv:1812.03443",
    relaxation=Gumbel(5.0, 0.1),
    cost="multiply",
    affine=True,
    architecture_lr=1e-2,
    architecture_betas=(0.9, 0.999),
    architecture_decay=5e-4,
    lr=0.1,
    lr_last=0.0,
    weight_decay=1e-4,
    warmup=0.1,
)
"""The temperature falls by equal factors; give `cost=` for latency in the loss."""
