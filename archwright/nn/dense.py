"""Linear layers, embeddings and dropout whose sizes may be elastic."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from archwright.nn.elastic import active_of, is_elastic, now, widest
from archwright.nn.twin import Twin, leading, whole


def linear(in_features: Any, out_features: Any, *, bias: Any = True) -> nn.Module:
    """A linear layer, `... x in_features` to `... x out_features`; both may be elastic.

    Given plain numbers it is `torch.nn.Linear`. In a supernet an architecture uses the first
    rows and columns of the weight.

    Args:
        in_features: size of the input's last dimension.
        out_features: size of the output's last dimension.
        bias: whether there is a bias.

    >>> linear(4, 2)
    Linear(in_features=4, out_features=2, bias=True)
    """
    if is_elastic(in_features, out_features, bias):
        return ElasticLinear(in_features, out_features, bias)
    return nn.Linear(in_features, out_features, bias)


class ElasticLinear(Twin, nn.Linear):
    """The elastic twin of `torch.nn.Linear`."""

    _sizes = frozenset({"in_features", "out_features"})

    def __init__(
        self,
        in_features: Any,
        out_features: Any,
        bias: Any,
        *,
        full_in: int | None = None,
        full_out: int | None = None,
    ) -> None:
        nn.Linear.__init__(
            self,
            full_in or whole("linear", "in_features", in_features),
            full_out or whole("linear", "out_features", out_features),
            bool(widest(bias)),
        )
        self._has_bias = bias
        self._become_elastic(
            active_of(in_features, out_features, bias),
            in_features=in_features,
            out_features=out_features,
        )

    def _cut(self, name: str, full: Tensor) -> Tensor | None:
        if name == "bias":
            return leading(full, self.out_features) if now(self._has_bias) else None
        weight = leading(full, self.out_features, self.in_features)
        mixing = self._active.mixture
        mask = None if mixing is None else mixing.mask(self._numbers.get("in_features"))
        return weight if mask is None else weight * mask


def embedding(
    num_embeddings: Any, embedding_dim: Any, *, padding_idx: int | None = None
) -> nn.Module:
    """A table of vectors, integers of any shape to `... x embedding_dim`.

    Given plain numbers it is `torch.nn.Embedding`. In a supernet an architecture uses the
    first rows and columns.

    Args:
        num_embeddings: number of vectors.
        embedding_dim: their length.
        padding_idx: the row that stays zero, if any.

    >>> embedding(100, 16)
    Embedding(100, 16)
    """
    if is_elastic(num_embeddings, embedding_dim):
        return ElasticEmbedding(num_embeddings, embedding_dim, padding_idx)
    return nn.Embedding(num_embeddings, embedding_dim, padding_idx)


class ElasticEmbedding(Twin, nn.Embedding):
    """The elastic twin of `torch.nn.Embedding`."""

    def __init__(self, num_embeddings: Any, embedding_dim: Any, padding_idx: int | None) -> None:
        nn.Embedding.__init__(
            self,
            whole("embedding", "num_embeddings", num_embeddings),
            whole("embedding", "embedding_dim", embedding_dim),
            padding_idx,
        )
        self._become_elastic(
            active_of(num_embeddings, embedding_dim),
            num_embeddings=num_embeddings,
            embedding_dim=embedding_dim,
        )

    def _cut(self, name: str, full: Tensor) -> Tensor:
        return leading(full, self.num_embeddings, self.embedding_dim)


def dropout(p: Any = 0.5) -> nn.Module:
    """Dropout whose probability may be elastic; given a plain number, `torch.nn.Dropout`.

    Args:
        p: the probability with which an element is set to zero, in training mode.

    >>> dropout(0.1)
    Dropout(p=0.1, inplace=False)
    """
    return ElasticDropout(p) if is_elastic(p) else nn.Dropout(p)


class ElasticDropout(Twin, nn.Dropout):
    """The elastic twin of `torch.nn.Dropout`."""

    def __init__(self, p: Any) -> None:
        nn.Dropout.__init__(self, widest(p))
        self._become_elastic(active_of(p), p=p)
