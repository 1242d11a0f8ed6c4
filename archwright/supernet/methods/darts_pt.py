"""DARTS-PT: operations are chosen by how much the trained supernet misses them.

Source: Ruochen Wang et al., "Rethinking Architecture Selection in Differentiable NAS" (DARTS-PT),
ICLR 2021, arXiv:2108.04392.

Differences from the paper: see `archwright.supernet.selection.by_perturbation`.
"""

from archwright.supernet.method import Method

DARTS_PT = Method(
    "darts-pt",
    "Wang et al., DARTS-PT, ICLR 2021, arXiv:2108.04392",
    selection="perturbation",
)
"""DARTS with another selection."""
