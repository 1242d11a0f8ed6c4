"""Kernel transformation matrices: smaller kernels that are learnt from the larger ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn import Supernet
from archwright.nn.convolutions import ElasticConv1d, ElasticConv2d
from archwright.nn.elastic import Elastic
from archwright.nn.twin import centred

MOST_KERNELS = 8


class KernelTransform(nn.Module):
    """Makes the kernels of one convolution, the largest first, each from the middle of the last.

    Args:
        sizes: the kernels' sizes, such as ((7, 7), (5, 5), (3, 3)).

    >>> transform = KernelTransform([(5, 5), (3, 3)])
    >>> weight = torch.randn(4, 2, 5, 5)
    >>> torch.equal(transform.resize(weight, (3, 3)), weight[:, :, 1:4, 1:4])
    True
    """

    def __init__(self, sizes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.sizes = sorted(set(sizes), key=math.prod, reverse=True)
        self.matrices = nn.ParameterList(
            # The identity: at first, smaller kernels are the middle of the largest.
            [nn.Parameter(torch.eye(math.prod(size))) for size in self.sizes[1:]]
        )

    def resize(self, weight: Tensor, size: tuple[int, ...]) -> Tensor:
        """The kernel of a size.

        Args:
            weight: out x in x the largest kernel.
            size: one of `sizes`.

        Returns:
            out x in x size.
        """
        for matrix, smaller in zip(self.matrices, self.sizes[1:], strict=True):
            if tuple(weight.shape[2:]) == size:
                break
            middle = centred(weight, 2, smaller)
            weight = (middle.flatten(2) @ matrix).view(middle.shape)
        return weight


def add_kernel_transforms(supernet: Supernet) -> Supernet:
    """Give a supernet's convolutions of elastic kernel their transformation matrices, in place.

    Each convolution learns one matrix a step from a kernel size to the next smaller one, shared by
    its channels. It begins as the identity, so that nothing changes until it is trained. What is
    extracted is a plain convolution with the kernel that the matrices made.

    Args:
        supernet: the supernet.

    Raises:
        SpaceError: no convolution has an elastic kernel, or one has kernels that are not inside
            one another.

    Source: Han Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
    Deployment", ICLR 2020, arXiv:1908.09791.

    Differences from the paper: none in the matrices; convolutions with groups share theirs among
    all channels, as the paper's depthwise ones do. Mixtures (differentiable search) pass them
    over.

    >>> import archwright.nn as aw
    >>> space = aw.ModelSpace(lambda: aw.conv2d(1, 2, kernel=aw.choice("kernel", [3, 5])))
    >>> supernet = add_kernel_transforms(space.supernet(seed=0))
    >>> [tuple(p.shape) for p in supernet.model.kernel_transform.parameters()]
    [(9, 9)]
    """
    n = 0
    for name, module in supernet.named_modules():
        if not isinstance(module, ElasticConv1d | ElasticConv2d):
            continue
        kernel = module._numbers.get("kernel_size")
        if kernel is None:
            continue
        sizes = _sizes(name, kernel)
        for larger, smaller in itertools.pairwise(sizes):
            if any(a < b or (a - b) % 2 for a, b in zip(larger, smaller, strict=True)):
                raise SpaceError(
                    f"{name}: a kernel of {smaller} is not the middle of one of {larger}: "
                    "transformation matrices need kernels that are all odd or all even"
                )
        module.kernel_transform = KernelTransform(sizes).to(module._parameters["weight"])
        n += 1
    if not n:
        raise SpaceError("no convolution of this supernet has an elastic kernel to transform")
    return supernet


def _sizes(name: str, kernel: tuple[Elastic | int, ...]) -> list[tuple[int, ...]]:
    """The kernel's sizes, the largest first."""
    leaves = {leaf.path: leaf for k in kernel if isinstance(k, Elastic) for leaf in k._leaves()}
    assignments: list[dict[str, object]] = [{}]
    for path, leaf in leaves.items():
        values = list(leaf.domain.values())
        assignments = [{**a, path: value} for a in assignments for value in values]
        if len(assignments) > MOST_KERNELS**2:
            raise SpaceError(f"{name}: its kernel depends on too many choices to transform")
    found = {
        tuple(k._evaluate(a) if isinstance(k, Elastic) else k for k in kernel) for a in assignments
    }
    if len(found) > MOST_KERNELS:
        raise SpaceError(f"{name}: {len(found)} kernels are too many to transform")
    return sorted(found, key=math.prod, reverse=True)
