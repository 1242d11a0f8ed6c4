"""What the default recipe reaches on real data with a small network written by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.nn import seeded
from archwright.tasks import Task
from archwright.training import Recipe, evaluate, fastest_threads, fit

FASHION = Path(__file__).parents[3] / "shared" / "data" / "sets" / "fashion_mnist"


class Residual(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(n_out)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.skip = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.last_norm(self.second(F.relu(self.norm(self.first(x)))))
        return F.relu(self.skip(x) + inner)


def residual(width: int, stride: int, seed: int = 0) -> nn.Module:
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(1, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            Residual(width, width, 1),
            Residual(width, 2 * width, 2),
            Residual(2 * width, 4 * width, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, 10),
        )


@pytest.mark.slow
def test_digits():
    task = Task.load("digits", test=0.25)
    fitted = fit(residual(10, 1), task, Recipe(epochs=40), data="train+validation")
    assert sum(p.numel() for p in fitted.model.parameters()) < 50_000
    test = evaluate(fitted.model, task, "test")
    print(f"digits: {test['accuracy']:.4f} in {fitted.seconds:.0f} s")
    assert test["accuracy"] >= 0.985


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.exists(), reason="needs Fashion-MNIST")
def test_fashion_mnist_in_a_minute_on_two_cores():
    raw = gzip.decompress((FASHION / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((FASHION / "train-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    y = np.frombuffer(labels, np.uint8, offset=8)
    rows = np.random.default_rng(0).permutation(len(x))[:8000]
    train, test = rows[:6000], rows[6000:]
    task = Task.from_arrays(x[train], y[train], test=(x[test], y[test]))
    # Two threads on cores that others use are many times slower than one.
    n_threads = fastest_threads(residual(16, 2), task, choices=[1, 2])
    fitted = fit(residual(16, 2), task, seconds=60, n_threads=n_threads, data="train+validation")
    assert fitted.seconds < 63
    scores = evaluate(fitted.model, task, "test")
    print(
        f"Fashion-MNIST: {scores['accuracy']:.4f} after {fitted.n_epochs:.1f} epochs in "
        f"{fitted.seconds:.1f} s on {n_threads} threads, {len(fitted.pace.pieces)} pieces"
    )
    assert scores["accuracy"] >= 0.875
