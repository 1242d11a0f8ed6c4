"""DARTS-: an auxiliary skip connection beside each edge takes the advantage off the others.

Source: Xiangxiang Chu et al., "DARTS-: Robustly Stepping out of Performance Collapse Without
Indicators", ICLR 2021, arXiv:2009.01027.

Differences from the paper: where a choice has no operation that passes on what comes there is no
auxiliary connection either.
"""

from archwright.supernet.method import Method
from archwright.supernet.regularisers import AuxiliarySkip

DARTS_MINUS = Method(
    "darts-minus",
    "Chu et al., DARTS-, ICLR 2021, arXiv:2009.01027",
    changes=(AuxiliarySkip(1.0),),
)
"""Its weight falls from 1 to 0 linearly."""
