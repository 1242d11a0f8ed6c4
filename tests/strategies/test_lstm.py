"""The controllers' network against torch's own LSTM, gradients and Adam."""

from random import Random

import numpy as np
import pytest
import torch

from archwright.strategies.episodes import Course
from archwright.strategies.lstm import Adam, Controller
from tests.strategies.problems import everything


@pytest.fixture(scope="module")
def case():
    space = everything()
    course = Course(space)
    network = Controller(course.widths, units=5, scale=0.4)
    rng = Random(0)
    episodes = [course.read(space.sample(rng=rng)) for _ in range(4)]
    assert len({len(episode) for episode in episodes}) > 1
    assert any(allowed is not None for episode in episodes for allowed in episode.allowed)
    return network, episodes


def in_torch(network, theta, episodes):
    """Log-probability of every option on the way, by torch's LSTM cell; one list an episode."""
    n = network.units
    parts = {name: theta[a:b].reshape(shape) for name, (a, b, shape) in network._cuts.items()}
    # Ours has input, forget, output, candidate; torch's has input, forget, candidate, output.
    order = torch.cat([torch.arange(2 * n), torch.arange(3 * n, 4 * n), torch.arange(2 * n, 3 * n)])
    found = []
    for episode in episodes:
        hidden = cell = torch.zeros(1, n, dtype=theta.dtype)
        token = network.start
        rows = []
        for step, option, allowed in zip(
            episode.steps, episode.options, episode.allowed, strict=True
        ):
            given = (parts["token"][token] + parts["step"][step])[order][None]
            eye = torch.eye(4 * n, dtype=theta.dtype)
            hidden, cell = torch.lstm_cell(given, (hidden, cell), eye, parts["recurrent"].T[order])
            a, b = int(network.first[step]), int(network.first[step + 1])
            scores = parts["out"][a:b] @ hidden[0] + parts["bias"][a:b]
            options = list(range(b - a)) if allowed is None else list(allowed)
            log_p = torch.log_softmax(scores[options], 0)
            rows.append((log_p, options, options.index(option)))
            token = a + option
        found.append(rows)
    return found


def test_probabilities_are_those_of_an_lstm(case):
    network, episodes = case
    done = network.forward(network.batch(episodes))
    with torch.no_grad():
        reference = in_torch(network, torch.from_numpy(network.theta.copy()), episodes)
    for b, rows in enumerate(reference):
        for t, (log_p, options, taken) in enumerate(rows):
            np.testing.assert_allclose(done.log_p[t, b, options], log_p, atol=1e-12)
            np.testing.assert_allclose(done.taken[t, b], log_p[taken], atol=1e-12)
            assert np.exp(done.log_p[t, b]).sum() == pytest.approx(1.0)
        assert not done.taken[len(rows) :, b].any()


def test_one_choice_after_another_gives_the_same_scores(case):
    network, episodes = case
    done = network.forward(network.batch(episodes))
    for b, episode in enumerate(episodes):
        state = network.begin()
        for t, (step, option) in enumerate(zip(episode.steps, episode.options, strict=True)):
            scores, (hidden, cell) = network.advance(state, step)
            state = (hidden, cell, int(network.first[step]) + option)
            np.testing.assert_allclose(hidden, done.hidden[t + 1, b], atol=1e-12)
            if episode.allowed[t] is None:
                log_p = scores - np.log(np.exp(scores).sum())
                np.testing.assert_allclose(log_p, done.log_p[t, b, : len(scores)], atol=1e-12)


def test_gradient_is_that_of_automatic_differentiation(case):
    network, episodes = case
    batch = network.batch(episodes)
    weight = np.random.default_rng(1).normal(size=batch.real.shape) * batch.real
    ours = network.gradient(batch, network.forward(batch), weight, 0.3)

    theta = torch.from_numpy(network.theta.copy()).requires_grad_()
    total = torch.zeros((), dtype=theta.dtype)
    for b, rows in enumerate(in_torch(network, theta, episodes)):
        for t, (log_p, _, taken) in enumerate(rows):
            total = total + weight[t, b] * log_p[taken] - 0.3 * (log_p.exp() * log_p).sum()
    total.backward()
    assert np.abs(ours).max() > 0.1
    np.testing.assert_allclose(ours, theta.grad.numpy(), atol=1e-12)


def test_adam_is_torchs():
    rng = np.random.default_rng(0)
    ours = rng.normal(size=6)
    theirs = torch.from_numpy(ours.copy()).requires_grad_()
    adam, reference = Adam(0.05, 6), torch.optim.Adam([theirs], lr=0.05, maximize=True)
    for _ in range(20):
        gradient = rng.normal(size=6)
        theirs.grad = torch.from_numpy(gradient.copy())
        reference.step()
        adam.ascend(ours, gradient)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-12)


def test_no_global_random_state_is_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (Controller([3, 2], units=4, scale=0.1) for _ in range(2))
    assert (first.theta == second.theta).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
