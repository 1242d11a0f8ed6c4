"""DrNAS: weights are drawn from a Dirichlet distribution whose parameters are learnt.

Source: Xiangning Chen et al., "DrNAS: Dirichlet Neural Architecture Search", ICLR 2021,
arXiv:2006.10355.

Differences from the paper: no progressive scheme of partial channels (see `PC_DARTS` for partial
channels, `P_DARTS` for stages; both can be given to `Method.replace`).
"""

from archwright.supernet.method import Method
from archwright.supernet.regularisers import NearUniform
from archwright.supernet.relaxations import Dirichlet

DRNAS = Method(
    "drnas",
    "Chen et al., DrNAS, ICLR 2021, arXiv:2006.10355",
    relaxation=Dirichlet(),
    regularisers=(NearUniform(1e-3),),
    architecture_lr=6e-4,
    architecture_decay=0.0,
)
"""With the published step size and weight of the distance to the uniform distribution."""
