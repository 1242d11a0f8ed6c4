"""PC-DARTS: a part of the channels passes the operations, edges have strengths of their own.

Source: Yuhui Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture
Search", ICLR 2020, arXiv:1907.05737.

Differences from the paper: see `archwright.supernet.memory.partial_channels`; edges are weighed by
the probability that they are among those taken, which adds up to their number instead of to one.
"""

from archwright.supernet.method import Method

PC_DARTS = Method(
    "pc-darts",
    "Xu et al., PC-DARTS, ICLR 2020, arXiv:1907.05737",
    edge_weights=True,
    partial=0.25,
    warmup=0.3,
    architecture_lr=6e-4,
    lr=0.1,
    lr_last=0.0,
)
"""A quarter of the channels; the weights alone in the first 15 of 50 epochs, as published."""
