"""What a cascade does before training: draws a pool, ranks it stage by stage, keeps the best."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from archwright.space import Architecture
from archwright.strategies.base import remembered
from archwright.strategies.cascade_stages import PREDICTOR, Stage, order, rank_correlation
from archwright.strategies.fidelity import best_first
from archwright.trials import History, Proposal, Trial

if TYPE_CHECKING:
    from archwright.strategies.cascade import Cascade

FAILED = "it failed"
N_PARENTS = 5
N_TRIES = 10  # draws for each place in the pool
N_KNOWN = 100  # draws in a row of what is known already, after which the space counts as small
RESERVE = 2.0  # times the entrants are kept: some may break a limit, or be known by then


@dataclass(frozen=True)
class Screening:
    """What came of one round's pool, as plain JSON values.

    Attributes:
        drawn: how many architectures were drawn.
        pool: how many of them were new and kept the limits on costs.
        stages: of each cheap stage its name, how many came in and went out, the seconds it took,
            and why it was passed over, if it was.
        entrants: what is trained first, in order, and reserves: the architecture's decisions, its
            scores by stage, and whether it was drawn at random.
    """

    drawn: int
    pool: int
    stages: tuple[dict[str, Any], ...]
    entrants: tuple[dict[str, Any], ...]


def screened(cascade: Cascade, history: History, index: int, start: int) -> Screening:
    """The screening of a round, from the record or made now.

    Args:
        cascade: the cascade.
        history: the trials so far.
        index: the round's, from 0.
        start: the number of its first trial: what was started later is not looked at.
    """
    key = f"cascade.{index}"

    def find() -> Screening:
        kept = history.kept.get(key)
        if kept is None:
            kept = _screen(cascade, history, index, start)
            history.kept[key] = kept
        return Screening(
            kept["drawn"], kept["pool"], *map(tuple, (kept["stages"], kept["entrants"]))
        )

    return remembered(history, (cascade, key), find)


def entrants_of(cascade: Cascade, history: History, index: int) -> Iterator[Proposal]:
    """What a round's cheap stages let through and was not started yet, in order."""
    for entrant in cascade.screening(history, index).entrants:
        architecture = history.space.check(_architecture(entrant))
        if history.is_new(architecture):
            origin = "random" if entrant["explored"] else "cascade"
            yield Proposal(architecture, origin=origin, parent=entrant["parent"])


def _architecture(entrant: dict[str, Any]) -> Architecture:
    """An entrant's architecture, of which JSON has made lists of tuples."""
    values = entrant["architecture"].items()
    return Architecture({k: tuple(v) if isinstance(v, list) else v for k, v in values})


def _screen(cascade: Cascade, history: History, index: int, start: int) -> dict[str, Any]:
    for before in range(index):
        cascade.screening(history, before)  # whose scores are compared with the results
    earlier = [t for t in history.trials if t.number < start]
    known = min([*history.trials, *history.running.values()], key=lambda t: t.number)
    rng = Random(f"{known.seed}/{index}")
    began = time.perf_counter()
    drawn, pool, parents = _pool(cascade, history, earlier, start, rng)
    stages = [_entry("pool", drawn, len(pool), began, None)]
    alive, last = list(range(len(pool))), list(range(len(pool)))
    scores: list[dict[str, float]] = [{} for _ in pool]
    n_out = float(len(pool))
    for name, stage in cascade.named:
        began, n_in = time.perf_counter(), len(alive)
        n_out *= stage.keep
        coming = [pool[i] for i in alive]
        ranks, why = _ranks(cascade, name, stage, history, earlier, coming)
        for i, value in zip(alive, ranks or (), strict=False):
            scores[i][name] = value
        if why is not None and why.startswith(FAILED):
            warnings.warn(f"the stage {name!r} of the cascade: {why}", stacklevel=2)
        if ranks is not None and why is None:
            alive = [alive[i] for i in order(ranks)]
            last = alive
        alive = alive[: max(1, math.ceil(n_out - 1e-9))]
        stages.append(_entry(name, n_in, len(alive), began, why))
    chosen = _mixed(cascade, alive, last, len(pool), rng)
    entrants = [
        {
            "architecture": dict(pool[i]),
            "scores": {key: v for key, v in scores[i].items() if math.isfinite(v)},
            "explored": explored,
            "parent": parents[i],
        }
        for i, explored in chosen
    ]
    return {"drawn": drawn, "pool": len(pool), "stages": stages, "entrants": entrants}


def _entry(name: str, n_in: int, n_out: int, began: float, why: str | None) -> dict[str, Any]:
    seconds = round(time.perf_counter() - began, 4)
    return {"name": name, "n_in": n_in, "n_out": n_out, "seconds": seconds, "passed_over": why}


def _pool(
    cascade: Cascade, history: History, earlier: Sequence[Trial], start: int, rng: Random
) -> tuple[int, list[Architecture], list[int | None]]:
    """New architectures within the limits on costs, and the trial that each is a mutation of."""
    space, objective = history.space, history.objective
    running = [t for t in history.running.values() if t.number < start]
    seen = {space.canonical(t.architecture) for t in (*earlier, *running)}
    complete = [t for t in earlier if t.state == "complete"]
    complete = [t for t in complete if objective.feasible(t.metrics)]
    top = max(map(history.level_of, complete), default=None)
    best = best_first(history, [t for t in complete if history.level_of(t) == top])[:N_PARENTS]
    pool: list[Architecture] = []
    parents: list[int | None] = []
    drawn, n_known = 0, 0
    while len(pool) < cascade.pool and drawn < N_TRIES * cascade.pool and n_known < N_KNOWN:
        drawn += 1
        parent = rng.choice(best) if best and drawn % 2 else None
        if parent is None:
            architecture = space.sample(rng=rng)
        else:
            architecture = space.mutate(parent.architecture, rng=rng)
            if rng.random() < 0.5:
                architecture = space.mutate(architecture, rng=rng)
        form = space.canonical(architecture)
        n_known = n_known + 1 if form in seen else 0
        if n_known:
            continue
        seen.add(form)
        if keeps_limits(history, architecture):
            pool.append(architecture)
            parents.append(None if parent is None else parent.number)
    return drawn, pool, parents


def keeps_limits(history: History, architecture: Architecture) -> bool:
    """Whether an architecture keeps the limits on costs, as far as those are known beforehand."""
    if history.costs is None or not history.objective.limits:
        return True
    try:
        return history.objective.feasible(history.costs(architecture))
    except Exception:  # one that cannot be built is not worth a place
        return False


def _ranks(
    cascade: Cascade,
    name: str,
    stage: Stage,
    history: History,
    earlier: Sequence[Trial],
    architectures: Sequence[Architecture],
) -> tuple[Sequence[float] | None, str | None]:
    """A stage's values, and why it is to be passed over, if it is."""
    if not architectures:
        return None, "nothing came in"
    results = _results(cascade, history, earlier)
    if stage.by == PREDICTOR:
        if len(results) < cascade.n_least:
            return None, f"{len(results)} results so far, {cascade.n_least} are needed"
        ranks = _predicted(history, results, architectures)
    else:
        judge = stage.judge()
        if judge is None:
            return None, "proxies need networks, the shape of their input, and enough time"
        try:
            ranks = [float(v) for v in judge.rank(history.space, architectures)]
        except Exception as error:  # what cannot judge is no reason to end a search
            return None, f"{FAILED}: {type(error).__name__}: {error}"
        if len(ranks) != len(architectures):
            return None, f"{FAILED}: {len(ranks)} values for {len(architectures)} architectures"
        if not any(map(math.isfinite, ranks)):
            return None, f"{FAILED}: none of its {len(ranks)} values is a finite number"
    return ranks, _disagrees(cascade, name, history, results)


def _results(
    cascade: Cascade, history: History, earlier: Sequence[Trial]
) -> dict[Architecture, float]:
    """The primary goal, larger is better, of what the first stage of training has judged."""
    budget, fidelity, _ = cascade.rungs(history)[0]
    return {
        t.architecture: history.objective.score(t.metrics)
        for t in earlier
        if t.state == "complete"
        and (t.budget, t.fidelity) == (budget, fidelity)
        and math.isfinite(history.objective.score(t.metrics))
    }


def _disagrees(
    cascade: Cascade, name: str, history: History, results: dict[Architecture, float]
) -> str | None:
    """Why a stage's order is not to be trusted, by what was trained in earlier rounds."""
    pairs = agreement_pairs(history, name, results)
    if len(pairs) < cascade.n_least:
        return None
    found = rank_correlation(*zip(*pairs, strict=True))
    if found is None or found > 0:
        return None
    return f"its order disagreed with training's: rank correlation {found:.2f} of {len(pairs)}"


def agreement_pairs(
    history: History, name: str, results: dict[Architecture, float]
) -> list[tuple[float, float]]:
    """(a cheap stage's score, the result of training) of what has both, over the rounds."""
    pairs, index = [], 0
    while (kept := history.kept.get(f"cascade.{index}")) is not None:
        for entrant in kept["entrants"]:
            if name in entrant["scores"]:
                result = results.get(_architecture(entrant))
                if result is not None:
                    pairs.append((entrant["scores"][name], result))
        index += 1
    return pairs


def _predicted(
    history: History, results: dict[Architecture, float], architectures: Sequence[Architecture]
) -> list[float]:
    """What a predictor of the results expects, larger is better."""
    from archwright.predictors import Predictor

    predictor = Predictor(history.space, calibrate=False)
    predictor.fit(list(results), list(results.values()))
    mean, _ = predictor.predict(list(architectures))
    return [float(v) for v in mean]


def _mixed(
    cascade: Cascade, alive: Sequence[int], last: Sequence[int], n_pool: int, rng: Random
) -> list[tuple[int, bool]]:
    """Positions in the pool to be trained, in order, and whether each was drawn at random."""
    n = cascade.n_entrants
    n_random = math.floor(cascade.explore * n + 0.5) if cascade.cheap else 0
    kept = list(dict.fromkeys([*alive, *last]))
    others = rng.sample(range(n_pool), n_pool)
    chosen = kept[: n - n_random]
    explored = [i for i in others if i not in set(chosen)][:n_random]
    every = max(1, n // max(1, n_random))
    mixed: list[tuple[int, bool]] = []
    for i in chosen:
        if explored and len(mixed) % every == every - 1:
            mixed.append((explored.pop(0), True))
        mixed.append((i, False))
    mixed += [(i, True) for i in explored]
    taken = {i for i, _ in mixed}
    reserve = [i for i in dict.fromkeys([*kept, *others]) if i not in taken]
    return mixed + [(i, False) for i in reserve[: math.ceil((RESERVE - 1) * n)]]
