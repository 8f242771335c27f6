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

from backpass.engines.threads import available_threads
from backpass.errors import NonFiniteError, TableWarning, warn_caller
from backpass.storage.atomic_write import shown_path
from backpass.tabular.pack.blending import Blend, blend_loss, fit_blend
from backpass.tabular.pack.folds import Folds
from backpass.tabular.pack.intervals import FoldErrors, errors_by_fold
from backpass.tabular.pack.member import Member, train_member
from backpass.tabular.pack.pack import Pack, PackedRecipe
from backpass.tabular.pack.recipes import GAIN, ROUNDS, Effort
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.recipe import Recipe
from backpass.training.checkpoints import Checkpoints, parts_in
from backpass.training.history import History
from backpass.training.side_by_side import Halt, side_by_side


@dataclass
class PackTraining:
    """How the training of a pack went.

    Attributes
    ----------
    folds : Folds
        Which networks have seen which training rows.
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
    best : Blend
        Of the recipes so far, on all rows that they predict.
    cross_fitted : array of shape (N, k), optional
        What the blend makes of each row, fitted on the other folds: see :func:`cross_fit`.
    operations, seconds : float
        That it took.
    stop_reason : str
        ``"converged"``, ``"budget"``, ``"max_recipes"``, ``"time_limit"`` or ``"interrupted"``.
    """

    folds: Folds
    recipes: list[PackedRecipe] = field(default_factory=list)
    out_of_fold: list[NDArray[Any]] = field(default_factory=list)
    own_losses: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    best: Blend = field(default_factory=lambda: Blend((1.0,)))
    cross_fitted: NDArray[Any] | None = None
    operations: float = 0.0
    seconds: float = 0.0
    stop_reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether each row has out-of-fold predictions; not after an early Ctrl-C."""
        return bool(self.recipes) and len(self.recipes[0].networks) == self.folds.count

    def blend_round(self, prepared: PreparedTable) -> None:
        """Find the best blend of the recipes so far, and its loss."""
        told = prepared.rows.of(self.folds.predicted)
        predictions = np.stack(self.out_of_fold)[:, self.folds.predicted]
        classes = bool(prepared.classes)
        self.best = fit_blend(predictions, told.y, told.sample_weight, classes=classes)
        blended = self.best.apply(predictions)
        self.losses.append(blend_loss(blended, told.y, told.sample_weight))


def cross_fit(training: PackTraining, prepared: PreparedTable) -> NDArray[Any]:
    """Return the out-of-fold predictions of the blend, (N, k).

    The blend that is applied to a fold is fitted on the others, so that nothing about a row has
    gone into its own prediction. NaN for rows that no network predicts.
    """
    predictions, folds = np.stack(training.out_of_fold), training.folds
    blended: NDArray[Any] = np.full_like(predictions[0], np.nan)
    for k in range(folds.count):
        rows = folds.fold == k
        others = folds.predicted & ~rows
        told = others if others.any() else rows  # of the only fold there is
        _, y, s = prepared.rows.of(told)
        blend = fit_blend(predictions[:, told], y, s, classes=bool(prepared.classes))
        blended[rows] = blend.apply(predictions[:, rows])
    return blended


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
    folds = prepared.folds(effort.folds)
    training = PackTraining(folds)
    deadline = started + (limit or math.inf)
    if checkpoints is not None and (begun := len(parts_in(checkpoints.folder))):
        checkpoints.origin = (
            f"went on from {shown_path(checkpoints.folder)}: {begun} networks had been begun"
        )
    work = _Work(prepared, effort, deadline, training, checkpoints, on_progress)
    for recipes in _rounds(prepared, effort):
        if training.recipes and work.estimate(recipes) > effort.most(len(y)):
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
    if work.diverged and not training.recipes:
        raise next(iter(work.diverged.values()))
    if not training.recipes:
        raise KeyboardInterrupt("before a network was trained; there is no model to keep")
    blend = training.best
    used = [i for i, weight in enumerate(blend.weights) if weight]
    blend = replace(blend, weights=tuple(blend.weights[i] for i in used))
    packed = [training.recipes[i] for i in used]
    if folds.forward and not work.halt.called and work.has_time_for(used):
        packed = work.train_on_all(packed)  # what comes next is best told from all there is
    errors = tuple[FoldErrors, ...]()
    if training.complete:
        training.cross_fitted = cross_fit(training, prepared)
        if not prepared.classes:
            errors = tuple(errors_by_fold(training.cross_fitted, y, folds))
    training.seconds = time.monotonic() - started
    return Pack(tuple(packed), blend, errors), training


def _rounds(prepared: PreparedTable, effort: Effort) -> Iterator[list[Recipe]]:
    """Yield the recipes of each round, each recipe once; bins only where there are some."""
    known: list[Recipe] = []
    for recipes in (effort.first, *ROUNDS):
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
        self.folds = training.folds
        self.threads = prepared.question.n_threads or available_threads()
        # of one network: large tables take fewer epochs
        self.most = effort.most(len(prepared.rows.y)) / self.folds.count / 2
        self.began, self.tried = time.monotonic(), 0  # recipes
        self.dearest = 0.0  # operations of the recipe that took the most
        self.diverged: dict[int, NonFiniteError] = {}  # by the number of their recipe

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self.deadline

    def estimate(self, recipes: list[Recipe]) -> float:
        """Return the operations after another round, of which each recipe takes the most so far."""
        return self.training.operations + self.dearest * len(recipes)

    def train(self, recipes: list[Recipe]) -> None:
        """Train the networks of some recipes, and add the recipes of which all are finished."""
        training, folds, done = self.training, self.folds.count, list[Member]()
        numbers = range(self.tried, self.tried + len(recipes))
        self.tried += len(recipes)

        def job(recipe: Recipe, number: int, fold: int) -> Callable[[], Member | None]:
            count = len(recipes) * folds
            behind = count - (number - numbers[0]) * folds - fold
            # those of the first round share the time that there is: each has what is left for those
            # that a thread still has to train
            waves = -(-behind // self.threads) if numbers[0] == 0 else None

            def work() -> Member | None:
                member = self._member(recipe, number, fold, waves, count)
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
            training.blend_round(self.prepared)

    def _member(
        self, recipe: Recipe, number: int, fold: int, waves: int | None, beside: int
    ) -> Member | None:
        """Train one network of a round; None where time ran out, or its recipe diverges."""
        left = self.deadline - time.monotonic()
        if waves is not None:
            left /= waves
        elif left <= 0:
            return None
        if number in self.diverged:
            return None
        try:
            return train_member(
                self.prepared,
                recipe,
                self.folds.trained_on(fold),
                self.folds.held_out(fold),
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
            predictions[self.folds.held_out(k)] = member.held_out
        taken = sum(member.operations for _, member in there)
        training.operations, self.dearest = training.operations + taken, max(self.dearest, taken)
        told = np.isin(self.folds.fold, [k for k, _ in there])
        own_loss = blend_loss(predictions[told], y[told], None if s is None else s[told])
        training.own_losses.append(own_loss)
        training.out_of_fold.append(predictions)
        training.histories.append(there[0][1].history)
        networks = tuple(member.network for _, member in there)
        epochs = tuple(member.history.best_epoch for _, member in there)
        training.recipes.append(PackedRecipe(recipe, networks, epochs))

    def has_time_for(self, used: list[int]) -> bool:
        """Return whether some recipes can be trained on all rows before time is up."""
        if self.deadline == math.inf:
            return True
        now = time.monotonic()
        part = len(used) / len(self.training.recipes)
        return now + 1.5 * part * (now - self.began) < self.deadline

    def train_on_all(self, recipes: list[PackedRecipe]) -> list[PackedRecipe]:
        """Return recipes with networks trained on all rows, for as long as was best before."""
        rows, nothing = np.arange(len(self.prepared.rows.y)), np.arange(0)
        done: list[Member] = []

        def job(i: int, k: int) -> Callable[[], Member]:
            def work() -> Member:
                member = train_member(
                    self.prepared,
                    recipes[i].recipe,
                    rows,
                    nothing,
                    seed=[self.prepared.question.seed, self.tried + i, k],
                    most=self.most,
                    halt=self.halt,
                    checkpoints=self.checkpoints and self.checkpoints.part(f"all-{i}-{k}"),
                    epochs=round(float(np.median(recipes[i].epochs))),
                )
                done.append(member)
                return member

            return work

        count = self.folds.count
        jobs = [job(i, k) for i in range(len(recipes)) for k in range(count)]
        members = side_by_side(
            jobs,
            self.threads,
            self.halt,
            lambda: self.on_progress(self.training, len(done), len(jobs)),
        )
        if None in members:  # Ctrl-C: those that have seen the past only are kept
            return recipes
        networks = [member.network for member in members if member is not None]
        return [
            replace(packed, networks=tuple(networks[i * count : (i + 1) * count]))
            for i, packed in enumerate(recipes)
        ]
