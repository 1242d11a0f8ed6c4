"""A table of known results as an evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from archwright.errors import InputError
from archwright.evaluators.candidate import Candidate
from archwright.space import Architecture, Space


class Table:
    """Looks results up instead of training.

    Its results are of full evaluations: it knows no lower `Fidelity`.

    Args:
        space: the space that the rows belong to.
        rows: architecture (or a mapping path -> value) -> metrics. Canonical duplicates of a row
            answer with that row.

    Raises:
        InputError: there are no rows; a row's architecture is not in the space.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32))})
    >>> table = Table(
    ...     space, [({"width": 16}, {"accuracy": 0.8}), ({"width": 32}, {"accuracy": 0.9})]
    ... )
    >>> table.evaluate(Candidate(space, space.default))
    {'accuracy': 0.8}
    """

    isolated = False
    fidelities = frozenset[str]()

    def __init__(
        self,
        space: Space,
        rows: Mapping[Architecture, Mapping[str, float]]
        | Iterable[tuple[Mapping[str, Any], Mapping[str, float]]],
    ) -> None:
        pairs = rows.items() if isinstance(rows, Mapping) else rows
        self.space = space
        self._rows: dict[Architecture, dict[str, float]] = {}
        for architecture, metrics in pairs:
            key = space.canonical(space.check(architecture))
            self._rows.setdefault(key, dict(metrics))
        if not self._rows:
            raise InputError("the table has no rows; give at least one architecture with metrics")

    @property
    def own_metrics(self) -> set[str]:
        """Metrics that every row has."""
        return set.intersection(*map(set, self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def evaluate(self, candidate: Candidate) -> dict[str, float]:
        """The row of the candidate's architecture.

        Raises:
            InputError: the table has no such row.
        """
        row = self._rows.get(self.space.canonical(candidate.architecture))
        if row is None:
            raise InputError(f"the table has no row for {candidate.architecture!r}")
        return row
