"""One run: plan, search, baselines, final training, export, records."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cloudpickle

from archwright.errors import InputError, LedgerError
from archwright.evaluators import require_fidelity
from archwright.executors import Adapted, Executor, InProcess, Processes
from archwright.hardware.cores import n_cores
from archwright.ledger import Ledger, MemoryLedger
from archwright.runs.checkpoints import in_full, seconds_in_full
from archwright.runs.facts import plan_facts, random_facts, size_of, study_name
from archwright.runs.finish import export_network, metrics_of, saved_network, train_finals
from archwright.runs.identity import code_changes, differences, identity_of
from archwright.runs.judges import pool_within, record_of, with_judges, with_pool
from archwright.runs.loop import ALL_FAILED, Clock, Loop
from archwright.runs.networks import (
    check_costs,
    check_default,
    cost_function,
    networks_to_time,
    remembering,
)
from archwright.runs.plan import (
    EXPORT_SECONDS,
    WORKER_SECONDS,
    Plan,
    plan_training,
)
from archwright.runs.progress import Progress
from archwright.runs.record import (
    CALL,
    EXPORT,
    JOURNAL,
    REPORT,
    RUN,
    TRIALS,
    read_run,
    result_from,
    write_result,
    write_run,
)
from archwright.runs.worker import Job, warm_up
from archwright.space import Space
from archwright.strategies import RandomSearch, Strategy, name_of
from archwright.strategies.fidelity import known_budgets, multi_fidelity
from archwright.strategies.stopping import Stopping
from archwright.trials import (
    Baseline,
    Fidelity,
    History,
    Limit,
    Objective,
    Proposal,
    Result,
    Trial,
)
from archwright.trials.result import nothing_found


@dataclass
class Run:
    """One call of `search`, its arguments checked."""

    space: Space
    space_name: str
    evaluator: Any
    objective: Objective
    strategy: Strategy
    seed: int
    n_trials: int | None
    seconds: float | None
    began: float
    folder: Path | None
    storage: str | None
    device: str
    trial_seconds: float | None
    final: bool | str
    with_baselines: bool
    compare_random: bool
    input_shape: tuple[int, ...] | None
    progress: Progress | None
    command: str | None
    stopping: Stopping | None = None
    fidelity: Fidelity | None = None
    n_workers: int = 0
    given: Executor | None = None
    info: dict[str, Any] = field(default_factory=dict)
    _identity: dict[str, Any] = field(init=False)
    _starting: list[Any] = field(default_factory=list)
    _changes: list[str] = field(default_factory=list)
    _random_history: History | None = None
    _n_forgiven: int = 0

    def __post_init__(self) -> None:
        # As asked for: the plan may add a limit, and train on fewer rows.
        self._identity = identity_of(
            space=self.space,
            evaluator=self.evaluator,
            objective=self.objective,
            strategy=self.strategy,
            seed=self.seed,
            stopping=self.stopping,
            fidelity=self.fidelity,
        )

    # ------------------------------------------------------------------ before

    @property
    def _own_metrics(self) -> Collection[str] | None:
        """Metrics that the evaluator says it knows by itself."""
        names: Collection[str] | None = getattr(self.evaluator, "own_metrics", None)
        return names

    @property
    def trains(self) -> bool:
        """Whether the evaluator trains networks on a task."""
        return (
            hasattr(self.evaluator, "final") and getattr(self.evaluator, "task", None) is not None
        )

    def choose_executor(
        self, workers: int | None, executor: Executor | FuturesExecutor | None
    ) -> None:
        """Decide where evaluations run, without starting anything."""
        if executor is not None:
            self.n_workers = workers or int(getattr(executor, "n_workers", None) or 1)
            native = hasattr(executor, "kill") and hasattr(executor, "n_workers")
            self.given = (
                executor if native else Adapted(executor, n_workers=self.n_workers)  # type: ignore[assignment, arg-type]
            )
            return
        if workers is None:
            workers = 0 if self.trial_seconds is None else 1
            if getattr(self.evaluator, "isolated", False):
                timed = self.seconds is not None and self._device() == "cpu"
                workers = min(n_cores(), 8) if timed else 1
        if workers == 0 and self.trial_seconds is not None:
            raise InputError(
                "trial_seconds needs a worker process, since an evaluation in this process cannot "
                "be stopped: give workers=1 or more, or leave trial_seconds out"
            )
        self.n_workers = workers

    def _executor(self, job: Job | None) -> Executor:
        """Where evaluations run; worker processes begin to import at once."""
        if self.given is not None:
            return self.given
        if not self.n_workers:
            return InProcess()
        n_threads = max(1, n_cores() // self.n_workers)
        prepare = warm_up if job is None else job.load
        workers = Processes(self.n_workers, n_threads=n_threads, prepare=prepare)
        self._starting = workers.start()
        return workers

    def _device(self) -> str:
        if not self.trains and self.device == "auto":
            return "cpu"
        from archwright.training.runtime import resolve_device

        return str(resolve_device(self.device))

    def _left(self) -> float | None:
        return None if self.seconds is None else self.seconds - (time.monotonic() - self.began)

    # ------------------------------------------------------------------ the whole run

    def run(self, call: dict[str, Any]) -> Result:
        """The whole run, from what is in the folder already to the records at its end."""
        check_costs(self.space, self.objective, self.input_shape, self._own_metrics)
        previous = None
        if self.folder is not None and (self.folder / RUN).exists():
            previous = read_run(self.folder)
            self._compare(previous["info"].get("identity"), f"the folder {str(self.folder)!r}")
        ledger = self._ledger()
        kept = ledger.keep("identity", self._identity)
        self._compare(kept, "this storage" if self.folder is None else f"{str(self.folder)!r}")
        finished, running = ledger.load()
        complete = self._is_complete(previous, finished)
        kept_full = None if previous is None else previous["info"].get("full_budget")
        history = History(self.space, self.objective, finished, full_budget=kept_full)
        ended = previous is not None and previous["finished"] and complete
        if ended and previous is not None and not self._wants_more(previous):
            read = "this search was finished before: its result is read from the folder"
            self._tell("done", message=read)
            return self._loaded(previous, history)
        if previous is not None and previous["info"].get("stopped") == ALL_FAILED:
            # The same call again: the evaluator was mended, or whatever it needs.
            self._n_forgiven = sum(trial.state != "infeasible" for trial in finished)
        self._changes = [] if kept is None else code_changes(kept, self._identity)
        for change in self._changes:
            warnings.warn(change, stacklevel=4)
        with ExitStack() as stack:
            return self._run(call, previous, ledger, finished, running, stack)

    def _run(
        self,
        call: dict[str, Any],
        previous: dict[str, Any] | None,
        ledger: Ledger,
        finished: list[Trial],
        running: list[Trial],
        stack: ExitStack,
    ) -> Result:
        self._tell("plan", message="reading the space and timing the default network")
        device = self._device()
        self.began -= max((t.finished for t in finished), default=0.0)
        # A training job waits for the plan, which may change the evaluator.
        job = None if self.trains else self._job(stack)
        executor = self._executor(job)
        if self.given is None:
            stack.callback(executor.close)
        plan = self._plan(device, previous)
        if plan.n_rows is not None and plan.n_rows != self.evaluator.n_rows:
            self.evaluator = self.evaluator.with_rows(plan.n_rows)
        if plan.max_flops is not None and all(x.metric != "flops" for x in self.objective.limits):
            limits = (*self.objective.limits, Limit("flops", high=plan.max_flops))
            self.objective = Objective(self.objective.goals, limits)
        full, budgets = known_budgets(self.evaluator)
        full = plan.epochs if self.trains else full
        history = History(self.space, self.objective, finished, full_budget=full, budgets=budgets)
        self.info = self._facts(plan, device)
        self.info["full_budget"] = full
        if previous is not None and "pool" in previous["info"]:
            self.info["pool"] = previous["info"]["pool"]
        result = Result(history, info=self.info, folder=self.folder)
        result.task = getattr(self.evaluator, "task", None)
        self._keep_call(call)
        self._write(result, finished=False)
        clock = Clock(before=time.monotonic() - self.began)
        job = job or self._job(stack)
        self._equip(plan, device)
        self._write(result, finished=False)
        why = self._search(history, ledger, plan, clock, executor, job, device, running, result)
        self.info["stopped"] = why
        self.info["search_seconds"] = clock.now()
        self._write(result, finished=False)
        if history.best is None:
            self._write_all(result)
            raise nothing_found(history)
        if why != "interrupted" and self.trains and self.final is not False:
            executor.close()
            self._finish(result, plan, device, job)
        return self._close(result)

    def _check_fidelity(self, fidelity: Fidelity) -> None:
        require_fidelity(self.evaluator, fidelity, self.space)

    def _job(self, stack: ExitStack) -> Job | None:
        """What worker processes are sent, until the stack is closed."""
        if not self.n_workers:
            return None
        job = Job(self.space, self.evaluator, folder=self.folder)
        stack.callback(job.close)
        return job

    def _search(
        self,
        history: History,
        ledger: Ledger,
        plan: Plan,
        clock: Clock,
        executor: Executor,
        job: Job | None,
        device: str,
        running: list[Trial],
        result: Result,
    ) -> str:
        first = [Proposal(self.space.default, origin="default")] if self.trains else []
        deadline = None
        if plan.search_seconds is not None:
            share = 0.5 if self.compare_random else 1.0
            deadline = self._planned_at + share * plan.search_seconds
        options: dict[str, Any] = {
            "seed": self.seed,
            "evaluator": self.evaluator,
            "trial_seconds": self.trial_seconds or plan.trial_seconds,
            "executor": executor,
            "clock": clock,
            "costs": remembering(
                cost_function(
                    self.space,
                    self.objective,
                    self.input_shape,
                    seed=self.seed,
                    device=device,
                    own=self._own_metrics,
                )
            ),
            "job": job,
            "device": device,
            "n_threads": max(1, n_cores() // self.n_workers) if self.n_workers else None,
            "progress": self.progress,
            "budget": plan.epochs if self.trains else None,
            "fidelity": self.fidelity,
            "check_fidelity": self._check_fidelity,
            "grace": 0.5 * (plan.final_seconds or 0.0),
        }
        with ExitStack() as stack:
            stack.enter_context(self._baselines_beside(result, deadline, clock))
            loop = Loop(
                history,
                self.strategy,
                first=first,
                retry=running,
                n_trials=self.n_trials,
                deadline=deadline,
                end_by=self._end_by(plan) if self.trains and self.final is not False else None,
                ledger=ledger,
                n_forgiven=self._n_forgiven,
                folder=None if self.folder is None or self.trains else self.folder / TRIALS,
                stopping=self.stopping,
                checkpoints=self._checkpoints(stack),
                legacies=self._legacies(stack),
                **options,
            )
            why = loop.run()
        if self.compare_random and why != "interrupted":
            self._run_random(history, clock, plan, first, options)
        own, other = isinstance(self.strategy, RandomSearch), self._random_history
        self.info |= random_facts(history, self.objective, own=own, other=other)
        return why

    def _equip(self, plan: Plan, device: str) -> None:
        """Give a cascade its proxies, and a pool that the time suffices for."""
        judged = with_judges(self.strategy, self.space, self.input_shape, device)
        if "pool" not in self.info:
            seconds = plan.search_seconds
            self.info["pool"] = pool_within(judged, self.space, seconds, seed=self.seed)
        pool = self.info["pool"]
        self.strategy = judged if pool is None else with_pool(judged, pool)

    def _checkpoints(self, stack: ExitStack) -> Path | None:
        """Where trials leave what others go on from; a temporary folder for a run without one."""
        if multi_fidelity(self.strategy) is None:
            return None
        if self.folder is not None:
            return self.folder / "checkpoints"
        return Path(stack.enter_context(TemporaryDirectory(prefix="archwright-")))

    def _legacies(self, stack: ExitStack) -> Path | None:
        """Where trials leave their weights for changed copies of them, if those want them."""
        if getattr(self.evaluator, "inherit", None) is None:
            return None
        if self.folder is not None:
            return self.folder / "legacies"
        return Path(stack.enter_context(TemporaryDirectory(prefix="archwright-")))

    def _end_by(self, plan: Plan) -> Callable[[History], float]:
        """When the search must end so that the winner so far can be trained as long again."""

        def end_by(history: History) -> float:
            if self.seconds is None or history.best is None:
                return math.inf
            needed = plan.reserve_seconds + WORKER_SECONDS + self._retrain_seconds(plan, history)
            return max(self.seconds - needed, 0.6 * self.seconds)

        return end_by

    def _retrain_seconds(self, plan: Plan, history: History) -> float:
        """What it takes to train the best so far as long again, on all rows but the test's."""
        task = self.evaluator.task
        n_rows = plan.n_rows or len(task.train)
        growth = (len(task.train) + len(task.validation)) / n_rows
        best = history.best
        return 1.2 * growth * (0.0 if best is None else seconds_in_full(history, best))

    def _run_random(
        self,
        history: History,
        clock: Clock,
        plan: Plan,
        first: list[Proposal],
        options: dict[str, Any],
    ) -> None:
        """Random search with as many trials, on its own record."""
        if isinstance(self.strategy, RandomSearch):
            return
        n_trials = max(1, round(in_full(history)))
        other = History(self.space, self.objective, full_budget=history.full_budget)
        ledger = self._ledger("random")
        finished, running = ledger.load()
        for trial in finished:
            other.add(trial)
        deadline = None
        if plan.search_seconds is not None:
            deadline = clock.now() + 0.5 * plan.search_seconds
        Loop(
            other,
            RandomSearch(),
            first=first,
            retry=running,
            n_trials=n_trials,
            deadline=deadline,
            ledger=ledger,
            phase="random",
            **options,
        ).run()
        self._random_history = other

    # ------------------------------------------------------------------ parts

    def _plan(self, device: str, previous: dict[str, Any] | None) -> Plan:
        self._planned_at = time.monotonic() - self.began
        if previous is not None:
            # Trials of one run are trained alike: what was planned holds, and only more time or
            # less is added to the search.
            info = previous["info"]
            plan = Plan.from_dict(info["plan"])
            self._planned_at = info["planned_at"]
            if self.seconds is not None and plan.search_seconds is None:
                # The run was begun without a time budget; shares as in a plan with one.
                usable = max(self.seconds - self._planned_at, 1.0)
                reserve = min(EXPORT_SECONDS, 0.3 * usable) if self.final is not False else 0.0
                final = 0.3 * (usable - reserve) if self.trains and self.final is not False else 0.0
                plan = replace(
                    plan,
                    search_seconds=usable - reserve - final,
                    final_seconds=final,
                    reserve_seconds=reserve,
                )
            elif plan.search_seconds is not None and self.seconds is not None:
                more = self.seconds - (info["seconds_asked"] or self.seconds)
                plan = replace(plan, search_seconds=plan.search_seconds + more)
            return plan
        if not self.trains:
            return Plan(epochs=0.0, search_seconds=self._left())
        model = check_default(self.space, self.evaluator, seed=self.seed)
        cores = n_cores()
        networks, flops = [model], [0.0]
        if self.seconds is not None:
            # Timing beside processes that are starting would mislead.
            wait(self._starting, timeout=10.0)
            networks, flops = networks_to_time(self.space, model, self.evaluator.input_shape)
        plan = plan_training(
            self.evaluator,
            networks,
            flops,
            seconds=self._left(),
            n_trials=self.n_trials,
            n_workers=max(1, self.n_workers),
            n_searches=2 if self.compare_random else 1,
            n_threads=max(1, cores // max(1, self.n_workers)),
            n_cores=cores,
            device=device,
            exports=self.folder is not None and self.final is not False,
        )
        self._planned_at = time.monotonic() - self.began
        return plan

    @contextmanager
    def _baselines_beside(self, result: Result, deadline: float | None, clock: Clock) -> Any:
        """Judge plain models in a process of their own while the search runs."""
        if not (self.with_baselines and self.trains) or result.baselines:
            yield
            return
        from archwright.training.baselines import baselines

        left = None if deadline is None else deadline - clock.now()
        seconds = 60.0 if left is None else max(4.0, 0.15 * left)
        pool = Processes(1)
        # Their test scores are only reported: nothing is chosen by them.
        judge = partial(baselines, seconds=seconds, seed=self.seed, score_test=True)
        future = pool.submit(judge, self.evaluator.task)
        try:
            yield
            try:
                scores = future.result(timeout=5.0 if left is not None else 120.0)
                result.baselines = [
                    Baseline(s.name, s.validation, s.test, s.seconds) for s in scores
                ]
            except Exception as error:
                self.info["notes"].append(
                    f"scikit-learn's baselines were not judged: {type(error).__name__} {error}"
                )
        finally:
            pool.close()

    def _finish(self, result: Result, plan: Plan, device: str, job: Job | None) -> None:
        """Final training, test, export."""
        self._tell("final", message="training the winner anew on train and validation data")
        left = self._left()
        seconds = None
        if left is not None:
            # A run begun without a final training has kept no time for one.
            planned = plan.final_seconds or 2.0 * self._retrain_seconds(plan, result.history)
            seconds = max(left - plan.reserve_seconds, 0.5 * planned)
        own_job = job or Job(self.space, self.evaluator, folder=self.folder)
        cores = n_cores()
        pool = Processes(1, n_threads=cores, prepare=warm_up)
        start = time.monotonic()
        try:
            networks = train_finals(
                result,
                self.evaluator,
                pool,
                own_job,
                front=self.final == "front",
                seconds=seconds,
                device=device,
                n_threads=cores,
            )
        except KeyboardInterrupt:
            self.info["stopped"] = "interrupted"
            networks = []
        finally:
            pool.close()
            if job is None:
                own_job.close()
        self.info["final_seconds"] = time.monotonic() - start
        if networks:
            result.model = networks[0]
        if self.folder is not None and networks:
            self._export(result, networks)

    def _export(self, result: Result, networks: list[Any]) -> None:
        assert self.folder is not None
        start = time.monotonic()
        for i, (final, network) in enumerate(zip(list(result.finals), networks, strict=True)):
            self._tell("export", message="exporting and checking the exported network")
            name = EXPORT if i == 0 else f"{EXPORT}-{final.trial}"
            made, problems = export_network(
                network,
                self.folder / name,
                task=result.task,
                architecture=final.architecture,
                space_name=self.space_name,
                metrics=metrics_of(result, final),
            )
            result.finals[i] = replace(
                final, folder=None if made is None else name, notes=(*final.notes, *problems)
            )
        self.info["export_seconds"] = time.monotonic() - start

    # ------------------------------------------------------------------ records

    def _take_saved(self, result: Result) -> None:
        """Hand over the network that a function of the user's has trained and saved."""
        if result.model is None and self.folder is not None and not self.trains:
            folder = self.folder / TRIALS
            result.model = saved_network(self.space, result.history.best, folder)

    def _compare(self, kept: dict[str, Any] | None, where: str) -> None:
        """Refuse to mix the trials of two searches."""
        found = [] if kept is None else differences(kept, self._identity)
        if found:
            advice = "Choose another folder (out=), or remove that one"
            if self.storage is not None:
                advice += "; within one storage the name of the folder names the study"
            raise LedgerError(
                f"{where} holds the run of another search: {'; '.join(found)}. {advice}"
            )

    def _is_complete(self, previous: dict[str, Any] | None, finished: list[Trial]) -> bool:
        """Whether the record of trials has lost none; says so where it has."""
        n_kept = 0 if previous is None else previous["info"].get("n_recorded") or 0
        if len(finished) >= n_kept:
            return True
        warnings.warn(
            f"the record of trials holds {len(finished)} of the {n_kept} trials that this run "
            "had finished: it was cut or replaced; the others are evaluated anew",
            stacklevel=4,
        )
        return False

    def _wants_more(self, previous: dict[str, Any]) -> bool:
        """Whether this call asks for more than a finished run has."""
        info = previous["info"]
        n_finals = len(previous["finals"])
        trains = self.trains and self.final is not False
        return (
            (self.n_trials or 0) > (info.get("trials_asked") or 0)
            or (self.seconds or 0) > (info.get("seconds_asked") or 0)
            or info.get("stopped") in ("interrupted", ALL_FAILED)
            or (trains and n_finals == 0)
            or (trains and self.final == "front" and info.get("final_asked") != "front")
            or (self.compare_random and info.get("random_search") is None)
        )

    def _facts(self, plan: Plan, device: str) -> dict[str, Any]:
        facts = {
            "seed": self.seed,
            "strategy": name_of(self.strategy),
            "space": self.space_name,
            "space_size": size_of(self.space),
            "identity": self._identity,
            "metric": self.objective.primary.metric,
            "trials_asked": self.n_trials,
            "seconds_asked": self.seconds,
            "final_asked": self.final,
            "n_workers": self.n_workers,
            "device": device,
            "command": self.command,
            "planned_at": self._planned_at,
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "storage": self.storage,
            "study": study_name(self.folder, self.storage),
            "stopped": None,
            **plan_facts(plan, self.evaluator),
        }
        facts["notes"] += self._changes
        return facts

    def _loaded(self, previous: dict[str, Any], history: History) -> Result:
        assert self.folder is not None
        result = result_from(self.folder, previous, self.space)
        if history.best is None:
            raise nothing_found(history)
        self._take_saved(result)
        result.task = getattr(self.evaluator, "task", None)
        return result

    def _ledger(self, suffix: str = "") -> Ledger:
        if self.folder is None and self.storage is None:
            return MemoryLedger()
        from archwright.ledger import OptunaLedger

        # One study a journal: a damaged one can then be mended.
        journal = f"{suffix}.log" if suffix else JOURNAL
        where = self.storage or str((self.folder or Path()) / journal)
        study = study_name(self.folder, self.storage, suffix)
        return OptunaLedger(where, study, self.space, self.objective)

    def _keep_call(self, call: dict[str, Any]) -> None:
        """Keep the call, so that ``resume`` needs the folder alone."""
        if self.folder is None:
            return
        try:
            content = cloudpickle.dumps(call, protocol=5)
        except Exception:
            # The same call still resumes; `resume` says so.
            return
        part = self.folder / (CALL + ".part")
        part.write_bytes(content)
        part.replace(self.folder / CALL)

    def _write(self, result: Result, *, finished: bool) -> None:
        stages = record_of(self.strategy, result.history)
        if stages is not None:
            self.info["cascade"] = stages
        if self.folder is not None:
            self.info["n_recorded"] = len(result.trials)
            write_run(self.folder, result, finished=finished)

    def _write_all(self, result: Result) -> None:
        self.info["seconds"] = time.monotonic() - self.began
        if self.folder is None:
            return
        from archwright.report import write_report

        self._write(result, finished=self.info.get("stopped") != "interrupted")
        write_result(self.folder, result)
        write_report(result, self.folder / REPORT)

    def _close(self, result: Result) -> Result:
        self._take_saved(result)
        self._write_all(result)
        self._tell("done", message=None)
        return result

    def _tell(self, phase: str, *, message: str | None) -> None:
        if self.progress is None:
            return
        elapsed = time.monotonic() - self.began
        left = self._left()
        self.progress(
            {
                "phase": phase,
                "done": 0,
                "total": self.n_trials,
                "elapsed": elapsed,
                "remaining": None if left is None else max(0.0, left),
                "best": None,
                "metric": self.objective.primary.metric,
                "front": 0,
                "failed": 0,
                "infeasible": 0,
                "rate": 0.0,
                "message": message,
            }
        )
