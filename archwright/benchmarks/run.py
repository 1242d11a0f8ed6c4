"""One strategy on one benchmark with one seed: `run_strategy`."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from archwright.benchmarks.base import Benchmark, Reading
from archwright.benchmarks.incumbents import Step, tracker_of
from archwright.benchmarks.options import label, parse
from archwright.errors import InputError, whole_number
from archwright.space import Architecture
from archwright.strategies import Strategy, as_strategy
from archwright.strategies.fidelity import known_budgets
from archwright.trials import History, Proposal, State, Trial

N_UNKNOWN_AT_MOST = 3000
"""Architectures without results in a row after which a run ends."""


@dataclass(frozen=True)
class Run:
    """What one strategy did on one benchmark with one seed.

    Attributes:
        benchmark: its name.
        dataset: its data set.
        strategy: the strategy's label.
        seed: all randomness follows from it.
        asked: queries that it was allowed.
        queries: queries that it made, in full trainings.
        steps: the incumbent after each query that changed it, in order.
        queries_to_optimum: full trainings until the optimum was found; None: it was not.
        simulated_s: seconds that the trainings would have taken; None: not known.
        own_s: processor seconds that the strategy itself took.
        ended: why it ended: "queries", "seconds", "exhausted" (the strategy had nothing more to
            propose) or "unknown" (it kept to architectures without results).
    """

    benchmark: str
    dataset: str
    strategy: str
    seed: int
    asked: float
    queries: float
    steps: tuple[Step, ...]
    queries_to_optimum: int | None
    simulated_s: float | None
    own_s: float
    ended: str

    def at(self, query: float) -> Step | None:
        """The incumbent after so many queries; None: there was none, or it went not so far."""
        reached = query <= self.queries + 1e-9 or self.ended in ("exhausted", "unknown")
        place = bisect_right(self.steps, query + 1e-9, key=lambda step: step.query)
        return self.steps[place - 1] if reached and place else None

    def regret(self, query: float) -> float | None:
        """Regret on validation data after so many queries; None: not reached."""
        step = self.at(query)
        return None if step is None else step.regret

    @property
    def last(self) -> Step | None:
        """The incumbent at the end."""
        return self.steps[-1] if self.steps else None


def run_strategy(
    benchmark: Benchmark,
    strategy: str | Strategy,
    *,
    seed: int = 0,
    queries: int = 200,
    seconds: float | None = None,
    name: str | None = None,
) -> Run:
    """Run a strategy on a benchmark.

    The rules, the same for all: the strategy sees validation values only, and the incumbent is
    chosen by them (of equals, the first); test values are looked up when the run has ended. A
    query is a training in full; one at a part of the full budget counts as that part. A proposal
    that continues an earlier trial (`Proposal.continues`) with a larger budget counts, and takes
    simulated seconds, only for the difference. Asking again for what is known is charged in full,
    canonical duplicates too. An architecture without results is not charged.

    Args:
        benchmark: the benchmark.
        strategy: a name, a text such as "evolution:population=50", or an object.
        seed: all randomness follows from it.
        queries: full trainings that it may ask for.
        seconds: simulated seconds that all of them may take; what would end later is not done.
        name: what to call the strategy.

    Raises:
        InputError: the strategy cannot serve this benchmark, proposes what is not in the space, or
            a budget that the benchmark does not have; a limit in simulated seconds where they are
            not known.

    >>> from archwright.benchmarks import synthetic
    >>> run = run_strategy(synthetic("additive"), "random", seed=1, queries=50)
    >>> run.queries, run.at(50).regret == run.last.regret
    (50, True)
    """
    if not isinstance(benchmark, Benchmark):
        raise InputError(f"expected a Benchmark, got {benchmark!r}")
    strategy = parse(strategy) if isinstance(strategy, str) else as_strategy(strategy)
    seed = whole_number("seed", seed, least=0)
    queries = whole_number("queries", queries)
    if seconds is not None and not (benchmark.has_seconds and seconds > 0):
        raise InputError(
            f"a limit of {seconds!r} simulated seconds cannot be kept on {benchmark.name}: "
            "give a positive number, and a benchmark with training times"
        )
    check_strategy(benchmark, strategy)
    return _Runner(benchmark, strategy, seed, queries, seconds).run(name or label(strategy))


def check_strategy(benchmark: Benchmark, strategy: Strategy) -> None:
    """Refuse a strategy that cannot serve a benchmark, by its own word.

    Raises:
        InputError: it says why.
    """
    check = getattr(strategy, "check", None)
    if check is not None:
        check(benchmark.space, benchmark.objective)
    check_budget = getattr(strategy, "check_budget", None)
    if check_budget is not None:
        check_budget(*known_budgets(benchmark))


class _Runner:
    def __init__(
        self,
        benchmark: Benchmark,
        strategy: Strategy,
        seed: int,
        queries: int,
        limit: float | None,
    ) -> None:
        self.benchmark = benchmark
        self.strategy = strategy
        self.seed = seed
        self.queries = queries
        self.limit = limit
        full, budgets = known_budgets(benchmark)
        self.history = History(
            benchmark.space, benchmark.objective, full_budget=full, budgets=budgets
        )
        self.tracker = tracker_of(benchmark)
        self.spent = 0.0
        self.simulated = 0.0
        self.own = 0.0
        self.timed = True
        # Number of a trial -> what it trained, the level and seconds reached; for budgets only.
        self.trained: dict[int, tuple[Architecture, int, float]] = {}

    def run(self, name: str) -> Run:
        ended = self._loop()
        benchmark = self.benchmark
        steps = self.tracker.finished()
        return Run(
            benchmark.name,
            benchmark.dataset,
            name,
            self.seed,
            self.queries,
            _rounded(self.spent),
            steps,
            self.tracker.optimum_at,
            self.simulated if self.timed and self.spent else None,
            self.own,
            ended,
        )

    def _loop(self) -> str:
        history, strategy, benchmark = self.history, self.strategy, self.benchmark
        propose, clock = strategy.propose, time.process_time
        check, base = benchmark.space.check, self.seed << 32
        n_unknown = 0
        while self.spent < self.queries - 1e-9:
            number = history.next_number
            rng = Random(base + number)
            start = clock()
            proposal = propose(history, rng)
            self.own += clock() - start
            if proposal is None:
                return "exhausted"
            if not isinstance(proposal, Proposal):
                raise InputError(
                    f"a strategy must propose a Proposal or None, got {type(proposal).__name__} "
                    f"from {type(strategy).__name__}"
                )
            if proposal.fidelity is not None and not proposal.fidelity.full:
                raise InputError(
                    f"{type(strategy).__name__} proposes a fidelity ({proposal.fidelity}), and a "
                    "comparison asks a benchmark by budgets: let it name a budget in epochs"
                )
            architecture = check(proposal.architecture)
            reading = benchmark.read(architecture, proposal.budget)
            if reading is None:
                n_unknown += 1
                if n_unknown >= N_UNKNOWN_AT_MOST:
                    return "unknown"
                history.add(self._trial(number, proposal, "infeasible", {}, 0.0))
                continue
            n_unknown = 0
            share, seconds = self._charge(number, proposal, reading)
            if self.limit is not None and self.simulated + seconds > self.limit:
                return "seconds"
            self.spent += share
            self.simulated += seconds
            trial = self._trial(number, proposal, "complete", reading.metrics, seconds)
            history.add(trial)
            self.tracker.add(trial, reading.level, self.spent, self.simulated)
        return "queries"

    def _charge(self, number: int, proposal: Proposal, reading: Reading) -> tuple[float, float]:
        """Full trainings and simulated seconds that a proposal costs."""
        benchmark, level = self.benchmark, reading.level
        seconds = reading.seconds
        if seconds is None:
            self.timed = False
            seconds = 0.0
        if len(benchmark.budgets) == 1:
            return 1.0, seconds
        form = benchmark.space.canonical(proposal.architecture)
        self.trained[number] = form, level, seconds
        if proposal.continues is None:
            return benchmark.share(level), seconds
        known = self.trained.get(proposal.continues)
        if known is None or known[0] != form or known[1] >= level:
            raise InputError(
                f"{type(self.strategy).__name__} continues trial {proposal.continues} with a "
                f"budget of {proposal.budget!r}, which is not the same architecture with a smaller "
                "budget"
            )
        return (
            benchmark.share(level) - benchmark.share(known[1]),
            max(0.0, seconds - known[2]),
        )

    def _trial(
        self,
        number: int,
        proposal: Proposal,
        state: State,
        metrics: dict[str, float],
        seconds: float,
    ) -> Trial:
        return Trial(
            number,
            proposal.architecture,
            state,
            metrics,
            budget=proposal.budget,
            seconds=seconds,
            error=None if state == "complete" else "the benchmark has no result of it",
            origin=proposal.origin,
            parent=proposal.parent,
            continues=proposal.continues,
        )


def _rounded(spent: float) -> float:
    return round(spent) if abs(spent - round(spent)) < 1e-6 else spent
