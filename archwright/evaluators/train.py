"""`Train`: train each candidate on a task and judge it on the validation data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from archwright.errors import InputError, unknown_name
from archwright.evaluators.candidate import Candidate
from archwright.nn import inherit, morph
from archwright.space import Space
from archwright.tasks import Task
from archwright.tasks.resolution import lower_resolution
from archwright.training import (
    RECIPE_FIELDS,
    Recipe,
    Stages,
    Teacher,
    fastest_threads,
    fit,
    predict,
)
from archwright.trials import Fidelity, Objective
from archwright.trials.fidelity import KINDS

if TYPE_CHECKING:
    from torch import nn


INHERIT = ("weights", "morphism")
"""The ways in which a candidate may take up its parent's weights."""

N_ROWS_LEAST = 16
"""Training rows that a share of the data must leave, and two of each class."""

N_ROWS_MORPHED = 64  # from which a morphism takes the statistics of its new normalisations


@dataclass(frozen=True)
class Trained:
    """A network after its final training, tested once.

    Attributes:
        model: plain torch, in eval mode, on the CPU.
        test: metric -> value on the test data, or None without test data.
        interval: 95 % confidence interval of the main test metric, or None.
        curve: one record an epoch.
        n_epochs: passes made over the data; `Recipe(epochs=n_epochs)` repeats the training.
        seconds: what it took.
        trained_on: "train" or "train+validation".
        notes: what a reader should know.
    """

    model: nn.Module
    test: dict[str, float] | None
    interval: tuple[float, float] | None
    curve: tuple[dict[str, float], ...]
    n_epochs: float
    seconds: float
    trained_on: str
    notes: tuple[str, ...] = ()


class Train:
    """Trains a candidate from scratch on ``task.train``; its metrics are of ``task.validation``.

    Decisions of the space that are not the model's and bear the name of a `Recipe` field (lr,
    batch_size, weight_decay, ...) override the recipe, so that ``model_space & hyper_space``
    searches both. A candidate's budget is a number of epochs; where ``epochs`` is itself such a
    decision it governs, and a strategy that gives several budgets is refused.

    Where a strategy gives several budgets, candidates are trained in `Stages` instead of by the
    recipe's schedule, and one that continues another goes on from its checkpoint.

    It knows every kind of `Fidelity`: a share of the epochs, of the training rows (dealt as the
    splits are, so stratified by class in classification), of the resolution of images (resampled
    once in each process), and narrower or shallower copies of the networks where the space says
    how (`ModelSpace.smaller`). What the recipe leaves open, such as the batch size, follows from
    the rows that there are. The final training is always in full.

    With `inherit`, a candidate that a strategy made by changing an earlier one (evolution, local
    search, mutations of any strategy) starts from that one's trained weights. It has then been
    trained longer than its own epochs say, so the values of later trials flatter them; the final
    training starts from new weights, and so does not.

    Args:
        task: the data.
        epochs: epochs for each candidate; None: the recipe's, which is sized to the data.
        recipe: how to train.
        final_epochs: epochs of the winner's final training, at most; None: as many as a
            candidate's where `epochs` or the recipe says so, else twice the recipe's rule.
        n_rows: train candidates on so many rows, dealt as the splits are; None: on all.
        inherit: None: from new weights; "weights": from what a parent shares
            (`archwright.nn.inherit`); "morphism": so that training begins with the parent's
            function where that is possible, else as "weights" (`archwright.nn.morph`).
        teacher: what networks learn from beside the labels, in candidates' trainings and the final
            one: anything that `Teacher` takes.
        distill_weight: weight of the teacher's outputs against the labels, 0 to 1; None: the
            recipe's.
        temperature: softens both outputs; None: the recipe's.

    Raises:
        InputError: `task` is no task, a number is out of range, or the teacher does not answer the
            task's outputs.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    >>> Train(Task.from_arrays(x, (x[:, 0] > 0).astype(int)), epochs=3).objective.primary.metric
    'accuracy'
    """

    isolated = True
    fidelities = frozenset(KINDS)

    def __init__(
        self,
        task: Task,
        *,
        epochs: float | None = None,
        recipe: Recipe | None = None,
        final_epochs: float | None = None,
        n_rows: int | None = None,
        inherit: str | None = None,
        teacher: Any = None,
        distill_weight: float | None = None,
        temperature: float | None = None,
    ) -> None:
        if not isinstance(task, Task):
            raise InputError(
                f"Train needs a Task, got {type(task).__name__}; make one with "
                "Task.from_arrays(x, y), Task.from_frame(frame, target=...) or Task.load(path)"
            )
        self.task = task
        recipe = recipe or Recipe()
        self.recipe = recipe if epochs is None else recipe.replace(epochs=epochs)
        self.final_epochs = final_epochs
        self.n_rows = n_rows
        if inherit is not None and inherit not in INHERIT:
            raise unknown_name("way to inherit", inherit, INHERIT)
        self.inherit = inherit
        distill = {"distill_alpha": distill_weight, "distill_temperature": temperature}
        given = {name: value for name, value in distill.items() if value is not None}
        if given and teacher is None:
            raise InputError("distill_weight and temperature need a teacher: give teacher=")
        self.recipe = self.recipe.replace(**given)
        self.teacher = None if teacher is None else Teacher.of(teacher)
        if self.teacher is not None:
            self.teacher.check(task)
        self._search_task = task if n_rows is None else task.subset(min(n_rows, len(task.train)))
        self._smaller_tasks: dict[tuple[float, float], Task] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_smaller_tasks": {}}

    def with_rows(self, n_rows: int) -> Train:
        """The same evaluator, with candidates trained on fewer rows."""
        return Train(
            self.task,
            recipe=self.recipe,
            final_epochs=self.final_epochs,
            n_rows=n_rows,
            inherit=self.inherit,
            teacher=self.teacher,
        )

    @property
    def resolved(self) -> Recipe:
        """The recipe with everything that it leaves open chosen for the task."""
        task = self.task
        return self.recipe.resolve(kind=task.kind, modality=task.modality, n_rows=len(task.train))

    def epochs_of(self, *, final: bool = False) -> float:
        """Epochs of a candidate's training, or of the final one at most."""
        rule = self.resolved.epochs
        assert rule is not None
        if not final:
            return rule
        if self.final_epochs is not None:
            return self.final_epochs
        return 2 * rule if self.recipe.epochs is None else rule

    @property
    def full_budget(self) -> float:
        """Epochs of a candidate whose proposal names no budget."""
        return self.epochs_of()

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

    def check(self, hyper: dict[str, Any]) -> None:
        """Refuse hyper-parameters that training would ignore.

        Raises:
            UnknownNameError: a name is no field of `Recipe`.
        """
        for name in hyper:
            if name not in RECIPE_FIELDS:
                raise unknown_name("hyper-parameter of training", name, RECIPE_FIELDS)

    def check_budgets(self, space: Space) -> None:
        """Refuse several budgets where the space decides on the epochs itself.

        Raises:
            InputError: it does.
        """
        if "epochs" in getattr(space, "hyper_paths", ()):
            raise InputError(
                "this space decides on epochs, and the strategy gives its trials several numbers "
                "of epochs as budgets: only one of the two can. Take epochs out of the space "
                "(Train(task, epochs=...) says what a trial in full takes), or a strategy that "
                "trains every trial in full, such as 'tpe'"
            )

    def check_fidelity(self, fidelity: Fidelity, space: Space) -> None:
        """Refuse a fidelity that this task or the space's networks cannot have.

        Raises:
            InputError: too little data, a resolution for what are no images, or networks that
                take images of one size only.
        """
        task = self._task_at(fidelity)
        if fidelity.resolution < 1:
            check_resolution(space, fidelity, task.input_shape, task.n_outputs)

    def _task_at(self, fidelity: Fidelity) -> Task:
        """The data of a fidelity, made once."""
        key = (fidelity.data, fidelity.resolution)
        if key == (1.0, 1.0):
            return self._search_task
        if key not in self._smaller_tasks:
            task = self._search_task
            if fidelity.data < 1:
                _check_rows(task, fidelity.data)
                task = task.subset(fidelity.data)
            if fidelity.resolution < 1:
                task = lower_resolution(task, fidelity.resolution)
            self._smaller_tasks[key] = task
        return self._smaller_tasks[key]

    def evaluate(self, candidate: Candidate) -> dict[str, float]:
        """Train and validate; see `Evaluator.evaluate`."""
        recipe = self._recipe(candidate)
        fidelity = candidate.fidelity
        if candidate.budget is not None and "epochs" not in candidate.hyper:
            recipe = recipe.replace(epochs=candidate.budget)
        if not fidelity.full:
            # Named, since the rule that chooses them follows the number of rows.
            recipe = recipe.replace(epochs=fidelity.epochs * (recipe.epochs or self.epochs_of()))
        task = self._task_at(fidelity)
        fitted = fit(
            self._first_weights(candidate, task),
            task,
            recipe,
            seed=candidate.seed,
            device=candidate.device,
            on_epoch=lambda epoch, record: candidate.report(epoch, **_numbers(record)),
            seconds=candidate.seconds,
            n_threads=candidate.n_threads,
            teacher=self.teacher,
            stages=_stages(candidate),
        )
        if self.inherit is not None:
            candidate.keep_weights(fitted.model)
        return dict(fitted.metrics)

    def _first_weights(self, candidate: Candidate, task: Task) -> nn.Module:
        """The candidate's network, with its parent's weights where it has them."""
        model = candidate.model()
        if self.inherit is None or candidate.previous is not None:
            return model
        parent = candidate.parent_model()
        if parent is None:
            return model
        assert candidate.parent is not None
        model = model.to("cpu")
        of = f"of its parent, trial {candidate.parent.number}"
        if self.inherit == "weights":
            candidate.notes.append(f"started from the weights {of} ({inherit(model, parent)})")
            return model.to(candidate.device)
        rows = task.prepare(task.train.x[:N_ROWS_MORPHED])
        morphed = morph(model, parent, rows, seed=candidate.seed)
        if morphed.preserved:
            candidate.notes.append(f"started from the function {of}")
        else:
            candidate.notes.append(
                f"started from the weights {of} ({morphed.inherited}); its function could not be "
                f"preserved: {morphed.reason}"
            )
        return model.to(candidate.device)

    def final(self, candidate: Candidate, *, seconds: float | None = None) -> Trained:
        """Train anew on train and validation data together, then read the test data, once.

        Args:
            candidate: the winner.
            seconds: time allowance for all of it; the schedule reaches its end within.

        As many of the candidate's threads are used as train this network fastest. Without
        augmentation long training may overfit, and there is no validation left to stop by: then
        the length is found first, on the training rows alone, in somewhat less than half the
        time: the epoch that was best on the validation rows.
        """
        start = perf_counter()
        recipe = self._recipe(candidate)
        if "epochs" not in candidate.hyper:
            recipe = recipe.replace(epochs=self.epochs_of(final=True))
        n_threads = candidate.n_threads
        if candidate.device == "cpu" and (seconds is not None or n_threads):
            # Also warms torch up, whose first steps would mislead a fit that plans by its own.
            n_threads = fastest_threads(
                candidate.model(), self.task, recipe, choices=[1, n_threads or 1]
            )
        options: dict[str, Any] = {
            "seed": candidate.seed,
            "device": candidate.device,
            "n_threads": n_threads,
            "teacher": self.teacher,
        }
        notes = []
        if self.task.augment is None:
            pilot = fit(
                candidate.model(),
                self.task,
                recipe,
                seconds=None if seconds is None else max(0.4 * seconds, 1.0),
                **options,
            )
            recipe = recipe.replace(epochs=max(1, pilot.best_epoch))
            notes.append(
                f"{recipe.epochs:g} epochs, found by a run of {pilot.n_epochs:g} on the training "
                "rows alone"
            )
        if seconds is not None:
            seconds = max(seconds - (perf_counter() - start), 1.0)
        fitted = fit(
            candidate.model(),
            self.task,
            recipe.replace(patience=None),
            data="train+validation",
            on_epoch=lambda epoch, record: candidate.report(epoch, **_numbers(record)),
            seconds=seconds,
            **options,
        )
        test, interval = self.test(fitted.model)
        return Trained(
            model=fitted.model.to("cpu").eval(),
            test=test,
            interval=interval,
            curve=tuple(candidate.curve),
            n_epochs=fitted.n_epochs,
            seconds=perf_counter() - start,
            trained_on="train+validation",
            notes=tuple(notes),
        )

    def test(self, model: nn.Module) -> tuple[dict[str, float] | None, tuple[float, float] | None]:
        """The test metrics and the main one's 95 % interval; (None, None) without test data."""
        split = self.task.test
        if split is None:
            return None, None
        outputs = predict(model, self.task, split.x)
        return self.task.metrics(outputs, split.y), self.task.confidence_interval(outputs, split.y)

    def _recipe(self, candidate: Candidate) -> Recipe:
        hyper = candidate.hyper
        self.check(hyper)
        return self.recipe.replace(**hyper)


def _check_rows(task: Task, share: float) -> None:
    n_all = len(task.train)
    per_class = 2 * task.n_outputs if task.kind == "classification" else 0
    least = max(N_ROWS_LEAST, per_class)
    n = round(share * n_all)
    if n >= least:
        return
    why = f" (two of each of the {task.n_outputs} classes)" if per_class == least else ""
    more = (
        f"take data={math.ceil(1000 * least / n_all) / 1000:g} or more, or a share of the epochs"
        if least < n_all
        else "of so little data take all, and a share of the epochs instead"
    )
    raise InputError(
        f"data={share:g} of {n_all:,} training rows leaves {n}, and training needs at least "
        f"{least}{why}: {more}"
    )


def check_resolution(
    space: Any, fidelity: Fidelity, input_shape: tuple[int, ...], n_outputs: int
) -> None:
    """Refuse images of a size that a space's networks do not take: a few are built and tried.

    Args:
        space: the space.
        fidelity: what is asked for.
        input_shape: (channels, height, width) of the resampled images.
        n_outputs: numbers that a network must answer for an image.

    Raises:
        InputError: a network cannot be called with them.
    """
    for seed in range(4):
        architecture = space.sample(seed=seed) if seed else space.default
        model = Candidate(space, architecture, fidelity=fidelity).model().eval()
        try:
            with torch.no_grad():
                outputs = model(torch.zeros(2, *input_shape))
            problem = None if outputs.shape == (2, n_outputs) else f"answer {tuple(outputs.shape)}"
        except Exception as error:
            problem = f"raise {type(error).__name__}: {error}"
        if problem is not None:
            size = " x ".join(map(str, input_shape[-2:]))
            raise InputError(
                f"the networks of this space do not take images of {size} pixels "
                f"({fidelity}): they {problem}. Let them average over the image before the last "
                "layer, as mean((2, 3)) does, or choose another kind of fidelity"
            )


def _numbers(record: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in record.items() if name not in ("epoch", "step")}


def _stages(candidate: Candidate) -> Stages | None:
    if not candidate.staged:
        return None
    state = candidate.load_checkpoint()
    try:
        return Stages(keep=candidate.save_checkpoint, state=state)
    except InputError as error:
        candidate.notes.append(f"trained anew: {error}")
        return Stages(keep=candidate.save_checkpoint)
