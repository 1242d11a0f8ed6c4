"""Architectures as vectors of fixed length, for predictors and surrogate models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from archwright.space.domains import Value
from archwright.space.plan import Plan


class Encoder:
    """The layout of a space's feature vector.

    Every decision of the space has its place, live or not: a Choice is one-hot, a Subset one bit
    for each thing, an Integer or Real is scaled to 0..1 (in the logarithm where its domain is).

    Attributes:
        names: the name of each feature.
    """

    def __init__(self, plan: Plan) -> None:
        names: list[str] = []
        self._places: dict[str, tuple[int, int]] = {}
        for path, node in plan.nodes.items():
            own = node.domain.feature_names(path)
            self._places[path] = (len(names), len(names) + len(own))
            names += own
        self.names = tuple(names)
        self._plan = plan
        # Rows of listed values are computed once; others come and go.
        self._rows: dict[str, dict[Value, tuple[float, ...]]] = {
            path: {v: node.domain.features(v) for v in node.values}  # type: ignore[arg-type]
            for path, node in plan.nodes.items()
            if node.values is not None
        }

    def encode(self, values: Mapping[str, Value]) -> npt.NDArray[np.float64]:
        """The features, shape (n_features,); zeros where a decision is not live."""
        found = np.zeros(len(self.names))
        for path, value in values.items():
            start, stop = self._places[path]
            rows = self._rows.get(path)
            if rows is None:
                row = self._plan.nodes[path].domain.features(value)  # type: ignore[arg-type]
            else:
                row = rows[value]
            found[start:stop] = row
        return found

    def mask(self, values: Mapping[str, Value]) -> npt.NDArray[np.bool_]:
        """Whether each feature's decision is live, shape (n_features,)."""
        found = np.zeros(len(self.names), dtype=bool)
        for path in values:
            start, stop = self._places[path]
            found[start:stop] = True
        return found
