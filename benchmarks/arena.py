"""The arena: every strategy, and peers, on every benchmark at hand, under one protocol.

    python benchmarks/arena.py --seeds 20 --out arena
    python benchmarks/arena.py --seeds 100 --strategies evolution,local --peers optuna-tpe

Reads the benchmarks below $ARCHWRIGHT_DATA, else ../shared/data beside the repository; what is not
there is left out, and said. Peers run in the same process under the same rules: they see validation
values only, choose values of the same decisions, and are charged for each query, also for a cell
that they ask for again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
import warnings
from pathlib import Path

from archwright.benchmarks import compare
from archwright.benchmarks.places import VARIABLE
from archwright.benchmarks.registry import load
from archwright.errors import DataError, MissingExtraError
from archwright.hardware.cores import n_cores
from archwright.strategies import STRATEGIES
from archwright.trials import Proposal

HERE = Path(__file__).resolve().parent
PROBLEMS = (
    ("digits-cells", None),
    ("nasbench201", "cifar10"),
    ("nasbench201", "cifar100"),
    ("nasbench201", "ImageNet16-120"),
    ("nasbench101", None),
    ("nasbench301", None),
)
PEERS = ("optuna-tpe", "optuna-gp", "synetune-kde", "synetune-regularized_evolution")
# Those that answer with several budgets are charged by simulated seconds: another table.
LEFT_OUT = ("grid",)


class OptunaPeer:
    """An Optuna sampler asked for one trial after the other; it is told every result.

    The study lives with the history: like each of ours, a new history makes a new one.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def propose(self, history, rng):
        import optuna

        study, waiting = history.memory.get("peer", (None, None))
        if study is None:
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize", sampler=self._sampler(rng))
        elif waiting is not None:
            trial = history.trials[-1]
            if trial.state == "complete":
                study.tell(waiting, history.objective.score(trial.metrics))
            else:
                study.tell(waiting, state=optuna.trial.TrialState.FAIL)
        asked = study.ask()
        history.memory["peer"] = (study, asked)
        return Proposal(_chosen(history.space, asked), origin="peer")

    def _sampler(self, rng):
        import optuna

        seed = rng.getrandbits(31)
        kinds = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
            "tpe-mv": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        }
        return kinds[self.kind]()


def _chosen(space, asked):
    return assembled(
        space, lambda path, n: asked.suggest_categorical(path, list(range(n))), asked.number
    )


def assembled(space, position, number):
    """The architecture whose decisions have the values at the positions that a peer chose.

    What breaks a limit that peers cannot be told of is drawn at random instead.
    """
    values = {}

    def ask(decision):
        listed = list(decision.domain.values())
        values[decision.path] = listed[position(decision.path, len(listed))]
        for inner in decision.live(values[decision.path]):
            ask(inner)

    for decision in space.decisions:
        ask(decision)
    return space.check(values) if space.contains(values) else space.sample(seed=number)


class SyneTunePeer:
    """A Syne Tune searcher over the positions of the values of all decisions, live or not."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def propose(self, history, rng):
        searcher, last = history.memory.get("peer", (None, None))
        space, number = history.space, len(history.trials)
        if searcher is None:
            searcher = self._searcher(space, rng.getrandbits(31))
        elif history.trials[-1].state == "complete":
            score = history.objective.score(history.trials[-1].metrics)
            searcher.on_trial_complete(number - 1, last, -score)
        found = searcher.suggest()
        history.memory["peer"] = (searcher, found)
        if found is None:
            return None
        return Proposal(assembled(space, lambda path, n: found[path], number), origin="peer")

    def _searcher(self, space, seed):
        from syne_tune.config_space import choice
        from syne_tune.optimizer.schedulers.searchers.searcher_factory import searcher_factory

        config = {
            path: choice(list(range(len(list(space.decision(path).domain.values())))))
            for path in space.paths
        }
        return searcher_factory(self.kind, config_space=config, random_seed=seed)


def peers(names):
    found = {}
    for name in names:
        family, _, kind = name.partition("-")
        made = {"optuna": OptunaPeer, "synetune": SyneTunePeer}[family](kind)
        try:
            __import__("optuna" if family == "optuna" else "syne_tune")
        except ImportError as error:
            print(f"left out: {name} ({error})", file=sys.stderr)
            continue
        found[name] = made
    return found


def problems(wanted):
    found = []
    for name, dataset in PROBLEMS:
        if wanted and name not in wanted:
            continue
        try:
            found.append(load(name, dataset=dataset))
        except (DataError, MissingExtraError, OSError) as error:
            print(f"left out: {name} ({error})", file=sys.stderr)
    return found


def refused(problem, strategies):
    """The strategies that cannot be run on a problem."""
    gone = []
    for name, strategy in strategies.items():
        check = getattr(strategy, "check", None)
        try:
            if check is not None:
                check(problem.space, problem.objective)
        except Exception as error:
            print(f"left out on {problem.name}: {name} ({error})", file=sys.stderr)
            gone.append(name)
    return gone


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--workers", type=int, default=max(1, n_cores()))
    parser.add_argument("--strategies", default="")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--benchmarks", default="")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    shared = HERE.parent.parent / "shared" / "data"
    if shared.is_dir():
        os.environ.setdefault(VARIABLE, str(shared))
    names = [n for n in args.strategies.split(",") if n] or [
        n for n in STRATEGIES if n not in LEFT_OUT
    ]
    from archwright.benchmarks.options import labelled

    ours = labelled(names)
    theirs = peers([n for n in args.peers.split(",") if n])
    for problem in problems([n for n in args.benchmarks.split(",") if n]):
        entrants = {**ours, **theirs}
        for name in refused(problem, entrants):
            del entrants[name]
        began = time.perf_counter()
        result = compare(
            problem, entrants, seeds=args.seeds, queries=args.queries, workers=args.workers
        )
        print(result.table())
        print(f"({time.perf_counter() - began:.0f} s, {args.workers} processes)\n", flush=True)
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            stem = f"{problem.name}-{problem.dataset}".replace(" ", "-")
            result.save_csv(args.out / f"{stem}.csv")
            result.html(args.out / f"{stem}.html")
            result.plot(args.out / f"{stem}.png")


if __name__ == "__main__":
    main()
