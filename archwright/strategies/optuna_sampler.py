"""Optuna's samplers as strategies."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from random import Random
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState, create_trial

from archwright.errors import InputError, MissingExtraError
from archwright.space import Architecture, Space
from archwright.strategies.base import first_new, random_proposal
from archwright.strategies.optuna_parameters import Parameters
from archwright.strategies.population import check_counts, refuse_several
from archwright.trials import History, Objective, Proposal, Trial

MakeSampler = Callable[..., BaseSampler]

_N_ASKED = 5


@dataclass(frozen=True)
class OptunaSampler:
    """Any sampler of Optuna as a strategy.

    The sampler is made anew for each proposal, with a seed, and sees a study in memory that holds
    the history: what is complete and keeps the limits with its values (the larger the better),
    what is being evaluated as running, all else as failed. What it suggests and is known already
    is asked for again, then mutated.

    Args:
        sampler: the sampler's class, or a function, that makes a sampler when called with
            ``seed=``. For options use `functools.partial`.
        numeric: whether a Choice is shown to the sampler as the number of its value, for samplers
            that can do with numbers only.
        replay: whether the sampler is asked for each finished trial in its turn, too: those that
            write notes to trials as they are asked (CMA-ES, NSGA-II) need this, others are only
            slower.

    Raises:
        InputError: `sampler` is no function, such as a sampler that was made already.

    Source: Akiba, Sano, Yanase, Ohta and Koyama, Optuna: A Next-generation Hyperparameter
    Optimization Framework, KDD 2019, arXiv 1907.10902.

    >>> from functools import partial
    >>> from archwright.space import Choice, Space
    >>> strategy = OptunaSampler(partial(optuna.samplers.TPESampler, multivariate=True))
    >>> space = Space({"width": Choice((16, 32))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> strategy.propose(history, Random(0)).origin
    'model'
    """

    sampler: MakeSampler
    numeric: bool = False
    replay: bool = True

    def __post_init__(self) -> None:
        if not callable(self.sampler):
            raise InputError(
                "sampler must be what makes a sampler, called with seed=, such as the class "
                f"optuna.samplers.TPESampler; got {self.sampler!r}: a sampler draws from a state "
                "of its own, and a strategy must follow from the history"
            )

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        return _propose(self, self.sampler, history, rng, numeric=self.numeric, replay=self.replay)


@dataclass(frozen=True)
class TPE:
    """Tree-structured Parzen estimators: draws like the good trials and unlike the others.

    Args:
        n_initial: random architectures before the model is asked.
        n_candidates: how many draws are compared for each decision.
        multivariate: whether the decisions that are always live are modelled together, in place of
            one by one; None: with a single objective, as Optuna does.

    Raises:
        InputError: a number below 1.

    Source: Bergstra, Bardenet, Bengio and Kégl, Algorithms for Hyper-Parameter Optimization,
    NeurIPS 2011; Optuna's `TPESampler`, with what is being evaluated among the bad ones.

    >>> TPE().n_initial
    10
    """

    n_initial: int = 10
    n_candidates: int = 24
    multivariate: bool | None = None

    def __post_init__(self) -> None:
        check_counts(n_initial=self.n_initial, n_candidates=self.n_candidates)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""

        def make(seed: int) -> BaseSampler:
            return optuna.samplers.TPESampler(
                n_startup_trials=self.n_initial,
                n_ei_candidates=self.n_candidates,
                multivariate=self.multivariate,
                constant_liar=True,
                seed=seed,
            )

        return _propose(self, make, history, rng)


@dataclass(frozen=True)
class OptunaGP:
    """Optuna's Gaussian process, with a Matérn kernel and a length scale for each decision.

    Decisions that are live under conditions are drawn at random: the model needs those that every
    trial has. Needs the package greenlet. For a Gaussian process that reads all decisions see `gp`.

    Args:
        n_initial: random architectures before the model is asked.

    Raises:
        InputError: a number below 1.

    Source: Optuna's `GPSampler`.

    >>> OptunaGP().n_initial
    10
    """

    n_initial: int = 10

    def __post_init__(self) -> None:
        check_counts(n_initial=self.n_initial)

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse to start without the package that the sampler needs."""
        _needs("greenlet", "optuna_gp")

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""

        def make(seed: int) -> BaseSampler:
            return optuna.samplers.GPSampler(
                n_startup_trials=self.n_initial, seed=seed, warn_independent_sampling=False
            )

        return _propose(self, make, history, rng)


@dataclass(frozen=True)
class CMAES:
    """Covariance matrix adaptation: draws from a normal distribution that moves to the better.

    A Choice is the number of its value, so that its order counts. Decisions that are live under
    conditions are drawn at random. Needs the package cmaes.

    Args:
        population: draws between two moves; None: by the number of decisions.
        n_initial: random architectures at first.

    Raises:
        InputError: a number out of range.

    Source: Hansen and Ostermeier, Completely Derandomized Self-Adaptation in Evolution Strategies,
    Evolutionary Computation 9(2), 2001; Optuna's `CmaEsSampler`.

    >>> CMAES().n_initial
    1
    """

    population: int | None = None
    n_initial: int = 1

    def __post_init__(self) -> None:
        check_counts(n_initial=self.n_initial)
        if self.population is not None and self.population < 4:
            raise InputError(f"population must be at least 4 or None, got {self.population!r}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and to start without the package that the sampler needs."""
        refuse_several("cmaes", objective)
        _needs("cmaes", "cmaes")

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""

        def make(seed: int) -> BaseSampler:
            return optuna.samplers.CmaEsSampler(
                popsize=self.population,
                n_startup_trials=self.n_initial,
                seed=seed,
                warn_independent_sampling=False,
            )

        return _propose(self, make, history, rng, numeric=True, replay=True)


@dataclass(frozen=True)
class OptunaNSGA2:
    """Optuna's NSGA-II, for comparison; `nsga2` is ours.

    Args:
        population: how many architectures a generation has.

    Raises:
        InputError: fewer than two.

    Source: Deb, Pratap, Agarwal and Meyarivan, A Fast and Elitist Multiobjective Genetic Algorithm:
    NSGA-II, IEEE Transactions on Evolutionary Computation 6(2), 2002; Optuna's `NSGAIISampler`.

    >>> OptunaNSGA2().population
    50
    """

    population: int = 50

    def __post_init__(self) -> None:
        if self.population < 2:
            raise InputError(f"population must be at least 2, got {self.population!r}")

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""

        def make(seed: int) -> BaseSampler:
            return optuna.samplers.NSGAIISampler(population_size=self.population, seed=seed)

        return _propose(self, make, history, rng, replay=True)


def _propose(
    strategy: Any,
    make: MakeSampler,
    history: History,
    rng: Random,
    *,
    numeric: bool = False,
    replay: bool = False,
) -> Proposal | None:
    with _quiet():
        record = history.memory.get(strategy)
        if record is None:
            parameters = Parameters(history.space, numeric=numeric)
            record = history.memory[strategy] = _Record(
                history, parameters, make if replay else None
            )
        record.follow(history)
        suggested: Architecture | None = None
        with record.study(make(seed=rng.getrandbits(32)), history) as study:
            for _ in range(_N_ASKED):
                trial = study.ask()
                suggested = record.parameters.suggested(trial, rng)
                study.tell(trial, state=TrialState.FAIL)
                if suggested is not None and history.is_new(suggested):
                    return Proposal(suggested, origin="model")
    if suggested is not None:
        known = suggested
        near = first_new(history, lambda: history.space.mutate(known, rng=rng), n_tries=20)
        if near is not None:
            return Proposal(near, origin="mutation")
    return random_proposal(history, rng)


class _Record:
    """The finished trials as Optuna's: a cache that the history's trials determine."""

    def __init__(self, history: History, parameters: Parameters, make: MakeSampler | None) -> None:
        self.parameters = parameters
        self._directions = [StudyDirection.MAXIMIZE] * len(history.objective.goals)
        # A seed of no consequence: what is asked for is replaced by what was evaluated.
        self._sampler = make(seed=0) if make is not None else None
        self._study = self._new(self._sampler or optuna.samplers.RandomSampler(seed=0))
        self._n_read = self._n_complete = 0

    def follow(self, history: History) -> None:
        """Read the trials that finished since the last call."""
        for trial in history.trials[self._n_read :]:
            values = None
            ahead = history.complete[self._n_complete : self._n_complete + 1]
            if ahead and ahead[0] is trial:
                self._n_complete += 1
                values = history.objective.values(trial.metrics)
            if self._sampler is None or values is None:
                state = TrialState.COMPLETE if values is not None else TrialState.FAIL
                self._study.add_trial(self._frozen(trial, state, values))
            else:
                self._replay(trial, values)
        self._n_read = len(history.trials)

    @contextmanager
    def study(self, sampler: BaseSampler, history: History) -> Iterator[Study]:
        """A study with all trials, in which the sampler may be asked; what it is told is not kept.

        Samplers that write no notes see the order of what is complete and nothing else of trials'
        numbers: theirs is always the same study, in which questions are left as failed trials.
        Others get one of their own each time.
        """
        study = self._study
        if self._sampler is None:
            study.sampler = sampler
        else:
            study = self._new(sampler)
            for frozen in self._study.get_trials(deepcopy=False):
                study.add_trial(frozen)
            attributes = self._study._storage.get_study_system_attrs(self._study._study_id)
            for key, value in attributes.items():
                study._storage.set_study_system_attr(study._study_id, key, value)
        for trial in history.running.values():
            study.add_trial(self._frozen(trial, TrialState.RUNNING, None))
        try:
            yield study
        finally:
            for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                study.tell(frozen.number, state=TrialState.FAIL)

    def _replay(self, trial: Trial, values: tuple[float, ...]) -> None:
        assert self._sampler is not None
        self._study.enqueue_trial(self.parameters.of(trial.architecture))
        asked = self._study.ask()
        # Asked for its notes: the parameters are those that were evaluated.
        frozen = self._study.get_trials(deepcopy=False)[-1]
        relative = self._sampler.infer_relative_search_space(self._study, frozen)
        self._sampler.sample_relative(self._study, frozen, relative)
        self.parameters.suggested(asked, Random(0))
        self._study.tell(asked, list(values))

    def _frozen(
        self, trial: Trial, state: TrialState, values: tuple[float, ...] | None
    ) -> optuna.trial.FrozenTrial:
        distributions: dict[str, BaseDistribution] = {}
        for path in trial.architecture:
            distributions |= self.parameters.distributions(path)
        return create_trial(
            state=state,
            values=values,
            params=self.parameters.of(trial.architecture),
            distributions=distributions,
        )

    def _new(self, sampler: BaseSampler) -> Study:
        storage = optuna.storages.InMemoryStorage()
        name = storage.get_study_name_from_id(storage.create_new_study(self._directions))
        return Study(name, storage, sampler=sampler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's log lines and notices of experimental features off the user's screen."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _needs(package: str, strategy: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError(package, "samplers", f"by the strategy {strategy!r}")
