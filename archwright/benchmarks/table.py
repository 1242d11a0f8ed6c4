"""`Table`: a user's own table of results as a benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.listed import ListedSpace, Members
from archwright.benchmarks.rows import Canonical, Listed, Rows
from archwright.errors import ArchitectureError, InputError, SpaceError, nearest
from archwright.space import Architecture, Space
from archwright.trials import Goal, Objective

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[Mapping[str, Any], Mapping[str, Any]]
_LARGEST_CHECKED = 100_000
_LARGEST_NUMBER = 1e100  # so that sums, squares and areas of them are numbers
Budget = float | None
Forms = dict[Architecture, tuple[Architecture, dict[Budget, dict[str, float]]]]
"""Canonical form -> its first architecture, and that one's row at each budget."""


class Table(Benchmark):
    """Known results, keyed by architecture, to compare strategies on.

    Args:
        space: the space that the rows belong to. Where the rows do not cover it, strategies draw
            from and mutate into what is listed only (see `ListedSpace`).
        rows: architecture (or a mapping path -> value) -> metrics, as a mapping or as pairs; or a
            pandas data frame with one column for each decision (empty where it is not live) and
            the metrics in others.
        metric: the column with what is to be optimised, measured on validation data; by a list,
            several.
        minimize: the metrics among them that are to be small; True: all.
        test_metric: the column with the value on test data, which strategies never see; None:
            there is none.
        cost: the column with the seconds that the training took, or a function of the
            architecture; None: not known.
        budget: the column with the budget (epochs) of a row, in a table with several rows an
            architecture; `cost` is then counted from the start of the training. None: all rows
            are full trainings.
        limits: metric -> upper bound, as for `archwright.search`. Neither these nor the goals may
            read `test_metric`.
        reference: with several goals, the point above which the hypervolume is measured, one number
            for each, signed so that larger is better; None: see `Benchmark.reference`.
        name: for tables and files.
        dataset: the same.
        unit: of the metric, such as "%".

    Canonical duplicates among the rows are one architecture, which answers with the row that comes
    first. Two different rows of one and the same architecture are an error.

    Raises:
        InputError: there are fewer than two architectures; a metric is missing (the message names
            the nearest), no number, NaN or beyond 1e100 either way; a budget is not above 0, or a
            cost below it; an architecture is not in the space; two rows contradict each other; an
            architecture lacks a budget that others have; a strategy would see `test_metric`.

    >>> from archwright.space import choice
    >>> space = Space({"width": choice([16, 32]), "kernel": choice([3, 5])})
    >>> rows = [
    ...     (a, {"valid": a["width"] / a["kernel"], "test": 0.5, "s": 9.0})
    ...     for a in space.enumerate()
    ... ]
    >>> table = Table(space, rows, metric="valid", test_metric="test", cost="s")
    >>> table.optimum == 32 / 3, table.seconds(space.default)
    (True, 9.0)
    """

    def __init__(
        self,
        space: Space,
        rows: Mapping[Any, Mapping[str, Any]] | Iterable[Row] | pd.DataFrame,
        *,
        metric: str | Sequence[str] = "accuracy",
        minimize: bool | Sequence[str] = False,
        test_metric: str | None = None,
        cost: str | Callable[[Architecture], float] | None = None,
        budget: str | None = None,
        limits: Mapping[str, Any] | None = None,
        reference: Sequence[float] | None = None,
        name: str = "table",
        dataset: str = "",
        unit: str = "",
    ) -> None:
        if not isinstance(space, Space):
            raise InputError(f"a table needs the Space of its rows, got {space!r}")
        for argument, column in (("test_metric", test_metric), ("budget", budget)):
            if not (column is None or isinstance(column, str)):
                raise InputError(f"{argument} must be the name of a column or None, got {column!r}")
        if not (cost is None or isinstance(cost, str) or callable(cost)):
            raise InputError(f"cost must be the name of a column, a function or None, got {cost!r}")
        objective = _objective(_names("metric", metric), minimize, limits)
        wanted = list(objective.metrics)
        if test_metric is not None and test_metric in (*wanted, cost, budget):
            raise InputError(
                f"test_metric {test_metric!r} is a goal, limit, cost or budget, too: values on "
                "test data must not guide a search; name a column of its own"
            )
        columns = [*wanted, *(c for c in (test_metric, cost, budget) if isinstance(c, str))]
        read = _Reader(space, columns, cost if isinstance(cost, str) else None, budget)
        for architecture, values in _pairs(space, rows, columns):
            read.add(architecture, values)
        budgets, forms = read.done()
        members = [first for first, _ in forms.values()]
        levels = [[rows_of[b] for _, rows_of in forms.values()] for b in budgets]
        seconds: list[list[float]] | None = None
        if isinstance(cost, str):
            seconds = [[row[cost] for row in level] for level in levels]
        elif cost is not None:
            if len(budgets) > 1:
                raise InputError("with budget=, cost= must be a column, the seconds at each budget")
            seconds = [[_cost(cost, a) for a in members]]
        source = Rows(
            Canonical(space),
            {form: i for i, form in enumerate(forms)},
            [{m: [row[m] for row in level] for m in wanted} for level in levels],
            seconds=seconds,
            test=None if test_metric is None else [row[test_metric] for row in levels[-1]],
        )
        whole = _covers(space, source, read.n_given)
        part = (
            space if whole else ListedSpace(space, len(members), Members(members), Listed(source))
        )
        super().__init__(
            name,
            part,
            source,
            objective,
            dataset=dataset,
            budgets=budgets,
            reference=None if reference is None else _point(reference),
            unit=unit,
        )
        if reference is not None and not objective.single:
            _ = self.volume  # refuses a reference point that leaves none


class _Reader:
    """Collects rows by canonical form and refuses those that cannot be."""

    def __init__(
        self, space: Space, columns: Sequence[str], cost: str | None, budget: str | None
    ) -> None:
        self.space = space
        self.columns = columns
        self.cost = cost
        self.budget = budget
        self.forms: Forms = {}
        self.given: dict[tuple[Architecture, Budget], dict[str, float]] = {}
        self.n = 0

    @property
    def n_given(self) -> int:
        return len({architecture for architecture, _ in self.given})

    def add(self, given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        where = f"row {self.n} of the table"
        self.n += 1
        try:
            architecture = self.space.check(given)
        except ArchitectureError as error:
            raise InputError(f"{where} is no architecture of the space: {error}") from None
        if not isinstance(values, Mapping):
            raise InputError(f"{where}: expected a mapping from metric to number, got {values!r}")
        row = {}
        for name in self.columns:
            if name not in values:
                raise _lacking(f"{where} has no", name, values)
            row[name] = _number(values[name], name, architecture, where)
        if self.cost is not None and row[self.cost] < 0:
            raise InputError(
                f"{where}: the cost {self.cost} is {row[self.cost]:g}, below 0 seconds"
            )
        at = None if self.budget is None else row[self.budget]
        if at is not None and at <= 0:
            raise InputError(f"{where}: the budget {self.budget} must be above 0, got {at:g}")
        known = self.given.setdefault((architecture, at), row)
        if known != row:
            raise InputError(
                f"{where} contradicts an earlier row of the same architecture, {architecture!r}: "
                f"{row} against {known}; average repeated trainings first"
            )
        form = self.space.canonical(architecture)
        first, rows_of = self.forms.setdefault(form, (architecture, {}))
        if first == architecture:
            rows_of[at] = row

    def done(self) -> tuple[list[Budget], Forms]:
        if len(self.forms) < 2:
            raise InputError(
                f"a table needs results of at least two different architectures to compare "
                f"strategies on, got {len(self.forms)} from {self.n} rows"
            )
        found = {at for _, rows_of in self.forms.values() for at in rows_of}
        budgets = sorted(found, key=lambda at: at or 0.0)  # None stands alone
        for first, rows_of in self.forms.values():
            missing = [b for b in budgets if b not in rows_of]
            if missing:
                raise InputError(
                    f"every architecture needs a row at each budget ({budgets}); {first!r} has "
                    f"none at {missing}"
                )
        return budgets, self.forms


def _objective(
    goals: Sequence[str], minimize: bool | Sequence[str], limits: Mapping[str, Any] | None
) -> Objective:
    down = set(goals) if minimize is True else set()
    if not isinstance(minimize, bool):
        down = set(_names("minimize", () if minimize is None else minimize))
    unknown = down - set(goals)
    if unknown:
        raise InputError(
            f"minimize names {', '.join(map(repr, sorted(unknown)))}, which metric= does not: "
            f"{', '.join(map(repr, goals))}"
        )
    if not (limits is None or isinstance(limits, Mapping)):
        raise InputError(f"limits must be a mapping from metric to upper bound, got {limits!r}")
    limited = Objective.of(maximize=goals or None, limits=limits)
    return Objective(tuple(Goal(g, g not in down) for g in goals), limited.limits)


def _names(argument: str, given: Any) -> list[str]:
    names = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{argument} must be the name of a metric, or a list of them, got {given!r}"
        )
    return names


def _pairs(space: Space, rows: Any, columns: Sequence[str]) -> Iterable[Row]:
    if hasattr(rows, "columns") and hasattr(rows, "itertuples"):
        return _of_frame(space, rows, columns)
    if isinstance(rows, Mapping):
        return rows.items()
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise InputError(
            "rows must be a mapping architecture -> metrics, pairs of both, or a data frame, got "
            f"{rows!r}"
        )

    def pairs() -> Iterable[Row]:
        for i, pair in enumerate(rows):
            if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
                raise InputError(
                    f"row {i} of the table must be a pair (architecture, metrics), got {pair!r}"
                )
            yield pair[0], pair[1]

    return pairs()


def _of_frame(space: Space, frame: Any, columns: Sequence[str]) -> Iterable[Row]:
    names = [str(c) for c in frame.columns]
    for wanted in (*columns, *(d.path for d in space.decisions)):
        if wanted not in names:
            raise _lacking("the data frame has no column", wanted, names)
    paths = [p for p in space.paths if p in names]
    decisions = [frame[p].tolist() for p in paths]
    values = [frame[c].tolist() for c in columns]
    for i in range(len(frame)):
        cells = ((p, column[i]) for p, column in zip(paths, decisions, strict=True))
        architecture = {p: v for p, v in cells if not _empty(v)}
        yield architecture, {c: column[i] for c, column in zip(columns, values, strict=True)}


def _lacking(what: str, name: str, known: Iterable[Any]) -> InputError:
    names = [str(one) for one in known]
    close = nearest(name, names)
    hint = f"; did you mean {close!r}?" if close else ""
    return InputError(f"{what} {name!r}; it has {', '.join(names) or 'nothing'}{hint}")


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(given: Any, name: str, architecture: Any, where: str = "the table") -> float:
    try:
        number = float(given)
    except OverflowError:  # a whole number with more digits than a float has room for
        number = math.inf
    except (TypeError, ValueError):
        raise InputError(f"{where}: {name} must be a number, got {given!r}") from None
    if not abs(number) <= _LARGEST_NUMBER:
        wrong = "no number" if math.isnan(number) else f"beyond {_LARGEST_NUMBER:g} either way"
        raise InputError(
            f"{where}: {name} is {wrong} for {architecture!r}, {number:g}; leave out architectures "
            "without results"
        )
    return number


def _cost(cost: Callable[[Architecture], float], architecture: Architecture) -> float:
    try:
        given = cost(architecture)
    except Exception as error:
        raise InputError(
            f"the cost function raised {type(error).__name__} for {architecture!r}: {error}"
        ) from error
    number = _number(given, "cost", architecture)
    if number < 0:
        raise InputError(f"the cost function gave {number:g} for {architecture!r}, below 0 seconds")
    return number


def _point(given: Any) -> list[float]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"reference must have one number for each goal, got {given!r}")
    return [_number(value, "reference", tuple(given)) for value in given]


def _covers(space: Space, source: Rows, n_given: int) -> bool:
    """Whether there is a row for every architecture of a space, where that can be looked up."""
    try:
        size = space.size
    except SpaceError:  # a dynamic space does not know its size
        return False
    if n_given == size:
        return True
    if size > _LARGEST_CHECKED or (not space.cells and size > len(source)):
        return False
    return all(source.place(a) is not None for a in space.enumerate())
