"""An experiment: a table is split, a network learns from one part and is judged on the other.

Nothing is printed here: every step is told to :class:`Hooks`, and the result is a plain record that
the terminal, the page and the JSON file show.
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
from numpy.typing import NDArray

from backpass.errors import TableWarning, warn_caller
from backpass.network.batch import refuse_overflow
from backpass.tabular.baselines import compared_with, predict_baseline
from backpass.tabular.explanation import Explanation, explain
from backpass.tabular.files import raw_table
from backpass.tabular.metrics import Evaluation
from backpass.tabular.model import TabularModel
from backpass.tabular.pack.blending import row_losses
from backpass.tabular.pack.training import PackTraining
from backpass.tabular.question import Question
from backpass.tabular.setup import Arrangement, Understanding, arrange
from backpass.tabular.targets import NumberTarget
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import History

if TYPE_CHECKING:
    from backpass.tabular.training import Elsewhere

__all__ = ["Experiment", "Hooks", "Question", "run_experiment"]


class Hooks:
    """Called while an experiment runs; override what you need.

    Attributes
    ----------
    scores : sequence of float
        Accuracy or R² on the validation rows after each epoch so far.
    """

    scores: Sequence[float] = ()

    def caching(self, doing: str, done: int, of: int) -> None:
        """Learn how far a table is read that is larger than memory; `of` is 0 where unknown."""

    def understood(self, table: Understanding) -> None:
        """Learn what the table holds, before training."""

    def epoch(self, history: History) -> bool | None:
        """Learn of each epoch when it is over; a true result stops training."""

    def packing(self, training: PackTraining, done: int, of: int) -> None:
        """Learn now and then how many networks of a pack's present round are trained."""

    def trained(self, model: TabularModel) -> None:
        """Learn that training is over."""

    def comparing(self, baseline: str) -> None:
        """Learn that another model is about to be trained on the same split."""


@dataclass
class Experiment:
    """A trained model, its scores beside those of others, and what was found untidy.

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
    gap : float
        By how many standard errors the mean loss of the test rows lies above that out of fold; 0 of
        a single network.
    explanation : Explanation
        What mattered to the model, on the test part.
    warnings : list of str
        What was untidy or suspicious.
    interrupted : bool
        Whether Ctrl-C ended the training or the comparison early.
    seconds : float
        From reading the columns to the last comparison.
    """

    question: Question
    table: Understanding
    model: TabularModel
    test: Evaluation
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    gap: float = 0.0
    explanation: Explanation = field(default_factory=Explanation)
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
    save_to: str | Path | None = None,
    hooks: Hooks | None = None,
    checkpoints: Checkpoints | None = None,
    elsewhere: Elsewhere | None = None,
) -> Experiment:
    """Train a network on a part of a table and judge it on the rest.

    Parameters
    ----------
    table : table, or name of a file
        What :func:`~backpass.tabular.frames.as_frame` takes.
    question : Question
    test : table, optional
        Another table to be judged on; the whole of `table` is then used for training.
    save_to : str or Path, optional
        Where the model file goes, as soon as the model is trained.
    hooks : Hooks, optional
    checkpoints : Checkpoints, optional
        Where the training is written down, and goes on from where it was.
    elsewhere : callable, optional
        What trains, as in :meth:`TabularModel.train`.

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
    >>> experiment = run_experiment(table, Question("above", compare="none"))
    >>> experiment.table.n_train, experiment.test.rows
    (320, 80)
    >>> experiment.test.metrics["accuracy"] > 0.9
    True
    """
    started, hooks = time.monotonic(), hooks or Hooks()
    notes: list[str] = []
    with noted(notes):
        raw = raw_table(table, question.texts())
        question = question.named(raw.frame.columns)
        arranged = arrange(raw, question, test)
    experiment = carry_out(arranged, notes, hooks, save_to, checkpoints, elsewhere)
    experiment.seconds = time.monotonic() - started
    return experiment


def carry_out(
    arranged: Arrangement,
    notes: list[str],
    hooks: Hooks,
    save_to: str | Path | None,
    checkpoints: Checkpoints | None,
    elsewhere: Elsewhere | None = None,
) -> Experiment:
    """Train on the one part of a table and judge on the other; see :func:`run_experiment`."""
    hooks.understood(arranged.table)
    question, curve = arranged.prepared.question, list[float]()
    hooks.scores = curve
    with noted(notes):
        model = TabularModel.train(
            arranged.prepared, hooks.epoch, checkpoints, curve, hooks.packing, elsewhere
        )
    hooks.trained(model)
    interrupted = model.stop_reason == "interrupted"
    if interrupted and not model.history.best_epoch:
        raise KeyboardInterrupt("before the first epoch was over; there is no model to keep")
    output = refuse_overflow(model.predictor.predict(arranged.test.X))
    experiment = Experiment(question, arranged.table, model, model.scored(arranged.test, output))
    experiment.warnings, experiment.interrupted = notes, interrupted
    if save_to is not None:
        model.save(save_to)
    experiment.gap = _gap(model.training, arranged, output)
    if not interrupted:
        _explain(experiment, arranged, output, hooks)
    if not experiment.interrupted:
        _compare(experiment, arranged, hooks)
    return experiment


# --- after training --------------------------------------------------------------------------


def _gap(training: PackTraining | None, arranged: Arrangement, output: NDArray[Any]) -> float:
    """Return how far the test rows are worse than those out of fold, in standard errors."""
    test, train = arranged.test, arranged.prepared.rows
    if training is None or training.cross_fitted is None or len(test.y) < 2:
        return 0.0
    told = training.folds.predicted
    losses = row_losses(output, test.y)
    before = row_losses(training.cross_fitted[told], train.y[told])
    error = float(np.sqrt(losses.var() / len(losses) + before.var() / len(before)))
    return float(losses.mean() - before.mean()) / error if error > 0 else 0.0


def _explain(
    experiment: Experiment, arranged: Arrangement, output: NDArray[Any], hooks: Hooks
) -> None:
    """Find what mattered; Ctrl-C leaves it out."""
    hooks.comparing("what mattered")
    model, target = experiment.model, experiment.model.target
    unit = (target.center, target.scale) if isinstance(target, NumberTarget) else (0.0, 1.0)
    try:
        experiment.explanation = explain(
            model.predictor, model.encoder, arranged.test, output, unit=unit, seed=model.seed
        )
    except KeyboardInterrupt:
        experiment.interrupted = True


def _compare(experiment: Experiment, arranged: Arrangement, hooks: Hooks) -> None:
    """Train the baselines; Ctrl-C leaves out the rest of them."""
    model, question, test = experiment.model, experiment.question, arranged.test
    try:
        for name in compared_with(question.compare):
            hooks.comparing(name)
            output, told = predict_baseline(
                name,
                model,
                arranged.prepared.rows,
                test.X,
                seed=question.seed,
                time_limit=None if question.compare == "all" else model.seconds,
            )
            experiment.baselines[name] = {**model.scored(test, output).metrics, **told}
    except KeyboardInterrupt:
        experiment.interrupted = True


@contextmanager
def noted(notes: list[str]) -> Iterator[None]:
    """Collect the warnings, each once, and let them go on to whoever listens."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TableWarning)
        yield
    for warning in caught:
        text = str(warning.message)
        if text not in notes:
            notes.append(text)
            warn_caller(text, warning.category)
