from __future__ import annotations

import pytest
import torch
from torch import nn

from archwright.errors import InputError, NotFinite
from archwright.nn.contexts import evaluating
from archwright.training import evaluate, predict
from tests.training.conftest import make_task
from tests.training.networks import linear, perceptron


@pytest.mark.parametrize("batch_size", [None, 1, 7, 1000])
def test_outputs_do_not_depend_on_the_batch(task, batch_size):
    network = perceptron()
    network.eval()
    outputs = predict(network, task, task.test.x, batch_size=batch_size)
    torch.testing.assert_close(outputs, network(task.test.x).detach())


def test_modes_are_put_back_one_by_one():
    network = perceptron()
    network[1].eval()
    with evaluating(network):
        assert not any(module.training for module in network.modules())
        assert not torch.is_grad_enabled()
    assert network.training
    assert not network[1].training


def test_metrics_name_the_main_one_first_and_the_loss_last():
    task = make_task(kind="regression")
    metrics = evaluate(linear(1), task, "test")
    assert next(iter(metrics)) == task.metric.name
    assert list(metrics)[-1] == "loss"
    assert metrics == evaluate(linear(1), task, task.test)


def test_no_rows_give_no_outputs(task):
    assert predict(linear(), task, task.test.x[:0]).shape == (0, 2)


def test_outputs_of_another_shape_are_told(task):
    with pytest.raises(InputError, match="end it with a layer of 2 outputs"):
        predict(linear(5), task, task.test.x)


def test_outputs_that_are_not_finite_are_told(task):
    network = linear()
    nn.init.constant_(network.bias, float("inf"))
    with pytest.raises(NotFinite, match="for row 0"):
        evaluate(network, task)
