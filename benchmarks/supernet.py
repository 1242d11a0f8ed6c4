"""Seconds, memory and gradients of a supernet's step: the published way against ours.

    python benchmarks/supernet.py --batch 32 --json

The supernet is that of DARTS (C = 16, 8 cells, 32 x 32 pixels, random images: what they show has no
influence on the time). A step is the first-order update of the architecture's weights on one batch
and the update of the network's weights on another, with the published optimisers.

`published` is the published way of evaluating, written here from the paper and its code: a mixed
operation an edge that evaluates all eight operations (zero too), images in NCHW order, and
`loss.backward()` for both updates. It uses the very modules of our supernet, so that gradients can
be compared one by one. `ours` is `supernet.mixed`. Both steps alternate in one process on one core;
seconds are CPU seconds, of which the medians are compared. Peak memory is the maximum resident size
of a process of its own that makes one step, the library and the network included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archwright.nn.mixture import Mixture
from archwright.zoo.darts import DARTS_OPS, darts_space


class MixedOp(nn.Module):
    """Every operation of an edge by itself, weighed and added up."""

    def __init__(self, layer: Any, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.ops = nn.ModuleList(
            layer.option(name) if layer._names.get(name) else nn.Identity() for name in DARTS_OPS
        )

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """The sum; the first operation is zero."""
        zero = x.mul(0.0) if self.stride == 1 else x[:, :, ::2, ::2].mul(0.0)
        outputs = [zero, *(op(x) for op in self.ops[1:])]
        return sum(w * y for w, y in zip(weights, outputs, strict=True))  # type: ignore[return-value]


class PublishedCell(nn.Module):
    """All edges of all nodes."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.reduction = cell._prefix == "reduction/"
        self.edges = nn.ModuleDict(
            {
                f"{source}-{node}": MixedOp(
                    cell._modules[f"edge_{source}_{node}"],
                    2 if self.reduction and source < 2 else 1,
                )
                for node in range(2, 6)
                for source in range(node)
            }
        )

    def forward(self, before: Tensor, x: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """The four nodes, concatenated."""
        kind = "reduction" if self.reduction else "normal"
        states = [before, x]
        for node in range(2, 6):
            states.append(
                sum(  # type: ignore[arg-type]
                    self.edges[f"{i}-{node}"](state, weights[f"{kind}/{i}-{node}"])
                    for i, state in enumerate(states)
                )
            )
        return torch.cat(states[2:], 1)


class Published(nn.Module):
    """The published network, made of a supernet's modules."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.mixed = nn.ModuleList(PublishedCell(cell.cell) for cell in model.cells)

    def forward(self, x: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """`batch x 3 x height x width` to `batch x classes`."""
        before = x = self.model.stem(x)
        for cell, own in zip(self.model.cells, self.mixed, strict=True):
            before, x = x, own(cell.adapt_before(before), cell.adapt(x), weights)
        return self.model.head(x)


class Both:
    """The supernet, its strengths (alphas), and a step in both ways."""

    def __init__(self, args: argparse.Namespace, dtype: torch.dtype = torch.float32) -> None:
        space = darts_space((3, args.size, args.size), C=args.C, n_cells=args.cells, relaxed=True)
        self.supernet = space.supernet(seed=0).to(dtype)
        self.published_net = Published(self.supernet.model)
        generator = torch.Generator().manual_seed(0)
        self.edges = [path for path in space.paths if "-" in path]
        self.taken = {p: torch.ones(int(p[-8]), dtype=dtype) for p in space.paths if "inputs" in p}
        # As published: a thousandth of normal noise.
        noise = torch.randn(len(self.edges), len(DARTS_OPS), generator=generator, dtype=dtype)
        self.alphas = (1e-3 * noise).requires_grad_()
        shape = (2, args.batch, 3, args.size, args.size)
        self.x = torch.randn(shape, generator=generator, dtype=dtype)
        self.y = torch.randint(0, 10, shape[:2], generator=generator)
        self.weights = list(self.supernet.parameters())
        self.sgd = torch.optim.SGD(self.weights, 0.025, momentum=0.9, weight_decay=3e-4)
        self.adam = torch.optim.Adam([self.alphas], 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    def shares(self) -> dict[str, Tensor]:
        """The weight of each operation of each edge."""
        return dict(zip(self.edges, self.alphas.softmax(1), strict=True))

    def loss_published(self, k: int) -> Tensor:
        """Loss of batch k, the published way."""
        return F.cross_entropy(self.published_net(self.x[k], self.shares()), self.y[k])

    def loss_ours(self, k: int) -> Tensor:
        """Loss of batch k, our way."""
        with self.supernet.mixed(Mixture({**self.taken, **self.shares()})):
            return F.cross_entropy(self.supernet(self.x[k]), self.y[k])

    def published(self) -> None:
        """One step, the published way."""
        self._step(self.loss_published, lambda weights, alphas: None)

    def ours(self) -> None:
        """One step, our way: no gradient of what is not updated."""

        def only(weights: bool, alphas: bool) -> None:
            for weight in self.weights:
                weight.requires_grad_(weights)
            self.alphas.requires_grad_(alphas)

        self._step(self.loss_ours, only)
        only(True, True)

    def _step(self, loss: Callable[[int], Tensor], only: Callable[[bool, bool], None]) -> None:
        only(False, True)
        self.adam.zero_grad()
        loss(0).backward()
        self.adam.step()
        only(True, False)
        self.sgd.zero_grad()
        loss(1).backward()
        nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.sgd.step()

    def gradients(self, loss: Callable[[int], Tensor]) -> list[Tensor]:
        """Of the weights and the alphas, for the second batch."""
        for tensor in (*self.weights, self.alphas):
            tensor.grad = None
        loss(1).backward()
        return [t.grad.clone() for t in (*self.weights, self.alphas) if t.grad is not None]


def difference(args: argparse.Namespace) -> dict[str, float]:
    """The greatest differences in float64, relative to the greatest value of each tensor."""
    small = argparse.Namespace(**{**vars(args), "batch": min(args.batch, 4)})
    both = Both(small, torch.float64)
    outputs = [both.loss_published(1).detach(), both.loss_ours(1).detach()]
    pairs = zip(both.gradients(both.loss_published), both.gradients(both.loss_ours), strict=True)
    return {
        "float64_loss_difference": float(abs(outputs[0] - outputs[1]) / outputs[0]),
        "float64_gradient_difference": max(
            float((a - b).abs().max() / a.abs().max().clamp(min=1e-30)) for a, b in pairs
        ),
    }


def peak(args: argparse.Namespace, way: str) -> int:
    """Bytes of a process of its own that makes one step."""
    command = [sys.executable, __file__, "--only", way]
    for name in ("batch", "size", "C", "cells"):
        command += [f"--{name}", str(getattr(args, name))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--C", type=int, default=16, help="channels of a node at the beginning")
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3, help="steps of each way")
    parser.add_argument("--skip", nargs="*", default=[], choices=("memory", "difference"))
    parser.add_argument("--only", choices=("published", "ours", "nothing"), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.only:
        both = Both(args)
        if args.only != "nothing":
            getattr(both, args.only)()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    found: dict[str, Any] = {"batch": args.batch, "size": args.size, "C": args.C}
    found |= {"cells": args.cells, "rounds": args.rounds, "threads": 1}
    if "memory" not in args.skip:  # first: a process begins with the size of the one it is made by
        sizes = {way: peak(args, way) for way in ("nothing", "published", "ours")}
        found |= {f"peak_bytes_{way}": size for way, size in sizes.items()}
        found["peak_memory_ratio"] = sizes["ours"] / sizes["published"]
    if "difference" not in args.skip:
        found |= difference(args)
    both = Both(args)
    seconds: dict[str, list[float]] = {"ours": [], "published": []}
    both.ours()  # what is made once (kernels, buffers of the optimisers) is not counted
    for _ in range(args.rounds):
        for way, own in seconds.items():
            begun = time.process_time()
            getattr(both, way)()
            own.append(time.process_time() - begun)
    medians = {way: statistics.median(own) for way, own in seconds.items()}
    found |= {f"seconds_{way}": own for way, own in seconds.items()}
    found |= {f"median_seconds_{way}": median for way, median in medians.items()}
    found["speedup"] = medians["published"] / medians["ours"]
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:30} {value}")


if __name__ == "__main__":
    main()
