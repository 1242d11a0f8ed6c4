"""Mistakes in a constructor: what is said names the choice, the line and the mend."""

import inspect
import re

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import ArchitectureError, SpaceError


def width():
    return aw.choice("width", [16, 32])


def parameter():
    return nn.ParameterList([nn.Parameter(torch.zeros(3, width()))])


PLAIN = {
    "linear": (lambda: nn.Linear(3, width()), "Linear"),
    "conv1d": (lambda: nn.Conv1d(3, width(), 3), "Conv1d"),
    "conv2d": (lambda: nn.Conv2d(3, width(), 3), "Conv2d"),
    "conv_transpose2d": (lambda: nn.ConvTranspose2d(width(), 3, 3), "ConvTranspose2d"),
    "batch_norm1d": (lambda: nn.BatchNorm1d(width()), "BatchNorm1d"),
    "batch_norm2d": (lambda: nn.BatchNorm2d(width()), "BatchNorm2d"),
    "layer_norm": (lambda: nn.LayerNorm(width()), "LayerNorm"),
    "group_norm": (lambda: nn.GroupNorm(2, width()), "GroupNorm"),
    "rms_norm": (lambda: nn.RMSNorm(width()), "RMSNorm"),
    "embedding": (lambda: nn.Embedding(10, width()), "Embedding"),
    "attention": (lambda: nn.MultiheadAttention(width(), 2), "MultiheadAttention"),
    "lstm": (lambda: nn.LSTM(3, width()), "LSTM"),
    "gru": (lambda: nn.GRU(width(), 3), "GRU"),
    "dropout": (lambda: nn.Dropout(aw.real("width", 0, 0.5)), "Dropout"),
    "parameter": (parameter, "zeros"),
    "layer": (lambda: nn.MaxPool2d(width()), "MaxPool2d"),
}


@pytest.mark.parametrize("function", PLAIN)
def test_a_plain_torch_layer_names_the_function_to_use(function):
    factory, name = PLAIN[function]
    with pytest.raises(SpaceError) as error:
        aw.ModelSpace(factory)
    message = str(error.value)
    assert message.startswith(f"torch's {name} received ")
    assert re.search(r"choice 'width' \(test_errors.py:\d+\)", message)
    assert f"aw.{function}(" in message
    if function != "layer":  # found after the constructor has ended
        line = inspect.getsourcelines(factory)[1] + (function == "parameter")
        assert f" at test_errors.py:{line}: " in message


def test_a_plain_layer_of_the_user():
    class Own(nn.Linear):
        pass

    with pytest.raises(SpaceError, match=r"torch's Linear received.*aw.linear\("):
        aw.ModelSpace(lambda: Own(3, width()))


def test_plain_layers_without_meta():
    def net():
        torch.zeros(1).item()  # cannot run on meta
        return nn.Linear(3, width())

    with pytest.raises(SpaceError, match=r"torch's Linear received.*aw.linear\("):
        aw.ModelSpace(net)


class Branch(nn.Module):
    def __init__(self, use):
        super().__init__()
        use(width())


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda w: 1 if w > 16 else 2, "compares"),
        (lambda w: w == 16, "compares"),
        (lambda w: 1 if w else 2, "branches on"),
        (lambda w: {16: 1, 32: 2}[w], "looks up"),
        (lambda w: list(range(w)), "takes the number of"),
        (lambda w: int(w * 0.5), "takes the number of `width * 0.5` of"),
        (lambda w: max(w, 3), "compares"),
    ],
)
def test_branching(use, words):
    with pytest.raises(SpaceError) as error:
        aw.ModelSpace(Branch, use)
    message = str(error.value)
    assert re.match(rf"the constructor {re.escape(words)} ", message)
    assert re.search(r"the choice 'width' \(test_errors.py:\d+\)", message)
    assert f" at test_errors.py:{inspect.getsourcelines(use)[1]}," in message
    assert "dynamic=True" in message
    # With branching allowed it is fine.
    assert aw.ModelSpace(Branch, use, dynamic=True).sample(seed=0)["width"] in (16, 32)


def linear(out):
    return aw.linear(3, out)


WRONG = {
    "fraction": (lambda: linear(width() * 0.5), "whole number.*`width \\* 0.5`.*can be 16.0.*//"),
    "negative": (lambda: linear(width() - 20), "at least 1, but `width - 20`.* can be -4"),
    "string": (lambda: linear(aw.choice("act", ["relu", "gelu"])), "'act'.*number is needed"),
    "zero": (lambda: linear(8 // (width() - 16)), "ZeroDivisionError"),
    "empty": (lambda: linear(aw.choice("w", [])), r"w \(written at test_errors.py.*at least one"),
    "default": (lambda: linear(aw.choice("w", [1], default=3)), "w: default 3 is not in"),
    "name": (lambda: linear(aw.choice("a/b", [1])), "without '/' and '=' .* got 'a/b' at test_err"),
    "duplicate": (
        lambda: nn.Sequential(linear(width()), linear(width())),
        r"two decisions have the path 'width': written at test_errors.py:\d+ and at test_errors.py:"
        r"\d+. .*aw.scope.*shared=True",
    ),
    "shared once": (
        lambda: nn.Sequential(linear(width()), linear(aw.choice("width", [16, 32], shared=True))),
        "two decisions have the path 'width'.*shared=True in both",
    ),
    "shared values": (
        lambda: nn.Sequential(
            linear(aw.choice("w", [1, 2], shared=True)), linear(aw.choice("w", [1, 3], shared=True))
        ),
        r"shared decision 'w' has the values 1 \| 2 at .* but 1 \| 3 at ",
    ),
    "shared default": (
        lambda: nn.Sequential(
            linear(aw.choice("w", [1, 2], shared=True)),
            linear(aw.choice("w", [1, 2], shared=True, default=2)),
        ),
        "shared decision 'w' has the default",
    ),
    "shared inside": (
        lambda: nn.Sequential(
            aw.layer("op", {"a": nn.ReLU}, shared=True),
            aw.layer("op", {"a": lambda: linear(width())}, shared=True),
        ),
        "'op=a/width' .* declared inside 'op', which is shared and had no such decision",
    ),
    "instance": (lambda: aw.layer("op", {"a": nn.ReLU()}), "option 'a'.*got ReLU; write `lambda"),
    "no module": (lambda: aw.layer("op", {"a": lambda: nn.ReLU}), "give the class itself"),
    "no options": (lambda: aw.layer("op", {}), "at least one entry"),
    "bounds": (lambda: aw.repeat("d", 3, 1, nn.Linear), "high must be .* at least 3, got 1"),
    "elastic bound": (lambda: aw.repeat("d", 1, width(), nn.Linear), "high must be a whole numb"),
    "repeat of an instance": (lambda: aw.repeat("d", 1, 2, nn.ReLU()), "factory must be a func"),
    "repeat of no module": (lambda: aw.repeat("d", 1, 2, lambda i: i), "item 0 of repeat 'd'"),
    "kernel": (lambda: aw.conv2d(3, 4, kernel=(1, 1, 1)), "kernel must be one number or 2"),
    "heads": (lambda: aw.attention(10, 3), "heads must divide dim, got dim=10 and heads=3"),
    "scope": (lambda: aw.scope(""), "non-empty"),
    "nodes": (lambda: aw.cell("c", {"a": nn.ReLU}, nodes=0), "nodes must be .* from 1, got 0"),
    "op": (lambda: aw.cell("c", {"a": None}, nodes=1), "operation 'a' is None, which only"),
    "op instance": (lambda: aw.cell("c", {"a": nn.ReLU()}, nodes=1), "write `lambda"),
    "ops": (lambda: aw.cell("c", lambda place: [], nodes=1), "ops must answer a mapping"),
    "select": (lambda: aw.cell("c", {"a": nn.ReLU}, nodes=2, select=0), "select must be"),
    "output": (lambda: aw.cell("c", {"a": nn.ReLU}, nodes=2, output="x"), "output must be one of"),
    "replacement": (
        lambda: aw.cell("c", {"a": nn.ReLU}, nodes=2, select=(1, 2), replacement=True),
        "must be the number of edges",
    ),
    "max_edges": (lambda: aw.cell("c", {"a": nn.ReLU}, nodes=2, max_edges=2), "edges is fixed"),
    "two cells": (
        lambda: nn.Sequential(*(aw.cell("c", {"a": nn.ReLU}, nodes=2) for _ in range(2))),
        "two cells have the path 'c'.*shared=True",
    ),
    "another shared cell": (
        lambda: nn.Sequential(
            *(aw.cell("c", {"a": nn.ReLU}, nodes=i + 1, shared=True) for i in range(2))
        ),
        "shared cell 'c' has other nodes",
    ),
    "inputs": (lambda: aw.inputs("i", 2, 3), "3 cannot be taken of 2"),
    "inputs of what": (lambda: aw.inputs("i", "abc", 1), "number of tensors or a list"),
    "concat of none": (lambda: aw.inputs("i", 2, (0, 1), merge="concat"), "at least one tensor"),
    "merge": (lambda: aw.inputs("i", 2, 1, merge="x"), "sum, concat, list, got 'x'"),
    "init": (lambda: aw.parameter(3, init="zeros"), "init must be a function"),
    "integer": (lambda: aw.integer(1, 2, 3), "first of three arguments must be a name"),
    "real": (lambda: aw.real("lr", 1.0), "lacks the greatest value"),
    "choice": (lambda: aw.choice("w"), "has no values"),
    "raises": (lambda: 1 / 0, r"raised ZeroDivisionError at test_errors.py:\d+ while .* traced"),
    "no model": (lambda: 3, "must make a torch module, but answered 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_constructor(name):
    factory, pattern = WRONG[name]
    with pytest.raises(SpaceError, match=pattern):
        aw.ModelSpace(factory)


def test_wrong_factory():
    with pytest.raises(SpaceError, match="got 3"):
        aw.ModelSpace(3)
    with pytest.raises(SpaceError, match="a finished ReLU; give the class"):
        aw.ModelSpace(nn.ReLU())
    with pytest.raises(SpaceError, match="missing a required argument: 'out_features'"):
        aw.ModelSpace(nn.Linear, 3)
    with pytest.raises(SpaceError, match="two spaces of models"):
        aw.ModelSpace(nn.ReLU) & aw.ModelSpace(nn.ReLU)


def test_the_cause_is_kept():
    with pytest.raises(SpaceError) as error:
        aw.ModelSpace(lambda: 1 / 0)
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_a_constructor_that_changes():
    asked = []

    def net():
        asked.append(1)
        name = "first" if len(asked) == 1 else "second"
        return linear(aw.choice(name, [1, 2]))

    space = aw.ModelSpace(net)
    with pytest.raises(ArchitectureError, match="asks for the decision 'second'"):
        space.build({"first": 1})
    with pytest.raises(SpaceError, match=r"declares the decision 'second' at test_errors.py"):
        space.supernet()


def test_wrong_architectures():
    space = aw.ModelSpace(lambda: linear(width()))
    supernet = space.supernet()
    for use in (space.build, supernet.extract, lambda arch: supernet.active(arch).__enter__()):
        with pytest.raises(ArchitectureError, match=r"17 is not in the domain .*written at test_e"):
            use({"width": 17})
        with pytest.raises(ArchitectureError, match="did you mean 'width'"):
            use({"widht": 16})
    with pytest.raises(SpaceError, match=r"inside `with supernet.active"):
        supernet(torch.zeros(1, 3))
    with pytest.raises(SpaceError, match=r"inside `with supernet.active"):
        supernet.model(torch.zeros(1, 3))


def test_a_leaked_choice():
    class Leak(nn.Module):
        def __init__(self):
            super().__init__()
            self.op = aw.layer("op", {"a": self.option, "b": lambda: linear(4)})
            self.head = aw.linear(self.width, 2)

        def option(self):
            self.width = aw.choice("w", [3, 4])
            return linear(self.width)

        def forward(self, x):
            return self.head(self.op(x))

    supernet = aw.ModelSpace(Leak).supernet()
    with (
        supernet.active({"op": "b"}),
        pytest.raises(SpaceError, match=r"'op=a/w' .* is not live in the active architecture"),
    ):
        supernet(torch.zeros(1, 3))
