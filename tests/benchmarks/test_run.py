import pytest

from archwright.benchmarks import Table, run_strategy, synthetic
from archwright.errors import InputError
from archwright.space import Space, choice
from archwright.strategies import random_proposal
from archwright.trials import Proposal


class Script:
    """Proposes what it was given, in order."""

    def __init__(self, *proposals):
        self.proposals = proposals

    def propose(self, history, rng):
        done = len(history.trials)
        if done >= len(self.proposals):
            return None
        value, budget, *continues = self.proposals[done]
        architecture = history.space.check({"x": value})
        return Proposal(architecture, budget=budget, continues=continues[0] if continues else None)


def curves():
    # 3 is best in full, 2 after one epoch; test values disagree with both.
    full, early = {1: 0.1, 2: 0.5, 3: 0.9}, {1: 0.1, 2: 0.4, 3: 0.2}
    space = Space({"x": choice([1, 2, 3])})
    rows = []
    for x in (1, 2, 3):
        more = {"test": 1.0 - full[x], "s": 10.0 * x}
        rows.append(({"x": x}, {"valid": early[x], "epochs": 1, **more}))
        more["s"] = 100.0 * x
        rows.append(({"x": x}, {"valid": full[x], "epochs": 10, **more}))
    return Table(space, rows, metric="valid", test_metric="test", cost="s", budget="epochs")


def test_selection_is_by_validation_and_test_is_looked_up_afterwards():
    run = run_strategy(curves(), Script((1, None), (3, None), (2, None)), queries=5)
    assert [(s.trial, s.architecture["x"]) for s in run.steps] == [(0, 1), (1, 3)]
    assert run.last.value == 0.9
    assert run.last.test == pytest.approx(0.1)
    assert run.last.test_regret == pytest.approx(0.8)
    assert run.queries_to_optimum == 2
    assert run.simulated_s == 600.0
    assert run.ended == "exhausted"


def test_going_on_with_a_training_is_charged_the_difference():
    run = run_strategy(curves(), Script((2, 1), (3, 1), (2, 10, 0)), queries=5)
    assert run.queries == pytest.approx(0.1 + 0.1 + 0.9)
    assert run.simulated_s == 20 + 30 + (200 - 20)
    anew = run_strategy(curves(), Script((2, 1), (3, 1), (2, 10)), queries=5)
    assert anew.queries == pytest.approx(0.1 + 0.1 + 1.0)
    assert anew.simulated_s == 20 + 30 + 200


@pytest.mark.parametrize("bad", [(2, 10, 0), (3, 1, 1), (3, 10, 7)])
def test_what_cannot_be_continued_is_refused(bad):
    script = Script((3, 1), (3, 10), bad)
    with pytest.raises(InputError, match="continues trial"):
        run_strategy(curves(), script, queries=5)


def test_a_duplicate_is_charged_in_full():
    run = run_strategy(curves(), Script((2, None), (2, None), (2, 1), (2, 1)), queries=5)
    assert run.queries == pytest.approx(1 + 1 + 0.1 + 0.1)
    assert run.simulated_s == 200 + 200 + 20 + 20
    assert len(run.steps) == 1


def test_the_incumbent_of_partial_trainings_is_judged_by_a_full_one():
    run = run_strategy(curves(), Script((2, 1), (3, 1), (3, 10, 1)), queries=5)
    # After one epoch 2 looks best; that the optimum was found is known after its full training.
    assert [(s.trial, round(s.regret, 9)) for s in run.steps] == [(0, 0.4), (2, 0.0)]
    assert run.queries_to_optimum == 2  # 0.1 + 0.1 + 0.9 trainings, rounded up


def test_a_budget_between_two_is_answered_and_charged_at_the_next():
    run = run_strategy(curves(), Script((1, 4.5)), queries=5)
    assert run.simulated_s == 100.0


def test_the_end_by_simulated_seconds():
    run = run_strategy(curves(), Script((1, None), (2, None), (3, None)), queries=5, seconds=400)
    assert (run.queries, run.simulated_s, run.ended) == (2, 300.0, "seconds")
    space = Space({"x": choice([1, 2])})
    untimed = Table(space, [({"x": i}, {"valid": i}) for i in (1, 2)], metric="valid")
    with pytest.raises(InputError, match="cannot be kept"):
        run_strategy(untimed, "random", seconds=400)
    assert run_strategy(untimed, "random").simulated_s is None


def test_regret_is_known_up_to_where_the_run_went():
    run = run_strategy(synthetic("additive"), "random", queries=50)
    assert run.regret(20) >= run.regret(50) > 0
    assert run.regret(51) is None
    # An exhausted space has nothing more to show: its last incumbent stands.
    assert run_strategy(curves(), "random", queries=50).regret(40) == 0


def test_the_same_seed_is_the_same_run():
    benchmark = synthetic("interactions")
    a, b, c = (run_strategy(benchmark, "evolution", seed=s, queries=60) for s in (3, 3, 4))
    assert a.steps == b.steps != c.steps


def test_a_run_is_what_the_loop_of_a_search_does():
    from archwright.runs.loop import Loop
    from archwright.strategies import RegularizedEvolution
    from archwright.trials import History

    benchmark = synthetic("interactions")
    run = run_strategy(benchmark, "evolution", seed=5, queries=60)
    history = History(benchmark.space, benchmark.objective)
    Loop(history, RegularizedEvolution(), benchmark, seed=5, n_trials=60).run()
    best, steps = -1.0, []
    for trial in history.trials:
        if trial.metrics["valid"] > best:
            best = trial.metrics["valid"]
            steps.append((trial.number, best))
    assert [(s.trial, s.value) for s in run.steps] == steps


def test_what_a_strategy_refuses_is_said_before_any_work():
    class Refuses:
        def check(self, space, objective):
            raise InputError("not here")

        def propose(self, history, rng):
            raise AssertionError

    with pytest.raises(InputError, match="not here"):
        run_strategy(synthetic("needle"), Refuses())


def test_what_is_no_proposal_is_refused():
    class Wrong:
        def propose(self, history, rng):
            return history.space.default

    with pytest.raises(InputError, match="must propose a Proposal"):
        run_strategy(synthetic("needle"), Wrong())


def test_a_strategy_that_finds_nothing_known_ends():
    from archwright.space import Architecture

    space = Space({"a": choice(list(range(100))), "b": choice(list(range(100)))})
    table = Table(space, [({"a": i, "b": 0}, {"valid": i}) for i in (1, 2)], metric="valid")

    class Lost:
        def propose(self, history, rng):
            n = len(history.trials)
            return Proposal(Architecture({"a": n // 99, "b": 1 + n % 99}))

    run = run_strategy(table, Lost(), queries=5)
    assert (run.ended, run.queries, run.steps) == ("unknown", 0, ())


def test_several_goals_by_hypervolume():
    benchmark = synthetic("two_goals")
    run = run_strategy(benchmark, "random", queries=1024)
    assert run.last.value == pytest.approx(benchmark.volume)
    assert run.regret(1024) == 0.0
    assert run.queries_to_optimum is not None
    assert all(a.value < b.value for a, b in zip(run.steps, run.steps[1:], strict=False))


def test_arguments_are_checked():
    with pytest.raises(InputError, match="expected a Benchmark"):
        run_strategy("digits", "random")
    with pytest.raises(InputError, match="queries must be"):
        run_strategy(synthetic("needle"), "random", queries=0)
    with pytest.raises(InputError, match="seed must be"):
        run_strategy(synthetic("needle"), "random", seed=-1)


def test_history_is_fed_infeasible_results_of_limits():
    space = Space({"x": choice([1, 2, 3, 4])})
    rows = [({"x": i}, {"valid": float(i), "size": float(i)}) for i in (1, 2, 3, 4)]
    seen = []

    class Watches:
        def propose(self, history, rng):
            seen.append(len(history.complete))
            return random_proposal(history, rng)

    run = run_strategy(Table(space, rows, metric="valid", limits={"size": 2}), Watches())
    assert run.last.value == 2.0
    assert seen[-1] == 2
