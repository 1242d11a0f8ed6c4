import math

import numpy as np
import pytest

from archwright.errors import InputError
from archwright.predictors.gp import GaussianProcess, expected_improvement, normal_scores
from archwright.predictors.kernels import DecisionEmbedding, count_kernel, laplace_kernel
from archwright.space import Branch, Choice, Decision, Integer, Real, Space, Subset


def points(n, seed):
    return np.random.default_rng(seed).uniform(-2, 2, size=(n, 3))


@pytest.mark.parametrize("noise", [1e-6, 0.1])
def test_the_posterior_is_scikit_learns(noise):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    kernel = ConstantKernel(1.7, "fixed") * Matern(length_scale=0.8, length_scale_bounds="fixed")
    x, new = points(30, 0), points(20, 1)
    y = np.sin(x).sum(axis=1)
    theirs = GaussianProcessRegressor(kernel, alpha=1.7 * noise, optimizer=None).fit(x, y)
    base = Matern(length_scale=0.8)
    ours = GaussianProcess.fit(base(x), y, noise=noise, amplitude=1.7)
    mean, deviation = ours.predict(base(new, x), base.diag(new))
    expected_mean, expected_deviation = theirs.predict(new, return_std=True)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(deviation, expected_deviation, rtol=1e-5, atol=1e-7)
    assert math.isclose(
        ours.log_likelihood, theirs.log_marginal_likelihood(), rel_tol=1e-8, abs_tol=1e-8
    )


def test_the_amplitude_is_the_likeliest():
    x = points(25, 2)
    y = np.cos(x).prod(axis=1)
    kernel = laplace_kernel(x, x, scale=1.0)
    best = GaussianProcess.fit(kernel, y, noise=0.01)
    for factor in (0.8, 1.25):
        other = GaussianProcess.fit(kernel, y, noise=0.01, amplitude=best.amplitude * factor)
        assert other.log_likelihood < best.log_likelihood


def test_a_singular_kernel_is_mended_and_a_wrong_one_refused():
    process = GaussianProcess.fit(np.ones((3, 3)), np.array([1.0, 1.0, 1.0]), noise=0.0)
    mean, _ = process.predict(np.ones((1, 3)), np.ones(1))
    assert math.isclose(mean[0], 1.0, rel_tol=1e-3)
    with pytest.raises(InputError, match="semi-definite"):
        GaussianProcess.fit(np.array([[1.0, 5.0], [5.0, 1.0]]), np.zeros(2), noise=0.0)
    with pytest.raises(InputError, match="n x n"):
        GaussianProcess.fit(np.eye(2), np.zeros(3), noise=0.1)


def test_expected_improvement_is_the_integral():
    mean, deviation, best = 0.3, 0.7, 0.5
    # By quadrature of max(x - best, 0) under the normal density.
    x = np.linspace(best, mean + 10 * deviation, 200_001)
    density = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
    integral = float(np.sum((x - best) * density) * (x[1] - x[0]))
    found = expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert math.isclose(found, integral, rel_tol=1e-4)
    sure = expected_improvement(np.array([1.5, 0.2]), np.array([1e-9, 1e-9]), 0.5)
    np.testing.assert_allclose(sure, [1.0, 0.0], atol=1e-9)


def test_normal_scores_of_equal_values_are_equal():
    scores = normal_scores(np.array([5.0, 5.0, -1e9, 7.0]))
    assert scores[0] == scores[1]
    assert scores[2] < scores[0] < scores[3]
    assert math.isclose(normal_scores(np.array([4.0]))[0], 0.0, abs_tol=1e-12)


KERNEL = Decision("op=conv/kernel", Choice((1, 3, 5)))
SPACE = Space(
    [
        Decision("op", Choice(("conv", "pool", "skip")), branches=(Branch({"conv"}, [KERNEL]),)),
        Decision("depth", Integer(1, 5)),
        Decision("lr", Real(1e-4, 1.0, log=True)),
        Decision("taken", Subset(4)),
    ]
)


def distance(a, b):
    rows = DecisionEmbedding(SPACE).embed([SPACE.check(a), SPACE.check(b)])
    return float(np.abs(rows[0] - rows[1]).sum())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 0.0),
        ({"op=conv/kernel": 3}, 0.5),  # a Choice of numbers in order
        ({"op=conv/kernel": 5}, 1.0),
        ({"depth": 3}, 0.5),
        ({"lr": 1e-2}, 0.5),  # half way in the logarithm
        ({"taken": (0, 1)}, 0.5),  # two of four things more
    ],
)
def test_distances(change, expected):
    base = {"op": "conv", "op=conv/kernel": 1, "depth": 1, "lr": 1e-4, "taken": ()}
    assert math.isclose(distance(base, base | change), expected, abs_tol=1e-12)


def test_distance_of_what_is_not_live():
    rest = {"depth": 1, "lr": 1e-4, "taken": ()}
    conv = {"op": "conv", "op=conv/kernel": 3, **rest}
    pool, skip = {"op": "pool", **rest}, {"op": "skip", **rest}
    assert math.isclose(distance(conv, pool), 2.0)  # another operation, and a kernel less
    assert math.isclose(distance(pool, skip), 1.0)  # the kernel is live in neither


def test_the_decision_kernel_is_positive_definite():
    architectures = [SPACE.sample(seed=i) for i in range(60)]
    rows = DecisionEmbedding(SPACE).embed(architectures)
    kernel = laplace_kernel(rows, rows, scale=2.0)
    np.testing.assert_allclose(np.diag(kernel), 1.0)
    assert np.linalg.eigvalsh(kernel).min() > -1e-9


def test_count_kernel_by_hand():
    from collections import Counter

    a, b = Counter({"x": 3, "y": 4}), Counter({"y": 1})
    kernel = count_kernel([a, b, Counter()], [a, b, Counter()])
    np.testing.assert_allclose(kernel, [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]])
