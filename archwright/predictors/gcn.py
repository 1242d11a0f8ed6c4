"""Graph convolutional networks over the cells of architectures as predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from archwright.errors import InputError
from archwright.predictors.encoder import Encoder
from archwright.predictors.graf import PaddedGraphs
from archwright.predictors.graphs import one_cell_graph, paths_outside_cells
from archwright.predictors.smooth import fitted_line
from archwright.predictors.tables import Table
from archwright.space import Architecture, Space

Matrix: TypeAlias = npt.NDArray[np.float64]
Tensor: TypeAlias = torch.Tensor

LEAST_DEVIATION = 1e-3
N_REFERENCE = 256
SLOPE = 0.1


@dataclass(frozen=True)
class Graphs:
    """Cells as a network reads them.

    Attributes:
        onehot: the operation of each vertex, n x n_cells x n_vertices x n_kinds.
        before: the mean over each vertex's predecessors, n x n_cells x n_vertices x n_vertices.
        behind: the same over its successors.
        there: which vertices exist, n x n_cells x n_vertices x 1.
        rest: features of the decisions outside cells, n x n_rest.
    """

    onehot: Tensor
    before: Tensor
    behind: Tensor
    there: Tensor
    rest: Tensor

    def alike(self) -> Graphs:
        """The same for each network: a first dimension of 1 before all others."""
        return self.take(torch.arange(len(self.onehot))[None])

    def take(self, rows: Tensor) -> Graphs:
        """For each network those architectures that it sees, n_networks x n before the rest."""
        return Graphs(
            self.onehot[rows],
            self.before[rows],
            self.behind[rows],
            self.there[rows],
            self.rest[rows],
        )


class GraphNetworks:
    """An ensemble of graph convolutional networks; the deviation is that of the networks.

    Each layer takes the mean over a vertex's predecessors and the mean over its successors, each
    with weights of its own, beside the vertex itself; the mean over the vertices is the cell's
    description, and a linear layer on those of all cells, with the decisions outside cells, gives
    the prediction.

    Args:
        space: a space with cells.
        ranking: fitted to which of two architectures is better (BRP-NAS's idea), not to how good
            they are.
        n_networks: how many.
        n_layers: graph convolutions of each.
        width: units of each layer.
        epochs: passes over the examples.
        batch: examples a step.
        learning_rate: of AdamW, falling to zero along a cosine.

    Raises:
        InputError: the space has no cells.

    Source: Dudziak, Chau, Abdelfattah, Lee, Kim and Lane, BRP-NAS: Prediction-based NAS using GCNs,
    NeurIPS 2020, arXiv 2007.08668; both directions after Wen, Liu, Chen, Li, Bender and Kindermans,
    Neural Predictor for Neural Architecture Search, ECCV 2020, arXiv 1912.00848.

    Differences from the paper: a mean over vertices in place of a global vertex; layers of 64
    units, not 600; a score for each architecture, of which pairs are compared, in place of a
    network of pairs; no transfer from latency; an ensemble.
    """

    def __init__(
        self,
        space: Space,
        *,
        ranking: bool = False,
        n_networks: int = 5,
        n_layers: int = 3,
        width: int = 64,
        epochs: int = 150,
        batch: int = 32,
        learning_rate: float = 0.005,
    ) -> None:
        if not space.cells:
            raise InputError(
                "the model 'gcn' reads the graphs of cells, and the space has none: take 'auto'"
            )
        self.ranking = ranking
        self.n_networks, self.n_layers, self.width = n_networks, n_layers, width
        self.epochs, self.batch, self.learning_rate = epochs, batch, learning_rate
        self._space = space
        rng = Random(0)
        sample = [space.sample(rng=rng) for _ in range(N_REFERENCE)]
        graphs = [one_cell_graph(cell, a) for cell in space.cells for a in sample]
        padded = PaddedGraphs.of(graphs)
        self._names, self._n_vertices = padded.names, padded.labels.shape[1]
        outside = ("outside",) if paths_outside_cells(space) else ()
        self._outside = Encoder(space, outside) if outside else None

    def read(self, architectures: Sequence[Architecture]) -> Graphs:
        """The architectures as the networks read them.

        Args:
            architectures: architectures of the space.
        """
        cells = []
        for cell in self._space.cells:
            graphs = [one_cell_graph(cell, a) for a in architectures]
            cells.append(PaddedGraphs.of(graphs, self._names))
        n, size = len(architectures), max(self._n_vertices, *(c.labels.shape[1] for c in cells))
        n_kinds = len(self._names) + 3  # input, output, join or unknown
        onehot = np.zeros((n, len(cells), size, n_kinds), dtype=np.float32)
        edges = np.zeros((n, len(cells), size, size), dtype=np.float32)
        for i, padded in enumerate(cells):
            own = padded.labels.shape[1]
            kinds = np.where(padded.labels < 0, n_kinds - 1, padded.labels)
            kinds[padded.inputs] = n_kinds - 2
            kinds[:, -1] = n_kinds - 3
            edges[:, i, :own, :own] = padded.edges
            there = padded.inputs | (padded.edges.sum(axis=1) > 0)
            there[:, -1] = True
            onehot[:, i, :own] = (kinds[:, :, None] == np.arange(n_kinds)) * there[:, :, None]
        into, out = edges.sum(axis=2)[..., None], edges.sum(axis=3)[..., None]
        rest = np.zeros((n, 0))
        if self._outside is not None:
            rest = np.concatenate(list(self._outside.encode(architectures).values()), axis=1)
        return Graphs(
            torch.from_numpy(onehot),
            torch.from_numpy(edges.transpose(0, 1, 3, 2) / np.maximum(into, 1)),
            torch.from_numpy(edges / np.maximum(out, 1)),
            torch.from_numpy(onehot.sum(axis=3, keepdims=True)),
            torch.from_numpy(rest.astype(np.float32)),
        )

    def fit(self, table: Table, targets: Matrix, *, seed: int) -> FittedGraphNetworks:
        """See `archwright.predictors.tables.Model`; each network leaves a part of the examples out.

        So the network that left it out tells how an example is predicted that was not seen.
        """
        graphs = self.read(table.architectures)
        rng = torch.Generator().manual_seed(seed)
        n, k = len(targets), self.n_networks
        fold = torch.randperm(n, generator=rng) % k
        network = self._trained(graphs, torch.from_numpy(targets.astype(np.float32)), fold, rng)
        with torch.no_grad():
            each = _run(network, graphs.alike()).numpy().astype(float)
        lines = np.tile([1.0, 0.0], (k, 1))
        if self.ranking:
            lines = np.array([fitted_line(own, targets) for own in each])
        each = each * lines[:, :1] + lines[:, 1:]
        left_out = each[fold.numpy(), np.arange(n)], _spread(each)
        return FittedGraphNetworks(self, network, lines, left_out)

    def _trained(
        self, graphs: Graphs, y: Tensor, fold: Tensor, rng: torch.Generator
    ) -> list[Tensor]:
        """All networks at once: their weights lie side by side in one tensor."""
        k = self.n_networks
        network = self._start(graphs, rng)
        optimizer = torch.optim.AdamW(network, self.learning_rate, weight_decay=0.01)
        n = min(int((fold != i).sum()) for i in range(k))
        kept = [torch.nonzero(fold != i)[:, 0] for i in range(k)]
        total = self.epochs * -(-n // self.batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
        for _ in range(self.epochs):
            orders = [own[torch.randperm(len(own), generator=rng)[:n]] for own in kept]
            for rows in torch.stack(orders).split(self.batch, dim=1):
                found = _run(network, graphs.take(rows))
                if self.ranking:
                    losses = _pairwise(found, y[rows])
                else:
                    losses = ((found - y[rows]) ** 2).mean(dim=1)
                optimizer.zero_grad()
                losses.sum().backward()
                optimizer.step()
                schedule.step()
        return [parameter.detach() for parameter in network]

    def _start(self, graphs: Graphs, rng: torch.Generator) -> list[Tensor]:
        """Weights and biases: three matrices and a bias a layer, then the last layer's two."""
        found = []
        k, n_in = self.n_networks, graphs.onehot.shape[-1]
        for _ in range(self.n_layers):
            scale = (2 / (3 * n_in)) ** 0.5
            found += [torch.randn(k, 1, n_in, self.width, generator=rng) * scale for _ in range(3)]
            found.append(torch.zeros(k, 1, 1, self.width))
            n_in = self.width
        n_last = graphs.onehot.shape[1] * self.width + graphs.rest.shape[1]
        found += [torch.randn(k, n_last, 1, generator=rng) * n_last**-0.5, torch.zeros(k, 1, 1)]
        return [parameter.requires_grad_() for parameter in found]


@dataclass(frozen=True)
class FittedGraphNetworks:
    """Fitted graph networks."""

    made_by: GraphNetworks
    network: list[Tensor]
    lines: Matrix
    left_out: tuple[Matrix, Matrix]

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        graphs = self.made_by.read(table.architectures)
        with torch.no_grad():
            each = _run(self.network, graphs.alike()).numpy().astype(float)
        each = each * self.lines[:, :1] + self.lines[:, 1:]
        return each.mean(axis=0), _spread(each)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """By the one network that left it out: worse than the mean of all, so a careful figure."""
        return self.left_out


def _spread(each: Matrix) -> Matrix:
    return np.maximum(each.std(axis=0), LEAST_DEVIATION)


def _run(network: Sequence[Tensor], graphs: Graphs) -> Tensor:
    """What each network answers for its own architectures, n_networks x n."""
    *layers, weight, bias = network
    _, n, n_cells, _, _ = graphs.onehot.shape
    # One matrix a network: the cells of all architectures below one another.
    h = graphs.onehot.flatten(1, 2)  # n_networks x (n n_cells) x n_vertices x width
    before, behind, there = (t.flatten(1, 2) for t in (graphs.before, graphs.behind, graphs.there))
    for i in range(0, len(layers), 4):
        own, from_before, from_behind, shift = layers[i : i + 4]
        h = h @ own + before @ (h @ from_before) + behind @ (h @ from_behind) + shift
        h = torch.nn.functional.leaky_relu(h, SLOPE) * there
    described = h.sum(dim=2) / there.sum(dim=2).clamp(min=1)
    described = described.reshape(-1, n, n_cells * described.shape[-1])
    rest = graphs.rest.expand(len(described), -1, -1)
    return (torch.cat([described, rest], dim=2) @ weight + bias)[..., 0]


def _pairwise(found: Tensor, y: Tensor) -> Tensor:
    """The mean logistic loss of the pairs of a batch that differ, for each network."""
    above = torch.sign(y[:, :, None] - y[:, None])
    losses = torch.nn.functional.softplus(-above * (found[:, :, None] - found[:, None]))
    differ = above.abs()
    return (losses * differ).sum(dim=(1, 2)) / differ.sum(dim=(1, 2)).clamp(min=1)
