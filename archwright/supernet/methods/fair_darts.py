"""FairDARTS: each operation has its own sigmoid, so that they do not compete.

Source: Xiangxiang Chu et al., "Fair DARTS: Eliminating Unfair Advantages in Differentiable
Architecture Search", ECCV 2020, arXiv:1911.12126.

Differences from the paper: one operation a choice is derived, the strongest, as spaces say; the
paper keeps up to two above a threshold. Widths and inputs are weighed by a softmax.
"""

from archwright.supernet.method import Method
from archwright.supernet.regularisers import ZeroOne
from archwright.supernet.relaxations import Sigmoid

FAIR_DARTS = Method(
    "fair-darts",
    "Chu et al., Fair DARTS, ECCV 2020, arXiv:1911.12126",
    relaxation=Sigmoid(),
    regularisers=(ZeroOne(10.0),),
)
"""With the published weight of the zero-one loss."""
