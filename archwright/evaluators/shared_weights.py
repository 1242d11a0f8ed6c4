"""`SharedWeights`: judge architectures by the weights they share in a trained supernet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from threading import RLock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archwright.errors import InputError, unknown_name, whole_number
from archwright.evaluators.candidate import Candidate
from archwright.evaluators.train import Train, Trained
from archwright.nn import ModelSpace, Supernet
from archwright.nn.contexts import threads
from archwright.supernet.calibration import Calibration, calibrate
from archwright.supernet.training import SharedTraining, train_supernet
from archwright.tasks import Task
from archwright.training import Recipe, fit
from archwright.training.inference import check_outputs, inference_batch, score
from archwright.training.layout import lay_out, use_channels_last
from archwright.trials import Objective

if TYPE_CHECKING:
    from torch import nn

    from archwright.space import Architecture
    from archwright.supernet.trust import Trust

FINALS = ("fine_tune", "anew", "inherited")
N_REMEMBERED = 50_000
MOST_ROWS = 256
"""Rows judged at once: on one core 512 images of 8 x 8 took 34 ms so, 54 at once and 56 by 64."""
FINE_TUNE_LR = 0.25
"""Share of the usual learning rate with which inherited weights are trained on."""


class SharedWeights:
    """Evaluates an architecture with the weights that it has in a trained supernet.

    The architecture is made active, its batch norm statistics are computed anew from some
    training batches, and it is judged on the validation rows. No network is built or trained:
    thousands of small ones are judged in a minute. Metrics are of ``task.validation``.

    It serves in `archwright.search` as `Train` does, with any strategy, several goals, and limits,
    in this process or in workers, which read it, weights and all, from one file. The winner is
    taken out of the supernet and trained on, or trained anew, tested and exported.

    Inherited accuracies rank networks, they are no forecast of what a network reaches by itself;
    `archwright.supernet.trust` measures how well they rank.

    Args:
        supernet: what `train_supernet` returned, or a supernet. A copy is kept: training it
            further changes nothing here.
        task: the data.
        n_batches: training batches from which batch norm statistics are computed; 0: the
            supernet's own are used, which are those of no architecture.
        batch_size: rows of each of them.
        validation_rows: judge by so many random validation rows; None: by all.
        final: "fine_tune": the winner goes on from its inherited weights; "anew": it is trained
            from new weights, as by `Train`; "inherited": it is taken as it is.
        final_epochs: epochs of that; None: a quarter of the recipe's rule for fine-tuning, and
            what `Train` does for training anew.
        recipe: for the final training; None: the rules of `Recipe`, with a quarter of its
            learning rate for fine-tuning.
        seed: of the rows that are drawn.

    Raises:
        InputError: an argument cannot be used, or the supernet does not fit the task.

    >>> import archwright.nn as aw
    >>> from torch import nn
    >>> def net():
    ...     width = aw.choice("width", [4, 8, 16])
    ...     return nn.Sequential(aw.linear(3, width), nn.ReLU(), aw.linear(width, 2))
    >>> x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    >>> task = Task.from_arrays(x.numpy(), (x[:, 0] > 0).long().numpy())
    >>> shared = SharedWeights.train(aw.ModelSpace(net), task, epochs=10, rule="sandwich")
    >>> list(shared.score({"width": 4}))[0]
    'accuracy'
    """

    n_rows: int | None = None  # candidates are not trained on rows
    trust: Trust | None = None

    def __init__(
        self,
        supernet: Supernet | SharedTraining,
        task: Task,
        *,
        n_batches: int = 2,
        batch_size: int = 128,
        validation_rows: int | None = None,
        final: str = "fine_tune",
        final_epochs: float | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(supernet, SharedTraining):
            supernet = supernet.supernet
        if not isinstance(supernet, Supernet):
            raise InputError(
                "SharedWeights needs a supernet, such as space.supernet() or what "
                f"train_supernet(space, task) returns, got {type(supernet).__name__}"
            )
        if not isinstance(task, Task):
            raise InputError(f"SharedWeights needs a Task, got {type(task).__name__}")
        if not len(task.validation):
            raise InputError("the task has no validation rows to judge by")
        if final not in FINALS:
            raise unknown_name("final training", final, FINALS)
        if final_epochs is not None and not final_epochs > 0:
            raise InputError(f"final_epochs must be above 0, or None, got {final_epochs!r}")
        self.task = task
        self.n_batches = whole_number("n_batches", n_batches, least=0)
        self.batch_size = whole_number("batch_size", batch_size, least=2)
        self.validation_rows = (
            None if validation_rows is None else whole_number("validation_rows", validation_rows)
        )
        self.how = final
        self.final_epochs = final_epochs
        self.seed = whole_number("seed", seed, least=0)
        self._asked = recipe or Recipe()
        self.supernet = deepcopy(supernet).cpu().eval().requires_grad_(False)
        lay_out(self.supernet, torch.contiguous_format)
        self._ready: dict[str, _Ready] = {}
        self._scores: dict[Any, dict[str, float]] = {}
        # A supernet computes one architecture at a time, whatever thread asks.
        self._lock = RLock()
        self._check_fits()

    @classmethod
    def train(
        cls,
        space: ModelSpace,
        task: Task,
        *,
        evaluator: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> SharedWeights:
        """Train a supernet, and judge by it.

        Args:
            space: the space.
            task: the data.
            evaluator: arguments of `SharedWeights`.
            **how: arguments of `train_supernet`.
        """
        return cls(train_supernet(space, task, **how), task, **(evaluator or {}))

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return {**kept, "_ready": {}, "_scores": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = RLock()

    # -- what a search asks ---------------------------------------------------------------

    @property
    def space(self) -> ModelSpace:
        """The supernet's space."""
        return self.supernet.space

    @property
    def recipe(self) -> Recipe:
        """Of the final training, every field decided."""
        task = self.task
        recipe = self._asked.resolve(kind=task.kind, modality=task.modality, n_rows=len(task.train))
        if self.how != "fine_tune":
            return recipe
        if self._asked.lr is None:
            recipe = recipe.replace(lr=FINE_TUNE_LR * (recipe.lr or 0.0))
        if self._asked.epochs is None:
            recipe = recipe.replace(epochs=max(1.0, round(0.25 * (recipe.epochs or 1))))
        return recipe

    @property
    def resolved(self) -> Recipe:
        """The same as `recipe`."""
        return self.recipe

    @property
    def objective(self) -> Objective:
        """The task's main metric."""
        metric = self.task.metric
        name = metric.name
        return Objective.of(maximize=name) if metric.maximize else Objective.of(minimize=name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row, without the batch."""
        return tuple(self.task.input_shape)

    @property
    def weights_hash(self) -> str:
        """A hash of the supernet's weights and of how they are judged."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in self.supernet.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        judged = (self.n_batches, self.batch_size, self.validation_rows, self.seed)
        digest.update(repr((judged, self.how, self.final_epochs)).encode())
        return digest.hexdigest()

    def epochs_of(self, *, final: bool = False) -> float:
        """What judging a candidate costs, in epochs of training; or the final training's epochs."""
        if final:
            return self._train().epochs_of(final=True) if self.how == "anew" else self._tuned()
        n_rows = self.validation_rows or len(self.task.validation)
        n_rows += self.n_batches * self.batch_size
        return n_rows / (3.0 * len(self.task.train))  # forward alone is a third of a step

    def _tuned(self) -> float:
        return float(self.final_epochs or self.recipe.epochs or 1)

    def check(self, hyper: dict[str, Any]) -> None:
        """Refuse hyper-parameters: shared weights are trained already.

        Raises:
            InputError: there are some.
        """
        if hyper:
            raise InputError(
                f"shared weights cannot be judged at other hyper-parameters ({', '.join(hyper)}): "
                "search the networks' own space"
            )

    def evaluate(self, candidate: Candidate) -> dict[str, float]:
        """Judge by the shared weights; see `Evaluator.evaluate`.

        Raises:
            InputError: the strategy asks for several budgets.
        """
        if candidate.staged:
            raise InputError(
                "shared weights have one budget only: use a strategy without several budgets, "
                "such as 'evolution' or 'nsga2'"
            )
        return self.score(
            candidate.architecture, device=candidate.device, n_threads=candidate.n_threads
        )

    # -- judging --------------------------------------------------------------------------

    def score(
        self,
        arch: Mapping[str, Any],
        *,
        device: str = "cpu",
        n_threads: int | None = None,
    ) -> dict[str, float]:
        """The validation metrics of an architecture with the shared weights, and its loss.

        Args:
            arch: an architecture of the supernet's space.
            device: where to compute.
            n_threads: CPU threads; None leaves torch's setting.

        Raises:
            NotFinite: an output is NaN or infinite.
        """
        checked: Architecture = self.space.check(arch)
        with self._lock:
            if checked not in self._scores:
                ready = self._on(device)
                with threads(n_threads), torch.no_grad(), ready.supernet.active(checked):
                    outputs = ready.outputs(self.task)
                if len(self._scores) >= N_REMEMBERED:
                    self._scores.clear()
                self._scores[checked] = score(self.task, outputs.cpu(), ready.y)
            return dict(self._scores[checked])

    def extract(self, arch: Mapping[str, Any]) -> nn.Module:
        """The network of an architecture, plain torch, with its weights and its own statistics.

        In eval mode, on the CPU; it shares nothing with the supernet.

        Args:
            arch: an architecture of the supernet's space.
        """
        with self._lock:
            ready = self._on("cpu")
            model = calibrate(ready.supernet, arch, ready.batches)
        lay_out(model, torch.contiguous_format)
        return model.requires_grad_(True)

    def _on(self, device: str) -> _Ready:
        if device not in self._ready:
            self._ready[device] = self._prepare(torch.device(device))
        return self._ready[device]

    def _prepare(self, device: torch.device) -> _Ready:
        task = self.task
        supernet = self.supernet if device.type == "cpu" else deepcopy(self.supernet).to(device)
        last = use_channels_last(
            supernet, task.train.x.shape, setting="auto", device=device, half=False
        )
        if last:
            lay_out(supernet, torch.channels_last)
        rng = torch.Generator().manual_seed(self.seed)
        calibration = Calibration(supernet)

        def prepared(x: Tensor) -> Tensor:
            x = task.prepare(x.to(device))
            return x.contiguous(memory_format=torch.channels_last) if last else x

        n = min(self.n_batches * self.batch_size, len(task.train)) if calibration.needed else 0
        rows = torch.randperm(len(task.train), generator=rng)[:n]
        # A last batch of a single row has no variance.
        parts = [part for part in rows.split(self.batch_size) if len(part) > 1]
        x, y = task.validation.x, task.validation.y
        if self.validation_rows is not None and self.validation_rows < len(x):
            some = torch.randperm(len(x), generator=rng)[: self.validation_rows]
            x, y = x[some], y[some]
        return _Ready(
            supernet,
            calibration,
            [prepared(task.train.x[part]) for part in parts],
            [prepared(part) for part in x.split(min(MOST_ROWS, inference_batch(x)))],
            y.cpu(),
        )

    def _check_fits(self) -> None:
        try:
            with torch.no_grad(), self.supernet.active(self.space.default):
                x = self.task.prepare(self.task.train.x[:2])
                check_outputs(self.supernet(x), 2, self.task)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                "the supernet does not run on the task's inputs of shape "
                f"{self.input_shape}: {type(error).__name__}: {error}"
            ) from error

    # -- the end --------------------------------------------------------------------------

    def final(self, candidate: Candidate, *, seconds: float | None = None) -> Trained:
        """Take the winner out, train it on or anew, and read the test data, once.

        Args:
            candidate: the winner.
            seconds: time allowance for all of it.
        """
        if self.how == "anew":
            return self._train().final(candidate, seconds=seconds)
        start = perf_counter()
        model = self.extract(candidate.architecture)
        notes = ["its weights come from the supernet"]
        n_epochs, trained_on = 0.0, "train"
        if self.how == "fine_tune":
            if seconds is not None:
                seconds = max(seconds - (perf_counter() - start), 1.0)
            fitted = fit(
                model,
                self.task,
                self.recipe.replace(epochs=self._tuned(), patience=None),
                data="train+validation",
                seed=candidate.seed,
                device=candidate.device,
                n_threads=candidate.n_threads,
                seconds=seconds,
                on_epoch=lambda epoch, record: candidate.report(
                    epoch, **{k: v for k, v in record.items() if k != "epoch"}
                ),
            )
            model, n_epochs, trained_on = fitted.model, fitted.n_epochs, "train+validation"
            notes = [f"{notes[0]}, trained on for {n_epochs:g} epochs"]
        model = model.to("cpu").eval()
        test, interval = self._train().test(model)
        return Trained(
            model=model,
            test=test,
            interval=interval,
            curve=tuple(candidate.curve),
            n_epochs=n_epochs,
            seconds=perf_counter() - start,
            trained_on=trained_on,
            notes=tuple(notes),
        )

    def _train(self) -> Train:
        return Train(self.task, recipe=self._asked, final_epochs=self.final_epochs)


@dataclass
class _Ready:
    """What judging needs, on one device, prepared once."""

    supernet: Supernet
    calibration: Calibration
    batches: list[Tensor]
    x: Sequence[Tensor]
    y: Tensor

    def outputs(self, task: Task) -> Tensor:
        with self.calibration.calibrated(self.batches):
            parts = [check_outputs(self.supernet(x), len(x), task).float() for x in self.x]
        return torch.cat(parts)
