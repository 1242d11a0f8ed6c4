"""BOHB: Hyperband whose new architectures come from a model of the good ones."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.densities import Codes, Density, draw_near
from archwright.strategies.fidelity import best_first
from archwright.strategies.hyperband import Hyperband
from archwright.strategies.population import check_share
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

N_POINTS_AT_MOST = 20


@dataclass(frozen=True)
class BOHB(Hyperband):
    """Hyperband with new architectures drawn where good ones are dense and bad ones are rare.

    Of the largest budget with enough observations, the best share and the rest each give a kernel
    density over the decisions. Candidates are drawn near good observations, and the one with the
    largest ratio of the two densities is taken. A share of all stays random.

    Args:
        min_budget: the smallest budget, in the evaluator's unit (epochs for training); None: up to
            three steps below the largest.
        max_budget: the largest; None: an evaluation in full.
        eta: factor between budgets, and one in how many goes on.
        top: share of the observations that counts as good.
        random_share: share of new architectures that are random.
        n_candidates: how many are drawn for one to be taken.
        n_points: observations that each density needs; None: one more than there are decisions,
            and at most 20.
        bandwidth_factor: how much wider candidates are drawn than the density of good ones is.
        min_bandwidth: the narrowest kernel, as a share of a decision's range.

    Raises:
        InputError: an argument is out of range.

    Source: Falkner, Klein and Hutter, BOHB: Robust and Efficient Hyperparameter Optimization at
    Scale, ICML 2018, arXiv 1807.01774.

    Differences from the paper: the width of a decision's kernel follows from how much the values of
    the observations differ (the share of unequal pairs where values have no order), since the rule
    of the paper's implementation takes the numbers of options for positions; where a decision is
    not live, that counts as a value of its own, instead of a random one; `n_points` has an upper
    bound, since spaces of networks have many decisions; what failed counts as bad; the densities
    are over all decisions of the space together, as in the paper.

    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice(range(20)), "depth": Choice(range(20))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=3)
    >>> for number in range(8):
    ...     drawn = space.sample(seed=number)
    ...     score = {"accuracy": drawn["width"]}
    ...     history.add(Trial(number, drawn, metrics=score, budget=3))
    >>> BOHB(random_share=0.0).propose(history, Random(1)).origin
    'model'
    """

    top: float = 0.15
    random_share: float = 1 / 3
    n_candidates: int = 64
    n_points: int | None = None
    bandwidth_factor: float = 3.0
    min_bandwidth: float = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.top < 1:
            raise InputError(f"top must lie between 0 and 1, got {self.top!r}")
        check_share(random_share=self.random_share)
        for name, least in (("n_candidates", 1), ("n_points", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
        if self.bandwidth_factor <= 0 or not 0 < self.min_bandwidth < 1:
            raise InputError(
                "bandwidth_factor must be above 0 and min_bandwidth between 0 and 1, got "
                f"{self.bandwidth_factor!r} and {self.min_bandwidth!r}"
            )

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse a dynamic space."""
        refuse_dynamic("bohb", space)

    def fresh(self, history: History, rng: Random) -> Proposal | None:
        """Drawn from the model, or at random."""
        if rng.random() >= self.random_share:
            modelled = self._modelled(history, rng)
            if modelled is not None:
                return Proposal(modelled, origin="model")
        return super().fresh(history, rng)

    def _modelled(self, history: History, rng: Random) -> Architecture | None:
        """The best of the candidates, or None while there is too little to learn from."""
        split = self._split(history)
        if split is None:
            return None
        codes: Codes = history.memory.setdefault((Codes, self), Codes(history.space))
        good, bad = (
            Density(codes, [t.architecture for t in part], self.min_bandwidth) for part in split
        )
        drawn: dict[Architecture, None] = {}
        for _ in range(self.n_candidates):
            near = split[0][int(rng.random() * len(split[0]))].architecture
            made = draw_near(codes, near, good.widths, self.bandwidth_factor, rng)
            if made is not None:
                drawn[made] = None
        if not drawn:
            return None
        candidates = list(drawn)
        ratios = good.log(candidates) - bad.log(candidates)
        # Whether one is new is asked from the best on: for cells that is the dearest part.
        ordered = (candidates[i] for i in (-ratios).argsort(kind="stable"))
        return next((one for one in ordered if history.is_new(one)), None)

    def _split(self, history: History) -> tuple[list[Trial], list[Trial]] | None:
        """Good and bad observations of the largest budget that has enough of them."""
        needed = self.n_points or min(len(history.space.paths) + 1, N_POINTS_AT_MOST)
        budgets = self.budgets(history)
        observed: dict[float, list[Trial]] = {budget: [] for budget in budgets}
        for trial in history.trials:
            level = history.level(trial.budget)
            if level in observed:
                observed[level].append(trial)
        for budget in reversed(budgets):
            trials = observed[budget]
            good = best_first(history, trials)
            if len(good) < needed + 2:
                continue
            n_good = max(needed, int(self.top * len(good)))
            kept = {t.number for t in good}
            # Without end where a limit is tight: the latest alone.
            failed = [t for t in trials if t.number not in kept][-len(good) :]
            return good[:n_good], [*good[-max(needed, len(good) - n_good) :], *failed]
        return None
