"""How well predictors rank architectures they have not seen, from few trained ones.

    python benchmarks/predictors.py                   # the default, 20 seeds, all tables
    python benchmarks/predictors.py --models all --seeds 5

For each table and seed, distinct cells are drawn at random; the predictor is fitted to their
validation accuracy (NAS-Bench-201: 200 epochs, validation after training on the training part;
NAS-Bench-101: 108 epochs; digits-cells: mean of three trainings) and Kendall's tau-b is that of the
predicted means and the validation accuracies of all distinct cells that were not drawn. "test": tau
with the test accuracy of the same cells. No proxies, no costs: features of the graph alone.
Baselines: the number of parameters (nothing is fitted), and what is published.

Published: NAS-Bench-101 with 100 / 424 trained: PINAT .679 / .801 (test accuracy, all other
cells); NAS-Bench-201 (CIFAR-10) with 78: PINAT .549; a random forest on GRAF features and
zero-cost proxies with about 1,000: .859 / .847 / .842 on CIFAR-10, CIFAR-100, ImageNet16-120.

The default was designed on NAS-Bench-201 CIFAR-10, digits-cells and NAS-Bench-101 (random splits of
these tables were looked at); CIFAR-100 and ImageNet16-120 were not.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import kendalltau

from archwright.benchmarks.digits_cells import DigitsTable, digits_cells_space
from archwright.benchmarks.nasbench101 import nasbench101_space
from archwright.benchmarks.nasbench101 import read as read_101
from archwright.benchmarks.nasbench201 import OPS, PATHS, distinct, nasbench201_space
from archwright.errors import ArchwrightError
from archwright.predictors import Predictor
from archwright.predictors.predictor import MODELS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "bench"
RANKING = ("mlp:ranking", "gcn:ranking")


@dataclass(frozen=True)
class Task:
    """A table to be predicted."""

    name: str
    space: Any
    architectures: Sequence[Any]
    values: np.ndarray
    test: np.ndarray | None
    params: np.ndarray
    n_seen: tuple[int, ...] = (100,)


def tasks() -> list[Task]:
    """The tables that are here."""
    found = []
    table = DigitsTable.load()
    values = table.valid_accuracy[:, :, -1].mean(1)
    test = table.test_accuracy[:, :, -1].mean(1)
    found.append(
        Task("digits-cells", digits_cells_space(), table.architectures, values, test, table.params)
    )
    file = SHARED / "nasbench201" / "nasbench201.parquet"
    if not file.exists():
        print(f"{SHARED}: no further tables")
        return found
    import pandas as pd

    frame = pd.read_parquet(file)
    codes = frame[[f"op_e{i}" for i in ("01", "02", "12", "03", "13", "23")]].to_numpy()
    space, _, rows = distinct(codes)
    cells = [space.check(dict(zip(PATHS, (OPS[c] for c in codes[i]), strict=True))) for i in rows]
    for short, name in (("c10", "CIFAR-10"), ("c100", "CIFAR-100"), ("in16", "ImageNet16-120")):
        valid, test = (
            frame[f"{short}_{part}_ep200"].to_numpy()[rows] for part in ("valid", "test")
        )
        params = frame["params_M"].to_numpy()[rows]
        found.append(Task(f"NB201 {name}", space, cells, valid, test, params))
    file = SHARED / "nasbench101" / "nasbench101_subset.npz"
    cells101 = read_101(file)
    listed = [cells101(i) for i in range(len(cells101.keys))]
    params = np.load(file)["params"]
    valid = 100 * cells101.valid[:, -1]
    found.append(Task("NB101", nasbench101_space(), listed, valid, None, params, (100, 424)))
    return found


def made(space: Any, model: str, seed: int) -> Predictor:
    """The predictor of a name such as "mlp" or "mlp:ranking"."""
    name, _, ranking = model.partition(":")
    return Predictor(space, model=name, ranking=bool(ranking), seed=seed)


def measure(task: Task, model: str, n_seen: int, seeds: int, most: int | None) -> str:
    """One line of the table."""
    taus, tests, inside, seconds = [], [], [], []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(task.values))
        seen, rest = order[:n_seen], order[n_seen:][:most]
        start = time.process_time()
        predictor = made(task.space, model, seed)
        predictor.fit([task.architectures[i] for i in seen], task.values[seen])
        mean, deviation = predictor.predict([task.architectures[i] for i in rest])
        seconds.append(time.process_time() - start)
        taus.append(kendalltau(mean, task.values[rest])[0])
        if task.test is not None:
            tests.append(kendalltau(mean, task.test[rest])[0])
        away = np.abs(task.values[rest] - mean) / deviation
        inside.append([(away <= z).mean() for z in (0.6745, 1.6449)])
    low, middle, high = np.quantile(taus, [0.1, 0.5, 0.9])
    half, most_of = np.median(inside, axis=0)
    shown = f"{np.median(tests):.3f}" if tests else "  -  "
    return (
        f"{task.name:16s} {n_seen:4d}  {model:18s} {middle:.3f} ({low:.3f}-{high:.3f})  {shown}  "
        f"{half:.2f} {most_of:.2f}  {np.median(seconds):6.2f} s"
    )


def every_cell(seeds: int) -> None:
    """Fit to 100, predict all 15,625 cells of NAS-Bench-201: process seconds from nothing known."""
    space = nasbench201_space()
    listed = list(space.enumerate())
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        seen = [listed[i] for i in rng.permutation(len(listed))[:100]]
        start = time.process_time()
        # What was remembered is of one predictor: each starts anew.
        predictor = Predictor(space, seed=seed).fit(seen, rng.normal(size=100))
        predictor.predict(listed)
        found.append(time.process_time() - start)
    print(
        f"fit to 100 and predict {len(listed):,}, encoding included: median "
        f"{np.median(found):.2f} s, most {max(found):.2f} s of process time, one core"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--models", default="auto", help="comma-separated names, or all")
    parser.add_argument("--most", type=int, default=None, help="at most so many cells predicted")
    parser.add_argument("--only", default="", help="only tables whose names begin so")
    given = parser.parse_args()
    names = given.models.split(",")
    if given.models == "all":
        names = [*MODELS, *RANKING]
    if not given.only:
        every_cell(3)
    print(
        f"{given.seeds} seeds: median tau (10th-90th percentile), tau with test accuracy, share of"
    )
    print("share of values within the 50 % and the 90 % interval, seconds of fit and predict")
    for task in (t for t in tasks() if t.name.startswith(given.only)):
        tau = kendalltau(task.params, task.values)[0]
        tau_test = kendalltau(task.params, task.test)[0] if task.test is not None else np.nan
        print(f"{task.name:16s}    0  {'parameters':18s} {tau:.3f}                {tau_test:.3f}")
        for n_seen in task.n_seen:
            for name in names:
                try:
                    print(measure(task, name, n_seen, given.seeds, given.most), flush=True)
                except ArchwrightError as error:
                    print(f"{task.name:16s} {n_seen:4d}  {name:18s} {error}")
