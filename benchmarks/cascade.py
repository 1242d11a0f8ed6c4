"""Does a cascade pay? Real trainings at several budgets, then any strategy replayed on them.

    python benchmarks/cascade.py --data digits --train 120 --table digits.jsonl   # minutes
    python benchmarks/cascade.py --table digits.jsonl --seeds 100

The first command trains random networks of `resnet_cnn` (as `archwright search` does for images)
with 1, 3 and 9 epochs each, judges them by zero-cost proxies, and writes what came out and the CPU
seconds that it took. The second replays strategies on these networks on a simulated clock: a
promotion costs the difference, a proxy what it took. Printed: the validation loss of the best
network that was trained in full, less the best of all, median and 90th percentile over seeds, after
the time of so many full trainings. One worker; the space is what was trained.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import statistics
import time
from random import Random

BUDGETS = (1, 3, 9)
SCORES = ("params", "snip", "jacov", "meco", "synflow", "expressivity", "trainability")


def train(args):
    import torch
    import two_minutes

    from archwright.evaluators import Candidate, Train
    from archwright.proxies import ZeroCost
    from archwright.tasks import Task
    from archwright.zoo import build_space

    torch.set_num_threads(1)
    x, _, y, _ = getattr(two_minutes, args.data)(0)
    task = Task.from_arrays(x, y)
    shape = tuple(task.input_shape)
    space = build_space("resnet_cnn", input_shape=shape, n_outputs=task.n_outputs)
    judge = ZeroCost([*SCORES, "vkdnw_entropy"], input_shape=shape, batch=16)
    evaluators = {b: Train(task, epochs=b, n_rows=args.rows) for b in BUDGETS}
    with open(args.table, "a", encoding="utf-8") as file:
        for i in range(args.skip, args.train):
            architecture = space.default if i == 0 else space.sample(seed=i)
            start = time.process_time()
            (scores,) = judge.scores(space, [architecture])
            line = {"architecture": dict(architecture), "scores": dict(scores)}
            line["score_seconds"] = time.process_time() - start
            for budget, evaluator in evaluators.items():
                candidate = Candidate(space, architecture, seed=i, n_threads=1)
                start = time.process_time()
                metrics = evaluator.evaluate(candidate)
                line[str(budget)] = {
                    "loss": metrics["log_loss"],
                    "accuracy": metrics["accuracy"],
                    "seconds": time.process_time() - start,
                }
            print(json.dumps(line), file=file, flush=True)


def read(path):
    """The space of what was trained, and architecture -> its row."""
    from archwright.benchmarks.listed import ListedSpace
    from archwright.space import Architecture
    from archwright.zoo import build_space

    whole = build_space("resnet_cnn", input_shape=(1, 8, 8), n_outputs=10)
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    table = {whole.canonical(Architecture(row["architecture"])): row for row in rows}
    listed = list(table)
    space = ListedSpace(whole, len(listed), listed.__getitem__, table.__contains__)
    return space, table


def strategies(table):
    from archwright.proxies import aggregate
    from archwright.strategies import STRATEGIES, Cascade, Stage

    def judge(names):
        rows = list(table.items())
        ranks = aggregate([row["scores"] for _, row in rows], names)
        known = {a: r for (a, _), r in zip(rows, ranks, strict=True)}

        def score(architecture):
            score.seconds += table[architecture]["score_seconds"]
            return known[architecture]

        score.seconds = 0.0
        return score

    every = [*SCORES[:1], *SCORES[2:], "vkdnw_entropy"]
    low = (Stage(1 / 9), Stage(1 / 3))
    return {
        "random": STRATEGIES["random"],
        "evolution": STRATEGIES["evolution"],
        "auto": STRATEGIES["auto"],
        "successive_halving": STRATEGIES["successive_halving"],
        "asha": STRATEGIES["asha"],
        "mobster": STRATEGIES["mobster"],
        "cascade, combination": lambda: Cascade(
            [Stage(judge(every), keep=0.4), Stage("predictor", keep=0.5), *low], pool=45
        ),
        "cascade, params and snip": lambda: Cascade(
            [Stage(judge(["params", "snip"]), keep=0.4), Stage("predictor", keep=0.5), *low],
            pool=45,
        ),
        "cascade, predictor": lambda: Cascade([Stage("predictor", keep=0.2), *low], pool=45),
        "cascade, training only": lambda: Cascade(low, pool=9),
        "cascade, predictor, a third": lambda: Cascade(
            [Stage("predictor", keep=0.2), Stage(1 / 3)], pool=30
        ),
    }


def replay(space, table, strategy, seed, times):
    """Loss and accuracy of the best by loss that was trained in full, after each of the times."""
    from archwright.trials import History, Objective, Trial

    mean = statistics.mean(row["9"]["seconds"] for row in table.values())
    history = History(space, Objective.of(minimize="loss"), full_budget=9, budgets=BUDGETS)
    judges = [s.by for s in getattr(strategy, "cheap", ()) if callable(s.by)]
    clock, best, found, given = 0.0, None, [], {}
    while len(found) < len(times):
        number = history.next_number
        rng = Random((seed << 32) + number)
        made = strategy.propose(history, rng)
        if made is None:
            return found + [best] * (len(times) - len(found))
        row = table[space.canonical(made.architecture)]
        budget = 9 if made.budget is None else int(made.budget)
        clock += row[str(budget)]["seconds"] - given.get(made.continues, 0.0)
        given[number] = row[str(budget)]["seconds"]
        spent = clock + sum(judge.seconds for judge in judges)
        while len(found) < len(times) and spent > times[len(found)] * mean:
            found.append(best)
        result = row[str(budget)]
        trial = Trial(
            number,
            made.architecture,
            metrics={name: result[name] for name in ("loss", "accuracy")},
            budget=budget,
            origin=made.origin,
            parent=made.parent,
            continues=made.continues,
            seed=rng.getrandbits(31),
        )
        history.add(trial)
        if budget == 9 and (best is None or result["loss"] < best[0]):
            best = result["loss"], result["accuracy"]
    return found


def report(args):
    from scipy.stats import spearmanr

    times = (5, 10, 20)
    space, table = read(args.table)
    full = [(row["9"]["loss"], row["9"]["accuracy"]) for row in table.values()]
    least = min(full)[0]
    print(
        f"{args.table}: {len(table)} networks, loss in full {least:.3f} (best), "
        f"{statistics.median(x for x, _ in full):.3f} (median); {args.seeds} seeds"
    )
    losses = [row["9"]["loss"] for row in table.values()]
    agree = {f"{b} epochs": [row[str(b)]["loss"] for row in table.values()] for b in BUDGETS[:-1]}
    for name in (*SCORES, "vkdnw_entropy"):
        agree[name] = [-row["scores"].get(name, math.nan) for row in table.values()]
    shown = (
        f"{name} {spearmanr(values, losses, nan_policy='omit').statistic:.2f}"
        for name, values in agree.items()
    )
    print("rank correlation with the loss in full: " + ", ".join(shown))
    print(
        f"{'loss above the best, median / 90th percentile':32s}"
        + "".join(f"after {t:>2} trainings    " for t in times)
    )
    for name, make in strategies(table).items():
        runs = [replay(space, table, make(), seed, times) for seed in range(args.seeds)]
        cells = []
        for i in range(len(times)):
            # Nothing trained in full yet counts as the worst.
            gaps = sorted((run[i] or max(full))[0] - least for run in runs)
            cells.append(f"{statistics.median(gaps):.3f} / {gaps[int(0.9 * len(gaps))]:.3f}")
        print(f"{name:32s}" + "".join(f"{cell:22s}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits", choices=("digits", "fashion"))
    parser.add_argument("--train", type=int, default=0, help="networks to train")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--rows", type=int, default=None)
    parser.add_argument("--table", required=True)
    parser.add_argument("--seeds", type=int, default=100)
    args = parser.parse_args()
    if args.train:
        train(args)
        return
    report(args)


if __name__ == "__main__":
    main()
