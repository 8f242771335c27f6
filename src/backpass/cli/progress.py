"""The progress bar of a training, on standard error and only where somebody sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from backpass.cli import tables as render
from backpass.cli.interrupts import ctrl_c
from backpass.tabular.experiment import Hooks
from backpass.tabular.formatting import clock
from backpass.tabular.metrics import MAIN_METRIC

if TYPE_CHECKING:
    from backpass.cli.output import Messages
    from backpass.tabular.experiment import Question
    from backpass.tabular.large.source import Source
    from backpass.tabular.model import TabularModel
    from backpass.tabular.pack.training import PackTraining
    from backpass.tabular.raw_table import RawTable
    from backpass.tabular.setup import Understanding
    from backpass.training.checkpoints import Checkpoints
    from backpass.training.history import History


def seconds_left(elapsed: float, epochs: int, most_epochs: int, time_limit: float | None) -> float:
    """Return how long training takes at most, from how long it has taken so far.

    Examples
    --------
    >>> seconds_left(10.0, 5, 20, None), seconds_left(10.0, 5, 20, 15.0)
    (30.0, 5.0)
    """
    left = elapsed / epochs * (most_epochs - epochs)
    return left if time_limit is None else max(0.0, min(left, time_limit - elapsed))


def progress_bar() -> Progress:
    """Return a bar that shows what is done, ``told`` beside it, and is gone at the end."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=18),
        TextColumn("{task.fields[told]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal or console.is_dumb_terminal,
    )


def shown_pieces(source: Source, doing: str) -> Iterator[RawTable]:
    """Yield the pieces of a table, with a bar that shows how many rows are done."""
    done = 0
    with progress_bar() as progress:
        bar = progress.add_task(doing, total=None, told="")
        for piece in source.pieces():
            yield piece
            done += piece.frame.height
            progress.update(bar, told=f"{done:,} rows")


class TerminalHooks(Hooks):
    """Shows what an experiment does; a context, so that the bar is gone whatever happens.

    `messages` are said once the table was shown; `source` is its name; `checkpoints` tell where
    training went on from.
    """

    def __init__(
        self,
        out: Console,
        messages: Messages,
        source: str,
        question: Question,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.out, self.messages, self.source, self.question = out, messages, source, question
        self.checkpoints = checkpoints
        self.progress = progress_bar()
        self.bar = self.progress.add_task("preparing", total=None, told="")
        self.started, self.metric, self.before = 0.0, "", -1  # epochs before this run
        self.read = ""  # how much of a cache was, in words

    def __enter__(self) -> Self:
        ctrl_c.before_the_end(self._hide)  # Ctrl-C may come where this returns
        self._show()
        return self

    def __exit__(self, *error: object) -> None:
        self._hide()

    def _show(self) -> None:
        with ctrl_c.waiting():
            self.progress.start()

    def _hide(self) -> None:
        with ctrl_c.waiting():
            self.progress.stop()

    def caching(self, doing: str, done: int, of: int) -> None:
        """Show how far the table is read."""
        self.read = f"{done / max(1, of):.0%} of all blocks, " if doing == "training" else ""
        self.progress.update(self.bar, description=doing, total=of or None, completed=done)

    def understood(self, table: Understanding) -> None:
        """Show the table and the warnings, then the bar."""
        self._hide()
        self.out.print(render.understanding(table, self.source, self.question))
        self.messages.flush()
        self.started, self.metric = time.monotonic(), MAIN_METRIC[table.task]
        total = self.question.recipe.epochs
        self.progress.update(self.bar, description="training", total=total, completed=0)
        self._show()

    def epoch(self, history: History) -> None:
        """Move the bar on."""
        recipe, elapsed = self.question.recipe, time.monotonic() - self.started
        if self.before < 0:
            self.before = history.epochs - 1
        done, most = history.epochs - self.before, recipe.epochs - self.before
        left = seconds_left(elapsed, done, most, self.question.time_limit)
        told = f"{history.epochs}/{recipe.epochs}  loss {history.loss_curve[-1]:.3g}"
        told += f"  validation {history.validation_loss_curve[-1]:.3g}"
        told += f"  {self.metric} {self.scores[-1]:.3f}  ≤ {clock(left)} left"
        self.progress.update(self.bar, completed=history.epochs, told=told)

    def packing(self, training: PackTraining, done: int, of: int) -> None:
        """Show the round, the networks of it that are trained, and the score so far."""
        effort = self.question.work
        left = seconds_left(
            time.monotonic() - self.started,
            max(1, len(training.recipes)),
            max(effort.recipes, len(training.recipes)),
            self.question.time_limit,
        )
        told = f"{self.read}{done}/{of} networks"
        if training.losses:
            told += f"  loss out of fold {training.losses[-1]:.4f}  ≤ {clock(left)} left"
        round_ = f"round {len(training.losses) + 1}"
        self.progress.update(self.bar, description=round_, total=of, completed=done, told=told)

    def trained(self, model: TabularModel) -> None:
        """Take the bar away and say how it went."""
        if not model.history.best_epoch:  # interrupted, with nothing to keep
            return
        self._hide()
        if self.checkpoints is not None and self.checkpoints.origin:
            self.out.print(render.line(self.checkpoints.origin))
        self.out.print(render.training(model))
        self._show()

    def comparing(self, baseline: str) -> None:
        """Say what takes its time."""
        doing = baseline if baseline.startswith("what ") else f"comparing with {baseline}"
        self.progress.update(self.bar, description=doing, total=None, told="")
