"""What came of a cascade's stages: survivors, cost, and whether each ranked as the next one did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archwright.strategies.cascade_screen import agreement_pairs
from archwright.strategies.cascade_stages import rank_correlation, share_of
from archwright.trials import Fidelity, History, Trial

if TYPE_CHECKING:
    from archwright.strategies.cascade import Cascade


N_LEAST = 5
"""Of so few values a rank correlation says nothing."""


def summary(cascade: Cascade, history: History) -> list[dict[str, Any]]:
    """One record a stage, in order, over all rounds so far, as plain JSON values.

    Args:
        cascade: the cascade.
        history: the trials so far.

    Returns:
        Of each stage ``name``, ``kind`` ("pool", "cheap" or "training"), ``n_in``, ``n_out``,
        ``seconds`` (of screening in the search's process, or of all its evaluations),
        ``agreement`` (Spearman's rank correlation of its values with those of the next stage of
        training, of what has both; None where there are fewer than five), ``n_agreement`` (how
        many that are) and ``passed_over`` (in how many rounds it was, and why the last time).
    """
    return [*_cheap(cascade, history), *_trained(cascade, history)]


def _cheap(cascade: Cascade, history: History) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    index = 0
    while (kept := history.kept.get(f"cascade.{index}")) is not None:
        for i, stage in enumerate(kept["stages"]):
            kind = "pool" if i == 0 else "cheap"
            entry = found.setdefault(stage["name"], _empty(stage["name"], kind))
            for name in ("n_in", "n_out", "seconds"):
                entry[name] += stage[name]
            if stage["passed_over"] is not None:
                n = entry["passed_over"][0] + 1 if entry["passed_over"] else 1
                entry["passed_over"] = [n, stage["passed_over"]]
        index += 1
    first = cascade.rungs(history)[0]
    results = {
        t.architecture: history.objective.score(t.metrics)
        for t in history.complete
        if (t.budget, t.fidelity) == first[:2]
    }
    for entry in found.values():
        if entry["kind"] == "cheap":
            pairs = agreement_pairs(history, entry["name"], results)
            _agree(entry, pairs)
    return list(found.values())


def _trained(cascade: Cascade, history: History) -> list[dict[str, Any]]:
    levels = [[t for members in cascade.members(history) for t in members]]
    following = cascade.followers(history)
    rungs = cascade.rungs(history)
    for _ in rungs[1:]:
        levels.append([following[t.number] for t in levels[-1] if t.number in following])
    found = []
    for level, after, (budget, fidelity, _) in zip(levels, [*levels[1:], []], rungs, strict=True):
        entry = _empty(_name(history, budget, fidelity), "training")
        entry["n_in"] = len(level)
        entry["n_out"] = len(after)
        entry["seconds"] = sum(t.seconds for t in level)
        going_on = {t.parent: t for t in after}
        pairs = [
            (
                history.objective.score(t.metrics),
                history.objective.score(going_on[t.number].metrics),
            )
            for t in level
            if t.number in going_on and _judged(t) and _judged(going_on[t.number])
        ]
        _agree(entry, pairs)
        found.append(entry)
    found[-1]["n_out"] = sum(map(_judged, levels[-1]))
    return found


def _judged(trial: Trial) -> bool:
    return trial.state == "complete"


def _empty(name: str, kind: str) -> dict[str, Any]:
    counts = {"n_in": 0, "n_out": 0, "seconds": 0.0}
    return {
        "name": name,
        "kind": kind,
        **counts,
        "agreement": None,
        "n_agreement": 0,
        "passed_over": None,
    }


def _agree(entry: dict[str, Any], pairs: list[tuple[float, float]]) -> None:
    entry["n_agreement"] = len(pairs)
    enough = len(pairs) >= N_LEAST
    entry["agreement"] = rank_correlation(*zip(*pairs, strict=True)) if enough else None


def _name(history: History, budget: float | None, fidelity: Fidelity | None) -> str:
    full = history.full_budget
    whole = fidelity is None and (budget is None or budget == full)
    if whole:
        return "training in full"
    text = "training"
    if budget is not None and budget != full:
        text += f", budget {budget:g}" + ("" if full is None else f" of {full:g}")
    return text if fidelity is None else f"{text}, {share_of(fidelity)}"
