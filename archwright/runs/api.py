"""`search`, `resume` and `load`: the doors to a search."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor as FuturesExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import cloudpickle
from filelock import FileLock, Timeout

from archwright.errors import InputError, LedgerError, unknown_name, whole_number
from archwright.evaluators import EvaluatorLike, check_evaluator, require_fidelity
from archwright.executors import Executor
from archwright.runs.checks import check_folder, parse_limits, positive
from archwright.runs.facts import is_finite
from archwright.runs.judges import has_stages
from archwright.runs.progress import Progress, harmless
from archwright.runs.record import CALL, read_run, result_from
from archwright.runs.run import Run
from archwright.space import Space
from archwright.strategies import Strategy, WarmStart, as_stopping, as_strategy
from archwright.strategies.fidelity import known_budgets, multi_fidelity
from archwright.trials import Fidelity, History, Objective, Result
from archwright.trials.fidelity import as_fidelity


def search(
    space: Space | str,
    evaluate: EvaluatorLike | Any,
    *,
    maximize: str | Iterable[str] | None = None,
    minimize: str | Iterable[str] | None = None,
    limits: Mapping[str, float | str | tuple[float, float]] | None = None,
    strategy: str | Strategy = "auto",
    first: Any = None,
    stopping: Any = None,
    fidelity: Fidelity | Mapping[str, float] | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    storage: str | None = None,
    seed: int = 0,
    device: str = "auto",
    trial_seconds: float | None = None,
    final: bool | str = True,
    baselines: bool = True,
    compare_random: bool = False,
    input_shape: tuple[int, ...] | None = None,
    executor: Executor | FuturesExecutor | None = None,
    progress: Progress | None = None,
    command: str | None = None,
    started: float | None = None,
) -> Result:
    """Search a space for the architecture that serves best, and hand it over trained.

    Args:
        space: the space, or with a task the name of one of the zoo's, or "auto".
        evaluate: a `Task` (candidates are trained on it), an evaluator such as `Train(task)`, or
            a function ``evaluate(candidate) -> {metric: number}``.
        maximize: metric or metrics to maximise. With a task the default is its main metric.
        minimize: metric or metrics to minimise; the costs ``params``, ``flops``, ``macs``,
            ``memory_bytes``, ``size_bytes``, ``n_layers`` and ``latency_ms`` are always known for
            networks.
        limits: metric -> upper bound ("50k", "5ms" and "1MB" will do), lower bound (">=0.9") or
            pair (low, high). What breaks a limit on a cost is never trained.
        strategy: a name or an object with ``propose(history, rng)``; the default follows the rule
            that `archwright.strategies.Auto` states. Those with several budgets
            ("hyperband", "asha", "bohb", "successive_halving") count each of an architecture's
            evaluations as a trial.
        first: what to evaluate before the strategy is asked: a list of architectures, an earlier
            `Result` or the folder of its run, or a `CheapScores`; see `WarmStart`.
        stopping: a rule that stops evaluations early by their curves: "median", "curve" (see
            `archwright.strategies.CurveStopping`), one of Optuna's pruners, or an object with
            ``prepare(history, trial)``.
        fidelity: evaluate at a share of the cost: of every trial whose proposal names none. The
            winner's final training is in full. None: in full.
        trials: how many evaluations to make in all; what breaks a limit beforehand is not counted.
        minutes: time budget for everything: search, final training, test, export and report.
            Without `trials` or `minutes` the search ends when the space is exhausted.
        workers: worker processes; 0: evaluate in this process. Default: for training one a core
            when `minutes` is given and one otherwise (with one, a run repeats exactly); for
            functions 0, or 1 when `trial_seconds` is given.
        out: the run's folder: trials, report, export. The same call resumes what is there.
        storage: database URL for the trials instead of a file in `out`.
        seed: everything random follows from it.
        device: "cpu", "cuda", "cuda:1" or "auto".
        trial_seconds: an evaluation is stopped and recorded as failed after so many seconds.
        final: True: train the winner anew on train and validation data and test it; "front": each
            of the Pareto front; False: neither.
        baselines: with a task, judge scikit-learn's quick models on it too.
        compare_random: run random search with as many trials too (costs as much again; with
            `minutes`, half of the search's time is kept for it).
        input_shape: shape of one input without the batch, for the costs of networks where the
            evaluator does not say.
        executor: where evaluations run instead: one of `archwright.executors`, or any
            ``concurrent.futures.Executor`` (Dask's, Ray's, ...), with `workers` calls at once.
        progress: called with a mapping a few times a second.
        command: the command that reproduces this call, for the report.
        started: ``monotonic()`` at which the time budget began; default: now.

    Returns:
        The result; ``result.best``, ``result.front``, ``result.frame()``, ``result.model``.

    Raises:
        InputError: an argument cannot be used; says which and how to mend it.
        InfeasibleError: no architecture within the limits was found; carries the closest.

    >>> from archwright.space import choice
    >>> space = Space({"width": choice([16, 32, 64]), "kernel": choice([3, 5])})
    >>> def evaluate(candidate):
    ...     return candidate.architecture["width"] / candidate.architecture["kernel"]
    >>> result = search(space, evaluate, maximize="score", strategy="random", trials=20)
    >>> result.best.metrics["score"], len(result.trials), result.info["stopped"]
    (21.333333333333332, 6, 'the space is exhausted')
    """
    began = monotonic() if started is None else started
    seed = whole_number("seed", seed, least=0)
    trials = None if trials is None else whole_number("trials", trials)
    workers = None if workers is None else whole_number("workers", workers, least=0)
    positive("minutes", minutes)
    positive("trial_seconds", trial_seconds)
    if limits is not None and not isinstance(limits, Mapping):
        raise InputError(f"limits must be a mapping such as {{'params': '50k'}}, got {limits!r}")
    if progress is not None and not callable(progress):
        raise InputError(f"progress must be a function of one mapping, got {progress!r}")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InputError(f"executor must have a submit method, got {executor!r}")
    if final not in (True, False, "front"):
        raise InputError(f"final must be True, False or 'front', got {final!r}")
    given = chosen = as_strategy(strategy)
    if first is not None:
        earlier = load(first) if isinstance(first, str | Path) else first
        chosen = WarmStart(chosen, earlier)
    rule = as_stopping(stopping)
    lower = as_fidelity(fidelity)
    folder = check_folder(out)
    evaluator, space, space_name = resolve(space, evaluate)
    check_evaluator(evaluator)
    objective = _objective(evaluator, maximize, minimize, limits)
    check = getattr(chosen, "check", None)
    if check is not None:
        check(space, objective)
    if lower is not None and has_stages(chosen):
        raise InputError(
            "a cascade says by its stages how cheaply it evaluates: give them the fidelity, such "
            f"as Cascade([Stage({lower!r})]), instead of search(fidelity=...)"
        )
    check_budget = getattr(chosen, "check_budget", None)
    if check_budget is not None:
        check_budget(*known_budgets(evaluator))
    _check_budgets(evaluator, space, chosen, objective)
    check_rule = getattr(rule, "check", None)
    if check_rule is not None:
        check_rule(objective)
    for asked in ([] if lower is None else [lower], getattr(chosen, "fidelities", ())):
        for one in asked:
            if not one.full:
                require_fidelity(evaluator, one, space)
    run = Run(
        space=space,
        space_name=space_name,
        evaluator=evaluator,
        objective=objective,
        strategy=chosen,
        stopping=rule,
        fidelity=lower,
        seed=seed,
        n_trials=trials,
        seconds=None if minutes is None else 60.0 * minutes,
        began=began,
        folder=folder,
        storage=storage,
        device=device,
        trial_seconds=trial_seconds,
        final=final,
        with_baselines=baselines,
        compare_random=compare_random,
        input_shape=input_shape or getattr(evaluator, "input_shape", None),
        progress=None if progress is None else harmless(progress),
        command=command,
    )
    run.choose_executor(workers, executor)
    if trials is None and minutes is None and not is_finite(space):
        raise InputError(
            "give trials= or minutes=: the space is too large for a search to end by itself"
        )
    with _folder_lock(folder):
        call = {
            "space": space,
            "evaluate": evaluator,
            "maximize": [g.metric for g in objective.goals if g.maximize],
            "minimize": [g.metric for g in objective.goals if not g.maximize],
            "limits": {x.metric: (x.low, x.high) for x in objective.limits},
            "strategy": given,
            "first": first,
            "stopping": rule,
            "fidelity": lower,
            "trials": trials,
            "minutes": minutes,
            "workers": workers,
            "storage": storage,
            "seed": seed,
            "device": device,
            "trial_seconds": trial_seconds,
            "final": final,
            "baselines": baselines,
            "compare_random": compare_random,
            "input_shape": input_shape,
            "command": command,
        }
        return run.run(call)


def resume(folder: str | Path, **changes: Any) -> Result:
    """Go on with the search in a folder, as if it had not stopped.

    Args:
        folder: the folder given as ``out=`` to `search`.
        changes: arguments of `search` to change, such as ``trials=100`` or ``minutes=10``.

    Raises:
        LedgerError: the folder holds no run, or one that cannot be resumed from the folder alone.

    The call is kept as a pickle in the folder: resume only runs that you trust.
    """
    path = Path(folder)
    read_run(path)
    known = {p for p in inspect.signature(search).parameters if p not in ("out", "started")}
    for change in changes:
        if change not in known:
            raise unknown_name("argument of search that resume can change", change, known)
    try:
        call = cloudpickle.loads((path / CALL).read_bytes())
    except Exception as error:
        raise LedgerError(
            f"the call that began the run in {str(folder)!r} was not kept ({error}); resume it by "
            "calling search(...) again with the same arguments and the same out="
        ) from None
    name = call["space"]
    call.update(changes)
    space_name = read_run(path)["info"].get("space")
    if isinstance(name, Space) and space_name:
        call["space"].name = space_name
    return search(out=folder, **call)


def load(folder: str | Path) -> Result:
    """The result in a run's folder, finished or not.

    Raises:
        LedgerError: the folder holds no run.
    """
    path = Path(folder)
    run = read_run(path)
    if run["space"] is None:
        raise LedgerError(
            f"the run in {str(folder)!r} searched a dynamic space, which its folder does not "
            "describe; call search(...) again with the same arguments to get its result"
        )
    return result_from(path, run, Space.from_dict(run["space"]))


def resolve(space: Space | str, evaluate: Any) -> tuple[Any, Space, str]:
    """The evaluator, the space and the space's name."""
    if hasattr(evaluate, "train") and hasattr(evaluate, "preprocessing"):
        from archwright.evaluators import Train

        evaluate = Train(evaluate)
    if isinstance(space, Space):
        return evaluate, space, str(getattr(space, "name", None) or type(space).__name__)
    if not isinstance(space, str):
        raise InputError(
            "space must be a Space, a ModelSpace, the name of one of the zoo's spaces or 'auto', "
            f"got {space!r}"
        )
    task = getattr(evaluate, "task", None)
    if task is None:
        raise InputError(
            f"the space {space!r} is built for a task's data: give a Task (or Train(task)), or a "
            "space object"
        )
    from archwright.zoo import build_space, suggest

    name = space
    if name == "auto":
        name = suggest(task.modality, tuple(task.input_shape), len(task.train))
    built = build_space(
        name,
        input_shape=tuple(task.input_shape),
        n_outputs=task.n_outputs,
        n_rows=len(task.train),
    )
    return evaluate, built, name


def _objective(
    evaluator: Any,
    maximize: str | Iterable[str] | None,
    minimize: str | Iterable[str] | None,
    limits: Mapping[str, Any] | None,
) -> Objective:
    bounds = parse_limits(limits) if limits else {}
    own = getattr(evaluator, "objective", None)
    maximize = list([maximize] if isinstance(maximize, str) else maximize or [])
    minimize = list([minimize] if isinstance(minimize, str) else minimize or [])
    if own is not None:
        _check_metrics(evaluator, [*maximize, *minimize, *bounds])
        goal = own.primary
        named = set(maximize) | set(minimize)
        # Asking for small costs alone would give the smallest network, however bad.
        if goal.metric not in named and not maximize:
            if goal.maximize:
                maximize = [goal.metric, *maximize]
            else:
                minimize = [goal.metric, *minimize]
    return Objective.of(maximize=maximize, minimize=minimize, limits=bounds)


def _check_budgets(evaluator: Any, space: Space, strategy: Any, objective: Objective) -> None:
    """Let the evaluator refuse several budgets, where the strategy gives more than one."""
    check = getattr(evaluator, "check_budgets", None)
    staged = multi_fidelity(strategy)
    if check is None or staged is None:
        return
    full, budgets = known_budgets(evaluator)
    history = History(space, objective, full_budget=full, budgets=budgets)
    if len(staged.budgets(history)) > 1:
        check(space)


def _check_metrics(evaluator: Any, names: list[str]) -> None:
    """Refuse metrics that training on this task does not give."""
    task = getattr(evaluator, "task", None)
    if task is None or not names:
        return
    from archwright.hardware import COSTS
    from archwright.tasks.metrics import METRICS

    known = {*COSTS, "loss", task.metric.name}
    known |= {name for name, metric in METRICS.items() if task.kind in metric.kinds}
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known)


@contextmanager
def _folder_lock(folder: Path | None) -> Iterator[None]:
    """Hold the run's folder, so that no second search writes into it."""
    if folder is None:
        yield
        return
    lock = FileLock(str(folder / ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another search is running in {str(folder)!r}; wait for it, or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
