"""Made-up problems for the tests of strategies."""

import math
from random import Random

from archwright.space import (
    Branch,
    CellGraph,
    Choice,
    Decision,
    EdgeLimit,
    Integer,
    Real,
    Space,
    Subset,
)
from archwright.trials import History, Objective, Trial
from archwright.zoo import build_space

ONE = Objective.of(maximize="score")
TWO = Objective.of(maximize="score", minimize="cost")
THREE = Objective.of(maximize=("x", "y", "z"))


def everything():
    """A space with each kind of domain, conditions and an edge limit."""
    kernel = Decision("op=conv/kernel", Choice((3, 5, 7)))
    inputs = Decision("op=pool/inputs", Subset(4, low=1))
    op = Decision(
        "op",
        Choice(("conv", "pool", "skip")),
        branches=(Branch({"conv"}, [kernel]), Branch({"pool"}, [inputs])),
    )
    return Space(
        [
            op,
            Decision("depth", Integer(1, 5)),
            Decision("width", Integer(8, 512, log=True)),
            Decision("step", Integer(0, 90, step=3)),
            Decision("lr", Real(1e-4, 1e-1, log=True)),
            Decision("rate", Real(0.0, 0.5)),
            Decision("a", Subset(5, low=1, high=3)),
            Decision("b", Subset(5, low=2, high=2)),
            Decision("c", Subset(3, allowed=((0,), (0, 1), (2,)))),
        ],
        constraints=[EdgeLimit(("a", "b", "op=pool/inputs"), 5)],
    )


def zoo(name):
    shape = (64,) if name == "mlp" else (1, 8, 8)
    return build_space(name, input_shape=shape, n_outputs=10)


def space_named(name):
    return everything() if name == "everything" else zoo(name)


def flat(n=6, k=5):
    return Space({f"d{i}": Choice(range(k)) for i in range(n)})


EDGES = {(i, j): f"cell/{i}-{j}" for j in range(1, 4) for i in range(j)}


def cells(ops=("none", "skip", "conv_1x1", "conv_3x3", "pool"), **others):
    """A cell of four nodes with an operation on each edge, the first two zero and identity."""
    zero, identity = ops[:2]
    cell = CellGraph.on_edges("cell", 1, 3, EDGES, output="last", zero=zero, identity=identity)
    return Space({**{p: Choice(ops) for p in EDGES.values()}, **others}, cells=[cell])


def additive(architecture):
    """The sum of a fixed gain for each value: smooth, best where every gain is."""
    return sum(Random(f"{path}={value}").random() for path, value in architecture.items())


def metrics_of(architecture):
    cost = sum(Random(f"cost {path}={value}").random() for path, value in architecture.items())
    return {"score": additive(architecture), "cost": cost}


def three(architecture):
    """For THREE: decisions against each other, or what follows from the one gain."""
    total = additive(architecture)
    values = list(architecture.values())
    if isinstance(values[0], int) and isinstance(values[1], int):
        return {"x": values[0] + total, "y": values[1] + total, "z": total - sum(values[:2])}
    return {"x": total, "y": -total, "z": math.sin(9 * total)}


def total(architecture):
    return {"score": float(sum(architecture.values()))}


def run(strategy, space, n, *, seed=0, objective=ONE, evaluate=metrics_of):
    """A history of `n` evaluations, one after the other."""
    history = History(space, objective)
    for number in range(n):
        proposal = strategy.propose(history, Random((seed << 32) + number))
        assert proposal is not None
        assert space.why_not(proposal.architecture) is None
        assert history.is_new(proposal.architecture)
        history.add(finished(number, proposal, evaluate(proposal.architecture), objective))
    return history


def finished(number, proposal, metrics, objective=ONE):
    """The trial of a proposal; without metrics it failed, outside the limits it was not trained."""
    state = "complete" if metrics is not None else "failed"
    if metrics is not None and not objective.feasible(metrics):
        state = "infeasible"
        metrics = {k: v for k, v in metrics.items() if k != "score"}
    return running(number, proposal, state=state, metrics=metrics or {})


def running(number, proposal, *, state="running", metrics=None):
    return Trial(
        number,
        proposal.architecture,
        state,
        metrics=metrics or {},
        budget=proposal.budget,
        origin=proposal.origin,
        parent=proposal.parent,
        continues=proposal.continues,
        seed=number,
        fidelity=proposal.fidelity,
    )


def run_abreast(strategy, space, n, *, workers=4, seed=0, objective=ONE):
    """The same with several workers, which finish out of order; now and then one fails."""
    history = History(space, objective)
    order = Random(seed)
    for number in range(n):
        proposal = strategy.propose(history, Random((seed << 32) + number))
        assert proposal is not None
        assert history.is_new(proposal.architecture)
        history.start(running(number, proposal))
        if len(history.running) == workers:
            done = order.choice(sorted(history.running))
            trial = history.running[done]
            metrics = None if order.random() < 0.1 else metrics_of(trial.architecture)
            history.add(finished(done, trial, metrics, objective))
    return history


def replays(make, history, *, seed=0):
    """Whether a strategy answers the same to a history that is fed at once and trial by trial."""
    grown = History(history.space, history.objective)
    strategy = make()
    for trial in history.trials:
        strategy.propose(grown, Random(1))
        grown.add(trial)
    fresh = History(history.space, history.objective, history.trials)
    return all(
        strategy.propose(grown, Random(seed + i)) == make().propose(fresh, Random(seed + i))
        for i in range(5)
    )


def history_of(space, rows, objective=ONE):
    """Complete trials, from rows of an architecture, its score and maybe its cost."""
    trials = []
    for number, (architecture, *values) in enumerate(rows):
        metrics = dict(zip(("score", "cost"), map(float, values), strict=False))
        trials.append(Trial(number, space.check(architecture), metrics=metrics))
    return History(space, objective, trials)


def memory_of(strategy, history):
    """What a strategy keeps of a history, brought up to date."""
    strategy.propose(history, Random(0))
    return history.memory[strategy]


def best(history):
    return history.best.metrics["score"]


def bests(make, space, n, *, seeds, evaluate=metrics_of):
    """The best score of `n` evaluations, for each of so many seeds."""
    return [best(run(make(), space, n, seed=s, evaluate=evaluate)) for s in range(seeds)]
