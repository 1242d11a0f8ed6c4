"""The controllers' network: an LSTM over the choices of an episode, with its gradient and Adam.

In NumPy: episodes are short and the network small, so that a tensor library with automatic
differentiation would add its loading time and its overhead for each call, and no speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.strategies.episode_coders import Episode

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
_MASKED = -1e30
_BLOCK = 64


@dataclass(frozen=True)
class Batch:
    """Episodes of unequal lengths side by side: time x episode, padded at the end.

    Attributes:
        steps: the step of each choice.
        options: the option that was taken.
        before: token of the choice before it; the last token stands for the beginning.
        real: 1 where there is a choice, 0 where there is padding.
        allowed: whether an option may be taken, time x episode x option.
        groups: step -> where it is taken, as positions in the flattened time x episode.
    """

    steps: Indices
    options: Indices
    before: Indices
    real: Array
    allowed: npt.NDArray[np.bool_]
    groups: dict[int, list[int]]


@dataclass(frozen=True)
class Pass:
    """What a forward pass leaves: the log-probabilities, and what the gradient needs.

    Attributes:
        log_p: log-probability of each option, time x episode x option; very low where masked.
        taken: log-probability of the option that was taken, time x episode; 0 in padding.
        hidden: the hidden state after each step, time x episode x unit.
        gates: input, forget, output gate and candidate, time x episode x (4 units).
        cells: the cell state before the first step and after each, (time + 1) x episode x unit.
    """

    log_p: Array
    taken: Array
    hidden: Array
    gates: Array
    cells: Array


class Controller:
    """An LSTM that gives the probability of each option, choice by choice.

    What goes in at each time is one-hot: which step is to be taken, and what was chosen before
    (its weights are the rows of `token` and `step`, so that looking up stands for multiplying).
    What comes out is one score for each option of the step; what is not allowed gets none.

    Args:
        widths: how many options each step has.
        units: size of the hidden state.
        scale: weights are drawn evenly from -scale to scale.

    Attributes:
        theta: all weights, as one vector; the other arrays are views of it.
    """

    def __init__(self, widths: Sequence[int], *, units: int, scale: float) -> None:
        self.units = units
        self.widest = max(widths, default=1)
        self.first = np.concatenate([[0], np.cumsum(widths, dtype=np.int64)])
        n_tokens = int(self.first[-1])
        self.start = n_tokens
        slots = np.arange(self.widest)
        self.open = slots[None, :] < np.asarray(widths, dtype=np.int64).reshape(-1, 1)
        shapes = {
            "token": (n_tokens + 1, 4 * units),
            "step": (len(widths), 4 * units),
            "recurrent": (units, 4 * units),
            "out": (n_tokens, units),
            "bias": (n_tokens,),
        }
        self._cuts: dict[str, tuple[int, int, tuple[int, ...]]] = {}
        end = 0
        for name, shape in shapes.items():
            self._cuts[name] = (end, end + int(np.prod(shape)), shape)
            end += int(np.prod(shape))
        # The same beginning in every search: what tells searches apart is what they evaluate.
        self.theta = np.random.default_rng(0).uniform(-scale, scale, end)
        views = self.views(self.theta)
        self.token, self.step, self.recurrent = views["token"], views["step"], views["recurrent"]
        self.out, self.bias = views["out"], views["bias"]
        self.bias[:] = 0.0

    def views(self, vector: Array) -> dict[str, Array]:
        """The parts of a vector as long as `theta`, by name."""
        return {name: vector[a:b].reshape(shape) for name, (a, b, shape) in self._cuts.items()}

    # ------------------------------------------------------------------ one choice after another

    def begin(self) -> tuple[Array, Array, int]:
        """The state before the first choice: hidden state, cell state, last token."""
        return np.zeros(self.units), np.zeros(self.units), self.start

    def advance(
        self, state: tuple[Array, Array, int], step: int
    ) -> tuple[Array, tuple[Array, Array]]:
        """The score of each option of a step, and the hidden and cell state after it."""
        hidden, cell, token = state
        n = self.units
        z = self.token[token] + self.step[step] + hidden @ self.recurrent
        gates = _sigmoid(z[: 3 * n])
        cell = gates[n : 2 * n] * cell + gates[:n] * np.tanh(z[3 * n :])
        hidden = gates[2 * n :] * np.tanh(cell)
        return self._of(step, self.out) @ hidden + self._of(step, self.bias), (hidden, cell)

    # ------------------------------------------------------------------ whole episodes

    def batch(self, episodes: Sequence[Episode]) -> Batch:
        """Episodes side by side."""
        shape = (max(map(len, episodes)), len(episodes))
        steps = np.zeros(shape, dtype=np.int64)
        options = np.zeros(shape, dtype=np.int64)
        before = np.full(shape, self.start, dtype=np.int64)
        real = np.zeros(shape)
        groups: dict[int, list[int]] = {}
        for b, episode in enumerate(episodes):
            n = len(episode)
            steps[:n, b], options[:n, b], real[:n, b] = episode.steps, episode.options, 1.0
            for t, step in enumerate(episode.steps):
                groups.setdefault(step, []).append(t * len(episodes) + b)
        before[1:] = self.first[steps[:-1]] + options[:-1]
        allowed = self.open[steps]
        for b, episode in enumerate(episodes):
            for t, some in enumerate(episode.allowed):
                if some is not None:
                    allowed[t, b] = False
                    allowed[t, b, list(some)] = True
        return Batch(steps, options, before, real, allowed, groups)

    def forward(self, batch: Batch) -> Pass:
        """The log-probability of every option on the way."""
        n_times, n_episodes = batch.steps.shape
        n = self.units
        gates = self.token[batch.before] + self.step[batch.steps]
        hidden = np.zeros((n_times + 1, n_episodes, n))
        cells = np.zeros((n_times + 1, n_episodes, n))
        for t in range(n_times):
            z = gates[t]
            z += hidden[t] @ self.recurrent
            z[:, : 3 * n] = _sigmoid(z[:, : 3 * n])
            z[:, 3 * n :] = np.tanh(z[:, 3 * n :])
            cells[t + 1] = z[:, n : 2 * n] * cells[t] + z[:, :n] * z[:, 3 * n :]
            hidden[t + 1] = z[:, 2 * n : 3 * n] * np.tanh(cells[t + 1])
        scores = np.zeros(batch.allowed.shape)
        # Step by step, so that no array of option x unit is made for each choice.
        flat_hidden, flat_scores = _flat(hidden[1:]), _flat(scores)
        for step, rows in batch.groups.items():
            out, bias = self._of(step, self.out), self._of(step, self.bias)
            flat_scores[rows, : len(bias)] = flat_hidden[rows] @ out.T + bias
        scores = np.where(batch.allowed, scores, _MASKED)
        scores -= scores.max(axis=-1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        taken = np.take_along_axis(log_p, batch.options[..., None], -1)[..., 0] * batch.real
        return Pass(log_p, taken, hidden, gates, cells)

    def gradient(self, batch: Batch, done: Pass, weight: Array, entropy: float) -> Array:
        """Gradient of ``sum(weight * taken) + entropy * (sum of the choices' entropies)``.

        Args:
            batch: the episodes.
            done: their forward pass with the present weights.
            weight: what the log-probability of each choice counts, time x episode.
            entropy: what the entropy of each choice's distribution counts.

        Returns:
            As long as `theta`.
        """
        p = np.exp(done.log_p)
        surprise = (p * done.log_p).sum(axis=-1, keepdims=True)  # minus the entropy
        d_scores = -(weight[..., None] + entropy * (done.log_p - surprise)) * p
        d_scores = np.where(batch.allowed, d_scores, 0.0)
        index = batch.options[..., None]
        here = np.take_along_axis(d_scores, index, -1) + weight[..., None]
        np.put_along_axis(d_scores, index, here, -1)
        d_scores *= batch.real[..., None]

        found = np.zeros_like(self.theta)
        parts = self.views(found)
        d_hidden = np.zeros_like(done.hidden[1:])
        flat_hidden, flat_scores = _flat(done.hidden[1:]), _flat(d_scores)
        for step, rows in batch.groups.items():
            out = self._of(step, self.out)
            d = flat_scores[rows, : len(out)]
            self._of(step, parts["out"])[:] = d.T @ flat_hidden[rows]
            self._of(step, parts["bias"])[:] = d.sum(axis=0)
            _flat(d_hidden)[rows] = d @ out
        d_z = self._back_through_time(done, d_hidden)
        np.add.at(parts["token"], batch.before, d_z)
        for step, rows in batch.groups.items():
            parts["step"][step] = _flat(d_z)[rows].sum(axis=0)
        before, after = _flat(done.hidden[:-1]), _flat(d_z)
        # In blocks: one large product wakes the threads of the linear algebra library, and waiting
        # for them on a busy machine takes a hundred times longer than multiplying.
        for start in range(0, len(after), _BLOCK):
            block = slice(start, start + _BLOCK)
            parts["recurrent"] += before[block].T @ after[block]
        return found

    def _of(self, step: int, array: Array) -> Array:
        return array[self.first[step] : self.first[step + 1]]

    def _back_through_time(self, done: Pass, d_hidden: Array) -> Array:
        n = self.units
        d_z = np.empty_like(done.gates)
        next_hidden = np.zeros_like(d_hidden[0])
        next_cell = np.zeros_like(d_hidden[0])
        for t in reversed(range(len(d_hidden))):
            gates = done.gates[t]
            put, keep, show = gates[:, :n], gates[:, n : 2 * n], gates[:, 2 * n : 3 * n]
            new = gates[:, 3 * n :]
            shown = np.tanh(done.cells[t + 1])
            d_h = d_hidden[t] + next_hidden
            d_c = d_h * show * (1.0 - shown * shown) + next_cell
            d_z[t, :, :n] = d_c * new * put * (1.0 - put)
            d_z[t, :, n : 2 * n] = d_c * done.cells[t] * keep * (1.0 - keep)
            d_z[t, :, 2 * n : 3 * n] = d_h * shown * show * (1.0 - show)
            d_z[t, :, 3 * n :] = d_c * put * (1.0 - new * new)
            next_hidden = d_z[t] @ self.recurrent.T
            next_cell = d_c * keep
        return d_z


class Adam:
    """Adam (Kingma and Ba, ICLR 2015, arXiv 1412.6980), upwards, on one vector."""

    def __init__(self, rate: float, size: int) -> None:
        self.rate = rate
        self._mean = np.zeros(size)
        self._square = np.zeros(size)
        self._n = 0

    def ascend(self, theta: Array, gradient: Array) -> None:
        """One step along the gradient, in place."""
        self._n += 1
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.001 * (gradient * gradient - self._square)
        mean = self._mean / (1.0 - 0.9**self._n)
        square = self._square / (1.0 - 0.999**self._n)
        theta += self.rate * mean / (np.sqrt(square) + 1e-8)


def _flat(array: Array) -> Array:
    """Time x episode x anything as one list of rows, a view."""
    return array.reshape(-1, array.shape[-1])


def _sigmoid(x: Array) -> Any:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
