"""Many strategies on some benchmarks with many seeds: `compare`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.comparison import Comparison
from archwright.benchmarks.options import labelled
from archwright.benchmarks.registry import load
from archwright.benchmarks.run import Run, check_strategy, run_strategy
from archwright.errors import InputError, whole_number
from archwright.strategies import Strategy

Progress = Callable[[int, int, Run], None]
"""Called after each run with how many are done, how many there are, and the run."""


def compare(
    benchmarks: str | Benchmark | Iterable[str | Benchmark],
    strategies: str | Strategy | Iterable[str | Strategy] | Mapping[str, str | Strategy],
    *,
    seeds: int | Iterable[int] = 20,
    queries: int = 200,
    seconds: float | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare strategies on benchmarks: what ``archwright bench`` writes.

    The rules are those of `run_strategy`. Random search is always among them. The same seeds give
    the same result, however many workers there are.

    Args:
        benchmarks: benchmarks, or their names.
        strategies: names, texts such as "evolution:population=50", objects, or a mapping from
            label to one of these.
        seeds: how many (0, 1, ...), or which.
        queries: full trainings for each run.
        seconds: simulated seconds for each run, besides; None: no limit.
        workers: processes to run in; 0: this one.
        progress: told of each run that is done.

    Raises:
        InputError: a strategy cannot serve a benchmark; two of either have one name; numbers out
            of range.

    >>> from archwright.benchmarks import synthetic
    >>> result = compare(synthetic("additive"), ["evolution"], seeds=3, queries=50)
    >>> [row.strategy for row in result.summary()]
    ['random', 'evolution']
    """
    problems = _problems(benchmarks)
    named = labelled(strategies)
    seed_list = _seeds(seeds)
    queries = whole_number("queries", queries)
    workers = whole_number("workers", workers, least=0)
    for problem in problems:
        if not problem.objective.single:
            _ = problem.volume  # refuses what no share can be told of
        for name, strategy in named.items():
            _check(problem, name, strategy)
    plan = _Plan(tuple(problems), tuple(named.items()), queries, seconds)
    # Seeds go outside, so that an estimate of the time left is soon a good one.
    jobs = [
        (i, j, seed) for seed in seed_list for i in range(len(problems)) for j in range(len(named))
    ]
    found: dict[tuple[int, int, int], Run] = {}
    results = _here(plan, jobs) if workers == 0 else _in_processes(plan, jobs, workers)
    with contextlib.closing(results):
        for job, run in results:
            found[job] = run
            if progress is not None:
                progress(len(found), len(jobs), run)
    ordered = sorted(jobs)
    return Comparison.of(tuple(found[job] for job in ordered), problems, queries)


@dataclass(frozen=True)
class _Plan:
    benchmarks: tuple[Benchmark, ...]
    strategies: tuple[tuple[str, Strategy], ...]
    queries: int
    seconds: float | None

    def run(self, i: int, j: int, seed: int) -> Run:
        name, strategy = self.strategies[j]
        try:
            return run_strategy(
                self.benchmarks[i],
                strategy,
                seed=seed,
                queries=self.queries,
                seconds=self.seconds,
                name=name,
            )
        except Exception as error:
            error.add_note(f"raised by {name} on {self.benchmarks[i].name} with seed {seed}")
            raise


Job = tuple[int, int, int]
Results = Generator[tuple[Job, Run], None, None]


def _here(plan: _Plan, jobs: list[Job]) -> Results:
    for job in jobs:
        yield job, plan.run(*job)


def _in_processes(plan: _Plan, jobs: list[Job], workers: int) -> Results:
    import cloudpickle
    from joblib.externals.loky import ProcessPoolExecutor

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)),
        initializer=_prepare,
        initargs=(cloudpickle.dumps(plan), os.getpid()),
        env=dict.fromkeys(names, "1"),
    )
    tidy = False
    try:
        left = iter(jobs)
        calls: dict[Future[Run], Job] = {}
        while True:
            # A few more than there are workers, so that none waits; not all, so that a stop is one.
            for job in left:
                calls[pool.submit(_run, job)] = job
                if len(calls) >= 2 * workers + 2:
                    break
            if not calls:
                break
            done, _ = wait(calls, return_when=FIRST_COMPLETED)
            for future in done:
                job = calls.pop(future)
                yield job, future.result()
        tidy = True
    finally:
        pool.shutdown(wait=True, kill_workers=not tidy)


_plan: _Plan | None = None


def _prepare(payload: bytes, parent: int) -> None:
    """Called once in each worker process: unpack the benchmarks and keep them."""
    import cloudpickle

    from archwright.executors.processes import _begin_worker

    _begin_worker(parent)
    global _plan
    _plan = cloudpickle.loads(payload)


def _run(job: Job) -> Run:
    assert _plan is not None
    return _plan.run(*job)


def _problems(given: Any) -> list[Benchmark]:
    if isinstance(given, Benchmark):
        given = [given]
    elif isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    elif not isinstance(given, Iterable):
        raise InputError(f"benchmarks must be Benchmark objects or names, got {given!r}")
    found: list[Benchmark] = []
    for one in given:
        benchmark = load(one) if isinstance(one, str) else one
        if not isinstance(benchmark, Benchmark):
            raise InputError(
                f"benchmarks must be Benchmark objects or names, got {one!r}; make one of a table "
                "of results by archwright.benchmarks.Table(space, rows, metric=...)"
            )
        if any((b.name, b.dataset) == (benchmark.name, benchmark.dataset) for b in found):
            raise InputError(
                f"two benchmarks are called {benchmark.name!r} on {benchmark.dataset!r}; give "
                "them different names"
            )
        found.append(benchmark)
    if not found:
        raise InputError("benchmarks: give at least one")
    return found


def _seeds(given: int | Iterable[int]) -> list[int]:
    if isinstance(given, Iterable) and not isinstance(given, str):
        seeds = [whole_number("a seed", s, least=0) for s in given]
        if not seeds or len(set(seeds)) < len(seeds):
            raise InputError(f"seeds must be different numbers, at least one, got {seeds}")
        return seeds
    return list(range(whole_number("seeds", given)))


def _check(benchmark: Benchmark, name: str, strategy: Strategy) -> None:
    try:
        check_strategy(benchmark, strategy)
    except InputError as error:
        raise InputError(f"{name} cannot be run on {benchmark.name}: {error}") from None
