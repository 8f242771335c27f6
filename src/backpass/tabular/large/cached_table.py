"""The training on a cached table: K networks of one recipe in one pass over it, or a single one.

Networks are trained as on any table; only the order is another. All of them take the same blocks of
the cache, none more than a window ahead of the others: what one has read they find in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.settings import Settings
from backpass.engines.threads import available_threads
from backpass.errors import InputError, TableError
from backpass.storage.folder_lock import folder_lock
from backpass.tabular.large.cache import Cache, OnProgress, check_place, remove
from backpass.tabular.large.source import Source
from backpass.tabular.pack.folds import INNER, Folds
from backpass.tabular.pack.recipes import Effort
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.recipe import Recipe
from backpass.training.batches import WINDOW, row_numbers
from backpass.training.checkpoints import Checkpoints
from backpass.training.side_by_side import Halt
from backpass.training.trainer import Trainer

JUDGING_ROWS = 1 << 17  # that judge an epoch at most: their loss is right to 0.3 % of its spread
TOLD_ROWS = 1 << 16  # of each fold that are predicted, for the blend and the intervals


class Pace:
    """Keeps several trainings within a window of each other, and tells how far all have come.

    One that never begins, since another of its recipe has diverged, keeps nobody.
    """

    def __init__(self) -> None:
        self._at, self._moved = dict[int, int](), threading.Condition()

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
    on_progress: OnProgress = field(kw_only=True)
    pace: Pace = field(default_factory=Pace)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another machine needs to find the cache, or to make one."""
        folder, source = self.cache.folder.absolute(), self.cache.source.absolute()
        cache = replace(self.cache, folder=folder, source=source)
        return {**vars(self), "cache": cache, "rows": None, "pace": None, "on_progress": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the cache; raise as :meth:`Cache.found_again`."""
        vars(self).update(state)
        self.cache.found_again()
        self.rows = self.cache.encoded(slice(self.cache.survey.n_train))
        self.pace, self.on_progress = Pace(), lambda *told: None

    @property
    def identity(self) -> str:
        """What identifies the rows: reading them all would take long."""
        return str(self.cache.sums)

    @property
    def work(self) -> Effort:
        """How much work the pack may take: one recipe of it."""
        return replace(self.question.work, first=(self.question.recipe,))

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
        windows = -(-len(sampler.edges) // WINDOW)
        most = trainer.settings.epochs * windows

        def begin(window: int) -> None:
            if halt.called and checkpoints is not None:
                checkpoints.interrupted = True
            self.pace.enter(number, trainer.history.epochs * windows + window, halt)
            self.on_progress("training", self.pace.slowest, most)

        sampler.on_window = begin
        begin(0)
        try:
            yield
        finally:
            self.pace.leave(number)


def asked_in_pieces(question: Question) -> Question:
    """Return a question as it is asked of a table that is read in pieces, or an `InputError`."""
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
    question = replace(question, compare="none")  # baselines are trained in memory
    if not question.effort:
        return question
    threads = max(question.work.folds, question.n_threads or available_threads())
    return replace(question, bins="none", recipes=1, n_threads=threads)


@contextmanager
def cached(
    source: Source,
    question: Question,
    folder: Path,
    on_progress: OnProgress = lambda doing, done, of: None,
    *,
    keep: bool,
    every: float | None = None,
) -> Iterator[tuple[CachedTable, Checkpoints]]:
    """Give a table to train on, and the checkpoints from which the same call goes on.

    Both are in the folder, which stays after a crash and after Ctrl-C, and in the end if that is
    asked for; `every` is seconds between two checkpoints. A `TableError` where the table cannot be
    used, an `InputError` where the folder cannot, or the question not be asked of such a table.
    """
    question = asked_in_pieces(question)
    check_place(folder)
    with folder_lock(folder):
        try:
            cache = Cache.of(folder, source, question, on_progress)
        except TableError:
            if not keep:
                remove(folder)
            raise
        checkpoints = Checkpoints(folder / "training", resume=True, every=every)
        found, rows = cache.survey, cache.encoded(slice(cache.survey.n_train))
        told = vars(found.learnt) | {"rows": rows, "question": found.question}
        table = CachedTable(**told, cache=cache, on_progress=on_progress)
        checkpoints.data = table.identity
        yield table, checkpoints
    if not (keep or checkpoints.interrupted):
        remove(folder)
