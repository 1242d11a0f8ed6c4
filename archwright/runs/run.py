"""One run: plan, search, baselines, final training, export, records."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle

from archwright.errors import InputError, LedgerError
from archwright.executors import Adapted, Executor, InProcess, Processes
from archwright.ledger import Ledger, MemoryLedger
from archwright.runs.checks import n_usable_cores
from archwright.runs.finish import export_network, metrics_of, train_finals
from archwright.runs.loop import Clock, Costs, Loop, Progress
from archwright.runs.plan import (
    EXPORT_SECONDS,
    N_SAMPLES_TIMED,
    WORKER_SECONDS,
    Plan,
    plan_training,
)
from archwright.runs.record import (
    CALL,
    EXPORT,
    JOURNAL,
    REPORT,
    RUN,
    STUDY,
    objective_from,
    read_json,
    read_run,
    result_from,
    space_dict,
    write_result,
    write_run,
)
from archwright.runs.worker import Job, warm_up
from archwright.space import Architecture, Space
from archwright.strategies import RandomSearch, Strategy, name_of
from archwright.trials import (
    Baseline,
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
    n_workers: int = 0
    given: Executor | None = None
    info: dict[str, Any] = field(default_factory=dict)
    _limits_asked: list[str] = field(init=False)
    _starting: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The plan may add one of its own to those that were asked for.
        self._limits_asked = sorted(str(limit) for limit in self.objective.limits)

    # ------------------------------------------------------------------ before

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
                workers = min(n_usable_cores(), 8) if timed else 1
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
        n_threads = max(1, n_usable_cores() // self.n_workers)
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
        previous = self._previous()
        ledger = self._ledger()
        finished, running = ledger.load()
        history = History(self.space, self.objective, finished)
        if previous is not None and previous["finished"] and not self._wants_more(history):
            return self._loaded(previous, history)
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
        history = History(self.space, self.objective, finished)
        self.info = self._facts(plan, device)
        result = Result(history, info=self.info, folder=self.folder)
        result.task = getattr(self.evaluator, "task", None)
        self._keep_call(call)
        self._write(result, finished=False)
        clock = Clock(before=time.monotonic() - self.began)
        job = job or self._job(stack)
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

    def _job(self, stack: ExitStack) -> Job | None:
        """What worker processes are sent, until the stack is closed."""
        if not self.n_workers:
            return None
        job = Job(self.space, self.evaluator)
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
            "costs": self._costs(device),
            "job": job,
            "device": device,
            "n_threads": max(1, n_usable_cores() // self.n_workers) if self.n_workers else None,
            "progress": self.progress,
            "budget": plan.epochs if self.trains else None,
            "grace": 0.5 * (plan.final_seconds or 0.0),
        }
        with self._baselines_beside(result, deadline, clock):
            loop = Loop(
                history,
                self.strategy,
                first=first,
                retry=running,
                n_trials=self.n_trials,
                deadline=deadline,
                end_by=self._end_by(plan) if self.trains and self.final is not False else None,
                ledger=ledger,
                folder=None if self.folder is None or self.trains else self.folder / "trials",
                **options,
            )
            why = loop.run()
        if self.compare_random and why != "interrupted":
            self._run_random(history, clock, plan, first, options)
        self._random_line(history)
        return why

    def _end_by(self, plan: Plan) -> Callable[[History], float]:
        """When the search must end so that the winner so far can be trained as long again."""
        task = self.evaluator.task
        n_rows = plan.n_rows or len(task.train)
        growth = (len(task.train) + len(task.validation)) / n_rows

        def end_by(history: History) -> float:
            if self.seconds is None or history.best is None:
                return math.inf
            needed = plan.reserve_seconds + WORKER_SECONDS + 1.2 * growth * history.best.seconds
            return max(self.seconds - needed, 0.6 * self.seconds)

        return end_by

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
        n_trials = sum(t.state != "infeasible" for t in history.trials)
        other = History(self.space, self.objective)
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
        model = self._check_default()
        n_cores = n_usable_cores()
        networks, flops = [model], [0.0]
        if self.seconds is not None:
            # Timing beside processes that are starting would mislead.
            wait(self._starting, timeout=10.0)
            networks, flops = self._networks_to_time(model)
        plan = plan_training(
            self.evaluator,
            networks,
            flops,
            seconds=self._left(),
            n_trials=self.n_trials,
            n_workers=max(1, self.n_workers),
            n_searches=2 if self.compare_random else 1,
            n_threads=max(1, n_cores // max(1, self.n_workers)),
            n_cores=n_cores,
            device=device,
            exports=self.folder is not None and self.final is not False,
        )
        self._planned_at = time.monotonic() - self.began
        return plan

    def _networks_to_time(self, model: Any) -> tuple[list[Any], list[float]]:
        """The default network and the largest of some random ones, with their FLOPs."""
        from archwright.hardware import costs

        build = self.space.build  # type: ignore[attr-defined]
        shape = self.evaluator.input_shape
        samples = [self.space.sample(seed=i) for i in range(N_SAMPLES_TIMED)]
        found = [costs(build(a, device="meta"), shape, names=("flops",))["flops"] for a in samples]
        largest = max(range(len(samples)), key=found.__getitem__)
        networks, flops = [model], [costs(model, shape, names=("flops",))["flops"]]
        if found[largest] > flops[0]:
            networks.append(build(samples[largest], seed=0))
            flops.append(found[largest])
        return networks, flops

    def _check_default(self) -> Any:
        """Build the default network and send two rows through it, before any work starts."""
        import torch

        build = getattr(self.space, "build", None)
        if build is None:
            raise InputError(
                "training needs a space of networks (archwright.ModelSpace or one of the zoo), "
                f"got a plain {type(self.space).__name__} of values"
            )
        task = self.evaluator.task
        hyper = getattr(self.space, "hyper_part", None)
        if hyper is not None:
            self.evaluator.check(dict(hyper(self.space.default)))
        try:
            model = build(self.space.default, seed=self.seed)
            with torch.no_grad():
                outputs = model.eval()(task.prepare(task.train.x[:2]))
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                "the space's default network does not run on this task's inputs of shape "
                f"{tuple(task.input_shape)} (without the batch): {type(error).__name__}: {error}"
            ) from error
        wanted = (2, task.n_outputs)
        if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != wanted:
            got = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs)
            raise InputError(
                f"the space's default network must return a tensor of shape {wanted} for two rows "
                f"(rows, outputs of the task), got {got}"
            )
        return model

    def _costs(self, device: str) -> Costs | None:
        """What is computed of an architecture before it is trained."""
        build = getattr(self.space, "build", None)
        if build is None:
            return None
        from archwright.hardware import COSTS, costs

        asked_names = [m for m in self.objective.metrics if m in COSTS]
        if self.input_shape is None:
            needy = [n for n in asked_names if COSTS[n].needs_forward or COSTS[n].needs_measurement]
            if needy:
                raise InputError(
                    f"{', '.join(sorted(needy))} of a network needs the shape of its input: give "
                    "search(..., input_shape=...), such as (3, 32, 32), without the batch"
                )
        usual = ["params"] if self.input_shape is None else ["params", "flops"]
        cheap = [n for n in asked_names if not COSTS[n].needs_measurement]
        cheap = list(dict.fromkeys([*usual, *cheap]))
        dear = [n for n in asked_names if COSTS[n].needs_measurement]
        shape = self.input_shape

        def compute(architecture: Architecture) -> dict[str, float]:
            model = build(architecture, device="meta")
            found = costs(model, shape, names=cheap)
            if dear and self.objective.feasible(found):
                real = build(architecture, seed=self.seed)
                found |= costs(real, shape, names=dear, device=device)
            return found

        return compute

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
            seconds = max(left - plan.reserve_seconds, 0.5 * (plan.final_seconds or left))
        own_job = job or Job(self.space, self.evaluator)
        n_cores = n_usable_cores()
        pool = Processes(1, n_threads=n_cores, prepare=warm_up)
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
                n_threads=n_cores,
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

    def _previous(self) -> dict[str, Any] | None:
        if self.folder is None or not (self.folder / RUN).exists():
            return None
        run = read_run(self.folder)
        known = {
            "seed": (run["info"].get("seed"), self.seed),
            "strategy": (run["info"].get("strategy_repr"), repr(self.strategy)),
            "space": (run["info"].get("space_fingerprint"), _fingerprint(self.space)),
            "data": (
                (run["info"].get("task") or {}).get("fingerprint"),
                self.evaluator.task.fingerprint if self.trains else None,
            ),
            "limits": (run["info"].get("limits_asked"), self._limits_asked),
            "goals": (
                [[g.metric, g.maximize] for g in objective_from(run["objective"]).goals],
                [[g.metric, g.maximize] for g in self.objective.goals],
            ),
        }
        for name, (kept, wanted) in known.items():
            # A dynamic space has no fingerprint to compare.
            unknown = name == "space" and None in (kept, wanted)
            if kept != wanted and not unknown:
                raise LedgerError(
                    f"the folder {str(self.folder)!r} holds the run of another search: its {name} "
                    f"is {_short(kept)}, this call's is {_short(wanted)}. Choose another folder, "
                    "or remove that one"
                )
        return run

    def _wants_more(self, history: History) -> bool:
        """Whether this call asks for more than a finished run has."""
        run = read_json(self.folder / RUN) if self.folder else None
        assert run is not None
        info = run["info"]
        more_trials = (self.n_trials or 0) > (info.get("trials_asked") or 0)
        more_time = (self.seconds or 0) > (info.get("seconds_asked") or 0)
        return more_trials or more_time or info.get("stopped") == "interrupted"

    def _loaded(self, previous: dict[str, Any], history: History) -> Result:
        assert self.folder is not None
        result = result_from(self.folder, previous, self.space)
        if history.best is None:
            raise nothing_found(history)
        result.task = getattr(self.evaluator, "task", None)
        return result

    def _ledger(self, suffix: str = "") -> Ledger:
        if self.folder is None and self.storage is None:
            return MemoryLedger()
        from archwright.ledger import OptunaLedger

        study = f"{STUDY}-{suffix}" if suffix else STUDY
        if self.storage is not None and self.folder is not None:
            study = f"{study}-{self.folder.resolve().name}"
        where = self.storage or str((self.folder or Path()) / JOURNAL)
        return OptunaLedger(where, study, self.space, self.objective)

    def _facts(self, plan: Plan, device: str) -> dict[str, Any]:
        task = getattr(self.evaluator, "task", None)
        facts: dict[str, Any] = {
            "seed": self.seed,
            "strategy": name_of(self.strategy),
            "strategy_repr": repr(self.strategy),
            "space": self.space_name,
            "space_size": _size(self.space),
            "space_fingerprint": _fingerprint(self.space),
            "metric": self.objective.primary.metric,
            "trials_asked": self.n_trials,
            "seconds_asked": self.seconds,
            "limits_asked": self._limits_asked,
            "n_workers": self.n_workers,
            "device": device,
            "command": self.command,
            "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "versions": _versions(),
            "plan": plan.to_dict(),
            "planned_at": self._planned_at,
            "notes": list(plan.notes),
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "storage": self.storage,
            "stopped": None,
        }
        if plan.max_flops is not None:
            facts["notes"].append(
                f"networks above {plan.max_flops:.3g} FLOPs were left out: their final training "
                "would not end in the time given"
            )
        if task is not None:
            facts["task"] = task.summary()
            facts["notes"] += task.notes
            facts["recipe"] = self.evaluator.resolved.to_dict()
            from archwright.hardware import machine

            facts["machine"] = str(machine())
        if self.storage is not None and self.folder is not None:
            facts["study"] = f"{STUDY}-{self.folder.resolve().name}"
        return facts

    def _random_line(self, history: History) -> None:
        """The random-search line for the report and ``result.json``."""
        metric = self.objective.primary.metric
        if isinstance(self.strategy, RandomSearch):
            trials, note = history.complete, "this search is random search"
        elif getattr(self, "_random_history", None) is not None:
            other = self._random_history
            trials = other.complete
            n_made = sum(t.state != "infeasible" for t in other.trials)
            n_wanted = sum(t.state != "infeasible" for t in history.trials)
            note = f"random search with {n_made} trials, run beside this search"
            if n_made < n_wanted:
                note += f" (the time did not suffice for all {n_wanted})"
        else:
            self.info["random_search"] = None
            self.info["random_note"] = (
                "random search was not run; compare_random=True (--compare-random) runs it with "
                "as many trials"
            )
            return
        best: float | None = None
        line: list[list[float]] = []
        maximize = self.objective.primary.maximize
        for i, trial in enumerate(trials, start=1):
            value = trial.metrics[metric]
            best = value if best is None else max(best, value) if maximize else min(best, value)
            line.append([i, best])
        self.info["random_line"] = line
        self.info["random_note"] = note
        self.info["random_search"] = best

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
        if self.folder is not None:
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


def is_finite(space: Space) -> bool:
    """Whether the space is known to have an end."""
    try:
        return space.size != math.inf
    except InputError:
        return False


def _size(space: Space) -> float | None:
    # As text beyond what JSON's readers take for a number.
    size = space.size if is_finite(space) else None
    return size if size is None or size < 1e300 else None


def _fingerprint(space: Space) -> str | None:
    return None if space_dict(space) is None else space.fingerprint


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    names = ("archwright", "torch", "numpy", "scikit-learn", "optuna", "onnx", "onnxruntime")
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
