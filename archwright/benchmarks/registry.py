"""Benchmarks by name."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from archwright.benchmarks.base import Benchmark
from archwright.errors import InputError, UnknownNameError, nearest, unknown_name

# name -> (module:function, data sets, whether a path can be given, what it is)
_HOMES: dict[str, tuple[str, tuple[str, ...], bool, str]] = {
    "digits-cells": (
        "digits_cells:DigitsCells",
        (),
        False,
        "3,255 small cells on scikit-learn's digits, in the package; options seed, epochs, "
        "minimize",
    ),
    "hwnasbench": (
        "hwnasbench:HwNasBench",
        ("cifar10", "cifar100", "ImageNet16-120"),
        True,
        "accuracy against latency or energy measured on six devices, 15,625 cells; options device, "
        "cost, limit",
    ),
    "nasbench101": (
        "nasbench101:NasBench101",
        ("cifar10",),
        True,
        "423,624 cells, or a sample of them",
    ),
    "nasbench201": (
        "nasbench201:NasBench201",
        ("cifar10", "cifar100", "ImageNet16-120"),
        True,
        "15,625 cells, also the topology space of NATS-Bench; option epochs",
    ),
    "nasbench301": (
        "nasbench301:NasBench301",
        ("cifar10",),
        True,
        "a surrogate over the DARTS space",
    ),
}
_SYNTHETIC = "synthetic-"


class _Names(Mapping[str, str]):
    """Name -> what the benchmark is."""

    def __getitem__(self, name: str) -> str:
        if name.startswith(_SYNTHETIC):
            return "a made-up problem with a known optimum"
        return _HOMES[name][3]

    def __iter__(self) -> Iterator[str]:
        from archwright.benchmarks.synthetic import KINDS

        yield from _HOMES
        yield from (f"{_SYNTHETIC}{kind}" for kind in KINDS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


BENCHMARKS: Mapping[str, str] = _Names()
"""Name of every benchmark -> what it is."""


def datasets_of(name: str) -> tuple[str, ...]:
    """The data sets that a benchmark has results on; () where there is one only.

    >>> datasets_of("nasbench201")
    ('cifar10', 'cifar100', 'ImageNet16-120')
    """
    return _HOMES[name][1] if name in _HOMES else ()


def load(
    name: str,
    /,
    *,
    dataset: str | None = None,
    path: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Benchmark:
    """The benchmark with a name.

    Args:
        name: "nasbench201", "synthetic-additive", ...; see `BENCHMARKS`.
        dataset: one of its data sets; None: the first.
        path: where its files lie; None: see `archwright.benchmarks.places`.
        **options: what else the benchmark takes, such as ``epochs=12`` or ``device="raspi4"``.

    Raises:
        UnknownNameError: no benchmark, data set or option has that name.
        InputError: a path or data set for a benchmark that has none.
        DataError: its files are not there.

    >>> load("synthetic-needle").space.size
    1024
    """
    if name.startswith(_SYNTHETIC):
        from archwright.benchmarks.synthetic import synthetic

        if dataset is not None:
            raise InputError(f"{name} is made up: it has no data sets, got {dataset!r}")
        _check_options(name, options, synthetic, reserved=("kind",))
        return synthetic(name.removeprefix(_SYNTHETIC), **options)
    if name not in _HOMES:
        raise unknown_name("benchmark", name, BENCHMARKS)
    home, datasets, has_path, _ = _HOMES[name]
    module, attribute = home.split(":")
    make = getattr(importlib.import_module(f"archwright.benchmarks.{module}"), attribute)
    _check_options(name, options, make, reserved=("dataset", "path"))
    if dataset is not None:
        own = _dataset(name, dataset, datasets)
        if len(datasets) > 1:
            options["dataset"] = own
    if path is not None and has_path:
        options["path"] = path
    made: Benchmark = make(**options)
    return made


def _check_options(
    name: str, options: Mapping[str, Any], make: Callable[..., Any], *, reserved: tuple[str, ...]
) -> None:
    known = [p for p in inspect.signature(make).parameters if p not in reserved]
    for option in options:
        if option not in known:
            close = nearest(option, known)
            hint = f"; did you mean {close!r}?" if close else ""
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise InputError(f"{name} has no such option: {option!r}; {has}{hint}")


def _dataset(name: str, given: str, known: tuple[str, ...]) -> str:
    if not known:
        raise InputError(f"{name} has one data set only, which need not be named; got {given!r}")
    for own in known:
        if own.lower() == given.lower():
            return own
    error: UnknownNameError = unknown_name(f"data set of {name}", given, known)
    raise error
