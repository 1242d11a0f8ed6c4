"""What a report says, worked out from a `Result`: comparisons, lines, failures, what was left out.

Everything here is plain values and reads `Result` only; how it looks is the business of `page` and
`card`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from archwright.errors import SpaceError
from archwright.report.numbers import TIMES, amount, count, duration, label, split_unit
from archwright.trials import Baseline, Final, Goal, Result, Trial

_DRAWN = ("random", "start")
"""Origins of trials that were drawn at random ("start": where a local search begins)."""

DEFAULT = "default network"
"""Name of the baseline that is the space's default architecture."""

_STRATEGIES = {
    "additive_gp": "an additive Gaussian process over features",
    "ant_colony": "ant colony optimisation",
    "asha": "asynchronous successive halving (ASHA)",
    "auto": "the default (a Gaussian process first, then evolution)",
    "bananas": "BANANAS",
    "bohb": "BOHB",
    "cascade": "a cascade of cheap judgements and ever longer training",
    "cmaes": "CMA-ES (Optuna)",
    "differential_evolution": "differential evolution",
    "evolution": "regularized evolution",
    "genetic": "genetic algorithm",
    "gp": "a Gaussian process over decisions",
    "grid": "grid search",
    "hyperband": "Hyperband",
    "local": "local search",
    "mobster": "model-based asynchronous successive halving (MOBSTER)",
    "nas_bowl": "NAS-BOWL",
    "npenas": "NPENAS",
    "nsga2": "NSGA-II",
    "nsga3": "NSGA-III",
    "optuna_gp": "a Gaussian process (Optuna)",
    "optuna_nsga2": "Optuna's NSGA-II",
    "pareto_local": "Pareto local search",
    "particle_swarm": "particle swarm optimisation",
    "pnas": "progressive search (PNAS)",
    "ppo": "proximal policy optimisation",
    "q_learning": "Q-learning",
    "random": "random search",
    "reinforce": "REINFORCE",
    "successive_halving": "successive halving",
    "tpe": "tree-structured Parzen estimators (Optuna)",
    "trees": "random-forest-guided search (SMAC)",
}

COSTS = ("params", "flops", "macs", "latency_ms", "size_bytes", "memory_bytes")
"""The costs that a summary shows, in this order."""


@dataclass(frozen=True)
class Line:
    """The random-search line: the expected best validation metric after n trials.

    Attributes:
        points: pairs of a number of trials and the metric.
        note: how it was made, for the reader.
        measured: whether random search was run; else it is estimated from the search's own
            random trials.
        n_drawn: of how many random trials it is estimated; 0 when it was measured.
    """

    points: tuple[tuple[float, float], ...]
    note: str
    measured: bool
    n_drawn: int = 0

    def at(self, n: float) -> float | None:
        """The metric after `n` trials; None beyond the line's end."""
        reached = [value for trials, value in self.points if trials <= n]
        return reached[-1] if reached and n <= self.points[-1][0] else None


@dataclass(frozen=True)
class Verdict:
    """Whether the search was worth it.

    Attributes:
        kind: "ahead", "even" (within the test's uncertainty), "behind" or "unknown".
        text: one or two sentences.
    """

    kind: Literal["ahead", "even", "behind", "unknown"]
    text: str


@dataclass(frozen=True)
class Failures:
    """Trials that failed in the same way.

    Attributes:
        message: the error's last line.
        numbers: their trial numbers.
        detail: the whole text of the first of them.
    """

    message: str
    numbers: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Counts:
    """How many trials ended how."""

    complete: int = 0
    failed: int = 0
    infeasible: int = 0
    pruned: int = 0
    evaluated: int = field(default=0)

    def text(self) -> str:
        """As running text.

        >>> Counts(complete=8, failed=1, evaluated=9).text()
        '9 trials (1 failed)'
        """
        extra = [
            f"{n} {what}"
            for n, what in (
                (self.failed, "failed"),
                (self.pruned, "cut off before their end"),
            )
            if n
        ]
        noun = "trial" if self.evaluated == 1 else "trials"
        text = f"{self.evaluated:,} {noun}" + (f" ({', '.join(extra)})" if extra else "")
        if self.infeasible:
            text += f", and {self.infeasible:,} more architectures outside the limits, not trained"
        return text


def counts(result: Result) -> Counts:
    """How many trials ended how; `evaluated` leaves out those that only broke a limit."""
    states = [t.state for t in result.trials]
    n = {state: states.count(state) for state in ("complete", "failed", "infeasible", "pruned")}
    return Counts(**n, evaluated=n["complete"] + n["failed"] + n["pruned"])


def value(trial: Trial, metric: str) -> float | None:
    """A trial's metric when it is there and finite."""
    found = trial.metrics.get(metric)
    return float(found) if found is not None and math.isfinite(found) else None


def evaluated(result: Result) -> Iterator[tuple[int, Trial]]:
    """The trials that cost an evaluation, in the order they finished, numbered from 1."""
    n = 0
    for trial in result.trials:
        if trial.state != "infeasible":
            n += 1
            yield n, trial


def winner(result: Result) -> Trial | None:
    """The trial whose network was trained anew first, else the best one."""
    if result.finals:
        number = result.finals[0].trial
        found = next((t for t in result.trials if t.number == number), None)
        if found is not None:
            return found
    return result.history.best


def comparable(result: Result, trial: Trial) -> bool:
    """Whether a trial had the largest budget and fidelity reached, as the best one has."""
    history = result.history
    best = history.best
    return best is None or history.level_of(trial) == history.level_of(best)


def low_fidelity(result: Result) -> str | None:
    """What to know where the best trial was no full evaluation, else None."""
    best, full = result.history.best, result.history.full_budget
    if best is None:
        return None
    if best.fidelity is None and best.budget is not None and full and best.budget < full:
        return (
            f"No trial was trained in full: the best ones had {best.budget:g} of {full:g} "
            "epochs (or what the budget's unit is), so validation figures are of short "
            "trainings. With more trials or time the best go on."
        )
    if best.fidelity is None:
        return None
    return (
        f"Validation figures are of evaluations at {best.fidelity}, an estimated "
        f"{100 * best.fidelity.cost:.3g} % of the cost, not of full trainings; the final training "
        "is in full."
    )


def origin_of(result: Result, trial: Trial) -> str:
    """Where a trial comes from, and its budget and fidelity where trials have several."""
    text = trial.origin + (f" of {trial.parent}" if trial.parent is not None else "")
    several = any(t.budget != trial.budget for t in result.trials)
    text += f", budget {trial.budget:g}" if several and trial.budget is not None else ""
    return text if trial.fidelity is None else f"{text}, {trial.fidelity}"


def best_so_far(result: Result) -> list[tuple[int, Trial]]:
    """The trials that were the best when they finished, with their position in that order.

    Where trials had several budgets, of those with the largest one reached.
    """
    goal, found, best = result.objective.primary, [], -math.inf
    for n, trial in evaluated(result):
        if not comparable(result, trial):
            continue
        v = value(trial, goal.metric)
        if trial.state != "complete" or v is None or not result.objective.feasible(trial.metrics):
            continue
        score = v if goal.maximize else -v
        if score > best:
            best = score
            found.append((n, trial))
    return found


def random_line(result: Result, *, keep: int = 80) -> Line | None:
    """The line that random search would draw, measured where the run holds it, else estimated.

    ``info["random_line"]`` (pairs of a number of trials and the best validation metric) is taken
    when it is there. Otherwise the trials that the strategy drew at random are used: the expected
    best of n draws without replacement from them, exact for every n up to their number. With
    fewer than three of them there is no line.

    Args:
        result: the result.
        keep: about how many points an estimated line has.
    """
    given = result.info.get("random_line")
    if given:
        points = tuple((float(n), float(v)) for n, v in given if math.isfinite(v))
        note = str(result.info.get("random_note") or "random search, run beside this one")
        return Line(points, note, True) if points else None
    goal = result.objective.primary
    drawn = [
        v
        for t in result.trials
        if t.origin in _DRAWN
        and t.state == "complete"
        and comparable(result, t)
        and result.objective.feasible(t.metrics)
        and (v := value(t, goal.metric)) is not None
    ]
    if len(drawn) < 3:
        return None
    n = len(drawn)
    wanted = (
        sorted({round(1 + i * (n - 1) / (keep - 1)) for i in range(keep)}) if n > keep else None
    )
    points = tuple((float(k), best) for k, best in expected_best(drawn, goal.maximize, at=wanted))
    note = (
        f"estimated from the {n} trials that were drawn at random: the expected best of n of them, "
        "drawn without replacement"
    )
    return Line(points, note, False, n)


def expected_best(
    values: Sequence[float], maximize: bool = True, *, at: Sequence[int] | None = None
) -> list[tuple[int, float]]:
    """The expected best of n values drawn without replacement, for each n.

    With the values in ascending order, the i-th is the best of n draws with probability
    C(i - 1, n - 1) / C(N, n).

    Args:
        values: the pool.
        maximize: whether larger is better.
        at: the numbers n to answer for; all up to the number of values when None.

    >>> [(n, round(best, 3)) for n, best in expected_best([1.0, 2.0, 6.0])]
    [(1, 3.0), (2, 4.667), (3, 6.0)]
    """
    ordered = sorted(values, reverse=maximize)  # the best first
    total = len(ordered)
    line = []
    for n in at or range(1, total + 1):
        # The first of the order is among the n draws with chance n / N; given that it is not,
        # the second is with chance n / (N - 1), and so on.
        missed, expected = 1.0, 0.0
        for i, v in enumerate(ordered):
            chance = min(1.0, n / (total - i))
            expected += missed * chance * v
            missed *= 1.0 - chance
            if missed < 1e-12:
                break
        line.append((n, expected))
    return line


TRIVIAL = ("most frequent class", "most frequent labels", "mean", "default network")
"""Baselines that it is no merit to beat."""


def verdict(result: Result) -> Verdict:
    """Whether the found network beats the baselines, said with the test's uncertainty."""
    goal = result.objective.primary
    name = split_unit(goal.metric)[0]
    final = result.finals[0] if result.finals else None
    pairs, where, found = _comparable(result, final, goal)
    if not pairs or found is None:
        return Verdict("unknown", "No baseline but the space's default network was judged.")
    rival, rival_value = (max if goal.maximize else min)(pairs, key=lambda pair: pair[1])
    if all(baseline.name in TRIVIAL for baseline, _ in pairs):
        return Verdict(
            "unknown",
            f"No real baseline was judged, only the trivial one ({rival.name}): the time was too "
            "short for more.",
        )
    gain = (found - rival_value) * (1 if goal.maximize else -1)
    mine, theirs = amount(goal.metric, found), amount(goal.metric, rival_value)
    interval = final.interval if final is not None and where == "test" else None
    free = " The baselines need not keep the limits." if result.objective.limits else ""
    if interval and interval[0] <= rival_value <= interval[1] and gain != 0:
        low, high = (amount(goal.metric, bound) for bound in interval)
        side = "Ahead of" if gain > 0 else "Behind"
        return Verdict(
            "even",
            f"{side} the best baseline ({rival.name}, {theirs}) by "
            f"{amount(goal.metric, abs(gain))} of {where} {name}, which is within the uncertainty "
            f"of the test ({low} to {high}): call it a draw.{free}",
        )
    if gain > 0:
        return Verdict(
            "ahead",
            f"Better than every baseline: {where} {name} {mine} against {theirs} of the best of "
            f"them ({rival.name}).{free}",
        )
    if gain == 0:
        return Verdict("even", f"Equal to the best baseline ({rival.name}, {theirs}).{free}")
    return Verdict(
        "behind",
        f"The search did not beat the best baseline: {rival.name} reaches {where} {name} "
        f"{theirs}, the found network {mine}.{free}",
    )


def baselines(result: Result) -> list[Baseline]:
    """The baselines, the space's default network among them where a trial evaluated it."""
    listed = list(result.baselines)
    trial = default_trial(result)
    if trial is not None and all(b.name != DEFAULT for b in listed):
        listed.append(Baseline(DEFAULT, dict(trial.metrics), None, trial.seconds))
    return listed


def default_trial(result: Result) -> Trial | None:
    """The complete trial of the space's default network, if there is one."""
    primary = result.objective.primary.metric
    return next(
        (
            t
            for t in result.trials
            if t.origin == "default" and t.state == "complete" and value(t, primary) is not None
        ),
        None,
    )


def default_verdict(result: Result) -> str | None:
    """One sentence on the found network against the space's default; None when it was not tried."""
    trial, best, goal = default_trial(result), winner(result), result.objective.primary
    if trial is None or best is None:
        return None
    name = split_unit(goal.metric)[0]
    if best is trial:
        return (
            f"No architecture tried was better on validation than the space's default network "
            f"({name} {amount(goal.metric, best.metrics[goal.metric])}): the search gained nothing."
        )
    mine, theirs = best.metrics[goal.metric], trial.metrics[goal.metric]
    gain = (mine - theirs) * (1 if goal.maximize else -1)
    side = "better than" if gain > 0 else "no better than"
    return (
        f"On validation, with the same short training, the found network ({name} "
        f"{amount(goal.metric, mine)}) is {side} the space's default network "
        f"({amount(goal.metric, theirs)})."
    )


def _comparable(
    result: Result, final: Final | None, goal: Goal
) -> tuple[list[tuple[Baseline, float]], str, float | None]:
    """The baselines with a value on the same data, which data that is, and the network's value."""
    metric = goal.metric
    rivals = [b for b in result.baselines if b.name != DEFAULT]
    if final is not None and final.test and metric in final.test:
        tested = [(b, float(b.test[metric])) for b in rivals if b.test and metric in b.test]
        if tested:
            return tested, "test", float(final.test[metric])
    best = winner(result)
    judged = [(b, float(b.validation[metric])) for b in rivals if metric in b.validation]
    return judged, "validation", None if best is None else value(best, metric)


def random_verdict(result: Result) -> str | None:
    """One sentence on the search against random search; None when nothing is known."""
    if strategy_name(result) == "random":
        # The line is the search itself; a comparison would say nothing.
        return None
    line, found = random_line(result), winner(result)
    goal = result.objective.primary
    mine = None if found is None else value(found, goal.metric)
    if line is None or mine is None:
        return None
    if not line.measured and found is not None and found.origin in _DRAWN:
        return (
            f"The found network is itself one of the {line.n_drawn} trials that were drawn at "
            "random: what the strategy proposed after them gained nothing."
        )
    if not line.measured and line.n_drawn >= 0.8 * len(result.history.complete):
        return (
            f"{line.n_drawn} of {len(result.history.complete)} complete trials were drawn at "
            "random: the search was too short for its strategy to make a difference."
        )
    n = counts(result).evaluated
    reach = min(n, line.points[-1][0])
    theirs = line.at(reach)
    if theirs is None:
        return None
    gain = (mine - theirs) * (1 if goal.maximize else -1)
    name = split_unit(goal.metric)[0]
    kind = "Random search" if line.measured else "Random search (estimated)"
    after = f"{reach:,.0f} trial{'s' if reach != 1 else ''}"
    if reach < n:
        after += f", the search made {n:,}"
    text = (
        f"{kind} reaches validation {name} {amount(goal.metric, theirs)} after {after}; "
        f"the search reached {amount(goal.metric, mine)}"
    )
    if gain <= 0:
        return text + ": here the strategy was no better than random search."
    return text + "."


def failures(result: Result) -> list[Failures]:
    """The failed trials grouped by what went wrong, the most frequent first."""
    groups: dict[str, list[Trial]] = {}
    messages: dict[str, str] = {}
    for trial in result.trials:
        if trial.state != "failed":
            continue
        message = last_line(trial.error)
        key = re.sub(r"\d+(\.\d+)?", "#", message)
        groups.setdefault(key, []).append(trial)
        messages.setdefault(key, message)
    found = [
        Failures(messages[key], tuple(t.number for t in trials), (trials[0].error or "").strip())
        for key, trials in groups.items()
    ]
    return sorted(found, key=lambda f: -len(f.numbers))


def limits_broken(result: Result) -> list[tuple[str, int]]:
    """Each limit that turned architectures away, with how many, the strictest first."""
    turned: dict[str, int] = {}
    for trial in result.trials:
        if trial.state != "infeasible":
            continue
        broken = [
            limit_text(x)
            for x in result.objective.limits
            if x.metric in trial.metrics and not x.holds(trial.metrics[x.metric])
        ]
        for limit in broken or ["another limit"]:
            turned[limit] = turned.get(limit, 0) + 1
    return sorted(turned.items(), key=lambda item: -item[1])


def last_line(error: str | None) -> str:
    r"""The line of an error that says what went wrong.

    >>> last_line("Traceback (most recent call last):\n  File ...\nValueError: no")
    'ValueError: no'
    """
    lines = [line.strip() for line in (error or "").splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def phases(result: Result) -> list[tuple[str, float]]:
    """What the seconds went into, from the ``*_seconds`` entries of `Result.info`.

    Seconds that no phase accounts for appear as "other".
    """
    order = ("load", "plan", "baseline", "baselines", "search", "random", "final", "export")
    names = {
        "plan": "reading and planning",
        "load": "loading the data",
        "baseline": "baselines",
        "final": "final training",
        "random": "random search",
    }
    found = {
        key.removesuffix("_seconds"): float(seconds)
        for key, seconds in result.info.items()
        if key.endswith("_seconds")
        and isinstance(seconds, (int, float))
        and not isinstance(seconds, bool)
        and seconds > 0
        and key != "trial_seconds"
    }
    planned, searched = result.info.get("planned_at"), found.get("search")
    if isinstance(planned, (int, float)) and searched is not None and 0 < planned < searched:
        # The search's clock starts with the run: reading the data and planning are in it.
        found["plan"], found["search"] = float(planned), searched - float(planned)
    ranked = sorted(found, key=lambda k: (order.index(k) if k in order else len(order), k))
    listed = [(names.get(k, k.replace("_", " ")), found[k]) for k in ranked]
    total = result.info.get("seconds")
    if isinstance(total, (int, float)) and listed:
        rest = float(total) - sum(s for _, s in listed)
        if rest > max(0.5, 0.01 * float(total)):
            listed.append(("other", rest))
    return listed


def cost_text(result: Result) -> str:
    """The wall-clock cost of the run in one line."""
    total = result.info.get("seconds")
    parts = [f"{name} {duration(seconds)}" for name, seconds in phases(result)]
    if total is None:
        return ", ".join(parts) or "not recorded"
    workers = n_workers(result)
    who = f" on {workers} workers" if workers > 1 else ""
    return f"{duration(float(total))}{who}" + (f" ({', '.join(parts)})" if len(parts) > 1 else "")


def n_workers(result: Result) -> int:
    """How many evaluations ran at once."""
    given = result.info.get("n_workers", result.info.get("workers"))
    return given if isinstance(given, int) and given > 0 else 1


def allowed(result: Result) -> list[str]:
    """The budget in words: trials, time or both."""
    trials, seconds = result.info.get("trials_asked"), result.info.get("seconds_asked")
    texts = [f"{trials:,} trials"] if isinstance(trials, int) else []
    return texts + ([duration(seconds)] if isinstance(seconds, (int, float)) else [])


def found_costs(result: Result) -> dict[str, float]:
    """The costs of the found network: measured on the final one, else on its trial."""
    costs: dict[str, float] = {}
    best = winner(result)
    if best is not None:
        costs.update({k: float(v) for k, v in best.metrics.items() if k in COSTS})
    if result.finals:
        costs.update({k: float(v) for k, v in result.finals[0].costs.items()})
    return costs


def subject(result: Result) -> str:
    """What was searched for: the data's name, or the space's."""
    task = result.info.get("task")
    if isinstance(task, Mapping) and task.get("name"):
        return str(task["name"])
    if isinstance(task, str) and task:
        return task
    if result.folder is not None:
        return result.folder.name
    return space_name(result)


def data_text(result: Result) -> str:
    """The data in one line, from the task's summary; "" when there is none."""
    task = result.info.get("task")
    if not isinstance(task, Mapping):
        return "" if task is None else str(task)
    what = " ".join(
        str(task[k]) for k in ("modality", "kind") if task.get(k) not in (None, "other")
    )
    texts = [f"{task.get('name', 'data')}: {what}" if what else str(task.get("name", "data"))]
    if task.get("kind") == "classification" and task.get("n_outputs"):
        texts[0] += f" in {task['n_outputs']} classes"
    sizes = [
        f"{task[key]:,} {name}"
        for key, name in (
            ("n_train", "training"),
            ("n_validation", "validation"),
            ("n_test", "test"),
        )
        if isinstance(task.get(key), int) and task[key]
    ]
    if sizes:
        texts.append(f"{', '.join(sizes)} examples")
    if task.get("input_shape"):
        texts.append(f"inputs {f' {TIMES} '.join(str(n) for n in task['input_shape'])}")
    targets = task.get("target")
    if isinstance(targets, (list, tuple)) and targets and list(targets) != ["target"]:
        texts.append(f"target {', '.join(str(t) for t in list(targets)[:8])}")
    if isinstance(task.get("majority"), float):
        texts.append(
            f"always guessing the commonest class would be right in {task['majority']:.1%}"
        )
    return "; ".join(texts)


def space_name(result: Result) -> str:
    """The searched space's name."""
    return str(result.info.get("space") or "a space of your own")


def strategy_title(result: Result) -> str:
    """The strategy's name for people.

    "Regularized evolution" for "evolution", and so on.
    """
    name = strategy_name(result)
    return _STRATEGIES.get(name, name)


def strategy_name(result: Result) -> str:
    """The strategy's name."""
    return str(result.info.get("strategy") or "a strategy of your own")


def objective_text(result: Result) -> str:
    """The goals and limits in words."""
    goals = " and ".join(
        f"{'maximise' if g.maximize else 'minimise'} {split_unit(g.metric)[0]}"
        for g in result.objective.goals
    )
    limits = ", ".join(limit_text(x) for x in result.objective.limits)
    return goals + (f", with {limits}" if limits else "")


def limit_text(limit: Any) -> str:
    """A limit in words.

    >>> from archwright.trials import Limit
    >>> limit_text(Limit("params", high=50_000))
    'parameters ≤ 50,000'
    """
    name = split_unit(limit.metric)[0]
    low = amount(limit.metric, limit.low) if math.isfinite(limit.low) else ""
    high = amount(limit.metric, limit.high) if math.isfinite(limit.high) else ""
    if low and high:
        return f"{low} ≤ {name} ≤ {high}"
    return f"{name} ≥ {low}" if low else f"{name} ≤ {high}"


def space_size(result: Result) -> int | float | None:
    """How many architectures the space has; None where it is known only as it is built."""
    try:
        return result.space.size
    except SpaceError:
        return None


def size_text(result: Result) -> str:
    """The size of the space in words."""
    size = space_size(result)
    return "a dynamic space" if size is None else f"{count(size)} architectures"


def not_tried(result: Result) -> list[str]:
    """What a reader might think was tried and was not, one sentence each."""
    given = result.info.get("not_tried")
    sentences = [str(s) for s in given] if isinstance(given, (list, tuple)) else []
    n, size = counts(result).evaluated, space_size(result)
    if size is None:
        sentences.append(f"{n:,} architectures of a dynamic space were evaluated.")
    elif size == math.inf:
        sentences.append(f"{n:,} architectures of infinitely many were evaluated.")
    elif n < size:
        share = n / size if size < 1e300 else 0.0
        part = f"{share:.2g}" if share >= 1e-4 else "less than a ten-thousandth"
        if share >= 0.01:
            part = f"{100 * share:.0f} %"
        sentences.append(
            f"{n:,} of {count(size)} architectures were evaluated: {part} of the space."
        )
    else:
        sentences.append(f"Every one of the {count(size)} architectures was evaluated.")
    if not given:
        trained = "task" in result.info
        if trained and not getattr(result.space, "hyper_paths", ()):
            sentences.append(
                "One training recipe served every network: learning rate, regularisation and "
                "augmentation were not searched."
            )
        sentences.append(
            f"One seed ({result.info.get('seed', 'unknown')}): how far another one would lead "
            "elsewhere was not measured."
        )
        line = random_line(result)
        if line is None:
            sentences.append(
                "No random search was run, and too few trials were drawn at random to estimate one."
            )
        elif not line.measured:
            sentences.append("Random search was not run beside this one; its line is an estimate.")
    return sentences


def limits_text(result: Result) -> str:
    """Each limit that was asked for, what the network has, and whether that keeps it."""
    best = result.best
    final = result.finals[0] if result.finals else None
    if best is None:
        return ""
    asked = (result.info.get("identity") or {}).get("limits")
    tested = {} if final is None or final.test is None else final.test
    known = {**best.metrics, **found_costs(result)}
    texts = []
    for limit in result.objective.limits:
        name = limit.metric
        if (asked is not None and str(limit) not in asked) or name not in known:
            continue
        on_validation = " on validation" if name in tested else ""
        text = f"{limit}: {amount(name, known[name])}{on_validation}"
        if not limit.holds(known[name]):
            text += ", which breaks it"
        if name in tested:
            text += f", {amount(name, tested[name])} on test"
            if not limit.holds(tested[name]):
                text += ", which breaks it"
        texts.append(text)
    return "; ".join(texts)


def _front_text(n: int, names: str) -> str:
    noun = "network" if n == 1 else "networks"
    return f"{n} {noun} that no other beats in {names}"


def summary(result: Result) -> list[tuple[str, str]]:
    """The end-of-search card as pairs of a label and a text."""
    goal, best = result.objective.primary, winner(result)
    rows: list[tuple[str, str]] = []
    if best is None:
        rows.append(("Found", "nothing: " + nothing_text(result)))
    else:
        final = result.finals[0] if result.finals else None
        rows.append(("Network", network_text(result)))
        if final is not None and final.test:
            metric = goal.metric if goal.metric in final.test else next(iter(final.test))
            rows.append((f"Test {label(metric)}", test_text(final, metric)))
        elif final is not None:
            rows.append(("Test", "no test data: only the validation figure is known"))
        else:
            rows.append(("Test", "not trained anew, so not tested"))
        mine = value(best, goal.metric)
        if mine is not None:
            trained = " after its short training" if final is not None else ""
            rows.append(
                (
                    f"Validation {label(goal.metric)}",
                    f"{amount(goal.metric, mine)} (trial {best.number}{trained}; chosen on it)",
                )
            )
        costs = found_costs(result)
        shown = [
            f"{amount(k, costs[k])} {split_unit(k)[0]}" for k in COSTS if k in costs and k != "macs"
        ]
        if shown:
            rows.append(("Cost of use", ", ".join(shown)))
        kept = limits_text(result)
        if kept:
            rows.append(("Limits", kept))
        if result.baselines:
            rows.append(("Baselines", verdict(result).text))
        against_default = default_verdict(result)
        if against_default:
            rows.append(("Default network", against_default))
        against_random = random_verdict(result)
        if against_random:
            rows.append(("Random search", against_random))
    rows.append(
        (
            "Searched",
            f"{strategy_title(result)} over {space_name(result)} "
            f"({size_text(result)}), {counts(result).text()}, "
            f"seed {result.info.get('seed', 'unknown')}",
        )
    )
    if len(result.objective.goals) > 1 and best is not None:
        names = ", ".join(split_unit(g.metric)[0] for g in result.objective.goals)
        rows.append(("Front", _front_text(len(result.front), names)))
    rows.append(("Time", cost_text(result)))
    if result.info.get("stopped"):
        rows.append(("Ended", str(result.info["stopped"])))
    rows.append(("Not tried", " ".join(not_tried(result))))
    if result.folder is not None:
        rows.append(("Files", str(result.folder)))
    return rows


def network_text(result: Result) -> str:
    """The found network in a few words."""
    best = winner(result)
    assert best is not None
    n = len(best.architecture)
    costs = found_costs(result)
    size = f", {amount('params', costs['params'])} parameters" if "params" in costs else ""
    decisions = f"{n} decision{'s' if n != 1 else ''}"
    return f"{space_name(result)} {best.architecture.id[:8]} ({decisions}{size})"


def test_text(final: Final, metric: str) -> str:
    """The test metric with its interval."""
    assert final.test is not None
    text = amount(metric, final.test[metric])
    if final.interval is not None:
        low, high = (amount(metric, bound) for bound in final.interval)
        text += f" (95 % interval {low} to {high})"
    return text


def nothing_text(result: Result) -> str:
    """Why a search found nothing, in one sentence."""
    from archwright.trials.result import nothing_found

    return str(nothing_found(result.history))


def info_mapping(result: Result, key: str) -> dict[str, str]:
    """An entry of `Result.info` as text by name, whatever form it was recorded in."""
    given = result.info.get(key)
    if isinstance(given, Mapping):
        return {str(k): _flat(v) for k, v in given.items() if v is not None and _flat(v) != ""}
    return {} if given is None else {key: _flat(given)}


def _flat(given: Any) -> str:
    if isinstance(given, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in given.items())
    if isinstance(given, (list, tuple)):
        return ", ".join(_flat(v) for v in given)
    if isinstance(given, float):
        return f"{given:.6g}"
    return str(given)
