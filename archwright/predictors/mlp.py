"""An ensemble of small feed-forward networks, trained together in NumPy.

The networks are a hundred times too small to keep a tensor library busy: all of them take a step
in one batched multiplication, which costs less than one network's step does there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.memo import Memo

Array = npt.NDArray[np.float32]
Loss = Literal["mae", "mse", "rank"]


@dataclass(frozen=True)
class MlpEnsemble:
    """Networks of equal shape, each with its own start and its own order of the data.

    Attributes:
        layers: weights (n_networks x in x out) and biases (n_networks x 1 x out) of each layer.
        centre: mean of the targets.
        scale: standard deviation of the targets.

    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> ensemble = MlpEnsemble.fit(x, 3 * x[:, 0] + 1, seed=0, depth=2, epochs=100)
    >>> ensemble.predict(np.array([[0.5]])).shape
    (5, 1)
    >>> bool(abs(ensemble.predict(np.array([[0.5]])).mean() - 2.5) < 0.3)
    True
    """

    layers: tuple[tuple[Array, Array], ...]
    centre: float
    scale: float

    @classmethod
    def fit(
        cls,
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        n_networks: int = 5,
        depth: int = 10,
        width: int = 20,
        learning_rate: float = 0.01,
        epochs: int = 150,
        batch: int = 32,
        max_steps: int = 1000,
        loss: Loss = "mae",
        share: float = 1.0,
    ) -> MlpEnsemble:
        """Train the networks with Adam.

        Args:
            x: features, n x n_features.
            y: targets, n.
            seed: of the starts and the orders.
            weights: how much each example's loss counts, n; None: all the same.
            n_networks: how many networks.
            depth: hidden layers of each.
            width: units of a hidden layer.
            learning_rate: of Adam, falling to zero along a cosine.
            epochs: passes over the data.
            batch: examples a step.
            max_steps: at most so many steps, however much data there is.
            loss: "mae" (absolute error), "mse" (squared error) or "rank" (the logistic loss of each
                pair in a batch, of which the one with the larger target should get more; what is
                predicted then has no scale of its own).
            share: the share of the examples, drawn anew, that each network sees.

        Raises:
            InputError: shapes that do not fit, or no examples.
        """
        if x.ndim != 2 or y.shape != (len(x),) or not len(x):
            raise InputError(f"expected n x f features and n targets, got {x.shape}, {y.shape}")
        options = (seed, n_networks, depth, width, learning_rate, epochs, batch, max_steps)
        w = np.ones(len(x)) if weights is None else weights / weights.mean()

        def train() -> MlpEnsemble:
            return cls._trained(x, y, w, *options, loss, share)

        return _FITTED.of([x, y, w], *options, loss, share, make=train)

    @classmethod
    def _trained(
        cls,
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        w: npt.NDArray[np.float64],
        seed: int,
        n_networks: int,
        depth: int,
        width: int,
        learning_rate: float,
        epochs: int,
        batch: int,
        max_steps: int,
        loss: Loss,
        share: float,
    ) -> MlpEnsemble:
        rng = np.random.default_rng(seed)
        centre, scale = float(y.mean()), float(y.std()) or 1.0
        trainer = _Trainer(rng, [x.shape[1], *[width] * depth, 1], n_networks, loss)
        n = max(1, round(share * len(x)))
        kept = rng.permuted(np.tile(np.arange(len(x)), (n_networks, 1)), axis=1)[:, :n]
        per_epoch = -(-n // batch)
        total = min(epochs * per_epoch, max_steps)
        xs, ys, ws = (v.astype(np.float32) for v in (x, (y - centre) / scale, w))
        order = kept
        for step in range(total):
            at = step % per_epoch
            if at == 0:
                order = rng.permuted(kept, axis=1)
            rows = order[:, at * batch : (at + 1) * batch]
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * step / total))
            trainer.step(xs[rows], ys[rows, None], ws[rows, None], rate)
        return cls(tuple(trainer.layers), centre, scale)

    def predict(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What each network predicts, shape (n_networks, n)."""
        a = np.broadcast_to(x.astype(np.float32), (self.layers[0][0].shape[0], *x.shape))
        for w, b in self.layers[:-1]:
            a = np.maximum(a @ w + b, 0)
        w, b = self.layers[-1]
        found: npt.NDArray[np.float64] = (a @ w + b)[..., 0].astype(np.float64)
        return found * self.scale + self.centre


_FITTED: Memo[MlpEnsemble] = Memo(16)


class _Trainer:
    """Parameters of all networks in one vector, so that Adam is a handful of calls."""

    def __init__(
        self, rng: np.random.Generator, sizes: Sequence[int], n_networks: int, loss: Loss
    ) -> None:
        self.loss = loss
        shapes = [
            shape
            for i, o in itertools.pairwise(sizes)
            for shape in ((n_networks, i, o), (n_networks, 1, o))
        ]
        total = sum(int(np.prod(shape)) for shape in shapes)
        self.flat, self.grad, self.m, self.v = (np.zeros(total, np.float32) for _ in range(4))
        self.layers, self.grads = _pairs(self.flat, shapes), _pairs(self.grad, shapes)
        for w, _ in self.layers:
            w[...] = rng.normal(0, (2 / w.shape[1]) ** 0.5, w.shape)
        self.n_steps = 0

    def step(self, x: Array, y: Array, weight: Array, rate: float) -> None:
        # 1. forward; x: n_networks x batch x features
        inputs = [x]
        for w, b in self.layers[:-1]:
            inputs.append(np.maximum(inputs[-1] @ w + b, 0))
        w, b = self.layers[-1]
        error = inputs[-1] @ w + b - y
        # 2. backward
        if self.loss == "rank":
            slope = _pair_slope(error + y, y)
        else:
            slope = np.sign(error) if self.loss == "mae" else 2 * error
        delta = slope * weight / np.float32(x.shape[1])
        for k in range(len(self.layers) - 1, -1, -1):
            gw, gb = self.grads[k]
            np.matmul(inputs[k].transpose(0, 2, 1), delta, out=gw)
            np.sum(delta, axis=1, keepdims=True, out=gb)
            if k:
                delta = (delta @ self.layers[k][0].transpose(0, 2, 1)) * (inputs[k] > 0)
        # 3. Adam
        self.n_steps += 1
        self.m += 0.1 * (self.grad - self.m)
        self.v += 0.001 * (self.grad * self.grad - self.v)
        size = rate / (1 - 0.9**self.n_steps)
        root = np.sqrt(self.v / np.float32(1 - 0.999**self.n_steps)) + np.float32(1e-7)
        self.flat -= np.float32(size) * self.m / root


def _pair_slope(found: Array, y: Array) -> Array:
    """The slope of ``log(1 + exp(-(a - b)))``, a the one to be above b, times the batch size."""
    above = np.sign(y - y.transpose(0, 2, 1))  # networks x batch x batch
    gap = above * (found - found.transpose(0, 2, 1))
    pull = -above / (1 + np.exp(np.clip(gap, -50, 50)))
    slope: Array = pull.mean(axis=2, keepdims=True).astype(np.float32) * np.float32(2)
    return slope


def _pairs(flat: Array, shapes: Sequence[tuple[int, ...]]) -> list[tuple[Array, Array]]:
    views, start = [], 0
    for shape in shapes:
        n = int(np.prod(shape))
        views.append(flat[start : start + n].reshape(shape))
        start += n
    return list(zip(views[::2], views[1::2], strict=True))
