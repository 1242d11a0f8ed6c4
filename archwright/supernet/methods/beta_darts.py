"""beta-DARTS: the log-sum-exp of the strengths is kept small, ever more.

Source: Peng Ye et al., "beta-DARTS: Beta-Decay Regularization for Differentiable Architecture
Search", CVPR 2022, arXiv:2203.01665.
"""

from archwright.supernet.method import Method
from archwright.supernet.regularisers import Beta

BETA_DARTS = Method(
    "beta-darts",
    "Ye et al., beta-DARTS, CVPR 2022, arXiv:2203.01665",
    regularisers=(Beta(50.0),),
    architecture_decay=0.0,
)
"""The weight grows from 0 to 50, in place of weight decay, as published."""
