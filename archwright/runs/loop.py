"""The one propose - evaluate - record loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from archwright.errors import InputError, TimeLimitExceeded, WorkerDied
from archwright.evaluators import Candidate, EvaluatorLike, Outcome, run_evaluation, text_of
from archwright.executors import Executor, InProcess
from archwright.ledger import KeptValues, Ledger, MemoryLedger
from archwright.runs.checkpoints import Checkpoints
from archwright.runs.legacies import Legacies
from archwright.runs.progress import Progress
from archwright.runs.worker import Job
from archwright.space import Architecture
from archwright.strategies import Strategy
from archwright.strategies.fidelity import multi_fidelity
from archwright.strategies.stopping import Stopping
from archwright.trials import Fidelity, History, Objective, Proposal, Trial
from archwright.trials.fidelity import IN_FULL, as_fidelity

Costs = Callable[[Architecture], Mapping[str, float]]

N_VAIN_BEFORE_REPAIR = 60
N_VAIN_AT_MOST = 3000
N_VAIN_NO_NEARER = 600
N_FIRST_FAILURES = 5
ALL_FAILED = "every evaluation failed"
N_KNOWN_AT_MOST = 100


@dataclass
class Clock:
    """Seconds since the search began, over all its sittings.

    Attributes:
        before: seconds that earlier sittings took.
    """

    before: float = 0.0
    _start: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Seconds since the search began."""
        return self.before + time.monotonic() - self._start


@dataclass
class Loop:
    """Proposes, evaluates and records until a budget is spent.

    Attributes:
        history: filled as trials finish.
        strategy: where proposals come from.
        evaluator: what judges them.
        seed: proposals and evaluations follow from it and the trial's number.
        first: proposals made before the strategy is asked.
        n_trials: trials to finish in all, those of earlier sittings included; a trial that broke a
            limit before any training does not count.
        deadline: second of `clock` at which the last evaluation must have ended.
        trial_seconds: wall-clock seconds after which one evaluation is stopped.
        costs: what is computed of an architecture without training it.
        job: how a worker process gets at the evaluator; None runs evaluations in this process.
        budget: given to trials whose proposal names none.
        fidelity: the same, the shares of a full evaluation.
        check_fidelity: called with each fidelity below full before its first trial; raises where
            the evaluator does not know it.
        grace: seconds after the deadline that the first evaluation to succeed may take.
        end_by: asked after each trial for an earlier deadline, such as one that leaves the winner
            so far the time for its final training.
        stopping: prepares the judge that may stop an evaluation early.
        checkpoints: where trials that a multi-fidelity strategy may continue leave their state.
        legacies: where trials leave their weights for changed copies of them; None: nowhere.
        n_forgiven: failed trials of earlier sittings, after which the search had ended.
    """

    history: History
    strategy: Strategy
    evaluator: EvaluatorLike
    seed: int = 0
    first: Sequence[Proposal] = ()
    retry: Sequence[Trial] = ()
    n_trials: int | None = None
    deadline: float | None = None
    trial_seconds: float | None = None
    executor: Executor = field(default_factory=InProcess)
    ledger: Ledger = field(default_factory=MemoryLedger)
    clock: Clock = field(default_factory=Clock)
    costs: Costs | None = None
    job: Job | None = None
    device: str = "cpu"
    n_threads: int | None = None
    folder: Path | None = None
    progress: Progress | None = None
    phase: str = "search"
    budget: float | None = None
    fidelity: Fidelity | None = None
    check_fidelity: Callable[[Fidelity], None] | None = None
    grace: float = 0.0
    end_by: Callable[[History], float] | None = None
    stopping: Stopping | None = None
    checkpoints: Path | None = None
    legacies: Path | None = None
    n_forgiven: int = 0

    def __post_init__(self) -> None:
        self.history.costs = self.costs
        self.history.kept = KeptValues(self.ledger)
        self._retry = list(self.retry)
        self._n_counted = sum(t.state != "infeasible" for t in self.history.trials)
        self._n_vain, self._least_excess, self._nearest_at = 0, math.inf, 0
        # In the order of their proposals, those that are to be tried again among them.
        for trial in sorted([*self.history.trials, *self._retry], key=lambda t: t.number):
            self._count_vain(trial)
        self._durations: list[float] = []
        self._calls: dict[Future[Any], tuple[Trial, float]] = {}
        self._metric = self.history.objective.primary.metric
        self._allowed: set[Fidelity] = set()
        self._last_event = 0.0
        self._staged = multi_fidelity(self.strategy)
        if self._staged is not None and not self._staged.budgets(self.history):
            self._staged = None  # the evaluator knows no budgets, and the strategy does without
        self._kept = (
            None
            if self._staged is None or self.checkpoints is None
            else Checkpoints(self.checkpoints, self._staged)
        )
        self._legacies = None if self.legacies is None else Legacies(self.legacies)

    def run(self) -> str:
        """Run until something ends it, and say what, as a sentence's end.

        "all trials done", "time is up", "the space is exhausted", "no feasible architecture",
        "every evaluation failed" or "interrupted".
        """
        why = "interrupted"
        try:
            why = self._run()
        except KeyboardInterrupt:
            pass
        finally:
            # What is still running stays marked as running in the ledger and is retried.
            for future in list(self._calls):
                self.executor.kill(future)
            self._calls.clear()
            self.history.running.clear()
        self._tell(force=True)
        return why

    def _run(self) -> str:
        in_process = isinstance(self.executor, InProcess)
        why: str | None = None
        while True:
            while why is None and len(self._calls) < self.executor.n_workers:
                why = self._spent()
                if why is not None:
                    break
                trial = self._next()
                if isinstance(trial, str):
                    why = trial
                elif trial is not None and self._too_long(trial):
                    why = "time is up"
                elif trial is not None and in_process:
                    self._finish(trial, self._evaluate_here(trial))
                elif trial is not None:
                    self._submit(trial)
            if not self._calls:
                if why is not None:
                    return why
                continue
            if why == "the space is exhausted" and self.history.running:
                why = None
            self._collect()
            self._tell()

    def _spent(self) -> str | None:
        if self.n_trials is not None and self._n_counted + len(self._calls) >= self.n_trials:
            return "all trials done"
        if self.deadline is not None:
            left = self.deadline - self.clock.now()
            least = 1.0 if self._staged is None else self._staged.budgets(self.history)[0]
            if left <= 0 or (self._durations and left < least * self._expected_seconds()):
                return "time is up"
        counted = self.history.trials[-N_FIRST_FAILURES:]
        if (
            len(counted) == N_FIRST_FAILURES
            and self._n_counted == self.n_forgiven + N_FIRST_FAILURES
            and all(trial.state == "failed" for trial in counted)
        ):
            return ALL_FAILED
        return None

    def _too_long(self, trial: Trial) -> bool:
        """Whether a trial of several budgets would not end in the time left."""
        if self._staged is None or self.deadline is None or not self._durations:
            return False
        return self.clock.now() + self._amount(trial) * self._expected_seconds() > self.deadline

    def _amount(self, trial: Trial) -> float:
        """What a trial of several budgets has to do; 1 where all have the same."""
        if self._staged is None or trial.budget is None:
            return 1.0
        earlier = (t.budget for t in self.history.trials if t.number == trial.continues)
        amount = trial.budget - (next(earlier, None) or 0.0)
        return amount if trial.fidelity is None else amount * trial.fidelity.cost

    def _expected_seconds(self) -> float:
        """Of an evaluation, or of one unit of budget where there are several."""
        ordered = sorted(self._durations[-30:])
        return ordered[min(len(ordered) - 1, int(0.8 * len(ordered)))]

    def _next(self) -> Trial | str | None:
        """The next trial; a reason to stop; None when the one proposed breaks a limit."""
        if self._retry:
            return self._retry.pop(0)
        history = self.history
        number = history.next_number
        rng = Random((self.seed << 32) + number)
        proposal = self._propose(rng)
        if proposal is None:
            return "the space is exhausted"
        trial = Trial(
            number,
            proposal.architecture,
            "running",
            budget=self.budget if proposal.budget is None else proposal.budget,
            origin=proposal.origin,
            parent=proposal.parent,
            seed=rng.getrandbits(31),
            started=self.clock.now(),
            continues=proposal.continues,
            fidelity=self._fidelity_of(proposal),
        )
        if trial.fidelity is not None:
            self._check(trial.fidelity)
        if self.costs is None:
            return trial
        try:
            metrics = dict(self.costs(proposal.architecture))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # one that cannot be built or run is a failed trial
            text = f"{type(error).__name__}: {text_of(error)}"
            failed = _with(trial, state="failed", error=text, finished=self.clock.now())
            self._record(failed)
            self._count_vain(failed)
            self._n_counted += 1
            return None
        if history.objective.feasible(metrics):
            self._count_vain(trial)
            return _with(trial, metrics=metrics)
        broken = "; ".join(history.objective.broken(metrics))
        done = _with(trial, state="infeasible", metrics=metrics, error=broken)
        self._record(_with(done, finished=self.clock.now()))
        self._count_vain(done)
        self._tell()
        no_nearer = self._n_vain - self._nearest_at >= N_VAIN_NO_NEARER
        if self._n_vain >= N_VAIN_AT_MOST or no_nearer:
            return "no feasible architecture"
        return None

    def _count_vain(self, trial: Trial) -> None:
        """Count proposals in a row that broke limits, and when one last came nearer to them."""
        if trial.state != "infeasible":
            self._n_vain = 0
            return
        self._n_vain += 1
        excess = self.history.objective.violation(trial.metrics)
        if self._n_vain == 1 or excess < self._least_excess:
            self._least_excess, self._nearest_at = excess, self._n_vain

    def _propose(self, rng: Random) -> Proposal | None:
        for proposal in self.first:
            if self.history.is_new(proposal.architecture):
                return self._entering(proposal)
        if self._n_vain >= N_VAIN_BEFORE_REPAIR and self._n_vain % 2:
            repaired = self._repair(rng)
            if repaired is not None:
                return repaired
        return self._asked(rng)

    def _asked(self, rng: Random) -> Proposal | None:
        """What the strategy proposes, checked."""
        name = type(self.strategy).__name__
        for _ in range(N_KNOWN_AT_MOST):
            try:
                proposal = self.strategy.propose(self.history, rng)
            except Exception as error:
                error.add_note(
                    f"raised by the strategy {name} for trial {self.history.next_number}; the "
                    "trials before it are kept"
                )
                raise
            if proposal is None:
                return None
            if not isinstance(proposal, Proposal):
                raise InputError(
                    f"a strategy must propose a Proposal or None, got {type(proposal).__name__} "
                    f"from {name}: return Proposal(architecture)"
                )
            try:
                architecture = self.history.space.check(proposal.architecture)
            except InputError as error:
                error.add_note(f"proposed by the strategy {name}")
                raise
            if self.history.is_new(architecture) or self._goes_further(proposal, architecture):
                return _with(proposal, architecture=architecture)
        raise InputError(
            f"{name} proposed architectures that were evaluated already, {N_KNOWN_AT_MOST} times "
            "in a row: let it ask history.is_new(architecture), or return "
            "archwright.strategies.random_proposal(history, rng), which is None when none is left"
        )

    def _goes_further(self, proposal: Proposal, architecture: Architecture) -> bool:
        """Whether a known architecture is proposed with more than it ever had."""
        history = self.history
        budget = self.budget if proposal.budget is None else proposal.budget
        if history.level(budget, self._fidelity_of(proposal)) <= history.reached(architecture):
            return False
        number = proposal.continues
        if number is not None:
            trial = next((t for t in history.trials if t.number == number), None)
            canonical = history.space.canonical
            if trial is None or canonical(trial.architecture) != canonical(architecture):
                raise InputError(
                    f"{type(self.strategy).__name__} proposed to continue trial {number}, which "
                    "is no finished trial of that architecture: give the number of one, or None"
                )
            earlier, now = trial.fidelity or IN_FULL, self._fidelity_of(proposal) or IN_FULL
            if earlier.shares[1:] != now.shares[1:]:
                raise InputError(
                    f"{type(self.strategy).__name__} proposed to continue trial {number}, made "
                    f"{earlier}, with {now}: training goes on with more epochs alone; leave "
                    "continues out for other data or another copy of the network"
                )
        return True

    def _fidelity_of(self, proposal: Proposal) -> Fidelity | None:
        """The fidelity of a proposal's trial; None: in full."""
        if proposal.fidelity is None:
            return self.fidelity
        return as_fidelity(proposal.fidelity)

    def _check(self, fidelity: Fidelity) -> None:
        """Refuse, before its first trial, a fidelity that the evaluator does not know."""
        if fidelity not in self._allowed:
            if self.check_fidelity is not None:
                self.check_fidelity(fidelity)
            self._allowed.add(fidelity)

    def _repair(self, rng: Random) -> Proposal | None:
        """A mutation of one of the architectures nearest to the limits."""
        history = self.history
        tried = [t for t in history.trials if t.state == "infeasible"]
        nearest = sorted(tried, key=lambda t: history.objective.violation(t.metrics))[:5]
        parent = rng.choice(nearest)
        for _ in range(20):
            child = history.space.mutate(parent.architecture, rng=rng)
            if history.is_new(child):
                return self._entering(Proposal(child, origin="repair", parent=parent.number))
        return None

    def _entering(self, proposal: Proposal) -> Proposal:
        """A proposal that is not the strategy's own, with what its new architectures begin with."""
        if proposal.budget is not None or proposal.fidelity is not None:
            return proposal
        if self._staged is not None:
            proposal = _with(proposal, budget=self._staged.entry_budget(self.history))
        inner = getattr(self.strategy, "wrapped", self.strategy)
        entry = getattr(inner, "entry_fidelity", None)
        return proposal if entry is None else _with(proposal, fidelity=entry(self.history))

    def _evaluate_here(self, trial: Trial) -> Outcome:
        self._start(trial)
        candidate = Candidate(
            self.history.space,
            trial.architecture,
            number=trial.number,
            seed=trial.seed,
            budget=trial.budget,
            fidelity=trial.fidelity,
            device=self.device,
            n_threads=self.n_threads,
            folder=self._folder_of(trial),
            **self._more(trial),
        )
        return run_evaluation(self.evaluator, candidate, self._metric)

    def _submit(self, trial: Trial) -> None:
        assert self.job is not None
        self._start(trial)
        folder = self._folder_of(trial)
        future = self.executor.submit(
            self.job,
            trial.to_dict(),
            self._metric,
            self.device,
            self.n_threads,
            None if folder is None else str(folder),
            self._more(trial),
        )
        self._calls[future] = (trial, time.monotonic())

    def _more(self, trial: Trial) -> dict[str, Any]:
        """What a candidate of several budgets, or one that may be stopped early, needs besides."""
        more: dict[str, Any] = {}
        if self.stopping is not None:
            more["judge"] = self.stopping.prepare(self.history, trial)
        if self._staged is not None:
            more["staged"] = True
        if self._kept is not None:
            more |= self._kept.places(self.history, trial)
        if self._legacies is not None:
            more |= self._legacies.places(self.history, trial)
        return more

    def _start(self, trial: Trial) -> None:
        self.history.start(trial)
        self.ledger.start(trial)

    def _collect(self) -> None:
        """Wait for an evaluation to end, or for the time of one to run out."""
        done, _ = wait(self._calls, timeout=self._patience(), return_when=FIRST_COMPLETED)
        for future in sorted(done, key=lambda f: self._calls[f][0].number):
            trial, began = self._calls.pop(future)
            self._finish(trial, _outcome(future, time.monotonic() - began))
        for future, (_, began) in list(self._calls.items()):
            ran = time.monotonic() - began
            if self.trial_seconds is not None and ran > self.trial_seconds:
                text = f"stopped after {ran:.1f} s; the limit is {self.trial_seconds:g} s a trial"
                self._stop(future, Outcome("failed", error=f"{TimeLimitExceeded.__name__}: {text}"))
            elif self.deadline is not None and self.clock.now() > self._last_call():
                self._stop(future, Outcome("pruned", error="the time for the search was up"))

    def _last_call(self) -> float:
        """Second at which what still runs is stopped: later while nothing has succeeded yet."""
        assert self.deadline is not None
        return self.deadline + (0.0 if self.history.complete else self.grace)

    def _stop(self, future: Future[Any], outcome: Outcome) -> None:
        if self.executor.kill(future):
            trial, began = self._calls.pop(future)
            self._finish(trial, _with(outcome, seconds=time.monotonic() - began))

    def _patience(self) -> float:
        longest = 0.5
        now = time.monotonic()
        if self.trial_seconds is not None:
            for _, began in self._calls.values():
                longest = min(longest, began + self.trial_seconds - now)
        if self.deadline is not None:
            longest = min(longest, self._last_call() - self.clock.now())
        return max(longest, 0.01)

    def _finish(self, trial: Trial, outcome: Outcome) -> None:
        if outcome.state == "complete":
            self._durations.append(outcome.seconds / self._amount(trial))
        if outcome.state == "complete":
            outcome = _checked(outcome, trial, self.history.objective)
        metrics = {**outcome.metrics, **trial.metrics} if trial.metrics else outcome.metrics
        self._record(
            Trial(
                trial.number,
                trial.architecture,
                outcome.state,
                metrics,
                outcome.curve,
                trial.budget,
                outcome.seconds,
                outcome.error,
                trial.origin,
                trial.parent,
                trial.seed,
                trial.started,
                self.clock.now(),
                trial.continues,
                outcome.note,
                trial.fidelity,
            )
        )
        if self._kept is not None:
            self._kept.sweep(self.history, self._retry)
        if self._legacies is not None:
            self._legacies.sweep(self.history, self._retry)
        self._n_counted += 1
        if self.end_by is not None and self.deadline is not None and outcome.state == "complete":
            self.deadline = min(self.deadline, self.end_by(self.history))

    def _record(self, trial: Trial) -> None:
        self.ledger.finish(trial)
        self.history.add(trial)

    def _folder_of(self, trial: Trial) -> Path | None:
        return None if self.folder is None else self.folder / f"{trial.number:05d}"

    def _tell(self, *, force: bool = False) -> None:
        if self.progress is None:
            return
        now = time.monotonic()
        if not force and now - self._last_event < 0.1:
            return
        self._last_event = now
        history, elapsed = self.history, self.clock.now()
        best = history.best
        n_done = self._n_counted
        remaining = None if self.deadline is None else max(0.0, self.deadline - elapsed)
        if remaining is None and self.n_trials is not None and n_done:
            remaining = elapsed / n_done * max(0, self.n_trials - n_done)
        self.progress(
            {
                "phase": self.phase,
                "done": n_done,
                "total": self.n_trials,
                "elapsed": elapsed,
                "remaining": remaining,
                "best": None if best is None else best.metrics[self._metric],
                "metric": self._metric,
                "front": len(history.front) if not history.objective.single else 1,
                "failed": sum(t.state == "failed" for t in history.trials),
                "infeasible": len(history.trials) - n_done,
                "rate": 60 * n_done / elapsed if elapsed > 0 else 0.0,
                "message": None,
            }
        )


def _outcome(future: Future[Any], seconds: float) -> Outcome:
    """What a worker returned; its death is an outcome too."""
    try:
        outcome = future.result()
        assert isinstance(outcome, Outcome)
        return outcome
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        name = type(error).__name__
        if name in ("TerminatedWorkerError", "BrokenProcessPool", "ShutdownExecutorError"):
            text = (
                f"{WorkerDied.__name__}: the process that evaluated it ended by itself: killed, "
                "out of memory, or a crash in compiled code"
            )
            return Outcome("failed", seconds=seconds, error=text)
        return Outcome("failed", seconds=seconds, error=f"{name}: {text_of(error)}")


def _checked(outcome: Outcome, trial: Trial, objective: Objective) -> Outcome:
    """Failed where a goal or limit has no metric, or a computed one would be replaced."""
    returned, computed = outcome.metrics, trial.metrics
    missing = [m for m in objective.metrics if m not in returned and m not in computed]
    if missing:
        got = ", ".join(map(repr, returned)) or "nothing"
        text = (
            f"InputError: the evaluator did not return {', '.join(map(repr, missing))}, which the "
            f"goals or limits name; it returned {got}"
        )
        return _with(outcome, state="failed", error=text)
    for name, value in computed.items():
        if returned.get(name, value) != value:
            text = (
                f"InputError: the evaluator returned {name} = {returned[name]:g}, which is "
                f"{value:g} as computed beforehand: return it under another name"
            )
            return _with(outcome, state="failed", error=text)
    return outcome


def _with(record: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(record, **changes)
