"""The data of a search: the training rows in two halves, one for weights, one for strengths."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from archwright.errors import InputError
from archwright.tasks import Task
from archwright.tasks.splits import split_indices


class Halves:
    """Batches of both halves, in an order that the seed decides.

    The halves are dealt as the task's splits are, stratified by class. Validation and test rows
    are not touched. Training rows are augmented as the task says.

    Args:
        task: the data.
        batch_size: rows of a batch, of each half.
        seed: of the deal and the order.
        device: where batches are computed.
        whole: whether both are all training rows (single-level search).

    Raises:
        InputError: there are too few rows.
    """

    def __init__(
        self, task: Task, *, batch_size: int, seed: int, device: torch.device, whole: bool = False
    ) -> None:
        n = len(task.train)
        if n < 4:
            raise InputError(f"a differentiable search needs at least 4 training rows, got {n}")
        if whole:
            rows = torch.arange(n)
            self.rows = (rows, rows)
        else:
            labels = task.train.y.numpy() if task.kind == "classification" else None
            first, second, _ = split_indices(n, validation=0.5, test=0, seed=seed, labels=labels)
            self.rows = (torch.as_tensor(first), torch.as_tensor(second))
        self.task = task
        self.device = device
        self.x = task.train.x.to(device)
        self.y = task.train.y.to(device)
        self.steps = max(1, math.ceil(min(map(len, self.rows)) / batch_size))
        self.generator = torch.Generator().manual_seed(seed)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The rows of each step, for the weights and for the architecture."""
        orders = [
            rows[torch.randperm(len(rows), generator=self.generator)].tensor_split(self.steps)
            for rows in self.rows
        ]
        return zip(*orders, strict=True)

    def batch(self, rows: Tensor, *, augment: bool = True) -> tuple[Tensor, Tensor]:
        """Inputs as the network takes them, and targets."""
        rows = rows.to(self.x.device)
        x = self.task.prepare(self.x.index_select(0, rows))
        if augment and self.task.augment is not None:
            x = self.task.augment(x, self.generator)
        return x, self.y.index_select(0, rows)
