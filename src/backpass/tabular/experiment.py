"""The main job as one function: split a table, learn from one part, be judged on the other.

Nothing is printed here: what happens is told to :class:`Hooks`, and what came out is a plain
record that the terminal, the page and the JSON file draw from.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError, TableError, TableWarning
from backpass.tabular.baselines import BASELINES, score_baseline
from backpass.tabular.encoder import suspicious_columns
from backpass.tabular.evaluation import Evaluation
from backpass.tabular.frames import as_frame
from backpass.tabular.model import Encoded, TabularModel
from backpass.tabular.preparing import known_column, original_rows, usable_rows
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.splitting import split_rows
from backpass.tabular.targets import ClassTarget, NumberTarget, explain_task
from backpass.tabular.understanding import Understanding, understand
from backpass.training import History

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Experiment", "Hooks", "Question", "run_experiment"]


@dataclass(frozen=True)
class Question:
    """What is asked of a table, and how it is to be answered.

    Parameters
    ----------
    target : str
        The column to predict.
    task : {"auto", "classification", "regression"}
    weights : str, optional
        A column of sample weights.
    categorical, drop : sequence of str
        Number columns to be taken as categories; columns to leave out.
    test_fraction : float
        Part of the rows that the model is judged on, where there is no other table for it.
    recipe : Recipe
    seed : int
        The same seed gives the same split and the same network.
    time_limit : float, optional
        Most seconds of training.
    gradient_norms : bool
        Whether each layer's gradient norm is recorded every epoch.
    baselines : bool
        Whether other models are trained for comparison.
    """

    target: str
    task: str = "auto"
    weights: str | None = None
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()
    test_fraction: float = 0.2
    recipe: Recipe = RECIPE
    seed: int = 0
    time_limit: float | None = None
    gradient_norms: bool = False
    baselines: bool = True


class Hooks:
    """What to do while an experiment runs; override what you need."""

    def understood(self, table: Understanding) -> None:
        """Before training."""

    def epoch(self, history: History) -> bool | None:
        """After each epoch; a true result stops training."""

    def trained(self, model: TabularModel) -> None:
        """After training."""

    def comparing(self, baseline: str) -> None:
        """Before another model is trained on the same split."""


@dataclass
class Experiment:
    """What came out.

    Attributes
    ----------
    question : Question
    table : Understanding
    model : TabularModel
        Trained on the training part.
    test : Evaluation
        Of the model, on the test part.
    baselines : dict of str to dict of str to float
        Test metrics and training seconds of other models.
    warnings : list of str
        What was untidy or suspicious.
    interrupted : bool
        Whether Ctrl-C ended the training or the comparison early.
    seconds : float
        All of it took.
    """

    question: Question
    table: Understanding
    model: TabularModel
    test: Evaluation
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def history(self) -> History:
        """Of the training, epoch by epoch."""
        return self.model.history


def run_experiment(
    table: Any,
    question: Question,
    *,
    test: Any = None,
    names: tuple[str, str] = ("", ""),
    save_to: str | Path | None = None,
    hooks: Hooks | None = None,
) -> Experiment:
    """Train a network on a part of a table and judge it on the rest.

    Parameters
    ----------
    table : DataFrame of polars or pandas, or mapping of columns
    question : Question
    test : table or callable, optional
        Another table to be judged on, or what makes it from the columns to be kept as text;
        the whole of `table` is then used for training.
    names : tuple of str
        What to call the two tables in messages.
    save_to : str or Path, optional
        Where the model file goes, as soon as the model is trained.
    hooks : Hooks, optional

    Raises
    ------
    TableError
        When a table cannot be used; the message says which column and row, and why.
    NonFiniteError
        When training diverges.
    KeyboardInterrupt
        When it comes before there is a model worth keeping. During training it ends that, and
        the best epoch is kept; later it leaves out the baselines.

    Examples
    --------
    >>> x, y = [i % 20 for i in range(400)], [i // 20 for i in range(400)]
    >>> table = {"x": x, "y": y, "above": [a > b for a, b in zip(x, y)]}
    >>> experiment = run_experiment(table, Question("above", baselines=False))
    >>> experiment.table.n_train, experiment.test.rows
    (320, 80)
    >>> experiment.test.metrics["accuracy"] > 0.9
    True
    """
    started, hooks = time.monotonic(), hooks or Hooks()
    notes: list[str] = []
    with _noted(notes):
        prepared = _prepare(as_frame(table), question, test, names)
    hooks.understood(prepared.table)
    model = prepared.model
    with _noted(notes):
        model.train(
            prepared.train,
            question.time_limit,
            gradient_norms=question.gradient_norms,
            on_epoch=hooks.epoch,
        )
    hooks.trained(model)
    interrupted = model.history.stop_reason == "interrupted"
    if interrupted and not model.history.best_epoch:
        raise KeyboardInterrupt("before the first epoch was over; there is no model to keep")
    experiment = Experiment(question, prepared.table, model, model.judge(prepared.test))
    experiment.warnings, experiment.interrupted = notes, interrupted
    if save_to is not None:
        model.save(save_to)
    if question.baselines and not interrupted:
        _compare(experiment, prepared, hooks)
    experiment.seconds = time.monotonic() - started
    return experiment


# --- before training -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Prepared:
    table: Understanding
    model: TabularModel
    train: Encoded
    test: Encoded


def _prepare(
    frame: pl.DataFrame, question: Question, test: Any, names: tuple[str, str]
) -> _Prepared:
    """Split and encode, and find whatever is wrong before any time is spent on training."""
    everything = np.arange(frame.height)
    with original_rows(everything, names[0]):
        _check_names(frame, question)
        rows = usable_rows(frame, question.target, question.weights)
    target = frame[question.target][rows]
    with original_rows(rows, names[0]):
        task, why = _task(target, question.task)
        _warn_of_rows(frame.height - len(rows), question)
        parts = (np.arange(len(rows)), np.arange(0))
        if test is None:
            parts = _split(target, task, question)
    train_rows = rows[parts[0]]
    train = frame[train_rows]
    with original_rows(train_rows, names[0]):
        model, encoded = TabularModel.prepare(
            train,
            question.target,
            task=task,
            weights=question.weights,
            categorical=question.categorical,
            drop=question.drop,
            recipe=question.recipe,
            seed=question.seed,
        )
        ignored = {*question.drop, *filter(None, [question.weights])}
        ignored |= {c.name for c in model.encoder.describe() if c.kind == "dropped"}
        for message in suspicious_columns(train.drop(ignored), question.target, task):  # type: ignore[arg-type]
            warnings.warn(message, TableWarning, stacklevel=2)
    test_rows = rows[parts[1]]
    if test is None:
        test, label = frame[test_rows], names[0]
    else:
        test, label = as_frame(test(model.text_columns()) if callable(test) else test), names[1]
        test_rows = np.arange(test.height)
    with original_rows(test_rows, label):
        judged = model.encode(test)
    table = understand(
        target,
        model,
        why=why,
        left_out=frame.height - len(rows),
        dropped=question.drop,
        n_train=len(encoded.y),
        n_test=len(judged.y),
    )
    return _Prepared(table, model, encoded, judged)


def _check_names(frame: pl.DataFrame, question: Question) -> None:
    """Refuse columns that are not there, or are meant for two things."""
    known_column(frame, question.target, "to predict")
    for name in question.categorical:
        known_column(frame, name, "to take as a category")
        if name == question.target:
            raise TableError(
                f"column {name!r} is the target; for classes, ask for task 'classification'"
            )
        if name in question.drop:
            raise TableError(f"column {name!r} is dropped; it cannot be a category, too")
        if name == question.weights:
            raise TableError(f"column {name!r} holds the weights; it cannot be a category, too")


def _task(target: pl.Series, task: str) -> tuple[str, str]:
    guessed, why = explain_task(target)
    if task == "auto":
        return guessed, why
    if task not in ("classification", "regression"):
        raise InputError(f"task must be auto, classification or regression, not {task!r}")
    return task, "as asked for"


def _warn_of_rows(left_out: int, question: Question) -> None:
    if left_out:
        weight = f" or have no weight {question.weights!r}" if question.weights else ""
        warnings.warn(
            f"{left_out} row(s) have no target {question.target!r}{weight} and are left out",
            TableWarning,
            stacklevel=2,
        )


def _split(
    target: pl.Series, task: str, question: Question
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if task == "classification":
        learnt = ClassTarget.fit(target)
        y, classes = learnt.encode(target), learnt.classes
        return split_rows(y, question.test_fraction, question.seed, classes=classes)
    NumberTarget.fit(target)  # finds what is wrong with it, and in which row
    return split_rows(np.zeros(target.len()), question.test_fraction, question.seed)


# --- after training --------------------------------------------------------------------------


def _compare(experiment: Experiment, prepared: _Prepared, hooks: Hooks) -> None:
    """Train the baselines; Ctrl-C leaves out the rest of them."""
    model, train, test = prepared.model, prepared.train, prepared.test
    target = model.target
    n_classes = len(target.classes) if isinstance(target, ClassTarget) else 0
    try:
        for name in BASELINES:
            hooks.comparing(name)
            experiment.baselines[name] = score_baseline(
                name,
                model.task,
                model.encoder,
                train,
                test,
                n_classes=n_classes,
                seed=model.seed,
                unscale=lambda y: target.decode(y).to_numpy(),
            )
    except KeyboardInterrupt:
        experiment.interrupted = True


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    """Collect the warnings, each once, and let them go on to whoever listens."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TableWarning)
        yield
    for warning in caught:
        text = str(warning.message)
        if text not in notes:
            notes.append(text)
            warnings.warn(text, warning.category, stacklevel=4)
