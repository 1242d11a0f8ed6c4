"""P-DARTS: stages with ever deeper networks and fewer operations; skip connections drop out.

Source: Xin Chen et al., "Progressive Differentiable Architecture Search: Bridging the Depth Gap
between Search and Evaluation" (P-DARTS), ICCV 2019, arXiv:1904.12760.

Differences from the paper: the depth grows only where the space says how it is scaled
(`ModelSpace(scaled=...)`); a skip connection drops out as a whole, not element by element; the
number of skip connections of the result is not bounded.
"""

from archwright.supernet.method import Method, Stage

P_DARTS = Method(
    "p-darts",
    "Chen et al., P-DARTS, ICCV 2019, arXiv:1904.12760",
    warmup=0.4,
    architecture_lr=6e-4,
    stages=(
        Stage(1 / 3, keep=1.0, depth=0.3, dropout=0.0),
        Stage(1 / 3, keep=5 / 8, depth=0.6, dropout=0.4),
        Stage(1 / 3, keep=3 / 8, depth=1.0, dropout=0.7),
    ),
)
"""8, 5 and 3 of eight operations; 5, 11 and 17 of 17 cells; as published."""
