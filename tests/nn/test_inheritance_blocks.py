"""What torch stacks in one tensor (gates, projections) is inherited block by block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from archwright.errors import InputError
from archwright.nn import inherit


def gates(tensor: Tensor, n: int) -> list[Tensor]:
    return list(tensor.detach().chunk(n))


@pytest.mark.parametrize(("kind", "n"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("sizes", [(8, 5), (5, 8)])
def test_gate_by_gate(kind: type[nn.RNNBase], n: int, sizes: tuple[int, int]) -> None:
    own, theirs = sizes
    model, parent = (kind(3, hidden, num_layers=2, bidirectional=True) for hidden in (own, theirs))
    inherited = inherit(model, parent)
    h = min(sizes)
    n_same = 0
    for name, tensor in model.named_parameters():
        for mine, given in zip(gates(tensor, n), gates(getattr(parent, name), n), strict=True):
            if name.startswith("weight_ih_l1"):  # both directions of the layer below
                mine, given = mine.unflatten(1, (2, own)), given.unflatten(1, (2, theirs))
                assert torch.equal(mine[:h, :, :h], given[:h, :, :h])
                n_same += h * 2 * h
                continue
            some = (slice(h), slice(h))[: mine.ndim]
            assert torch.equal(mine[some], given[some]), name
            n_same += mine[some].numel()
    assert inherited.share == n_same / sum(p.numel() for p in model.parameters())


def test_cells() -> None:
    model, parent = nn.LSTMCell(3, 8), nn.LSTMCell(3, 5)
    inherit(model, parent)
    for mine, given in zip(gates(model.weight_hh, 4), gates(parent.weight_hh, 4), strict=True):
        assert torch.equal(mine[:5, :5], given)


@pytest.mark.parametrize("sizes", [(8, 4), (4, 8)])
def test_projection_by_projection(sizes: tuple[int, int]) -> None:
    model, parent = (nn.MultiheadAttention(size, 2) for size in sizes)
    with torch.no_grad():
        for one in (model, parent):
            one.in_proj_bias.normal_(generator=torch.Generator().manual_seed(len(one.in_proj_bias)))
    inherit(model, parent)
    e = min(sizes)
    for name in ("in_proj_weight", "in_proj_bias"):
        pairs = zip(gates(getattr(model, name), 3), gates(getattr(parent, name), 3), strict=True)
        for mine, given in pairs:
            some = (slice(e), slice(e))[: mine.ndim]
            assert torch.equal(mine[some], given[some])


def test_layers_without_weights_yet_are_refused() -> None:
    with pytest.raises(InputError, match=r"the model has lazy layers .*\(weight, bias\)"):
        inherit(nn.LazyLinear(4), nn.Linear(4, 4))
