"""`train_supernet`: the one loop that trains a supernet with shared weights, by any rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from archwright.errors import InputError, NotFinite, whole_number
from archwright.nn import ModelSpace, Supernet, seeded
from archwright.nn.contexts import threads
from archwright.supernet.checkpoints import Checkpoint
from archwright.supernet.rules import Rule, as_rule
from archwright.supernet.sizes import Sizes
from archwright.supernet.trainer import Trainer
from archwright.training.pace import Guard, Pace, Stretch
from archwright.training.recipe import Recipe
from archwright.training.runtime import resolve_device
from archwright.training.schedules import schedule

if TYPE_CHECKING:
    from archwright.tasks import Task

N_REHEARSED = 6
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class SharedTraining:
    """A trained supernet, and how it came about.

    Attributes:
        supernet: with its trained weights, in eval mode, on its device. Its batch norm statistics
            are those of no architecture: `archwright.SharedWeights` recomputes them for each.
        curve: one record an epoch: "epoch", "train_loss" (the mean over its passes), "lr",
            "seconds".
        rule: by which it was trained.
        recipe: as used, every field decided.
        n_steps: updates made.
        n_passes: architectures run forward and backward.
        seconds: all of it.
    """

    supernet: Supernet
    curve: list[dict[str, float]]
    rule: Rule
    recipe: Recipe
    n_steps: int
    n_passes: int
    seconds: float


def train_supernet(
    space: ModelSpace,
    task: Task,
    *,
    rule: str | Rule = "spos",
    recipe: Recipe | None = None,
    epochs: float | None = None,
    limits: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    seconds: float | None = None,
    n_threads: int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    supernet: Supernet | None = None,
    on_epoch: Callable[[int, dict[str, float]], Any] | None = None,
) -> SharedTraining:
    """Train all architectures of a space at once, in one supernet with shared weights.

    The training rows alone are used (`Enas` asks the validation rows, too); which architectures a
    step trains, and by what loss, is the rule's business. Without `seconds`, the same seed gives
    the same weights, bit by bit on a CPU with the same number of threads, whether or not the
    training was killed and went on from a checkpoint in between. The process's random state is
    neither read nor changed.

    Args:
        space: the space; hyper-parameters cannot be in it.
        task: the data.
        rule: "spos", "rsps", "fairnas", "sandwich", "ofa", "attentive", or an object with
            ``plan(step)``, such as `archwright.supernet.Enas`.
        recipe: optimiser, schedule and regularisation, as for any network; fields at None are
            chosen by its rules. `patience` and `validate_every` have no meaning here.
        epochs: passes over the training rows; None: the recipe's, twice its rule where it says
            nothing: all architectures share them.
        limits: cost -> bound ("50k" will do) or pair; only architectures within them are trained.
        seed: of the weights, the order of rows, augmentation and architectures.
        device: "cpu", "cuda", "auto", or a torch device.
        seconds: time allowance; a few steps are timed and the schedule is set to end in time.
        n_threads: CPU threads; None leaves torch's setting.
        checkpoint: a folder for the state of training; the same call goes on from what is there,
            and returns at once where it was finished.
        checkpoint_seconds: between two checkpoints; 0: after every step.
        supernet: train this one (of the same space, in place) instead of a new one.
        on_epoch: called after each epoch with its number (from 1) and its record.

    Raises:
        InputError: an argument cannot be used.
        InfeasibleError: no architecture within the limits was found.
        LedgerError: the folder holds another training.
        NotFinite: the loss became NaN or infinite.

    >>> import archwright.nn as aw
    >>> from torch import nn
    >>> from archwright.tasks import Task
    >>> def net():
    ...     width = aw.choice("width", [4, 8, 16])
    ...     return nn.Sequential(aw.linear(3, width), nn.ReLU(), aw.linear(width, 2))
    >>> x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    >>> task = Task.from_arrays(x.numpy(), (x[:, 0] > 0).long().numpy())
    >>> trained = train_supernet(aw.ModelSpace(net), task, rule="sandwich", epochs=2)
    >>> len(trained.curve), trained.n_passes // trained.n_steps
    (2, 4)
    """
    began = perf_counter()
    if not isinstance(space, ModelSpace):
        raise InputError(
            f"train_supernet needs a ModelSpace, got {type(space).__name__}: a space of values has "
            "no networks"
        )
    if space.hyper_paths:
        raise InputError(
            f"a supernet has no hyper-parameters ({', '.join(sorted(space.hyper_paths))}): give "
            "the networks' own space"
        )
    seed = whole_number("seed", seed, least=0)
    if seconds is not None and not seconds > 0:
        raise InputError(f"seconds must be a number above 0, or None, got {seconds!r}")
    if not checkpoint_seconds >= 0:
        raise InputError(f"checkpoint_seconds must be at least 0, got {checkpoint_seconds!r}")
    if supernet is not None and supernet.space != space:
        raise InputError("supernet is of another space: give the one that space.supernet() made")
    chosen = as_rule(rule)
    where = resolve_device(device)
    recipe = recipe or Recipe()
    own = recipe.epochs
    recipe = recipe.resolve(kind=task.kind, modality=task.modality, n_rows=len(task.train))
    if epochs is not None or own is None:
        recipe = recipe.replace(epochs=2 * (recipe.epochs or 1) if epochs is None else epochs)
    sizes = Sizes(space, task.input_shape, limits)
    kept = None
    if checkpoint is not None:
        identity = {
            "space": space.fingerprint,
            "data": task.fingerprint,
            "rule": _described(chosen),
            "recipe": recipe.to_dict(),
            "limits": {name: _plain(value) for name, value in sizes.limits.items()},
            "seed": seed,
            "seconds": seconds,
        }
        kept = Checkpoint(checkpoint, identity)
    with threads(n_threads), seeded(seed):
        made = space.supernet(seed=seed) if supernet is None else supernet
        loop = _Loop(made, task, recipe, chosen, sizes, seed, where, kept, checkpoint_seconds)
        return loop.run(began, seconds, on_epoch)


class _Loop:
    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        recipe: Recipe,
        rule: Rule,
        sizes: Sizes,
        seed: int,
        device: torch.device,
        checkpoint: Checkpoint | None,
        checkpoint_seconds: float,
    ) -> None:
        n_rows = len(task.train)
        batch_size = min(recipe.batch_size or 1, n_rows)
        steps_per_epoch = -(-n_rows // batch_size)
        self.n_steps = max(1, round((recipe.epochs or 1) * steps_per_epoch))
        self.trainer = Trainer(
            supernet,
            task,
            recipe,
            rule=rule,
            sizes=sizes,
            seed=seed,
            device=device,
            n_steps=self.n_steps,
        )
        self.recipe = recipe
        self.rule = rule
        self.checkpoint = checkpoint
        self.checkpoint_seconds = checkpoint_seconds
        self.step = self.epoch = self.done = self.n_passes = 0
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []
        self.losses = torch.zeros((), device=device)
        self.pace = Pace.straight(self.n_steps)

    def run(self, began: float, seconds: float | None, on_epoch: Any) -> SharedTraining:
        trainer = self.trainer
        state = None if self.checkpoint is None else self.checkpoint.load(trainer.device)
        if state is not None:
            self._load(state)
        guard = None
        if seconds is not None and self.step < self.pace.n_steps:
            guard = self._rehearse(began + seconds - self.seconds)
            if state is None:
                self.pace = Pace.straight(
                    max(1, min(self.n_steps, guard.affordable(perf_counter())))
                )
            guard.start(perf_counter())
        began -= self.seconds
        rate = schedule(self.recipe.schedule)
        saved = perf_counter()
        while self.step < self.pace.n_steps:
            shuffled = trainer.shuffling.get_state()
            order = torch.randperm(len(trainer.x), generator=trainer.shuffling)
            batches = order.tensor_split(trainer.steps_per_epoch)
            lr = 0.0
            while self.done < len(batches) and self.step < self.pace.n_steps:
                progress = self.pace.progress(self.step + 0.5)
                lr = (self.recipe.lr or 0.0) * rate(progress, self.recipe.warmup)
                self.losses += trainer.step(
                    batches[self.done],
                    lr=lr,
                    number=self.step,
                    progress=progress,
                    first=self.done == 0,
                )
                self.n_passes += trainer.n_passes
                self.step += 1
                self.done += 1
                now = perf_counter()
                if guard is not None and guard.due(now):
                    _synchronize(trainer.device)
                    self.pace = guard.adjust(self.pace, self.step, perf_counter())
                if self.done % 100 == 0:
                    self._check(lr)
                unfinished = self.done < len(batches) and self.step < self.pace.n_steps
                if unfinished and now - saved >= self.checkpoint_seconds:
                    self._save(shuffled, now - began)
                    saved = perf_counter()
            self._check(lr)
            self.epoch += 1
            record = {
                "epoch": self.epoch,
                "train_loss": float(self.losses) / self.done,
                "lr": lr,
                "seconds": perf_counter() - began,
            }
            self.curve.append(record)
            self.done = 0
            self.losses.zero_()
            last = self.step >= self.pace.n_steps
            if last or perf_counter() - saved >= self.checkpoint_seconds:
                self._save(trainer.shuffling.get_state(), perf_counter() - began)
                saved = perf_counter()
            if on_epoch is not None:
                on_epoch(self.epoch, dict(record))
        trainer.finish()
        return SharedTraining(
            supernet=trainer.supernet,
            curve=self.curve,
            rule=self.rule,
            recipe=self.recipe,
            n_steps=self.step,
            n_passes=self.n_passes,
            seconds=self.seconds if state is not None else perf_counter() - began,
        )

    def _rehearse(self, deadline: float) -> Guard:
        """Time a few steps, and put everything back as it was."""
        trainer = self.trainer
        before = deepcopy(trainer.state(trainer.shuffling.get_state()))
        rows = torch.arange(min(self.recipe.batch_size or 1, len(trainer.x)))
        times = []
        for _ in range(N_REHEARSED):
            start = perf_counter()
            trainer.step(
                rows, lr=0.0, number=self.step, progress=self.pace.progress(self.step), first=False
            )
            _synchronize(trainer.device)
            times.append(perf_counter() - start)
        trainer.load(before)
        trainer.optimizer.zero_grad(set_to_none=True)
        left = max(deadline - perf_counter(), 1e-3)
        return Guard(
            deadline=deadline - 0.02 * left,
            interval=0.02 * left,
            n_steps=self.n_steps,
            # The first steps allocate memory, find the largest architecture and build kernels.
            rehearsed=[Stretch(t, 1) for t in times[2:]],
        )

    def _check(self, lr: float) -> None:
        if not bool(self.losses.isfinite()):
            raise NotFinite(
                f"the loss became {float(self.losses)} in epoch {self.epoch + 1} (learning rate "
                f"{lr:.3g}): use a smaller learning rate"
            )

    def _save(self, shuffled: torch.Tensor, seconds: float) -> None:
        self.seconds = seconds
        if self.checkpoint is None:
            return
        self.checkpoint.save(
            {
                **self.trainer.state(shuffled),
                "step": self.step,
                "epoch": self.epoch,
                "done": self.done,
                "n_passes": self.n_passes,
                "curve": self.curve,
                "losses": self.losses,
                "seconds": seconds,
                "pace": self.pace.pieces,
            }
        )

    def _load(self, state: Mapping[str, Any]) -> None:
        self.trainer.load(state)
        self.step, self.epoch, self.done = state["step"], state["epoch"], state["done"]
        self.n_passes, self.curve = state["n_passes"], list(state["curve"])
        self.losses.copy_(state["losses"])
        self.seconds = state["seconds"]
        self.pace = Pace(tuple(tuple(piece) for piece in state["pace"]))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _described(rule: Any) -> str:
    """What a rule is, the same in every process: an object's default text has its address in it."""
    text = repr(rule)
    if " object at 0x" not in text:
        return text
    kind = type(rule)
    return f"{kind.__module__}.{kind.__qualname__}({sorted(vars(rule).items())!r})"
