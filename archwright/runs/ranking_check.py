"""How well a low fidelity ranks: the same networks, trained in full and at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

from archwright.errors import InputError, whole_number
from archwright.evaluators import check_evaluator, require_fidelity
from archwright.runs.api import resolve, search
from archwright.runs.progress import Progress
from archwright.runs.rankings import LEAST, FidelityCheck, Ranked, compare
from archwright.space import Architecture, Space
from archwright.strategies import RandomSearch
from archwright.trials import Fidelity, History, Proposal, Result, Trial
from archwright.trials.fidelity import as_fidelity


@dataclass(frozen=True)
class Listed:
    """Proposes the architectures of a list, in its order."""

    architectures: tuple[Architecture, ...]

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        del rng
        new = next((a for a in self.architectures if history.is_new(a)), None)
        return None if new is None else Proposal(new, origin="listed")

    def __repr__(self) -> str:
        # The same for every list: a check may go on with more architectures.
        return "Listed()"


def check_fidelity(
    space: Space | str,
    evaluate: Any,
    fidelities: Fidelity | Mapping[str, float] | Iterable[Fidelity | Mapping[str, float]],
    *,
    n: int = 24,
    maximize: str | None = None,
    minimize: str | None = None,
    limits: Mapping[str, Any] | None = None,
    repeats: int = 1,
    level: float = 0.9,
    seed: int = 0,
    workers: int | None = None,
    device: str = "auto",
    trial_seconds: float | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> FidelityCheck:
    """Measure how well low fidelities rank networks, before a search relies on one.

    Random architectures of the space, none twice, none that breaks a limit, are evaluated in full
    and then at each fidelity, with other seeds, by the ordinary search. Where the evaluator trains
    on a task, the default network is among them. What fails at one of the two is left out of the
    comparison. The test data are never read.

    Args:
        space: as for `search`.
        evaluate: as for `search`: a task, an evaluator or a function.
        fidelities: the fidelity, or several, each compared with full evaluations.
        n: architectures, at least 5; a few dozen for an interval that says something. Of fewer
            than 10, and of a perfect order, the intervals are widened by a normal approximation,
            since resampling a perfect order says that it is certain.
        maximize: the metric; with a task, its main metric when left out. The first goal of an
            evaluator or call with several counts.
        minimize: the metric, where small is good.
        limits: as for `search`.
        repeats: full evaluations of each, with other seeds; from two on, the noise ceiling is
            measured: how well one full evaluation ranks as the mean of the others does. A low
            fidelity is compared with the mean of all, which is less noisy: it may come out above.
        level: of the intervals: the share of 1,000 bootstrap samples of the networks.
        seed: of the architectures, of every training and of the bootstrap.
        workers: as for `search`.
        device: as for `search`.
        trial_seconds: as for `search`.
        out: a folder; called again with the same arguments, the check goes on where it stopped,
            and fidelities may be added. Each evaluation is kept there, in one run a fidelity.
        progress: as for `search`.

    Returns:
        The figures; ``str(result)`` is a table.

    Raises:
        InputError: an argument cannot be used, the evaluator does not know a fidelity, or fewer
            than 5 networks could be evaluated both in full and at a fidelity.

    >>> from archwright.space import choice
    >>> space = Space({"width": choice(list(range(1, 41)))})
    >>> def evaluate(candidate):
    ...     width = candidate.architecture["width"]
    ...     return width if candidate.fidelity.full else width % 20
    >>> found = check_fidelity(space, evaluate, Fidelity(epochs=0.5), n=30, maximize="score")
    >>> found[0].n, found[0].spearman < 0.8
    (30, True)
    """
    n = whole_number("n", n, least=LEAST)
    repeats = whole_number("repeats", repeats)
    seed = whole_number("seed", seed, least=0)
    if not (isinstance(level, float) and 0 < level < 1):
        raise InputError(f"level must be above 0 and below 1, such as 0.9, got {level!r}")
    asked = _fidelities(fidelities)
    evaluator, resolved, _ = resolve(space, evaluate)
    check_evaluator(evaluator)
    for one in asked:
        require_fidelity(evaluator, one, resolved)
    options: dict[str, Any] = {
        "maximize": maximize,
        "minimize": minimize,
        "limits": limits,
        "workers": workers,
        "device": device,
        "trial_seconds": trial_seconds,
        "progress": progress,
        "final": False,
        "baselines": False,
    }

    def run(name: str, strategy: Any, fidelity: Fidelity | None, n_trials: int) -> Result:
        return search(
            resolved,
            evaluator,
            strategy=strategy,
            trials=n_trials,
            fidelity=fidelity,
            seed=seed if name == "full" else _seed_of(name, seed),
            out=None if out is None else Path(out) / name,
            **options,
        )

    first = run("full", RandomSearch(), None, n)
    architectures = tuple(t.architecture for t in sorted(first.history.complete, key=_number))
    if len(architectures) < LEAST:
        raise InputError(
            f"only {len(architectures)} networks could be evaluated in full within the limits, "
            f"and a ranking needs at least {LEAST}: give a larger n, or looser limits"
        )
    listed = Listed(architectures)
    others = [run(f"full-{k + 1}", listed, None, len(architectures)) for k in range(1, repeats)]
    lows = [run(_folder_of(one), listed, one, len(architectures)) for one in asked]
    return compare(
        [_ranked(r) for r in (first, *others)],
        [(one, _ranked(r)) for one, r in zip(asked, lows, strict=True)],
        metric=first.objective.primary.metric,
        level=level,
        seed=seed,
        sizes=_sizes(resolved, first.history.complete),
    )


def _fidelities(given: Any) -> tuple[Fidelity, ...]:
    several = [given] if isinstance(given, Fidelity | Mapping) else list(given)
    found = [as_fidelity(one) for one in several]
    kept = [one for one in found if one is not None]
    if not kept or len(kept) < len(found) or len(set(kept)) < len(kept):
        raise InputError(
            "give one or several different fidelities below full, such as "
            f"Fidelity(epochs=0.25); got {given!r}"
        )
    return tuple(kept)


def _folder_of(fidelity: Fidelity) -> str:
    return "_".join(f"{kind}-{_written(share)}" for kind, share in fidelity.to_dict().items())


def _written(share: float) -> str:
    short = f"{share:g}"
    return short if float(short) == share else repr(share)


def _seed_of(name: str, seed: int) -> int:
    # By the name: a fidelity that is added later has a seed of its own, and changes no other's.
    return int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=4).digest(), "big") >> 1


def _ranked(result: Result) -> dict[Architecture, Ranked]:
    score = result.objective.score
    return {
        t.architecture: Ranked(score(t.metrics), t.seconds, t.number)
        for t in result.history.complete
    }


def _number(trial: Trial) -> int:
    return trial.number


def _network(space: Any, trial: Trial) -> Any:
    return space.build(trial.architecture, seed=0)


def _sizes(space: Any, trials: Sequence[Trial]) -> dict[Architecture, float]:
    """Parameters of each network: the ranking that costs nothing. Empty where there are none."""
    if all("params" in t.metrics for t in trials):
        return {t.architecture: t.metrics["params"] for t in trials}
    if getattr(space, "build", None) is None:
        return {}
    return {
        t.architecture: float(sum(p.numel() for p in _network(space, t).parameters()))
        for t in trials
    }
