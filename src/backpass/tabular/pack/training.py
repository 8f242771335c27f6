"""The training of a pack: rounds of recipes, each on K folds, until another brings nothing.

A network stops on a part of its own training rows, never on the fold that it predicts: so the
out-of-fold predictions, one for each training row, are of rows that no choice was made by.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.parameters import parameter_count
from backpass.engines.threads import available_threads
from backpass.errors import NonFiniteError, TableWarning, warn_caller
from backpass.network.network import Network
from backpass.tabular.pack.blending import Blend, blend_loss, fit_blend
from backpass.tabular.pack.folds import deal, fold_count
from backpass.tabular.pack.intervals import errors_by_fold
from backpass.tabular.pack.pack import Pack, PackedRecipe, output_of
from backpass.tabular.pack.recipes import GAIN, ROUNDS, Effort, operations
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.recipe import Recipe
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import History, Validation
from backpass.training.side_by_side import Halt, side_by_side
from backpass.training.trainer import Trainer

INNER = 10  # parts of the training rows of which one judges epochs


@dataclass(frozen=True)
class Member:
    """One trained network: of a recipe, without a fold.

    Parameters
    ----------
    network : Network
    held_out : array of shape (n, k)
        What it makes of the fold it has not seen.
    history : History
    operations : float
        That its training took.
    """

    network: Network
    held_out: NDArray[Any]
    history: History
    operations: float


@dataclass
class PackTraining:
    """How the training of a pack went.

    Attributes
    ----------
    fold : array of int of shape (N,)
        The fold of each training row.
    recipes : list of PackedRecipe
        All that were finished, in their order.
    out_of_fold : list of array of shape (N, k)
        What each makes of rows that it has not seen.
    own_losses : list of float
        Of each recipe on these: log-loss (nats), or squared error in units of the target's scale.
    losses : list of float
        Of the blend, after each round.
    histories : list of History
        Of each recipe's first network.
    operations, seconds : float
        That it took.
    stop_reason : str
        ``"converged"``, ``"budget"``, ``"max_recipes"``, ``"time_limit"`` or ``"interrupted"``.
    """

    fold: NDArray[np.int64]
    recipes: list[PackedRecipe] = field(default_factory=list)
    out_of_fold: list[NDArray[Any]] = field(default_factory=list)
    own_losses: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    operations: float = 0.0
    seconds: float = 0.0
    stop_reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether each row has out-of-fold predictions; not after an early Ctrl-C."""
        return bool(self.recipes) and len(self.recipes[0].networks) == int(self.fold.max()) + 1

    def blend(self, prepared: PreparedTable, rows: Any = slice(None)) -> Blend:
        """Return the best blend of the recipes on some of the rows."""
        if not self.complete:
            return Blend((1.0,))
        (_, y, s), classes = prepared.rows, bool(prepared.classes)
        predictions = np.stack([p[rows] for p in self.out_of_fold])
        return fit_blend(predictions, y[rows], None if s is None else s[rows], classes=classes)

    def loss(self, prepared: PreparedTable) -> float:
        """Return the out-of-fold loss of the best blend."""
        blended = self.blend(prepared).apply(np.stack(self.out_of_fold))
        return blend_loss(blended, prepared.rows.y, prepared.rows.sample_weight)

    def cross_fitted(self, prepared: PreparedTable) -> NDArray[Any]:
        """Return the out-of-fold predictions of the blend, (N, k).

        The blend that is applied to a fold is fitted on the others, so that nothing about a row
        has gone into its own prediction.
        """
        predictions = np.stack(self.out_of_fold)
        blended = np.empty_like(predictions[0])
        for k in range(int(self.fold.max()) + 1):
            rows = self.fold == k
            blended[rows] = self.blend(prepared, ~rows).apply(predictions[:, rows])
        result: NDArray[Any] = blended
        return result


OnProgress = Callable[[PackTraining, int, int], object]
"""Called with the training so far, and how many networks of how many in this round are done."""


def train_pack(
    prepared: PreparedTable,
    effort: Effort,
    *,
    checkpoints: Checkpoints | None = None,
    on_progress: OnProgress = lambda training, done, of: None,
) -> tuple[Pack, PackTraining]:
    """Train a pack on a table that was prepared; Ctrl-C keeps what is finished.

    Parameters
    ----------
    prepared : PreparedTable
        With bins, for the recipes that take them.
    effort : Effort
    checkpoints : Checkpoints, optional
        Where the networks are written down while they are trained, each in a folder of its own.
    on_progress : callable
        Called now and then with the training so far, and how many networks of the present round
        are done, and of how many.

    Raises
    ------
    KeyboardInterrupt
        Before a single network was trained.
    NonFiniteError
        When every recipe diverges; where some do, a warning says that they are left out.
    """
    started, limit = time.monotonic(), prepared.question.time_limit
    y = prepared.rows.y
    folds = fold_count(len(y), effort.folds)
    training = PackTraining(deal(y, folds, prepared.question.seed))
    deadline = started + (limit or math.inf)
    work = _Work(prepared, effort, deadline, training, checkpoints, on_progress)
    for recipes in _rounds(prepared, effort):
        if training.operations > effort.most(len(y)) / 2:
            training.stop_reason = "budget"
            break
        work.train(recipes)
        if work.halt.called or work.late:
            training.stop_reason = "interrupted" if work.halt.called else "time_limit"
            break
        losses = training.losses
        if len(losses) > 2 and losses[-1] > losses[-3] * (1 - GAIN):
            training.stop_reason = "converged"
            break
    training.stop_reason = training.stop_reason or "max_recipes"
    training.seconds = time.monotonic() - started
    if work.diverged and not training.recipes:
        raise next(iter(work.diverged.values()))
    if not training.recipes:
        raise KeyboardInterrupt("before a network was trained; there is no model to keep")
    blend = training.blend(prepared)
    used = [i for i, weight in enumerate(blend.weights) if weight]
    weights = tuple(blend.weights[i] for i in used)
    errors = tuple[NDArray[np.float64], ...]()
    if training.complete and not prepared.classes:
        errors = tuple(errors_by_fold(training.cross_fitted(prepared), y, training.fold))
    pack = Pack(tuple(training.recipes[i] for i in used), replace(blend, weights=weights), errors)
    return pack, training


def _rounds(prepared: PreparedTable, effort: Effort) -> Iterator[list[Recipe]]:
    """Yield the recipes of each round, each recipe once; bins only where there are some."""
    known: list[Recipe] = []
    for recipes in ROUNDS:
        told = [replace(r, bins=r.bins and prepared.encoder.bins_.width > 0) for r in recipes]
        fresh = [r for r in told if r not in known][: effort.recipes - len(known)]
        known += fresh
        if fresh:
            yield fresh


class _Work:
    """The rounds of one training: what all of its networks share."""

    def __init__(
        self,
        prepared: PreparedTable,
        effort: Effort,
        deadline: float,
        training: PackTraining,
        checkpoints: Checkpoints | None,
        on_progress: OnProgress,
    ) -> None:
        self.prepared, self.deadline, self.training = prepared, deadline, training
        self.checkpoints, self.on_progress, self.halt = checkpoints, on_progress, Halt()
        self.folds, self.threads = int(training.fold.max()) + 1, available_threads()
        # of one network: large tables take fewer epochs
        self.most = effort.most(len(training.fold)) / self.folds
        self.tried = 0  # recipes
        self.diverged: dict[int, NonFiniteError] = {}  # by the number of their recipe

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self.deadline

    def train(self, recipes: list[Recipe]) -> None:
        """Train the networks of some recipes, and add the recipes of which all are finished."""
        training, folds, done = self.training, self.folds, list[Member]()
        numbers = range(self.tried, self.tried + len(recipes))
        self.tried += len(recipes)

        def job(recipe: Recipe, number: int, fold: int) -> Callable[[], Member | None]:
            def work() -> Member | None:
                member = self._member(recipe, number, fold, beside=len(recipes) * folds)
                done.extend([member] if member else [])
                return member

            return work

        jobs = [
            job(recipe, number, fold)
            for recipe, number in zip(recipes, numbers, strict=True)
            for fold in range(folds)
        ]
        members = side_by_side(
            jobs, self.threads, self.halt, lambda: self.on_progress(training, len(done), len(jobs))
        )
        for i, (recipe, number) in enumerate(zip(recipes, numbers, strict=True)):
            own = members[i * folds : (i + 1) * folds]
            finished = [m for m in own if m is not None and m.history.best_epoch]
            if number in self.diverged:
                warn_caller(
                    f"a recipe of the pack diverged and is left out: {self.diverged[number]}",
                    TableWarning,
                )
            # of the first, what there is: Ctrl-C and a time limit leave something to keep
            elif len(finished) == folds or (finished and not training.recipes):
                self._add(recipe, own)
        if training.complete:
            training.losses.append(training.loss(self.prepared))

    def _member(self, recipe: Recipe, number: int, fold: int, beside: int) -> Member | None:
        """Train one network; None where time ran out before, or its recipe diverges."""
        left = self.deadline - time.monotonic()
        if number == 0:  # its networks share the time that there is
            left /= -(-(self.folds - fold) // self.threads)
        elif left <= 0:
            return None
        if number in self.diverged:
            return None
        try:
            return train_member(
                self.prepared,
                recipe,
                np.flatnonzero(self.training.fold == fold),
                seed=[self.prepared.question.seed, number, fold],
                most=self.most,
                halt=self.halt,
                time_limit=None if left == math.inf else max(left, 1e-3),
                n_threads=max(1, self.threads // beside),
                checkpoints=self.checkpoints and self.checkpoints.part(f"{number}-{fold}"),
            )
        except NonFiniteError as error:
            self.diverged.setdefault(number, error)
            return None

    def _add(self, recipe: Recipe, members: list[Member | None]) -> None:
        """Add the networks of a recipe, and what they make of folds that they have not seen."""
        training, (_, y, s) = self.training, self.prepared.rows
        there = [(k, m) for k, m in enumerate(members) if m is not None and m.history.best_epoch]
        outputs = there[0][1].held_out.shape[1]
        predictions = np.full((len(y), outputs), np.nan, dtype=np.float32)
        for k, member in there:
            predictions[training.fold == k] = member.held_out
            training.operations += member.operations
        told = np.isin(training.fold, [k for k, _ in there])
        own_loss = blend_loss(predictions[told], y[told], None if s is None else s[told])
        training.own_losses.append(own_loss)
        training.out_of_fold.append(predictions)
        training.histories.append(there[0][1].history)
        networks = tuple(member.network for _, member in there)
        epochs = tuple(member.history.best_epoch for _, member in there)
        training.recipes.append(PackedRecipe(recipe, networks, epochs))


# --- one network -----------------------------------------------------------------------------


def train_member(
    prepared: PreparedTable,
    recipe: Recipe,
    held_out: NDArray[np.intp],
    *,
    seed: list[int],
    most: float,
    halt: Halt,
    time_limit: float | None,
    n_threads: int,
    checkpoints: Checkpoints | None = None,
) -> Member:
    """Return a network of a recipe, trained on all rows but those held out.

    Parameters
    ----------
    prepared : PreparedTable
    recipe : Recipe
    held_out : array of int
        The rows of its fold.
    seed : list of int
        Of its weights, the order of its rows and its dropout.
    most : float
        Operations that it may take: fewer epochs are made on large tables.
    halt : Halt
        Ends it after its epoch.
    time_limit : float, optional
        Most seconds.
    n_threads : int
    checkpoints : Checkpoints, optional
        Of this network alone.
    """
    X, y, s = prepared.rows
    X = X if recipe.bins else X[:, : prepared.encoder.plain_width]
    rows = np.setdiff1d(np.arange(len(y)), held_out, assume_unique=True)
    inner = deal(y[rows], min(INNER, len(rows)), seed[0]) == 0
    kept, judged = rows[~inner], rows[inner]
    center, scale = (0.0, 1.0) if prepared.classes else _location(y[rows], s, rows)
    own_y = y if prepared.classes else (y - center) / scale
    network = prepared.new_network(recipe, X.shape[1], np.random.default_rng([*seed, 0]))
    rng = np.random.default_rng([*seed, 1])
    if checkpoints is not None:
        checkpoints.start(rng, seed)
    settings = prepared.settings(recipe, len(kept))
    parameters, M = parameter_count(network.sizes), settings.batch_size or len(kept)
    an_epoch = operations(parameters, len(kept), M, 1)
    epochs = max(1, min(recipe.epochs, int(most / an_epoch)))
    settings = replace(
        settings, epochs=epochs, time_limit=time_limit, n_threads=n_threads, gradient_norms=False
    )
    trainer = Trainer(
        network,
        X,
        own_y,
        s,
        settings=settings,
        rows=kept,
        rng=rng,
        validation=Validation(X, own_y, s, judged),
        checkpoints=checkpoints,
    )

    def hear(history: History) -> None:
        if halt.called and checkpoints is not None:
            checkpoints.interrupted = True  # which writes one first
        elif halt.called:
            raise KeyboardInterrupt

    hear.changes_parameters = False  # type: ignore[attr-defined]
    with np.errstate(over="ignore", invalid="ignore"):  # the trainer says when, and raises
        history = trainer.train(on_epoch=hear)
    if not prepared.classes:
        _in_units_of_the_table(network, center, scale)
    taken = operations(parameters, len(kept), M, history.epochs)
    return Member(network, output_of(network, X[held_out]), history, taken)


def _location(
    y: NDArray[Any], s: NDArray[np.float64] | None, rows: NDArray[np.intp]
) -> tuple[float, float]:
    """Return mean and standard deviation of a fold's training targets, 1 where all are equal."""
    weights = None if s is None else s[rows]
    center = float(np.average(y, weights=weights))
    spread = float(np.sqrt(np.average((y - center) ** 2, weights=weights)))
    return center, spread if spread > 0 else 1.0


def _in_units_of_the_table(network: Network, center: float, scale: float) -> None:
    """Have a network's last layer predict what it has learnt times `scale`, plus `center`."""
    W, b = network.parameters.weights[-1], network.parameters.biases[-1]
    W *= scale
    b *= scale
    b += center
