"""The training on a cached table: K networks of one recipe in one pass over it, or a single one.

Networks are trained as on any table; only the order is another. All of them take the same blocks of
the cache, none more than a window ahead of the others: what one has read they find in memory.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.parameters import parameter_count
from backpass.core.settings import Settings
from backpass.engines.threads import available_threads
from backpass.errors import InputError, TableError
from backpass.storage.folder_lock import folder_lock
from backpass.tabular.conventions import PLAIN
from backpass.tabular.experiment import Experiment, Hooks, explain_to, noted
from backpass.tabular.large.cache import Cache, check_place, remove
from backpass.tabular.large.learning import SAMPLE_ROWS
from backpass.tabular.large.source import Source
from backpass.tabular.model import TabularModel
from backpass.tabular.pack.folds import INNER, Folds
from backpass.tabular.pack.recipes import Effort
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.recipe import Recipe
from backpass.tabular.setup import Understanding
from backpass.training.batches import WINDOW, row_numbers
from backpass.training.checkpoints import Checkpoints
from backpass.training.side_by_side import Halt
from backpass.training.trainer import Trainer

JUDGING_ROWS = 1 << 17  # that judge an epoch at most: their loss is right to 0.3 % of its spread
TOLD_ROWS = 1 << 16  # of each fold that are predicted, for the blend and the intervals
EXPLAINED = 1 << 15  # test rows that say what mattered: no more would be looked at


class Pace:
    """Keeps several trainings within a window of each other, and tells how far all have come."""

    def __init__(self, count: int) -> None:
        self._at, self._moved = dict.fromkeys(range(count), 0), threading.Condition()

    def enter(self, number: int, window: int, halt: Halt) -> None:
        """Wait until the others have come to the window before this one."""
        with self._moved:
            self._at[number] = window
            self._moved.notify_all()
            while not halt.called and window > self.slowest + 1:
                self._moved.wait(0.1)  # seconds, after which a halt is seen

    def leave(self, number: int) -> None:
        """Take part no more."""
        with self._moved:
            self._at.pop(number, None)
            self._moved.notify_all()

    @property
    def slowest(self) -> int:
        """The window that all have come to."""
        return min(self._at.values(), default=0)


@dataclass(frozen=True)
class CachedFolds(Folds):
    """Folds that are ranges of scattered rows, of which the first ones are predicted."""

    folder: Path = Path()
    sizes: tuple[int, ...] = ()

    def trained_on(self, k: int) -> NDArray[Any]:
        """Return the rows that network `k` is trained on, in a file, since they may be many."""
        begin, n = sum(self.sizes[:k]), sum(self.sizes)
        rows = np.memmap(self.folder / f"rows-{k}", np.int32, "w+", shape=(n - self.sizes[k],))
        rows[:begin], rows[begin:] = np.arange(begin), np.arange(begin + self.sizes[k], n)
        return rows


@dataclass
class CachedTable(PreparedTable):
    """A table whose rows are in a cache, scattered: any range of them is drawn by chance."""

    cache: Cache = field(kw_only=True)

    @property
    def work(self) -> Effort:
        """How much work the pack may take: one recipe of it."""
        return replace(self.question.work, first=(self.question.recipe,))

    @cached_property
    def pace(self) -> Pace:
        """What the networks keep."""
        return Pace(self.work.folds if self.question.effort else 1)

    def folds(self, wanted: int) -> Folds:
        """Return ranges of rows."""
        edges = np.linspace(0, len(self.rows.y), wanted + 1).astype(int)
        fold: Any = np.full(len(self.rows.y), -1, dtype=np.int8)
        for k, begin in enumerate(edges[:-1]):
            fold[begin : min(begin + TOLD_ROWS, edges[k + 1])] = k
        sizes = tuple(np.diff(edges).tolist())
        return CachedFolds(fold, folder=self.cache.folder, sizes=sizes)

    def judged(self, rows: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first rows as those that judge."""
        count = min(JUDGING_ROWS, len(rows) // INNER)
        return rows[count:], rows[:count]

    def split(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the rows of a single network and those that judge it."""
        return self.judged(row_numbers(len(self.rows.y)), 0)

    def location(self, rows: NDArray[Any]) -> tuple[float, float]:
        """Leave the target as it was scaled: a part of so many rows has no other mean."""
        return 0.0, 1.0

    def generator(self, seed: list[int]) -> np.random.Generator:
        """Return the same for all networks, so that they take the same blocks."""
        return np.random.default_rng(seed[0])

    def settings(self, recipe: Recipe, n_rows: int) -> Settings:
        """Return the usual settings, with rows in blocks."""
        return replace(super().settings(recipe, n_rows), sampling="blocks")

    @contextmanager
    def in_step(self, trainer: Trainer, number: int, halt: Halt) -> Iterator[None]:
        """Have a network keep pace with the others, and hear a halt within an epoch."""
        sampler, checkpoints = trainer.state.sampler, trainer.checkpoints
        windows = -(-len(self.rows.y) // (sampler.block * WINDOW))
        self.most = trainer.settings.epochs * windows

        def begin(window: int) -> None:
            if halt.called and checkpoints is not None:
                checkpoints.interrupted = True
            self.pace.enter(number, trainer.history.epochs * windows + window, halt)

        sampler.on_window = begin
        try:
            yield
        finally:
            self.pace.leave(number)


def asked_in_pieces(question: Question) -> Question:
    """Return a question as it is asked of a table that is read in pieces: of one recipe.

    Raises
    ------
    InputError
        When it cannot be asked.
    """
    asked = {n: getattr(question, n) for n in ("group", "time", "sample_weight", "class_weight")}
    asked["recipes"] = question.recipes if question.recipes != 1 else None
    for name, value in asked.items():
        if value is not None:
            raise InputError(
                f"{name}: not of a table that is read in pieces, whose rows are scattered, count"
                " alike and are trained on by one recipe; leave it out, or give fewer rows"
            )
    if question.recipe.bins:
        raise InputError("recipe: a table that is read in pieces has no bins; leave them out")
    if not question.effort:
        return question
    threads = max(question.work.folds, question.n_threads or available_threads())
    return replace(question, bins="none", recipes=1, n_threads=threads)


def fit_large(
    source: Source,
    question: Question,
    folder: Path,
    *,
    keep: bool = True,
    save_to: str | Path | None = None,
    hooks: Hooks | None = None,
    every: float | None = None,
) -> Experiment:
    """Train on a table that is read in pieces, and judge on rows of it that are held out.

    Parameters
    ----------
    source : Source
    question : Question
    folder : Path
        Of the cache, and of the checkpoints: from there the same call goes on.
    keep : bool
        Whether the folder stays in the end.
    save_to, hooks
        As of :func:`~backpass.tabular.experiment.run_experiment`.
    every : float, optional
        Seconds between two checkpoints.

    Raises
    ------
    TableError
        When the table cannot be used; the message says which file, column and row, and why.
    InputError
        When the folder cannot be used, or the question not be asked of a table of that size.
    """
    hooks, notes, began = hooks or Hooks(), list[str](), time.monotonic()
    question = asked_in_pieces(question)
    check_place(folder)
    with folder_lock(folder):
        try:
            with noted(notes):
                cache = Cache.of(folder, source, question, hooks.caching)
        except TableError:
            if not keep:
                remove(folder)
            raise
        experiment = _experiment(cache, save_to, hooks, every)
    experiment.warnings, experiment.seconds = notes, time.monotonic() - began
    if not (keep or experiment.interrupted):
        remove(folder)
    return experiment


def fit_in_folder(source: Source, question: Question, folder: str | Path | None) -> TabularModel:
    """Return a model of a table that is read in pieces, cached in a folder or in one for now."""
    if folder is not None:
        return fit_large(source, question, Path(folder)).model
    with tempfile.TemporaryDirectory() as now:
        return fit_large(source, question, Path(now)).model


def _experiment(
    cache: Cache, save_to: str | Path | None, hooks: Hooks, every: float | None
) -> Experiment:
    found, curve = cache.survey, list[float]()
    summary, hooks.scores = _understanding(cache), curve
    hooks.understood(summary)
    checkpoints = Checkpoints(cache.folder / "training", resume=True, every=every)
    checkpoints.data = str(cache.sums())
    rows = cache.encoded(slice(found.n_train))
    table = CachedTable(**vars(found.learnt), rows=rows, question=found.question, cache=cache)
    model = TabularModel.train(
        table,
        hooks.epoch,
        checkpoints,
        curve,
        lambda *told: hooks.caching("training", table.pace.slowest, getattr(table, "most", 0)),
    )
    hooks.trained(model)
    interrupted = model.stop_reason == "interrupted"
    if interrupted and not model.history.best_epoch:
        raise KeyboardInterrupt("before the first epoch was over; the same command goes on")
    test = cache.encoded(slice(found.n_train, None))
    output = model.outputs_of(test.X)
    experiment = Experiment(found.question, summary, model, model.scored(test, output))
    experiment.interrupted = interrupted
    if save_to is not None:
        model.save(save_to)
    if not interrupted:
        explain_to(experiment, test.of(slice(EXPLAINED)), output[:EXPLAINED], hooks)
    return experiment


def _understanding(cache: Cache) -> Understanding:
    """Return the summary of a cached table."""
    found, learnt = cache.survey, cache.survey.learnt
    sizes = (cache.width, *found.question.recipe.hidden_layer_sizes, len(learnt.classes) or 1)
    quantiles = list[float]()
    if not learnt.classes:
        y = np.quantile(cache.encoded(slice(SAMPLE_ROWS)).y, [0, 0.25, 0.5, 0.75, 1])
        quantiles = learnt.target.decode(y).to_list()
    convention = (learnt.encoder.convention_ or PLAIN).words()
    if found.bound:
        convention.append(
            f"quantiles of {found.sampled:,} rows drawn by chance, right to {found.bound:.1%} of"
            " the rows; missing values, levels and classes are counted in all"
        )
    return Understanding(
        rows=cache.rows,
        left_out=found.rows - cache.rows,
        target=learnt.target.name,
        task=learnt.task,
        why=found.why,
        columns=learnt.encoder.describe(),
        dropped=list(found.question.drop),
        sample_weight=None,
        n_train=found.n_train,
        n_test=found.n_test,
        sizes=sizes,
        parameters=parameter_count(sizes),
        classes={name: found.classes[name] for name in learnt.classes},
        quantiles=quantiles,
        convention=convention,
    )
