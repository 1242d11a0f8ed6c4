"""A cascade: cheap judgements of many architectures, and training of ever fewer, ever longer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Any

from archwright.errors import InputError, whole_number
from archwright.space import Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.cascade_record import summary
from archwright.strategies.cascade_screen import (
    Screening,
    entrants_of,
    keeps_limits,
    screened,
)
from archwright.strategies.cascade_stages import PREDICTOR, ZERO_COST, Stage, checked
from archwright.strategies.fidelity import best_first
from archwright.strategies.population import check_share
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import Fidelity, History, Objective, Proposal, Trial

STAGES = (
    Stage(ZERO_COST, keep=0.2),
    Stage(PREDICTOR, keep=1 / 3),
    Stage(1 / 3, keep=1 / 3),
)
"""A ninth of the epochs was tried as a stage more: of a short training it says nothing."""
PROMOTION = "promotion"
N_FIRST_DRAWS = 100  # for the first network to keep the limits


class Cascade:
    """Judges many architectures cheaply, trains the best of them a little and few of those in full.

    It goes in rounds. A round draws a pool of new architectures that keep the limits on costs:
    random ones, and from the second round on half of them mutations of the best so far. Stage
    after stage judges what the one before let through; the trained ones go on from where their
    training stopped. `explore` is the share of the trained that were drawn from the pool at random
    instead: by them it is measured whether a cheap stage ranks as training does, and a stage whose
    order disagrees with training's is passed over until it agrees.

    Args:
        stages: `Stage` after `Stage`, cheap ones first; an evaluation in full is the last.
        pool: architectures that a round draws.
        explore: share of a round's trained architectures that no cheap stage has chosen.
        n_least: results in the first stage of training that the predictor needs, and that cheap
            stages are compared with.

    Raises:
        InputError: an argument is out of range, or stages stand in an order that cannot be.

    The stage "zero_cost" is `archwright.proxies.ZeroCost` where the space has networks and their
    input is known; where it is not, the stage is passed over, and the record says so. In a search
    of the default stages whose evaluator knows no budgets, what is trained is trained in full.

    Source: proxies before training, Abdelfattah, Mehrotra, Dudziak and Lane, Zero-Cost Proxies for
    Lightweight NAS, ICLR 2021, arXiv:2101.08134; predictors between, White et al., How Powerful are
    Performance Predictors in Neural Architecture Search?, NeurIPS 2021, arXiv:2104.01177; halving,
    Jamieson and Talwalkar, AISTATS 2016, arXiv:1502.07943.

    Differences from the papers: rounds, exploration, and stages that are passed over when the
    results disagree with them.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice(range(50)), "depth": Choice(range(50))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=9)
    >>> cascade = Cascade([Stage(lambda a: a["width"], keep=0.1), Stage(1 / 3)], pool=60)
    >>> cascade.propose(history, Random(0)).budget
    3
    """

    def __init__(
        self,
        stages: Sequence[Any] | None = None,
        *,
        pool: int = 150,
        explore: float = 0.2,
        n_least: int = 8,
    ) -> None:
        if stages is not None and (isinstance(stages, str) or not isinstance(stages, Sequence)):
            raise InputError(
                f"stages must be a list of stages, such as [Stage('predictor'), Stage(1 / 3)], got "
                f"{stages!r}"
            )
        self.stages = checked(STAGES if stages is None else stages)
        self.pool = whole_number("pool", pool)
        check_share(explore=explore)
        self.explore = explore
        self.n_least = whole_number("n_least", n_least, least=3)
        self._by_default = stages is None
        share = math.prod(stage.keep for stage in self.cheap)
        self.n_entrants = max(1, round(share * self.pool))
        if self.n_entrants < 2 and self.pool > 1:
            raise InputError(
                f"of a pool of {self.pool} the stages before training leave "
                f"{share * self.pool:.2g}: give a larger pool, or let them keep more"
            )

    def __repr__(self) -> str:
        stages = ", ".join(map(repr, self.stages))
        return (
            f"Cascade([{stages}], pool={self.pool}, explore={self.explore:g}, "
            f"n_least={self.n_least})"
        )

    @property
    def cheap(self) -> tuple[Stage, ...]:
        """The stages that judge without training."""
        return tuple(stage for stage in self.stages if not stage.trains)

    @property
    def named(self) -> list[tuple[str, Stage]]:
        """The cheap stages under names of their own, though two judge by things of one name."""
        found: list[tuple[str, Stage]] = []
        taken = {"pool"}
        for stage in self.cheap:
            name, n = stage.name, 1
            while name in taken:
                n += 1
                name = f"{stage.name} ({n})"
            taken.add(name)
            found.append((name, stage))
        return found

    @property
    def trained(self) -> tuple[Stage, ...]:
        """The stages of training, the last of them in full."""
        return tuple(stage for stage in self.stages if stage.trains)

    def with_zero_cost(self, judge: Any) -> Cascade:
        """The same cascade, with the `Judge` that "zero_cost" stands for."""
        return self._changed(
            [replace(s, by=judge) if s.by == ZERO_COST else s for s in self.stages]
        )

    def without_judges(self) -> Cascade:
        """The same cascade, whose judges are not asked; what needs none, the predictor, stays."""
        return self._changed(
            [
                s if s.judge() is None else replace(s, by=ZERO_COST, label=s.name)
                for s in self.stages
            ]
        )

    def with_pool(self, pool: int) -> Cascade:
        """The same cascade with another size of its pool, of which as many are trained.

        >>> Cascade(pool=150).with_pool(40).n_entrants == Cascade(pool=150).n_entrants
        True
        """
        pool = max(pool, self.n_entrants)
        before, after = self.n_entrants / self.pool, self.n_entrants / pool
        power = math.log(after) / math.log(before) if before < 1 else 1.0
        stages = [s if s.trains else replace(s, keep=s.keep**power) for s in self.stages]
        return self._changed(stages, pool=pool)

    def _changed(self, stages: Sequence[Stage], **options: Any) -> Cascade:
        known = {"pool": self.pool, "explore": self.explore, "n_least": self.n_least}
        made = Cascade(stages, **(known | options))
        made._by_default = self._by_default
        return made

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse a dynamic space, and proxies of a space without networks.

        Raises:
            InputError: says which.
        """
        refuse_dynamic("cascade", space)
        named = any(stage.by == ZERO_COST for stage in self.stages)
        if named and not self._by_default and not hasattr(space, "build"):
            raise InputError(
                "the stage 'zero_cost' needs a space of networks (archwright.ModelSpace or one of "
                f"the zoo), got a plain {type(space).__name__} of values: leave the stage out, or "
                "give a function architecture -> number"
            )

    def check_budget(self, full: float | None, available: Sequence[float] | None = None) -> None:
        """Refuse shares of a budget that the evaluator does not name.

        Raises:
            InputError: says what to give.
        """
        shares = any(stage.fidelity.epochs < 1 for stage in self.trained)
        if full is None and shares and not self._by_default:
            raise InputError(
                "the evaluator does not say what an evaluation in full costs, of which the "
                "stages of training take a share: give it an attribute full_budget, in the unit "
                "of candidate.budget, or leave those stages out"
            )

    # ------------------------------------------------------------------ budgets

    def rungs(self, history: History) -> tuple[tuple[float | None, Fidelity | None, int], ...]:
        """Of each stage of training its budget, its fidelity beyond that, and how many reach it."""
        return remembered(history, (self, "rungs"), lambda: self._rungs(history))

    def _rungs(self, history: History) -> tuple[tuple[float | None, Fidelity | None, int], ...]:
        full, available = history.full_budget, history.budgets
        found: list[tuple[float | None, Fidelity | None, int]] = []
        n = coming = float(self.n_entrants)
        for stage in self.trained:
            fidelity = stage.fidelity
            budget = _budget(fidelity.epochs, full, available)
            rest: Fidelity | None = replace(fidelity, epochs=1.0)
            rest = None if rest == Fidelity() else rest
            if full is None and fidelity.epochs < 1:
                continue  # the default's: nothing to take a share of
            if found and found[-1][:2] == (budget, rest):
                # Of so few epochs two stages are one.
                found.pop()
                n = coming
            elif found and history.level(budget, rest) <= history.level(*found[-1][:2]):
                continue  # rounded to whole epochs it is no more than the one before
            coming = n
            found.append((budget, rest, max(1, math.ceil(n - 1e-9))))
            n = n * stage.keep
        return tuple(found)

    def budgets(self, history: History) -> tuple[float, ...]:
        """See `MultiFidelity.budgets`."""
        known = {b for b, _, _ in self.rungs(history) if b is not None}
        return tuple(sorted(known))

    def entry_budget(self, history: History) -> float | None:
        """See `MultiFidelity.entry_budget`; None where the evaluator knows no budgets."""
        return self.rungs(history)[0][0]

    def entry_fidelity(self, history: History) -> Fidelity | None:
        """The fidelity, beyond its budget, with which a new architecture begins."""
        return self.rungs(history)[0][1]

    def resumable(self, history: History) -> set[int]:
        """See `MultiFidelity.resumable`."""
        read = self._read(history)
        found: set[int] = set()
        for members in read.rounds(self.n_entrants):
            level = members
            for _, _, n in self.rungs(history)[1:]:
                best = best_first(history, level)[:n]
                found |= {t.number for t in best if read.finished_after(t) is None}
                level = [after for t in best if (after := read.after(t)) is not None]
        return found

    # ------------------------------------------------------------------ proposals

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        read = self._read(history)
        rounds = read.rounds(self.n_entrants)
        for index, members in enumerate(rounds):
            full = len(members) == self.n_entrants
            promoted = self._promoted(history, read, members) if full else None
            if promoted is not None:
                return promoted
            if not full:
                new = self._entrant(history, index, rng)
                if new is not None:
                    return new
        # Nothing new is left: the round that is not full goes on as it is.
        promoted = self._promoted(history, read, rounds[-1])
        return promoted or (None if history.running else self._leftover(history, read))

    def record(self, history: History) -> list[dict[str, Any]]:
        """What came of each stage so far, in order: see `archwright.strategies.cascade_record`."""
        return summary(self, history)

    def screening(self, history: History, index: int) -> Screening:
        """What the cheap stages made of a round's pool; made when it is first asked for."""
        start = self._read(history).start(self.n_entrants, index)
        return screened(self, history, index, history.next_number if start is None else start)

    def members(self, history: History) -> list[list[Trial]]:
        """The trained architectures of each round, as they began."""
        return self._read(history).rounds(self.n_entrants)

    def followers(self, history: History) -> dict[int, Trial]:
        """Number of a trial -> the one that went on with its architecture."""
        return self._read(history).following

    def _read(self, history: History) -> _Read:
        read: _Read = remembered(history, (self, "read"), _Read)
        read.update(history)
        return read

    def _entrant(self, history: History, index: int, rng: Random) -> Proposal | None:
        """A new architecture for the first stage of training."""
        budget, fidelity, _ = self.rungs(history)[0]
        if history.next_number == 0:
            # Pools are drawn by the first trial's seed, which is not known before it began.
            drawn = (history.space.sample(rng=rng) for _ in range(N_FIRST_DRAWS))
            fits = next((a for a in drawn if keeps_limits(history, a)), None)
            new = random_proposal(history, rng) if fits is None else Proposal(fits, origin="random")
        else:
            new = next(entrants_of(self, history, index), None)
            new = new or random_proposal(history, rng)
        return None if new is None else replace(new, budget=budget, fidelity=fidelity)

    def _promoted(self, history: History, read: _Read, members: list[Trial]) -> Proposal | None:
        """The next that goes on from one stage of training to the next, or None."""
        level, rungs = members, self.rungs(history)
        for here, (budget, fidelity, n) in pairwise(rungs):
            if any(trial.state == "running" for trial in level):
                return None
            best = best_first(history, level)[:n]
            for trial in best:
                if read.after(trial) is None and self._may_go_on(history, trial, budget, fidelity):
                    return _promotion(trial, budget, fidelity, continues=here[1] == fidelity)
            level = [after for trial in best if (after := read.after(trial)) is not None]
        return None

    def _may_go_on(
        self, history: History, trial: Trial, budget: float | None, fidelity: Fidelity | None
    ) -> bool:
        """Whether it had less than that so far."""
        return history.reached(trial.architecture) < history.level(budget, fidelity)

    def _leftover(self, history: History, read: _Read) -> Proposal | None:
        """When the space is exhausted: the best of what did not go on, of the last stage first."""
        rungs = self.rungs(history)
        for here, after in reversed(list(pairwise(rungs))):
            level = [
                t
                for t in history.complete
                if (t.budget, t.fidelity) == here[:2] and read.after(t) is None
            ]
            for trial in best_first(history, level):
                if self._may_go_on(history, trial, *after[:2]):
                    return _promotion(trial, *after[:2], continues=here[1] == after[1])
        return None


@dataclass
class _Read:
    """What was read of a history's trials so far."""

    n_read: int = 0
    entered: dict[int, Trial] = field(default_factory=dict)
    followed: dict[int, Trial] = field(default_factory=dict)
    running: dict[int, Trial] = field(default_factory=dict)
    """Number of a finished trial -> the running one that goes on with its architecture."""
    entering: list[Trial] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    """Numbers of the finished trials that go on from none, those that broke a limit too."""

    def update(self, history: History) -> None:
        for trial in history.trials[self.n_read :]:
            if trial.origin == PROMOTION and trial.parent is not None:
                self.followed[trial.parent] = trial
                continue
            self.begun.append(trial.number)
            if trial.state != "infeasible":
                self.entered[trial.number] = trial
        self.n_read = len(history.trials)
        running = history.running.values()
        self.running = {
            t.parent: t for t in running if t.origin == PROMOTION and t.parent is not None
        }
        self.entering = [t for t in running if t.origin != PROMOTION]

    @property
    def following(self) -> dict[int, Trial]:
        return {**self.followed, **self.running}

    def after(self, trial: Trial) -> Trial | None:
        return self.followed.get(trial.number) or self.running.get(trial.number)

    def finished_after(self, trial: Trial) -> Trial | None:
        return self.followed.get(trial.number)

    def start(self, size: int, index: int) -> int | None:
        """The number of the first trial of a round; None where there is none yet."""
        last = self.rounds(size)[index - 1][-1].number if index else -1
        numbers = [*self.begun, *(t.number for t in self.entering)]
        return min((number for number in numbers if number > last), default=None)

    def rounds(self, size: int) -> list[list[Trial]]:
        """The entrants by rounds, in the order of their numbers; the last round is not full."""
        every = sorted([*self.entered.values(), *self.entering], key=lambda t: t.number)
        return [every[i : i + size] for i in range(0, len(every) + 1, size)]


def _promotion(
    trial: Trial, budget: float | None, fidelity: Fidelity | None, *, continues: bool
) -> Proposal:
    """To go on with an architecture; with its training where that was of the same data and size."""
    return Proposal(
        trial.architecture,
        budget,
        origin=PROMOTION,
        parent=trial.number,
        continues=trial.number if continues else None,
        fidelity=fidelity,
    )


def _budget(share: float, full: float | None, available: Sequence[float] | None) -> float | None:
    """A share of the full budget: the nearest of those there are, or whole where that one is."""
    if full is None:
        return None
    budget = share * full
    if available is not None:
        budget = full if share == 1 else min(available, key=lambda a: abs(math.log(a / budget)))
    elif float(full).is_integer():
        budget = float(max(1, round(budget)))
    return int(budget) if float(budget).is_integer() else budget
