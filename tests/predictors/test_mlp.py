import numpy as np
import pytest

from archwright.errors import InputError
from archwright.predictors.mlp import MlpEnsemble, _Trainer


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 3))
    return x, 2 * x[:, 0] - x[:, 1] + 5


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_it_learns(loss):
    x, y = data()
    ensemble = MlpEnsemble.fit(x, y, seed=0, depth=2, width=32, loss=loss)
    new, truth = data(200, seed=1)
    error = np.abs(ensemble.predict(new).mean(axis=0) - truth).mean()
    assert error < 0.25 * np.abs(truth - y.mean()).mean()


def test_networks_differ_and_seeds_repeat():
    x, y = data()
    one = MlpEnsemble.fit(x, y, seed=0, depth=2, epochs=20).predict(x)
    assert one.std(axis=0).min() > 0
    again = MlpEnsemble.fit(x.copy(), y.copy(), seed=0, depth=2, epochs=20).predict(x)
    np.testing.assert_array_equal(one, again)
    other = MlpEnsemble.fit(x, y, seed=1, depth=2, epochs=20).predict(x)
    assert np.abs(one - other).max() > 0


def test_gradients_are_right():
    rng = np.random.default_rng(0)
    trainer = _Trainer(rng, [4, 6, 5, 1], 2, "mse")
    # Biases start at zero, just where a unit whose inputs are zero has its kink.
    trainer.flat += rng.normal(0, 0.1, trainer.flat.shape).astype(np.float32)
    x = rng.normal(size=(2, 8, 4)).astype(np.float32)
    y = rng.normal(size=(2, 8, 1)).astype(np.float32)
    weight = rng.uniform(0.5, 2, size=(2, 8, 1)).astype(np.float32)

    def loss(flat):
        layers, start = [], 0
        for w, b in trainer.layers:
            parts = []
            for part in (w, b):
                parts.append(flat[start : start + part.size].reshape(part.shape))
                start += part.size
            layers.append(parts)
        a = x.astype(np.float64)
        for w, b in layers[:-1]:
            a = np.maximum(a @ w + b, 0)
        w, b = layers[-1]
        return float((weight * (a @ w + b - y) ** 2).mean(axis=1).sum())

    before = trainer.flat.astype(np.float64).copy()
    trainer.step(x, y, weight, 0.0)
    for i in rng.choice(len(before), 25, replace=False):
        step = np.zeros_like(before)
        step[i] = 1e-6
        numeric = (loss(before + step) - loss(before - step)) / 2e-6
        assert abs(numeric - trainer.grad[i]) < 1e-3 * max(1.0, abs(numeric))


def test_weights_say_what_counts():
    x = np.zeros((40, 1))
    y = np.array([0.0] * 20 + [1.0] * 20)
    weights = np.array([1.0] * 20 + [50.0] * 20)
    ensemble = MlpEnsemble.fit(x, y, seed=0, weights=weights, depth=1, epochs=200)
    assert ensemble.predict(x).mean() > 0.8


def test_each_network_sees_its_share():
    # One example out of forty is unlike the others; a network that has not seen it shows.
    x = np.concatenate([np.zeros((39, 1)), np.ones((1, 1))])
    y = np.concatenate([np.zeros(39), np.ones(1) * 10])
    options = {"seed": 0, "depth": 1, "width": 32, "epochs": 400, "loss": "mse", "n_networks": 8}
    all_seen = MlpEnsemble.fit(x, y, **options).predict(np.ones((1, 1)))
    assert all_seen.min() > 5
    half_seen = MlpEnsemble.fit(x, y, **options, share=0.5).predict(np.ones((1, 1)))
    assert half_seen.min() < 5 < half_seen.max()


def test_it_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="targets"):
        MlpEnsemble.fit(np.zeros((3, 2)), np.zeros(2), seed=0)
