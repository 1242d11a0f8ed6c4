"""How far shared weights can be trusted: inherited against stand-alone accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from archwright.errors import InputError, whole_number
from archwright.space import Architecture
from archwright.supernet.sizes import Sizes
from archwright.training import Recipe, fit

if TYPE_CHECKING:
    from archwright.nn import ModelSpace
    from archwright.tasks import Task

LEAST = 5
N_BOOTSTRAP = 1000
LITTLE = 0.5
"""A rank correlation (Spearman) below which choosing by inherited weights is hardly worth it."""

Interval = tuple[float, float]


class Judge(Protocol):
    """What judges by shared weights: `archwright.SharedWeights`."""

    task: Task
    trust: Any

    @property
    def space(self) -> ModelSpace:
        """The supernet's space."""
        ...

    def score(self, arch: Mapping[str, Any]) -> dict[str, float]:
        """Metric -> value with the shared weights, the task's main metric first."""
        ...


@dataclass(frozen=True)
class Trust:
    """How inherited accuracies rank networks, against those of networks trained apart.

    Attributes:
        metric: what was compared, of the validation rows.
        maximize: whether larger is better.
        n: networks.
        kendall: Kendall's tau-b.
        kendall_interval: its bootstrap interval.
        spearman: Spearman's rank correlation.
        spearman_interval: its bootstrap interval.
        size_kendall: the same for the ranking by the number of parameters, which costs nothing.
        size_spearman: likewise.
        regret: the best stand-alone value less that of the network with the best inherited one.
        random_regret: the same for a network picked at random, on average.
        ceiling: Kendall's tau and Spearman's correlation of one stand-alone training with the mean
            of the others, the noise that nothing can rank above by much; None where each network
            was trained once.
        level: of the intervals.
        architectures: the networks compared.
        inherited: their metric with the shared weights.
        alone: their metric when trained by themselves, the mean where that was done more often.
        params: their numbers of parameters.
        epochs: of each stand-alone training.
        seconds: what those took in all.
    """

    metric: str
    maximize: bool
    n: int
    kendall: float
    kendall_interval: Interval
    spearman: float
    spearman_interval: Interval
    size_kendall: float
    size_spearman: float
    regret: float
    random_regret: float
    level: float
    architectures: tuple[Architecture, ...]
    inherited: tuple[float, ...]
    alone: tuple[float, ...]
    params: tuple[float, ...]
    epochs: float
    seconds: float
    ceiling: tuple[float, float] | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the interval of Spearman's correlation reaches below 0.5."""
        return self.spearman_interval[0] < LITTLE

    @property
    def warnings(self) -> list[str]:
        """What a user should know before relying on it, a sentence each."""
        found = []
        if self.spearman < LITTLE:
            found.append(
                f"inherited {self.metric} hardly ranks networks as training them apart does "
                f"(Spearman {self.spearman:.2f} over {self.n}): train the supernet longer or by "
                "another rule, or judge the best few by training them"
            )
            if self.ceiling is not None and self.ceiling[1] < LITTLE:
                found.append(
                    f"one stand-alone training ranks them no better (Spearman "
                    f"{self.ceiling[1]:.2f} with another): they differ by less than the noise; "
                    "compare with more epochs or more validation rows"
                )
        elif self.doubtful:
            found.append(
                f"the interval of Spearman's correlation of inherited {self.metric} begins at "
                f"{self.spearman_interval[0]:.2f}: with {self.n} networks it is not shown that it "
                "ranks well; compare more of them (n=)"
            )
        if self.size_spearman >= self.spearman:
            found.append(
                f"the number of parameters ranks these networks as well (Spearman "
                f"{self.size_spearman:.2f}) as the shared weights do ({self.spearman:.2f})"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        values = {**asdict(self), "architectures": [dict(a) for a in self.architectures]}
        return {**values, "warnings": self.warnings}

    def __str__(self) -> str:
        sure = f"{100 * self.level:g} %"
        lines = [
            f"{self.n} networks, {self.metric}, each trained apart for {self.epochs:g} epochs "
            f"({self.seconds:.3g} s in all)",
            f"shared weights  Kendall {self.kendall:.2f} ({sure}: "
            + "{:.2f} .. {:.2f})".format(*self.kendall_interval)
            + f"  Spearman {self.spearman:.2f} ("
            + "{:.2f} .. {:.2f})".format(*self.spearman_interval),
            f"parameters      Kendall {self.size_kendall:.2f}  Spearman {self.size_spearman:.2f}",
            f"The one that shared weights put first loses {self.regret:.3g} to the best; one "
            f"picked at random {self.random_regret:.3g} on average.",
        ]
        if self.ceiling is not None:
            lines.append(
                "One stand-alone training ranks as the others do with Kendall {:.2f}, Spearman "
                "{:.2f}: the noise ceiling.".format(*self.ceiling)
            )
        return "\n".join([*lines, *(f"Warning: {line}." for line in self.warnings)])


def trust(
    shared: Judge,
    *,
    n: int = 30,
    repeats: int = 1,
    epochs: float | None = None,
    recipe: Recipe | None = None,
    limits: Mapping[str, Any] | None = None,
    architectures: Iterable[Mapping[str, Any]] | None = None,
    level: float = 0.9,
    seed: int = 0,
    device: str = "cpu",
    n_threads: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Trust:
    """Measure how well inherited accuracy ranks networks, by training a few dozen apart.

    Random architectures are judged by the shared weights, and each is trained by itself from new
    weights, all in the same way; both are judged by the same validation rows. The test data are
    never read. What is found is returned, and kept as ``shared.trust``, so that the results of
    searches by these shared weights carry it.

    Args:
        shared: a `SharedWeights`.
        n: networks, at least 5; a few dozen for an interval that says something.
        repeats: stand-alone trainings of each, with other seeds; from two on the noise ceiling is
            measured.
        epochs: of each stand-alone training; None: the recipe's.
        recipe: of the stand-alone trainings.
        limits: cost -> bound: only networks within them are compared.
        architectures: compare these instead of random ones.
        level: of the intervals: the share of 1,000 bootstrap samples of the networks.
        seed: of the architectures, the trainings and the bootstrap.
        device: where the networks are trained.
        n_threads: CPU threads; None leaves torch's setting.
        progress: called after each network with how many are done, and of how many.

    Raises:
        InputError: an argument cannot be used.

    Source: Kaicheng Yu et al., "Evaluating the Search Phase of Neural Architecture Search", ICLR
    2020, arXiv:1902.08142 (that shared weights are to be judged by their rank correlation).
    """
    n = whole_number("n", n, least=LEAST)
    repeats = whole_number("repeats", repeats)
    seed = whole_number("seed", seed, least=0)
    if not (isinstance(level, float) and 0 < level < 1):
        raise InputError(f"level must be above 0 and below 1, such as 0.9, got {level!r}")
    task, space = shared.task, shared.space
    sizes = Sizes(space, task.input_shape, limits)
    chosen = _chosen(space, sizes, n, seed, architectures)
    recipe = recipe or Recipe()
    recipe = recipe if epochs is None else recipe.replace(epochs=epochs)
    inherited: list[float] = []
    alone = np.zeros((repeats, len(chosen)))
    n_epochs = 0.0
    began = perf_counter()
    for k, arch in enumerate(chosen):
        inherited.append(next(iter(shared.score(arch).values())))
        for i in range(repeats):
            fitted = fit(
                space.build(arch, seed=seed + i),
                task,
                recipe,
                seed=seed + i,
                device=device,
                n_threads=n_threads,
            )
            alone[i, k] = next(iter(fitted.metrics.values()))
            n_epochs = fitted.n_epochs
        if progress is not None:
            progress(k + 1, len(chosen))
    ceiling = None
    if repeats > 1:
        each = [_correlations(one, np.delete(alone, i, 0).mean(0)) for i, one in enumerate(alone)]
        ceiling = (float(np.mean([e[0] for e in each])), float(np.mean([e[1] for e in each])))
    found = compared(
        metric=task.metric.name,
        maximize=task.metric.maximize,
        architectures=chosen,
        inherited=inherited,
        alone=alone.mean(axis=0).tolist(),
        ceiling=ceiling,
        params=[sizes.costs(arch)["params"] for arch in chosen],
        level=level,
        seed=seed,
        epochs=n_epochs,
        seconds=perf_counter() - began,
    )
    shared.trust = found
    return found


def compared(
    *,
    metric: str,
    maximize: bool,
    architectures: Sequence[Architecture],
    inherited: Sequence[float],
    alone: Sequence[float],
    params: Sequence[float],
    level: float = 0.9,
    seed: int = 0,
    epochs: float = math.nan,
    seconds: float = math.nan,
    ceiling: tuple[float, float] | None = None,
) -> Trust:
    """The figures of values that are there already; see `trust`.

    >>> found = compared(
    ...     metric="accuracy",
    ...     maximize=True,
    ...     architectures=[Architecture({"width": w}) for w in range(6)],
    ...     inherited=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    ...     alone=[0.7, 0.71, 0.72, 0.73, 0.75, 0.74],
    ...     params=[1, 2, 3, 4, 5, 6],
    ... )
    >>> round(found.kendall, 2), round(found.regret, 2)
    (0.87, 0.01)
    """
    sign = 1.0 if maximize else -1.0
    a, b = sign * np.asarray(inherited, dtype=float), sign * np.asarray(alone, dtype=float)
    sizes = np.asarray(params, dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(a), (N_BOOTSTRAP, len(a)))
    resampled = np.array([_correlations(a[i], b[i]) for i in draws])
    tail = 50 * (1 - level)
    low, high = np.percentile(resampled, [tail, 100 - tail], axis=0)
    kendall, spearman = _correlations(a, b)
    by_size = _correlations(sizes, b)
    return Trust(
        metric=metric,
        maximize=maximize,
        n=len(a),
        kendall=kendall,
        kendall_interval=(float(low[0]), float(high[0])),
        spearman=spearman,
        spearman_interval=(float(low[1]), float(high[1])),
        size_kendall=by_size[0],
        size_spearman=by_size[1],
        # Of several that are first: what one of them gives on average.
        regret=float(b.max() - b[a == a.max()].mean()),
        random_regret=float(b.max() - b.mean()),
        level=level,
        architectures=tuple(architectures),
        inherited=tuple(float(v) for v in inherited),
        alone=tuple(float(v) for v in alone),
        params=tuple(float(v) for v in params),
        epochs=epochs,
        seconds=seconds,
        ceiling=ceiling,
    )


def _correlations(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Kendall's tau-b and Spearman's correlation; 0 where one of the two is constant."""
    from scipy.stats import kendalltau, spearmanr

    if (a == a[0]).all() or (b == b[0]).all():
        return 0.0, 0.0
    return float(kendalltau(a, b)[0]), float(spearmanr(a, b)[0])


def _chosen(
    space: ModelSpace,
    sizes: Sizes,
    n: int,
    seed: int,
    given: Iterable[Mapping[str, Any]] | None,
) -> list[Architecture]:
    if given is not None:
        found = list(dict.fromkeys(space.check(arch) for arch in given))
    else:
        rng = Random(seed)
        seen: dict[Architecture, Architecture] = {}
        for _ in range(20 * n):
            arch = sizes.draw(rng)
            seen.setdefault(space.canonical(arch), arch)
            if len(seen) == n:
                break
        found = list(seen.values())
    if len(found) < LEAST:
        raise InputError(
            f"a rank correlation needs at least {LEAST} different networks, got {len(found)}"
        )
    return found
