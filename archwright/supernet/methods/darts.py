"""DARTS: all operations at once, weighed by the softmax of their strengths.

Source: Hanxiao Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019,
arXiv:1806.09055.

Differences from the paper: the search is that of any space; cells keep what they declare. The
strengths of `inputs` without operations are a softmax over the subsets that may be taken.
"""

from archwright.supernet.method import Method

DARTS = Method("darts", "Liu et al., DARTS, ICLR 2019, arXiv:1806.09055")
"""First order: the gradient of the strengths with the weights as they are."""

DARTS_SECOND = DARTS.replace(name="darts-2nd", order="second")
"""Second order: with the weights one step further."""
