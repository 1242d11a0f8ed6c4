import numpy as np
import pytest

from archwright.predictors.additive import SETTINGS, AdditiveProcess, Setting

GROUPS = {"decisions": slice(0, 2), "counts": slice(2, 3)}


def test_the_posterior_is_that_of_its_equations():
    rng = np.random.default_rng(0)
    rows, new = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    targets = rng.normal(size=(6, 2))
    setting = Setting(scale=1.5, noise=0.1, decisions=3.0)
    process = AdditiveProcess(rows, targets, GROUPS, settings=[setting])

    def matern(a, b):
        d = np.sqrt(5) * np.linalg.norm(a[:, None] - b[None], axis=2) / 1.5
        return (1 + d + d**2 / 3) * np.exp(-d)

    def kernel(a, b):
        return (3 * matern(a[:, :2], b[:, :2]) + matern(a[:, 2:], b[:, 2:])) / 4

    inverse = np.linalg.inv(kernel(rows, rows) + 0.1 * np.eye(6))
    centred = targets - targets.mean(axis=0)
    mean, deviation = process.predict(new)
    cross = kernel(new, rows)
    assert np.allclose(mean, cross @ inverse @ centred + targets.mean(axis=0))
    variance = 1 - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    for k in range(2):
        amplitude = centred[:, k] @ inverse @ centred[:, k] / 6
        assert np.allclose(deviation[:, k] ** 2, amplitude * variance)


@pytest.mark.parametrize(("group", "heavy"), [("decisions", True), ("counts", False)])
def test_the_weight_of_decisions_follows_from_what_is_observed(group, heavy):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 3)) / np.sqrt([4, 4, 2])
    of = rows[:, 0] * 2 + np.abs(rows[:, 1]) if group == "decisions" else rows[:, 2]
    process = AdditiveProcess(rows, of[:, None], GROUPS)
    assert process.setting in SETTINGS
    assert (process.setting.decisions > 1) == heavy
    assert (process.setting.decisions < 1) != heavy


def test_a_space_of_one_architecture():
    process = AdditiveProcess(np.zeros((2, 0)), np.array([[0.0], [1.0]]), {})
    mean, _ = process.predict(np.zeros((1, 0)))
    assert mean[0, 0] == pytest.approx(0.5)
