"""What is known of architectures at several budgets, and what it says of the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from archwright.predictors.additive import (
    MOST_LEARNING,
    SETTINGS,
    Setting,
    materns,
    squared_distances,
    weighted,
)
from archwright.predictors.features import Features
from archwright.predictors.gp import GaussianProcess, normal_scores
from archwright.space import Architecture
from archwright.trials import Objective, Trial

Matrix = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

OFFSET = 0.1
"""Variance of what all scores of a rung have in common, beside where `Results` places them."""


@dataclass(frozen=True)
class Coupling:
    """How the results of one architecture at several rungs hang together.

    Attributes:
        correlation: of the true scores of neighbouring rungs.
        own: variance of what the features of an architecture do not tell, relative to what they
            do; it is correlated over rungs like the rest.
        noise: variance of what differs from one evaluation to the next.
    """

    correlation: float = 0.85
    own: float = 0.05
    noise: float = 0.05


COUPLINGS = tuple(
    Coupling(correlation, own) for correlation in (0.85, 0.2, 0.6, 0.97) for own in (0.05, 0.2)
)
"""What is chosen from."""


@dataclass(frozen=True)
class Results:
    """Scores at several rungs on one scale, larger is better.

    Attributes:
        architectures: one for each result; several results may be of one architecture.
        rungs: the number of each result's budget, from 0.
        targets: n_results x n_goals.
        numbers: the trials' numbers.
    """

    architectures: list[Architecture]
    rungs: Places
    targets: Matrix
    numbers: list[int]

    @classmethod
    def of(cls, rungs: Sequence[Sequence[Trial]], objective: Objective, most: int) -> Results:
        """The results in rungs of trials, those that failed among them.

        The scores of each rung are replaced by the normal quantiles of their ranks, for a score
        after one epoch has another scale than one after nine. As only the best of a rung go on,
        a rung's mean and spread are those which the same architectures have at the rung below, as
        far as the two are expected to agree. What failed counts as the worst of its rung.

        Args:
            rungs: the finished trials of each budget, in ascending order of budgets.
            objective: the goals.
            most: results that are kept: an equal share for each rung, its best half and its latest.
        """
        placed = _placed(rungs, objective)
        kept: list[tuple[Trial, int, Matrix]] = []
        for rung in reversed(range(len(rungs))):
            found = _trimmed(placed[rung], (most - len(kept)) // (rung + 1))
            kept += [(trial, rung, score) for trial, score in found]
        kept.sort(key=lambda result: result[0].number)
        return cls(
            [trial.architecture for trial, _, _ in kept],
            np.array([rung for _, rung, _ in kept], dtype=np.intp),
            np.array([score for _, _, score in kept]).reshape(len(kept), len(objective.goals)),
            [trial.number for trial, _, _ in kept],
        )

    def and_expected(
        self, architectures: Sequence[Architecture], rungs: Places, targets: Matrix
    ) -> Results:
        """With results that are expected."""
        return replace(
            self,
            architectures=[*self.architectures, *architectures],
            rungs=np.concatenate([self.rungs, rungs]),
            targets=np.concatenate([self.targets, targets]),
            numbers=[*self.numbers, *(-1 for _ in architectures)],
        )


def _placed(
    rungs: Sequence[Sequence[Trial]], objective: Objective
) -> list[list[tuple[Trial, Matrix]]]:
    """The trials of each rung that tell something, with their scores."""
    goals = [goal.metric for goal in objective.goals]
    below: dict[Architecture, Matrix] = {}
    placed: list[list[tuple[Trial, Matrix]]] = []
    for trials in rungs:
        good = [t for t in trials if t.state == "complete" and all(g in t.metrics for g in goals)]
        bad = [t for t in trials if t.state == "failed"][-len(good) :] if good else []
        placed.append([])
        if not good:
            continue
        values = np.array([objective.values(t.metrics) for t in good], dtype=float)
        values = np.concatenate([values, np.tile(values.min(axis=0), (len(bad), 1))])
        scores = np.column_stack([normal_scores(column) for column in values.T])
        scores = _shifted(scores, [below.get(t.architecture) for t in good + bad])
        placed[-1] = list(zip(good + bad, scores, strict=True))
        below |= {trial.architecture: score for trial, score in placed[-1]}
    return placed


def _shifted(scores: Matrix, below: Sequence[Matrix | None]) -> Matrix:
    """Scores of mean 0 and spread 1, where those of the same architectures a rung below lie."""
    known = [score for score in below if score is not None]
    if not known:
        return scores
    agree = Coupling().correlation
    former = np.array(known)
    spread = np.sqrt(agree**2 * former.var(axis=0) + 1 - agree**2)
    placed: Matrix = agree * former.mean(axis=0) + spread * scores
    return placed


def _trimmed(results: list[tuple[Trial, Matrix]], most: int) -> list[tuple[Trial, Matrix]]:
    if len(results) <= most:
        return results
    results = sorted(results, key=lambda result: result[0].number)
    n_latest = most // 2
    early, latest = results[: len(results) - n_latest], results[len(results) - n_latest :]
    early.sort(key=lambda result: -float(result[1][0]))
    return early[: most - n_latest] + latest


class RungProcess:
    """The posterior of correlated additive Gaussian processes, one a rung.

    The covariance of two results is that of their architectures (the kernel of `AdditiveProcess`,
    and what is an architecture's own), times the correlation of their rungs, which falls by a
    factor from rung to rung. The hyper-parameters are the most probable of a few.

    Args:
        results: what was observed, at least one.
        features: of the architectures.
        n_rungs: the last rung is the one of full evaluations.
        settings: hyper-parameters of the kernel to choose from.
        couplings: of the rungs.

    Source: the autoregressive model of fidelities: Kennedy and O'Hagan, Predicting the Output from
    a Complex Computer Code When Fast Approximations Are Available, Biometrika 87, 2000; as
    correlated tasks: Swersky, Snoek and Adams, Multi-Task Bayesian Optimization, NeurIPS 2013.

    Differences from the paper: one correlation for all pairs of neighbouring rungs, and the same
    kernel for what they have in common and what not; the hyper-parameters are chosen from a few.
    """

    def __init__(
        self,
        results: Results,
        features: Features,
        n_rungs: int,
        *,
        settings: Sequence[Setting] = SETTINGS,
        couplings: Sequence[Coupling] = COUPLINGS,
    ) -> None:
        self.results = results
        self._features = features
        self._n_rungs = n_rungs
        self._ids: dict[Architecture, int] = {}
        ids = [self._ids.setdefault(a, len(self._ids)) for a in results.architectures]
        self._own = np.array(ids, dtype=np.intp)
        rows = features.encode(results.architectures)
        self._rows = rows
        squares = squared_distances(rows, rows, features.groups)
        setting, coupling = settings[0], couplings[0]
        if len(settings) > 1 or len(couplings) > 1:
            setting, coupling = self._most_probable(squares, settings, couplings)
        self.setting, self.coupling = setting, coupling
        n = len(rows)
        kernel = weighted(materns(squares, setting.scale), setting, (n, n))
        everything = slice(None)
        self._processes = [
            self._fit(kernel, coupling, everything, goal)
            for goal in range(results.targets.shape[1])
        ]

    def predict(
        self,
        architectures: Sequence[Architecture],
        rungs: Places | None = None,
        *,
        rows: Matrix | None = None,
    ) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation, each m x n_goals.

        Args:
            architectures: m of them.
            rungs: the rung of each; None: the last.
            rows: their features, m x n_features, where they are known already.
        """
        top = self._n_rungs - 1
        where = np.full(len(architectures), top) if rungs is None else rungs
        own = np.array([self._ids.get(a, -1) for a in architectures], dtype=np.intp)
        rows = self._features.encode(architectures) if rows is None else rows
        squares = squared_distances(rows, self._rows, self._features.groups)
        shape = weighted(
            materns(squares, self.setting.scale), self.setting, (len(rows), len(self._rows))
        )
        cross = _agreement(where, self.results.rungs, self.coupling) * (
            shape + self.coupling.own * (own[:, None] == self._own[None])
        )
        diagonal = np.full(len(architectures), 1.0 + self.coupling.own)
        found = [process.predict(cross, diagonal) for process in self._processes]
        return (
            np.column_stack([mean for mean, _ in found]),
            np.column_stack([deviation for _, deviation in found]),
        )

    def _most_probable(
        self,
        squares: Mapping[str, Matrix],
        settings: Sequence[Setting],
        couplings: Sequence[Coupling],
    ) -> tuple[Setting, Coupling]:
        """Given the latest results of the first goal: the kernel first, then how rungs couple."""
        some = slice(-MOST_LEARNING, None)
        part = {name: square[some, some] for name, square in squares.items()}
        n = len(self._rows[some])
        every = {scale: materns(part, scale) for scale in {s.scale for s in settings}}
        shapes = [weighted(every[s.scale], s, (n, n)) for s in settings]
        likely = [
            self._fit(shape, couplings[0], some, 0).log_likelihood + s.log_prior
            for shape, s in zip(shapes, settings, strict=True)
        ]
        best = int(np.argmax(likely))
        likely = [self._fit(shapes[best], c, some, 0).log_likelihood for c in couplings]
        return settings[best], couplings[int(np.argmax(likely))]

    def _fit(self, shape: Matrix, coupling: Coupling, some: slice, goal: int) -> GaussianProcess:
        rungs, own = self.results.rungs[some], self._own[some]
        kernel = _agreement(rungs, rungs, coupling) * (
            shape + coupling.own * (own[:, None] == own[None])
        )
        alike = rungs[:, None] == rungs[None]
        kernel = kernel + OFFSET * (alike & (rungs > 0)[None])
        return GaussianProcess.fit(kernel, self.results.targets[some, goal], noise=coupling.noise)


def _agreement(a: Places, b: Places, coupling: Coupling) -> Matrix:
    found: Matrix = coupling.correlation ** np.abs(a[:, None] - b[None]).astype(float)
    return found
