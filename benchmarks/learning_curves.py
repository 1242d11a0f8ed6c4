"""Where curves end, and what is saved by stopping those that will not end well.

    python benchmarks/learning_curves.py --only prediction --data ../shared/data
    python benchmarks/learning_curves.py --only digits
    python benchmarks/learning_curves.py --only saving --data ../shared/data

`prediction`: random architectures of NAS-Bench-301 (a surrogate's curves, 98 epochs) and cells of
NAS-Bench-101 (4, 12 and 36 epochs foretell 108; four trainings of a cell, not one). `digits`: real
trainings on 200 rows of digits, 30 epochs, with training losses. Each method is fitted to some
finished curves and asked about others of which it sees a part: Kendall's tau between what it says
and the ends, mean absolute error, and how many ends lie in its 90 % interval. A method of the
upper block sees one curve alone.

`saving`: searches on NAS-Bench-301 with and without a stopping rule, with as many trials, and with
as many epochs; and on curves of the same values with noise. Medians of ratios over seeds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np

ALONE = ("last_value", "parametric")
LEARNT = ("last_value", "parametric", "sotl", "sotl_e", "sovl", "ridge", "lc_svr", "auto")
Z90 = 1.645


def prediction(args):
    from archwright.benchmarks import NasBench101, NasBench301
    from archwright.predictors.curves import Curve

    benchmark = NasBench301(path=args.data)
    curves, finals = [], []
    for seed in range(args.curves):
        values = values_of(benchmark, benchmark.space.sample(seed=seed))
        curves.append(Curve.of(values))
        finals.append(values[-1])
    compare("NAS-Bench-301", curves, np.array(finals), (10, 25, 49), args)
    benchmark = NasBench101(path=args.data)
    curves, finals = [], []
    for seed in range(4 * args.curves):
        architecture = benchmark.space.sample(seed=seed)
        values = [benchmark.read(architecture, e).metrics["valid_accuracy"] for e in (4, 12, 36)]
        curves.append(Curve.of(values, steps=(4, 12, 36)))
        finals.append(benchmark.read(architecture).metrics["valid_accuracy"])
    compare("NAS-Bench-101", curves, np.array(finals), (4, 12, 36), args, at=108)


def digits(args):
    from archwright.predictors.curves import Curve

    file = Path(args.curves_file) if args.curves_file else None
    if file is not None and file.exists():
        records = json.loads(file.read_text())
    else:
        records = trainings(args)
        if file is not None:
            file.write_text(json.dumps(records))
    curves = [Curve.of(r["curve"], metric="accuracy") for r in records]
    finals = np.array([r["metrics"]["accuracy"] for r in records])
    compare("digits", curves, finals, (3, 8, 15), args)
    curves = [Curve.of(r["curve"], metric="val_loss") for r in records]
    finals = np.array([r["curve"][-1]["val_loss"] for r in records])
    compare("digits, loss", curves, finals, (3, 8, 15), args)


def trainings(args):
    from archwright.evaluators import Candidate, Train
    from archwright.tasks import Task
    from archwright.zoo import build_space

    task = Task.load("digits").subset(200)
    train = Train(task, epochs=30)
    space = build_space(
        "mobilenet", input_shape=task.input_shape, n_outputs=10, n_rows=len(task.train)
    )
    records = []
    for seed in range(args.trainings):
        candidate = Candidate(space, space.sample(seed=seed), seed=seed, n_threads=1)
        metrics = train.evaluate(candidate)
        records.append({"metrics": metrics, "curve": candidate.curve})
    return records


def values_of(benchmark, architecture):
    """The surrogate's validation accuracy after each epoch, asked all at once."""
    place = benchmark.source.place(architecture)
    n = len(benchmark.budgets)
    categories = np.array([place] * n, dtype=np.int32)
    epochs = np.arange(1, n + 1, dtype=np.float32)[:, None]
    answers = benchmark.source._open().run(None, {"x_cat": categories, "x_cont": epochs})[0]
    return [100 * float(v) for v in answers[:, 0]]


def compare(name, curves, finals, parts, args, at=None):
    """A table of the methods for each part that is seen and number of finished curves."""
    at = at or max(c.steps[-1] for c in curves)
    print(
        f"\n{name}: {len(curves)} curves, ends {finals.mean():.4g} +- {finals.std():.2g}, "
        f"{args.splits} splits"
    )
    for part in parts:
        seen = [c.upto(part) for c in curves]
        if any(c is None for c in seen):
            print(f"  up to {part}: some have reported nothing yet; left out")
            continue
        for method in ALONE:
            show(part, "alone", method, [alone(seen, finals, method, at)])
        for n_known in (10, 30, 100):
            if n_known + 20 > len(curves):
                continue
            for method in LEARNT:
                if method.startswith("sotl") and not all(c.losses for c in seen):
                    continue
                rows = []
                start = time.process_time()
                for split in range(args.splits):
                    order = np.random.default_rng(split).permutation(len(curves))
                    known, asked = order[:n_known], order[n_known:]
                    rows.append(learnt(curves, seen, finals, known, asked, method, at))
                show(part, n_known, method, rows, time.process_time() - start)


def alone(seen, finals, method, at):
    from archwright.predictors.curves import extrapolate

    found = np.array([extrapolate(c, at=at, method=method) for c in seen])
    return scores(found[:, 0], found[:, 1], finals)


def learnt(curves, seen, finals, known, asked, method, at):
    from archwright.predictors.curves import CurvePredictor

    predictor = CurvePredictor(method, at=at).fit([curves[i] for i in known], finals[known])
    found = np.array(predictor.predict_many([seen[i] for i in asked]))
    return scores(found[:, 0], found[:, 1], finals[asked])


def scores(means, stds, finals):
    from scipy.stats import kendalltau, spearmanr

    error = np.abs(means - finals)
    constant = np.ptp(means) == 0
    return (
        math.nan if constant else kendalltau(means, finals).statistic,
        math.nan if constant else spearmanr(means, finals).statistic,
        error.mean(),
        float(np.mean(error <= Z90 * stds)),
    )


def show(part, known, method, rows, seconds=None):
    tau, rho, error, cover = np.mean(np.array(rows), axis=0)
    own = "" if seconds is None else f"  {1000 * seconds / len(rows):.0f} ms"
    print(
        f"  up to {part:3d}, {known!s:>5} known: {method:11s} tau {tau:.3f} rho {rho:.3f} "
        f"error {error:.4g} in 90 %: {cover:.2f}{own}",
        flush=True,
    )


class Reporting:
    """NAS-Bench-301 as a training: reports epoch by epoch, with noise if asked for."""

    def __init__(self, benchmark, noise=0.0):
        self.benchmark, self.noise, self.known = benchmark, noise, {}
        self.objective = benchmark.objective

    def evaluate(self, candidate):
        key = self.benchmark.source.place(candidate.architecture)
        if key not in self.known:
            self.known[key] = values_of(self.benchmark, candidate.architecture)
        drawn = np.random.default_rng([candidate.number, 7]).normal(size=98)
        values = np.array(self.known[key]) + self.noise * drawn
        for epoch, value in enumerate(values, start=1):
            candidate.report(epoch, valid_accuracy=float(value))
        return {"valid_accuracy": float(values[-1])}


class Replayed:
    """The trainings on digits, one architecture each, reported again epoch by epoch."""

    def __init__(self, records):
        self.records = records
        self.best = max(r["metrics"]["accuracy"] for r in records)

    def evaluate(self, candidate):
        record = self.records[candidate.architecture["network"]]
        for point in record["curve"]:
            candidate.report(**{k: v for k, v in point.items() if k != "seconds"})
        return {"accuracy": record["metrics"]["accuracy"]}


def rules():
    from archwright.strategies.curve_stopping import CurveStopping

    return {
        "none": None,
        "median": "median",
        "curve": "curve",
        "curve, 0.05": CurveStopping(threshold=0.05),
    }


def saving(args):
    from archwright.benchmarks import NasBench301
    from archwright.runs import search
    from archwright.space import Choice, Space

    def run(space, evaluate, metric, strategy, n_trials, epochs, regret_of):
        runs = {}
        for name, stopping in rules().items():
            for seed in range(args.seeds):
                start = time.process_time()
                result = search(
                    space,
                    evaluate,
                    maximize=metric,
                    strategy=strategy,
                    stopping=stopping,
                    trials=n_trials if stopping is None else 3 * n_trials,
                    seed=seed,
                )
                seconds = time.process_time() - start
                steps = incumbents(result, metric, regret_of)
                runs.setdefault(name, []).append((steps, seconds / len(result.trials)))
            report(name, runs, n_trials, epochs)

    if args.curves_file:
        replayed = Replayed(json.loads(Path(args.curves_file).read_text()))
        n = len(replayed.records)
        print(f"\ndigits, {n} real trainings replayed, random, {args.seeds} seeds")
        space = Space({"network": Choice(range(n))})
        run(
            space,
            replayed.evaluate,
            "accuracy",
            "random",
            min(args.trials, n // 2),
            30,
            lambda trial: replayed.best - trial.metrics["accuracy"],
        )
    benchmark = NasBench301(path=args.data)
    for noise, strategy in ((0.0, "random"), (0.3, "evolution"), (0.3, "random")):
        evaluator = Reporting(benchmark, noise)

        def regret_of(trial, known=evaluator.known):
            return benchmark.optimum - known[benchmark.source.place(trial.architecture)][-1]

        print(f"\nNAS-Bench-301, noise {noise}, {strategy}, {args.seeds} seeds", flush=True)
        run(
            benchmark.space,
            evaluator.evaluate,
            "valid_accuracy",
            strategy,
            args.trials,
            98,
            regret_of,
        )


def incumbents(result, metric, regret_of):
    """Epochs spent and regret (without noise) of the best so far, after each trial."""
    spent, best, regret, steps = 0, -math.inf, math.inf, []
    for trial in result.trials:
        spent += len(trial.curve)
        if trial.state == "complete" and trial.metrics[metric] > best:
            best, regret = trial.metrics[metric], regret_of(trial)
        steps.append((spent, regret))
    return steps


def report(name, runs, n_trials, epochs):
    budget = epochs * n_trials
    plain = [steps[-1][1] for steps, _ in runs["none"]]
    found = runs[name]
    alike = [steps[:n_trials][-1] for steps, _ in found]
    equal = [[r for spent, r in steps if spent <= budget][-1] for steps, _ in found]
    n_made = [sum(spent <= budget for spent, _ in steps) for steps, _ in found]
    # Epochs until the regret that the plain search ends with is reached.
    speed = [
        next((spent for spent, r in steps if r <= goal + 1e-9), math.inf) / first
        for (steps, _), goal, first in zip(found, plain, firsts(runs["none"]), strict=True)
    ]
    same = sum(r <= goal + 1e-9 for (_, r), goal in zip(alike, plain, strict=True))
    print(
        f"  {name:11s} {n_trials} trials: epochs "
        f"{statistics.median(s / budget for s, _ in alike):.3f} of all, regret median "
        f"{statistics.median(r for _, r in alike):.4g} p90 "
        f"{np.quantile([r for _, r in alike], 0.9):.4g}, as good as none in {same} of "
        f"{len(alike)}; same epochs: {statistics.median(n_made):.0f} trials, regret "
        f"{statistics.median(equal):.4g} p90 {np.quantile(equal, 0.9):.4g}; epochs to the "
        f"end of none: {statistics.median(speed):.3f}; "
        f"{1000 * statistics.median(s for _, s in found):.0f} ms a trial",
        flush=True,
    )


def firsts(plain):
    return [next(spent for spent, r in steps if r <= steps[-1][1] + 1e-9) for steps, _ in plain]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("prediction", "digits", "saving"), default="prediction")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--curves", type=int, default=250)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--trainings", type=int, default=60)
    parser.add_argument("--curves-file", help="keep the trainings on digits there, or read them")
    args = parser.parse_args()
    {"prediction": prediction, "digits": digits, "saving": saving}[args.only](args)


if __name__ == "__main__":
    main()
