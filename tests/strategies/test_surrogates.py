"""What guided strategies are made of: their examples, their candidates, their models' choices."""

from random import Random

import numpy as np

from archwright.predictors.gp import GaussianProcess, expected_improvement, normal_scores
from archwright.space import Choice, Integer, Real, Space
from archwright.strategies import BANANAS, NASBOWL, PNAS, GaussianProcessSearch, RandomSearch
from archwright.strategies.bananas import _weights
from archwright.strategies.bayesian import NOISES, Surrogate, _kept, _last_step
from archwright.strategies.gaussian_process import SCALES, DecisionKernel
from archwright.strategies.surrogates import Pool, best_trials, evidence, settled
from archwright.strategies.trees import _Forest
from archwright.trials import History, Objective, Trial
from tests.strategies.problems import ONE, additive, bests, cells, flat, run

LIMITED = Objective.of(maximize="score", limits={"cost": 1.0})


def filled(space, n, *, score=additive):
    history = History(space, ONE)
    rng = Random(0)
    while len(history) < n:
        architecture = space.sample(rng=rng)
        if history.is_new(architecture):
            history.add(Trial(len(history), architecture, metrics={"score": score(architecture)}))
    return history


def mixed():
    space = Space({"a": Choice(range(40))})
    architectures = list(space.enumerate())
    states = ["complete", "failed", "complete", "infeasible", "pruned", "complete", "complete"]
    history = History(space, LIMITED)
    for i, state in enumerate(states):
        metrics = {"score": float(i), "cost": 2.0 if i == 6 else 0.5}
        history.add(Trial(i, architectures[i], state, metrics=metrics if i != 1 else {}))
    return history


def test_evidence_counts_what_went_wrong_as_the_worst():
    trials, scores = evidence(mixed())
    assert {t.number: s for t, s in zip(trials, scores, strict=True)} == {
        0: 0.0,
        2: 2.0,
        5: 5.0,
        1: 0.0,  # failed
        3: 0.0,  # infeasible before training
        6: 0.0,  # complete, and over the limit
    }


def test_evidence_of_earlier():
    trials, scores = evidence(mixed(), n_complete=2)
    assert [t.number for t in trials] == [0, 2, 1]
    assert scores.tolist() == [0.0, 2.0, 0.0]


def test_of_thousands_that_break_a_limit_the_latest_count():
    space = Space({"a": Integer(0, 5000)})
    history = History(space, ONE)
    history.add(Trial(0, space.check({"a": 0}), metrics={"score": 1.0}))
    for i in range(1, 1000):
        history.add(Trial(i, space.check({"a": i}), "infeasible"))
    trials, _ = evidence(history)
    assert [t.number for t in trials] == [0, *range(980, 1000)]


def test_pool_is_new_and_without_duplicates():
    space = flat(3, 3)
    history = filled(space, 10)
    pool = Pool(history)
    pool.add_mutations(Random(0), best_trials(history, 3), 100)
    pool.add_random(Random(1), 100)
    assert 12 <= len(pool) == len(set(pool.architectures)) <= 17
    assert all(history.is_new(a) for a in pool.architectures)
    numbers = {t.number for t in best_trials(history, 3)}
    assert set(pool.parents) <= numbers | {None}


def test_settled():
    history = filled(flat(4, 4), 27)
    assert settled(history, 10, 10) == 20
    assert settled(history, 28, 10) is None
    history.start(Trial(30, flat(4, 4).default, "running"))
    assert settled(history, 28, 10) == 27


def test_hyper_parameters_are_the_likeliest_and_find_what_counts():
    space = flat(5, 4)
    history = filled(space, 40, score=lambda a: 3.0 * a["d1"] + a["d3"])
    kernel = DecisionKernel(space)
    surrogate = Surrogate(kernel)
    weights, noise = surrogate.choose(history, 200)
    assert min(weights[1], weights[3]) > max(weights[0], weights[2], weights[4])
    points = surrogate.describe([t.architecture for t in history.complete[: _last_step(40)]])
    targets = normal_scores(np.array(history.scores[: _last_step(40)]))

    def likelihood(setting, noise):
        matrix = kernel.matrix(points, points, setting)
        return GaussianProcess.fit(matrix, targets, noise=noise).log_likelihood

    common = max(likelihood((1 / scale,) * 5, v) for scale in SCALES for v in NOISES)
    assert likelihood(weights, noise) > common


def test_of_many_observations_the_best_and_the_latest_are_kept():
    history = filled(flat(5, 5), 100)
    trials, scores = _kept(*evidence(history), 20)
    numbers = {t.number for t in trials}
    assert len(numbers) == 20
    assert {t.number for t in best_trials(history, 10)} <= numbers
    assert len(numbers & set(range(80, 100))) >= 10
    assert [t.metrics["score"] for t in trials] == scores.tolist()


def test_gp_finds_the_top_of_a_curve():
    space = Space({"x": Real(0.0, 1.0), "n": Integer(1, 100)})

    def evaluate(a):
        return {"score": -((a["x"] - 0.7) ** 2) - ((a["n"] - 20) / 100) ** 2, "cost": 0.0}

    found = bests(GaussianProcessSearch, space, 40, seeds=2, evaluate=evaluate)
    assert min(found) > -0.003


def test_gp_workers_look_at_different_places():
    history = filled(flat(5, 4), 20)
    strategy = GaussianProcessSearch()
    first = strategy.propose(history, Random(5))
    history.start(Trial(20, first.architecture, "running"))
    second = strategy.propose(history, Random(5))
    assert first.architecture != second.architecture
    # With the same candidates, what is near the pending one has lost deviation.
    surrogate = Surrogate(DecisionKernel(history.space))
    rows = surrogate.describe([t.architecture for t in history.complete])
    kernel, equal = surrogate.kernel, (0.5,) * 5
    pending = surrogate.describe([first.architecture])
    without = GaussianProcess.fit(kernel.matrix(rows, rows, equal), np.zeros(20) + 0.1, noise=0.01)
    both = rows + pending
    with_it = GaussianProcess.fit(kernel.matrix(both, both, equal), np.zeros(21) + 0.1, noise=0.01)
    one = (
        without.predict(kernel.matrix(pending, rows, equal), np.ones(1))[1] / without.amplitude**0.5
    )
    two = (
        with_it.predict(kernel.matrix(pending, both, equal), np.ones(1))[1] / with_it.amplitude**0.5
    )
    assert two[0] < one[0]


def quality(architecture):
    """Chains of convolutions are good, by what is left of the cell."""
    from archwright.predictors.graphs import cell_graph
    from archwright.predictors.paths import cell_paths

    space = cells(width=Choice((8, 16))) if "width" in architecture else cells()
    paths = cell_paths(cell_graph(space, architecture))
    gains = {"conv_1x1": 0.3, "conv_3x3": 1.0, "pool": -0.2}
    score = max((sum(gains[op] for op in path) for path in paths), default=-1.0)
    return {"score": score + 0.1 * len(paths) + 0.5 * (architecture.get("width") == 16), "cost": 0}


def test_bowl_beats_random_on_cells():
    ours = bests(lambda: NASBOWL(n_candidates=60), cells(), 30, seeds=2, evaluate=quality)
    theirs = bests(RandomSearch, cells(), 30, seeds=2, evaluate=quality)
    assert min(ours) > max(theirs)


def test_bowl_reads_decisions_outside_the_cells():
    space = cells(width=Choice((8, 16)))
    history = run(NASBOWL(n_candidates=60), space, 30, evaluate=quality)
    late = [t.architecture["width"] for t in history.trials[20:]]
    assert late.count(16) >= 7


def test_bananas_weights_are_the_papers():
    scores = np.array([1.0, 3.0, 5.0])
    bound = 5.0 + 0.1 * 2.0
    np.testing.assert_allclose(_weights(scores), 1 / (bound - scores))
    assert np.isfinite(_weights(np.array([2.0, 2.0]))).all()


def test_bananas_trains_once_a_batch(monkeypatch):
    from archwright.predictors.mlp import MlpEnsemble
    from archwright.strategies import bananas

    sizes = []
    real = MlpEnsemble.fit

    class Spy:
        @staticmethod
        def fit(x, y, **options):
            sizes.append((len(x), options["seed"]))
            return real(x, y, **options)

    monkeypatch.setattr(bananas, "MlpEnsemble", Spy)
    run(BANANAS(depth=1, epochs=5), flat(4, 4), 32)
    assert [n for n, _ in sizes] == [10] * 10 + [20] * 10 + [30] * 2


def test_pnas_goes_from_simple_to_complex():
    space = cells()
    strategy = PNAS(beam=4, levels=3, epochs=20)
    history = run(strategy, space, 15, evaluate=quality)
    levels = history.memory[strategy].levels
    assert levels.n == 3
    reached = [levels.of(t.architecture) for t in history.trials]
    assert reached[:12] == [0] * 4 + [1] * 4 + [2] * 4
    for trial in history.trials[4:12]:
        parent = history.trials[trial.parent]
        assert levels.of(parent.architecture) == levels.of(trial.architecture) - 1


def test_pnas_counts_what_is_being_evaluated():
    history = History(cells(), ONE)
    strategy = PNAS(beam=3, levels=3)
    for number in range(5):
        proposal = strategy.propose(history, Random(number))
        history.start(Trial(number, proposal.architecture, "running"))
    levels = history.memory[strategy].levels
    reached = [levels.of(t.architecture) for t in history.running.values()]
    assert reached == [0, 0, 0, 1, 1]


def test_a_forest_is_as_good_as_scikit_learns():
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(300, 12)).astype(np.float32)
    y = x[:, 0] * 3 + x[:, 1] * x[:, 2] * 2 + rng.normal(0, 0.1, 300)
    new, truth = x[200:], y[200:]
    mean, deviation = _Forest.fit(x[:200], y[:200], n_trees=10, seed=0).predict(new)
    theirs = RandomForestRegressor(10, min_samples_leaf=3, random_state=0).fit(x[:200], y[:200])
    ours_error = np.abs(mean - truth).mean()
    assert ours_error < 1.5 * np.abs(theirs.predict(new) - truth).mean()
    assert deviation.min() > 0
    gains = expected_improvement(mean, deviation, float(y[:200].max()))
    assert (gains >= 0).all()
