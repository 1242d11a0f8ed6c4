"""`Comparison`: the result of `compare`, as numbers, table, file and drawing."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.rows import Rows
from archwright.benchmarks.run import Run
from archwright.benchmarks.significance import PairTest, pair_tests
from archwright.benchmarks.summary import CHECKPOINTS, Curve, Row, curves, rows

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "benchmark",
    "dataset",
    "strategy",
    "seed",
    "queries_to_optimum",
    *(f"regret_{q}" for q in CHECKPOINTS),
    "simulated_s",
    "own_s",
)
"""The columns of the file that `Comparison.save_csv` writes."""


@dataclass(frozen=True)
class Problem:
    """What a comparison remembers of a benchmark.

    Attributes:
        name: its name.
        dataset: its data set.
        size: architectures of its space.
        unit: of the goal and the regret.
        optimum: the best validation value, or with several goals the hypervolume.
        proven: whether it is known to be the optimum.
        several: whether it has several goals, so that the regret is a share of the hypervolume.
        notes: what a reader must know.
        distinct: how many of the architectures are no canonical duplicates; None: not known.
    """

    name: str
    dataset: str
    size: float
    unit: str
    optimum: float | None
    proven: bool
    several: bool
    notes: tuple[str, ...]
    distinct: int | None

    @classmethod
    def of(cls, benchmark: Benchmark) -> Problem:
        """That of a benchmark."""
        several = not benchmark.objective.single
        return cls(
            benchmark.name,
            benchmark.dataset,
            benchmark.space.size,
            benchmark.unit,
            benchmark.volume if several else benchmark.optimum,
            benchmark.proven,
            several,
            benchmark.notes,
            len(benchmark.source) if isinstance(benchmark.source, Rows) else None,
        )

    @property
    def title(self) -> str:
        """Name and data set."""
        return f"{self.name} on {self.dataset}" if self.dataset else self.name


@dataclass(frozen=True, repr=False)
class Comparison:
    """All runs of a comparison, and what they come to.

    Attributes:
        runs: one a benchmark, strategy and seed, in this order.
        problems: what they ran on.
        queries: full trainings that each run was allowed.
    """

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    queries: int

    @classmethod
    def of(cls, runs: Sequence[Run], benchmarks: Sequence[Benchmark], queries: int) -> Comparison:
        """From runs and the benchmarks that they ran on."""
        return cls(tuple(runs), tuple(map(Problem.of, benchmarks)), queries)

    def __repr__(self) -> str:
        names = ", ".join(problem.title for problem in self.problems)
        return f"<Comparison: {len(self.runs)} runs on {names}; print(result.table())>"

    def on(self, problem: Problem) -> dict[str, list[Run]]:
        """Strategy -> its runs on a problem, in the order of seeds."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            if (run.benchmark, run.dataset) == (problem.name, problem.dataset):
                found.setdefault(run.strategy, []).append(run)
        return found

    def summary(self, problem: Problem | None = None) -> list[Row]:
        """One row a strategy on a problem; None: on each."""
        return [
            row
            for one in (self.problems if problem is None else (problem,))
            for row in rows(one.title, self.on(one), self.queries)
        ]

    def curves(self, problem: Problem | None = None) -> dict[str, Curve]:
        """Strategy -> its regret over queries: mean, and a 95 % interval of the mean."""
        return curves(self.on(problem or self.problems[0]), self.queries)

    def tests(self, problem: Problem | None = None) -> list[PairTest]:
        """Significance tests between every two strategies on a problem."""
        return pair_tests(self.on(problem or self.problems[0]))

    def table(self) -> str:
        """What ``archwright bench`` prints."""
        from archwright.benchmarks.text import table

        return table(self)

    def records(self) -> list[dict[str, Any]]:
        """One mapping a run, with the keys `COLUMNS`; None where there is no number."""
        return [
            dict(
                zip(
                    COLUMNS,
                    (
                        run.benchmark,
                        run.dataset,
                        run.strategy,
                        run.seed,
                        run.queries_to_optimum,
                        *(run.regret(q) for q in CHECKPOINTS),
                        run.simulated_s,
                        run.own_s,
                    ),
                    strict=True,
                )
            )
            for run in self.runs
        ]

    def frame(self) -> pd.DataFrame:
        """One row a run: the columns of `save_csv`, and value, test value and test regret."""
        import pandas as pd

        extra = [
            {
                "queries": run.queries,
                "value": None if run.last is None else run.last.value,
                "test": None if run.last is None else run.last.test,
                "test_regret": None if run.last is None else run.last.test_regret,
                "ended": run.ended,
            }
            for run in self.runs
        ]
        return pd.DataFrame([a | b for a, b in zip(self.records(), extra, strict=True)])

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row a run; empty where the optimum or a number of queries was not reached."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for record in self.records():
                writer.writerow({k: _cell(v) for k, v in record.items()})

    def plot(self, path: str | os.PathLike[str], *, problem: Problem | None = None) -> None:
        """Draw regret over queries, with intervals, as PNG or SVG (by the path's ending).

        Raises:
            InputError: another ending.
        """
        from archwright.benchmarks.drawing import save

        save(self, path, problem or self.problems[0])

    def html(self, path: str | os.PathLike[str]) -> None:
        """Write everything as one page that needs no other file and no network."""
        from archwright.benchmarks.page import page

        with open(path, "w", encoding="utf-8") as file:
            file.write(page(self))


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else value
