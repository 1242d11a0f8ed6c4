"""The promises that every strategy keeps, as checks for one's own.

In a test::

    from archwright.testing import check_strategy


    def test_mine():
        check_strategy(MyStrategy)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from archwright.space import Branch, Choice, Decision, Integer, Real, Space
from archwright.strategies import Strategy
from archwright.strategies.fidelity import MultiFidelity, multi_fidelity
from archwright.trials import History, Objective, Proposal, State, Trial

FULL_BUDGET = 9.0


def example_spaces() -> dict[str, Space]:
    """Small spaces of each kind: flat, conditional, with a real number, with one architecture."""
    kernel = Decision("op=conv/kernel", Choice((3, 5, 7)))
    op = Decision("op", Choice(("conv", "pool", "skip")), branches=(Branch({"conv"}, [kernel]),))
    flat = [
        Decision("a", Choice((1, 2, 3))),
        Decision("b", Choice(("x", "y"))),
        Decision("c", Integer(1, 4)),
    ]
    real = [Decision("lr", Real(1e-4, 1e-1, log=True)), Decision("batch", Choice((32, 64)))]
    return {
        "flat": Space(flat),
        "conditional": Space([op, Decision("width", Choice((8, 16)))]),
        "real": Space(real),
        "single": Space({"only": Choice((1,))}),
    }


def check_strategy(
    make: Callable[[], Strategy],
    *,
    n_trials: int = 40,
    several_objectives: bool = True,
) -> None:
    """Check a strategy on small spaces of each kind.

    Every proposal lies in the space; none is a canonical duplicate while new architectures
    remain; an exhausted space is answered with None; the same history and seed give the same
    proposal, whether the history was fed trial by trial or at once; failed, infeasible and
    running trials do no harm, nor do several objectives.

    A strategy with several budgets (see `archwright.strategies.fidelity`) may propose a known
    architecture with a larger one: the trial that it continues must be finished, of the same
    architecture, and among those that it wanted kept.

    Args:
        make: makes the strategy; called anew for each check.
        n_trials: trials on each space, at most.
        several_objectives: whether the strategy takes several objectives.

    Raises:
        AssertionError: a promise is broken; the message says which.

    >>> from archwright.strategies import RandomSearch
    >>> check_strategy(RandomSearch, n_trials=10)
    """
    objectives = [Objective.of(maximize="score")]
    if several_objectives:
        objectives.append(Objective.of(maximize="score", minimize="cost"))
    for name, space in example_spaces().items():
        for objective in objectives:
            _check_run(make, space, objective, n_trials, name)
            _check_replay(make, space, objective, n_trials, name)
            _check_pending(make, space, objective, name)


def _check_run(
    make: Callable[[], Strategy], space: Space, objective: Objective, n_trials: int, name: str
) -> None:
    history = History(space, objective, full_budget=FULL_BUDGET)
    strategy = make()
    staged = multi_fidelity(strategy)
    for number in range(n_trials):
        n_seen = len(history.seen)
        proposal = strategy.propose(history, Random(number))
        if proposal is None:
            assert (math.isfinite(space.size) and n_seen == space.size) or isinstance(
                _first_real(space), Real
            ), f"{name}: gave up after {n_seen} of {space.size} architectures"
            return
        reason = space.why_not(proposal.architecture)
        assert reason is None, f"{name}: proposed what is not in the space: {reason}"
        if staged is not None:
            _check_budget(staged, history, proposal, name)
        else:
            assert history.is_new(proposal.architecture), f"{name}: proposed a known architecture"
        again = strategy.propose(history, Random(number))
        assert again == proposal, f"{name}: two answers to one history: {proposal} and {again}"
        history.add(_trial(space, number, proposal))
    last = strategy.propose(history, Random(0))
    promoted = last is not None and last.continues is not None
    assert last is None or promoted or len(history.seen) < space.size, (
        f"{name}: went on although the space is exhausted"
    )


def _check_budget(staged: MultiFidelity, history: History, proposal: Proposal, name: str) -> None:
    """What a strategy with several budgets may propose."""
    budgets = staged.budgets(history)
    assert list(budgets) == sorted(set(budgets)), f"{name}: budgets do not ascend: {budgets}"
    assert proposal.budget in budgets, f"{name}: {proposal.budget} is none of {budgets}"
    reached = history.reached(proposal.architecture)
    assert proposal.budget > reached, f"{name}: an architecture gets no more than it had"
    if proposal.continues is None:
        assert reached == -math.inf, f"{name}: a known architecture begins anew"
        assert proposal.budget == staged.entry_budget(history), f"{name}: another entry_budget"
        return
    earlier = next((t for t in history.trials if t.number == proposal.continues), None)
    assert earlier is not None, f"{name}: continues trial {proposal.continues}, not finished"
    assert earlier.architecture == proposal.architecture, f"{name}: continues another architecture"
    exhausted = len(history.seen) == history.space.size
    assert exhausted or earlier.number in staged.resumable(history), (
        f"{name}: continues trial {earlier.number}, which was not kept"
    )


def _check_replay(
    make: Callable[[], Strategy], space: Space, objective: Objective, n_trials: int, name: str
) -> None:
    grown = History(space, objective, full_budget=FULL_BUDGET)
    strategy = make()
    for number in range(n_trials):
        proposal = strategy.propose(grown, Random(number))
        again = History(space, objective, grown.trials, full_budget=FULL_BUDGET)
        fresh = make().propose(again, Random(number))
        assert fresh == proposal, (
            f"{name}: after {number} trials fed at once it proposes {fresh}, fed one by one "
            f"{proposal}: something is kept that the history does not determine"
        )
        if proposal is None:
            return
        grown.add(_trial(space, number, proposal))


def _check_pending(
    make: Callable[[], Strategy], space: Space, objective: Objective, name: str
) -> None:
    history = History(space, objective, full_budget=FULL_BUDGET)
    strategy = make()
    for number in range(4):
        proposal = strategy.propose(history, Random(number))
        if proposal is None:
            break
        assert history.is_new(proposal.architecture), (
            f"{name}: proposed what is being evaluated already"
        )
        history.start(
            Trial(
                number,
                proposal.architecture,
                "running",
                parent=proposal.parent,
                budget=proposal.budget,
            )
        )


def _trial(space: Space, number: int, proposal: Proposal) -> Trial:
    """A finished trial with a made-up, deterministic result; now and then one that went wrong."""
    states: tuple[State, ...] = ("complete", "complete", "failed", "complete", "infeasible")
    state = states[number % 5] if number else "complete"
    value = Random(proposal.architecture.id).random()
    metrics = {"score": value, "cost": float(len(proposal.architecture))}
    return Trial(
        number,
        proposal.architecture,
        state,
        metrics=metrics if state == "complete" else {},
        origin=proposal.origin,
        parent=proposal.parent,
        budget=proposal.budget,
        continues=proposal.continues,
    )


def _first_real(space: Space) -> Real | None:
    domains = (space.decision(path).domain for path in space.paths)
    return next((domain for domain in domains if isinstance(domain, Real)), None)
