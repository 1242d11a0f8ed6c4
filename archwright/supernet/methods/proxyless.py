"""ProxylessNAS: one path in memory for the weights, two for the strengths; a cost in the loss.

Source: Han Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and
Hardware", ICLR 2019, arXiv:1812.00332.

Differences from the paper: the two strengths move by Adam with the gradient of the softmax over
the two, without rescaling to keep the others' probabilities; weights and strengths are learnt in
alternation on halves of the training rows.
"""

from archwright.supernet.method import Method
from archwright.supernet.relaxations import TwoPaths

PROXYLESS = Method(
    "proxyless",
    "Cai et al., ProxylessNAS, ICLR 2019, arXiv:1812.00332",
    relaxation=TwoPaths(),
    affine=True,
    architecture_lr=1e-3,
    architecture_betas=(0.0, 0.999),
    architecture_decay=0.0,
)
"""With the published optimiser of the strengths; give `cost=` for latency in the loss."""
