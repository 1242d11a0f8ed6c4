import json
import math

import pytest

import archwright as aw
from archwright.errors import InputError
from archwright.runs.rankings import Ranked, compare
from archwright.space import Choice, Space
from archwright.trials import Fidelity, Proposal

SPACE = Space({"a": Choice(range(10)), "b": Choice(range(10))})
LOW, HALF = Fidelity(epochs=0.1), Fidelity(data=0.5)


class Judge:
    """At a low share of epochs `b` hides what `a` is worth; counts its evaluations."""

    fidelities = frozenset({"epochs", "data"})

    def __init__(self):
        self.seen = []

    def evaluate(self, candidate):
        self.seen.append((candidate.architecture, candidate.fidelity))
        a, b = candidate.architecture["a"], candidate.architecture["b"]
        return {"score": a + 100 * b * (candidate.fidelity.epochs < 1)}


def check(evaluator, *fidelities, **options):
    return aw.check_fidelity(SPACE, evaluator, fidelities, maximize="score", **options)


# ---------------------------------------------------------------------- the search


def search(evaluator, **options):
    return aw.search(SPACE, evaluator, maximize="score", strategy="random", **options)


def test_a_search_gives_its_fidelity_to_every_trial(tmp_path):
    judge = Judge()
    result = search(judge, trials=5, fidelity=HALF, out=tmp_path)
    assert {f for _, f in judge.seen} == {HALF}
    assert {t.fidelity for t in result.trials} == {HALF}
    assert [t.fidelity for t in aw.load(tmp_path).trials] == [HALF] * 5
    assert set(result.frame()["fidelity"]) == {"data 50 %"}
    more = aw.resume(tmp_path, trials=7)
    assert [t.fidelity for t in more.trials] == [HALF] * 7
    with pytest.raises(aw.LedgerError, match="its fidelity was"):
        search(judge, trials=9, out=tmp_path)


def test_a_fidelity_that_the_evaluator_lacks_is_refused_before_any_work(tmp_path):
    judge = Judge()
    with pytest.raises(InputError, match="knows only lower data, epochs: it knows no lower width"):
        search(judge, trials=5, fidelity=Fidelity(width=0.5), out=tmp_path / "run")
    assert not judge.seen
    with pytest.raises(InputError, match="knows no lower width"):
        check(judge, HALF, Fidelity(width=0.5))
    assert not judge.seen


class Ladder:
    """The first architecture at ever higher fidelities, then the same once more."""

    def __init__(self, *steps):
        self.steps = steps

    def propose(self, history, rng):
        if len(history) == len(self.steps):
            return None
        return Proposal(history.space.default, fidelity=self.steps[len(history)])


def test_a_known_architecture_comes_back_with_a_higher_fidelity():
    judge = Judge()
    result = aw.search(
        SPACE, judge, maximize="score", strategy=Ladder(LOW, HALF, Fidelity()), trials=9
    )
    assert [t.fidelity for t in result.trials] == [LOW, HALF, None]
    assert result.best.number == 2
    assert [f for _, f in judge.seen] == [LOW, HALF, Fidelity()]
    with pytest.raises(InputError, match="evaluated already"):
        aw.search(SPACE, judge, maximize="score", strategy=Ladder(HALF, LOW), trials=9)
    steps = Ladder(LOW, Fidelity(depth=0.5))
    with pytest.raises(InputError, match="knows no lower depth"):
        aw.search(SPACE, judge, maximize="score", strategy=steps, trials=9)


def test_a_worker_process_gets_the_fidelity():
    def evaluate(candidate):
        return candidate.fidelity.data

    result = search(evaluate, trials=2, fidelity=HALF, workers=1)
    assert [t.metrics["score"] for t in result.trials] == [0.5, 0.5]


# ---------------------------------------------------------------------- the check


def test_it_tells_a_good_fidelity_from_a_bad_one():
    judge = Judge()
    found = check(judge, LOW, HALF, n=30, seed=1)
    bad, good = found
    assert good.spearman == pytest.approx(1)
    # A perfect order of 30 is no proof of a perfect one.
    assert 0.99 < good.spearman_interval[0] < 1
    assert good.spearman_interval[1] == pytest.approx(1)
    assert good.regret == 0
    assert good.place == 1
    assert bad.spearman_interval[0] < bad.spearman < bad.spearman_interval[1]
    assert bad.spearman < 0.6
    assert bad.doubtful
    assert not good.doubtful
    assert len(found.warnings) == 1
    assert "epochs 10 %" in found.warnings[0]
    architectures = [a for a, f in judge.seen if f == Fidelity()]
    assert len(set(architectures)) == 30
    for fidelity in (LOW, HALF):
        assert [a for a, f in judge.seen if f == fidelity] == architectures
    text = str(found)
    assert "Warning: epochs 10 %" in text
    assert "data 50 %" in text
    json.dumps(found.to_dict(), allow_nan=False)


def test_it_goes_on_where_it_stopped_and_takes_more(tmp_path):
    judge = Judge()
    first = check(judge, HALF, n=5, out=tmp_path)
    made = len(judge.seen)
    assert made == 10
    again = check(judge, HALF, n=5, out=tmp_path)
    assert len(judge.seen) == made
    assert again.to_dict() == first.to_dict()
    check(judge, HALF, LOW, n=5, out=tmp_path)
    assert len(judge.seen) == made + 5
    more = check(judge, HALF, n=7, out=tmp_path)
    assert len(judge.seen) == made + 5 + 4
    assert more.n == 7


def test_what_failed_at_the_fidelity_is_left_out_of_its_comparison():
    def evaluate(candidate):
        a = candidate.architecture["a"]
        if a == 3 and candidate.fidelity == HALF:
            raise ValueError("no")
        return a

    found = aw.check_fidelity(SPACE, evaluate, HALF, n=40, maximize="score")
    assert found.n == 40
    assert found[0].n < 40
    assert found[0].spearman == pytest.approx(1)


def test_repeats_give_the_noise_ceiling():
    def evaluate(candidate):
        noise = candidate.seed % 7 if candidate.fidelity.full else 0
        return candidate.architecture["a"] + noise

    found = aw.check_fidelity(SPACE, evaluate, HALF, n=30, maximize="score", repeats=3)
    assert 0 < found.ceiling[0] < 1
    assert found.repeats == 3
    assert "noise ceiling" in str(found)
    assert check(Judge(), HALF, n=10).ceiling is None


@pytest.mark.parametrize(
    ("fidelities", "options", "message"),
    [
        ([], {}, "below full"),
        ([Fidelity()], {}, "below full"),
        ([HALF, HALF], {}, "different"),
        ([HALF], {"n": 4}, "n must be"),
        ([HALF], {"level": 90}, "level"),
    ],
)
def test_arguments_are_checked(fidelities, options, message):
    judge = Judge()
    with pytest.raises(InputError, match=message):
        check(judge, *fidelities, **options)
    assert not judge.seen


def test_figures_by_hand():
    arches = [SPACE.check({"a": i, "b": 0}) for i in range(5)]
    full = {a: Ranked(score, 2.0, 0) for a, score in zip(arches, [0, 1, 2, 3, 5], strict=True)}
    low = {a: Ranked(score, 0.5, 0) for a, score in zip(arches, [0, 1, 2, 9, 3], strict=True)}
    found = compare([full], [(HALF, low)], metric="score", level=0.9, seed=0)
    assert found[0].spearman == pytest.approx(0.9)
    assert found[0].kendall == pytest.approx(0.8)
    assert (found[0].regret, found[0].place) == (2, 2)
    assert found[0].cost == 0.25
    assert found.random_regret == 5 - 11 / 5
    untimed = {a: Ranked(r.score, 0.0, r.number) for a, r in full.items()}
    assert math.isnan(compare([untimed], [(HALF, low)], metric="s", level=0.9, seed=0)[0].cost)


def compared(full, low, seconds=0.5):
    arches = [SPACE.check({"a": i % 10, "b": i // 10}) for i in range(len(full))]
    fulls = {a: Ranked(score, 1.0, 0) for a, score in zip(arches, full, strict=True)}
    lows = {a: Ranked(score, seconds, 0) for a, score in zip(arches, low, strict=True)}
    return compare([fulls, fulls], [(HALF, lows)], metric="score", level=0.9, seed=0)


def test_without_a_ranking_in_full_there_is_nothing_to_compare_with():
    found = compared([3.0] * 12, range(12))
    assert math.isnan(found[0].spearman)
    assert math.isnan(found[0].kendall_interval[1])
    assert found[0].place is None
    assert found[0].doubtful
    assert "undefined" in str(found)
    assert "same value in full" in found.warnings[0]
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["rankings"][0]["spearman_interval"] == [None, None]
    alike = compared(range(12), [3.0] * 12)
    assert math.isnan(alike[0].spearman)
    assert alike[0].place is not None
    assert "ranks nothing" in alike.warnings[0]


@pytest.mark.parametrize(("n", "least", "most"), [(5, 0, 0.2), (9, 0.8, 0.95), (20, 0.98, 1)])
def test_a_perfect_order_of_few_networks_is_no_certainty(n, least, most):
    found = compared(range(n), range(n))
    for low, high in (found[0].spearman_interval, found[0].kendall_interval):
        assert low < most
        assert high == pytest.approx(1)
    assert found[0].spearman_interval[0] > least
    worst = compared(range(n), range(n, 0, -1))[0]
    assert worst.spearman_interval == pytest.approx([-x for x in found[0].spearman_interval[::-1]])
    assert len(found.warnings) == (n < 10)


def test_too_few_networks_in_both_are_refused():
    def evaluate(candidate):
        if candidate.fidelity == HALF and candidate.number > 3:
            raise ValueError("no")
        return candidate.architecture["a"]

    with pytest.raises(InputError, match=r"only 4 networks .* at least 5"):
        aw.check_fidelity(SPACE, evaluate, HALF, n=8, maximize="score")


def test_a_fidelity_that_costs_more_than_it_saves_is_warned_of():
    found = compared(range(20), range(20), seconds=1.3)
    assert "130 % of the time" in found.warnings[0]
    assert not compared(range(20), range(20), seconds=0.9).warnings


def test_fidelities_that_are_nearly_equal_are_kept_apart(tmp_path):
    judge = Judge()
    near = [Fidelity(data=0.3333333), Fidelity(data=0.3333334)]
    check(judge, *near, n=5, out=tmp_path)
    assert [sum(f == one for _, f in judge.seen) for one in near] == [5, 5]
    assert (tmp_path / "data-0.3333333").is_dir()


# ---------------------------------------------------------------------- the command line


def invoke(*words):
    from typer.testing import CliRunner

    from archwright.cli.app import app

    return CliRunner().invoke(app, ["fidelity", *words])


def test_the_command_line_prints_the_table(tmp_path):
    # fmt: off
    done = invoke(
        "iris", "--at", "epochs=0.5", "--n", "5", "--epochs", "2", "--workers", "0", "-q",
        "--json", str(tmp_path / "f.json"),
    )
    # fmt: on
    assert done.exit_code == 0, done.output
    assert "epochs 50 %" in done.output
    assert "parameters" in done.output
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["rankings"][0]["fidelity"] == {"epochs": 0.5}
    assert written["n"] == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "epochs=2"], "must be a share"),
        (["--at", "colour=0.5"], "colour"),
        (["--n", "3"], "at least 5"),
        (["--at", "width=0.5"], "does not say which argument"),
        (["--at", "resolution=0.5"], "for images"),
    ],
)
def test_the_command_line_refuses_before_any_training(words, message):
    done = invoke("iris", *words)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())


# ---------------------------------------------------------------------- several budgets


class Continues:
    """One architecture, first at a fidelity, then on from that trial at another."""

    def __init__(self, first, second):
        self.steps = (first, second)

    def propose(self, history, rng):
        if len(history) == 2:
            return None
        number = 0 if len(history) else None
        fidelity = self.steps[len(history)]
        return Proposal(history.space.default, continues=number, fidelity=fidelity)


def test_training_goes_on_with_more_epochs_alone():
    options = {"maximize": "score", "trials": 2}
    steps = Continues(LOW, Fidelity(epochs=0.5))
    result = aw.search(SPACE, Judge(), strategy=steps, **options)
    assert [t.continues for t in result.trials] == [None, 0]
    for second in (Fidelity(data=0.9), Fidelity()):
        with pytest.raises(InputError, match="goes on with more epochs alone"):
            aw.search(SPACE, Judge(), strategy=Continues(HALF, second), **options)


def test_costs_count_in_evaluations_in_full():
    from archwright.runs.checkpoints import in_full, seconds_in_full

    result = search(Judge(), trials=4, fidelity=HALF)
    assert in_full(result.history) == 2
    trial = result.trials[0]
    assert seconds_in_full(result.history, trial) == 2 * trial.seconds
