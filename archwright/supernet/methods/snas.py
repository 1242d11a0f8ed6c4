"""SNAS: soft draws, strengths and weights learnt together on one loss.

Source: Sirui Xie et al., "SNAS: Stochastic Neural Architecture Search", ICLR 2019,
arXiv:1812.09926.

Differences from the paper: no resource constraint unless a cost is given; the temperature falls by
equal factors from 1 to 0.03.
"""

from archwright.supernet.method import Method
from archwright.supernet.relaxations import Gumbel

SNAS = Method(
    "snas",
    "Xie et al., SNAS, ICLR 2019, arXiv:1812.09926",
    relaxation=Gumbel(1.0, 0.03),
    order="single",
)
"""One level: all training rows serve both."""
