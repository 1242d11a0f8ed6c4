"""Recurrent layers whose input and hidden widths may be elastic."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from archwright.nn.elastic import active_of, is_elastic
from archwright.nn.twin import Twin, whole


def lstm(
    input_size: Any,
    hidden_size: Any,
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    dropout: float = 0.0,
    bidirectional: bool = False,
) -> nn.Module:
    """A long short-term memory; input and hidden width may be elastic.

    Given plain numbers it is `torch.nn.LSTM`. In a supernet an architecture uses the first part
    of each gate. Shapes are torch's: `length x batch x input_size`, batch first on request.

    Args:
        input_size: width of the input.
        hidden_size: width of the state.
        num_layers: layers on top of each other (fixed; vary it with `aw.repeat` or `aw.layer`).
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension instead of the second.
        dropout: between layers, in training mode.
        bidirectional: whether a second one reads backwards.

    Source: Sepp Hochreiter, Jürgen Schmidhuber, "Long Short-Term Memory", Neural Computation
    1997.

    >>> lstm(4, 8)
    LSTM(4, 8)
    """
    fixed = (num_layers, bias, batch_first, dropout, bidirectional)
    if is_elastic(input_size, hidden_size):
        return ElasticLSTM(input_size, hidden_size, *fixed)
    return nn.LSTM(input_size, hidden_size, *fixed)


def gru(
    input_size: Any,
    hidden_size: Any,
    *,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    dropout: float = 0.0,
    bidirectional: bool = False,
) -> nn.Module:
    """A gated recurrent unit; input and hidden width may be elastic.

    Given plain numbers it is `torch.nn.GRU`. In a supernet an architecture uses the first part
    of each gate. Shapes are torch's: `length x batch x input_size`, batch first on request.

    Args:
        input_size: width of the input.
        hidden_size: width of the state.
        num_layers: layers on top of each other (fixed; vary it with `aw.repeat` or `aw.layer`).
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension instead of the second.
        dropout: between layers, in training mode.
        bidirectional: whether a second one reads backwards.

    Source: Kyunghyun Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder",
    EMNLP 2014, arXiv:1406.1078.

    >>> gru(4, 8)
    GRU(4, 8)
    """
    fixed = (num_layers, bias, batch_first, dropout, bidirectional)
    if is_elastic(input_size, hidden_size):
        return ElasticGRU(input_size, hidden_size, *fixed)
    return nn.GRU(input_size, hidden_size, *fixed)


class _Recurrent(Twin):
    """What the elastic recurrent layers share: gates on top of each other in each tensor."""

    _n_gates: int
    _flat_weights_names: list[str]
    bidirectional: bool

    def _set_up(self, plain: Any, input_size: Any, hidden_size: Any, *fixed: Any) -> None:
        name = plain.__name__.lower()
        plain.__init__(
            self,
            whole(name, "input_size", input_size),
            whole(name, "hidden_size", hidden_size),
            *fixed,
        )
        self._become_elastic(
            active_of(input_size, hidden_size), input_size=input_size, hidden_size=hidden_size
        )

    def _cut(self, name: str, full: Tensor) -> Tensor:
        hidden = self.hidden_size
        gates = full.unflatten(0, (self._n_gates, -1))[:, :hidden]
        if name.startswith("weight_hh"):
            gates = gates[:, :, :hidden]
        elif name.startswith("weight_ih_l0"):
            gates = gates[:, :, : self.input_size]
        elif name.startswith("weight_ih"):
            # The layer below answers its directions side by side.
            n_directions = 2 if self.bidirectional else 1
            gates = gates.unflatten(2, (n_directions, -1))[..., :hidden].flatten(2)
        return gates.flatten(0, 1)

    # Torch keeps a list of the weights beside the parameters, and refreshes it when they
    # change; here they change with the architecture, so the list is made when it is read.

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names if hasattr(self, name)]

    @_flat_weights.setter
    def _flat_weights(self, value: Any) -> None:
        pass

    def _weights_have_changed(self) -> bool:
        return False

    def flatten_parameters(self) -> None:
        """Does nothing: the slices of an architecture are no single block of memory."""


class ElasticLSTM(_Recurrent, nn.LSTM):  # type: ignore[misc]
    """The elastic twin of `torch.nn.LSTM`."""

    _n_gates = 4

    def __init__(self, *arguments: Any) -> None:
        self._set_up(nn.LSTM, *arguments)


class ElasticGRU(_Recurrent, nn.GRU):  # type: ignore[misc]
    """The elastic twin of `torch.nn.GRU`."""

    _n_gates = 3

    def __init__(self, *arguments: Any) -> None:
        self._set_up(nn.GRU, *arguments)
