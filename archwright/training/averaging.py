"""An exponential moving average of a network's weights, and of its buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class WeightAverage:
    """Follows a network's weights with an exponential moving average.

    The average is bias-corrected: after the first update it equals the weights, and after `t`
    updates the weights of `k` updates ago count in proportion to `decay ** k`, with nothing left of
    the initialisation. Floating-point buffers (batch norm's running statistics) are averaged like
    parameters; integer buffers are not touched.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM
    Journal on Control and Optimization 30(4), 1992; the correction is Adam's (Kingma and Ba, ICLR
    2015, arXiv:1412.6980, section 3).

    >>> layer = nn.Linear(1, 1)
    >>> average = WeightAverage(layer, decay=0.5)
    >>> for value in (0.0, 3.0):
    ...     _ = nn.init.constant_(layer.weight, value)
    ...     average.update()
    >>> with average.applied():
    ...     layer.weight.item()
    2.0
    >>> layer.weight.item()
    3.0
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.n_updates = 0
        tensors = [*model.parameters(), *model.buffers()]
        self._live = [tensor for tensor in tensors if tensor.is_floating_point()]
        self._average = [tensor.detach().clone() for tensor in self._live]

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's present weights into the average."""
        self.n_updates += 1
        weight = (1.0 - self.decay) / (1.0 - self.decay**self.n_updates)
        if self._average:
            torch._foreach_lerp_(self._average, [t.detach() for t in self._live], weight)

    def state_dict(self) -> dict[str, Any]:
        """The average so far, as tensors and plain values."""
        return {"n_updates": self.n_updates, "average": self._average}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.n_updates = state["n_updates"]
        for own, kept in zip(self._average, state["average"], strict=True):
            own.copy_(kept)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the context the network holds the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        # Exchanging storages costs nothing, and optimisers keep their parameter objects.
        for live, average in zip(self._live, self._average, strict=True):
            live.data, average.data = average.data, live.data
