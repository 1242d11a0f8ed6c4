"""GDAS: one operation is drawn and computed, its gradient is that of a soft draw.

Source: Xuanyi Dong, Yi Yang, "Searching for a Robust Neural Architecture in Four GPU Hours"
(GDAS), CVPR 2019, arXiv:1910.04465.

Differences from the paper: what is not computed gets its gradient through the softmax alone (the
published code adds its weight, a zero, to the output as well). Widths, kernels and depths take soft
draws, which cost no more.

In a chain of layers where a normalisation follows, a lone operation's factor of one is undone by
it and its gradient is nothing; GDAS is for cells, whose nodes add several edges up. `PROXYLESS`
computes two paths and has a gradient in chains, too.
"""

from archwright.supernet.method import Method
from archwright.supernet.relaxations import Gumbel

GDAS = Method(
    "gdas",
    "Dong and Yang, GDAS, CVPR 2019, arXiv:1910.04465",
    relaxation=Gumbel(10.0, 0.1, straight=True, linear=True),
)
"""The temperature falls linearly from 10 to 0.1, as published."""
