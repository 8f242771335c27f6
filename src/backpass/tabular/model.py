"""A network trained on a table, with all it takes to predict from another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backpass.core.settings import Settings
from backpass.errors import InputError, NonFiniteError
from backpass.network.blockwise import refuse_overflow
from backpass.network.network import Network
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.frames import as_frame
from backpass.tabular.metrics import (
    MAIN_METRIC,
    Evaluation,
    accuracy,
    evaluate_classes,
    evaluate_numbers,
    r_squared,
)
from backpass.tabular.model_file import read_model, write_model
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.selection import (
    check_asked,
    input_columns,
    original_rows,
    sample_weights,
    split_rows,
    usable_rows,
)
from backpass.tabular.targets import ClassTarget, NumberTarget, Target, guess_task
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import History, Validation
from backpass.training.trainer import Trainer

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Encoded", "TabularModel"]

DEAD_ROWS = 8192  # that a unit must be 0 for to be called dead


class Encoded(NamedTuple):
    """Rows as the network takes them: inputs (N, d), targets (N,), sample weights (N,) or None."""

    X: NDArray[Any]
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None


@dataclass
class TabularModel:
    """Encoder, network and target: what a model file holds.

    Parameters
    ----------
    target : ClassTarget or NumberTarget
    encoder : TableEncoder
        Fitted.
    network : Network
        Trained.
    recipe : Recipe
        How it was trained.
    seed : int
    sample_weight : str or None
        The column of sample weights, which is not an input.
    history : History
        Of the training; empty in a model that was loaded, but for its epochs.
    seconds : float
        Training time.
    n_rows : int
        Rows it was trained on.
    metric_curve : list of float
        Accuracy or R² on the validation rows after each epoch of the training.

    Examples
    --------
    >>> import polars
    >>> table = polars.DataFrame({"x": [i / 100 for i in range(200)]})
    >>> table = table.with_columns(high=polars.col("x") > 1)
    >>> model = TabularModel.fit(table, "high", seed=0)
    >>> model.predict(polars.DataFrame({"x": [0.1, 1.9]})).to_list()
    [False, True]
    >>> round(model.evaluate(table)["accuracy"], 1)
    1.0
    """

    target: Target
    encoder: TableEncoder
    network: Network
    recipe: Recipe = RECIPE
    seed: int = 0
    sample_weight: str | None = None
    history: History = field(default_factory=History)
    seconds: float = 0.0
    n_rows: int = 1
    metric_curve: list[float] = field(default_factory=list)

    # --- training ------------------------------------------------------------------------------

    @classmethod
    def fit(
        cls,
        table: Any,
        target: str,
        *,
        task: str = "auto",
        sample_weight: str | None = None,
        categorical: Sequence[str] = (),
        drop: Sequence[str] = (),
        recipe: Recipe = RECIPE,
        seed: int = 0,
        time_limit: float | None = None,
        gradient_norms: bool = False,
        on_epoch: Callable[[History], bool | None] | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        checkpoint_every: float | None = None,
    ) -> TabularModel:
        """Train a network that predicts the column `target` of `table` from the others.

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
            All its rows are used for training, a part of them to judge epochs.
        target : str
            Rows without a value there are left out.
        task : {"auto", "classification", "regression"}
        sample_weight : str, optional
            A column of sample weights, at least 0.
        categorical : sequence of str
            Number columns to be taken as categories.
        drop : sequence of str
            Columns to leave out.
        recipe : Recipe
        seed : int
            The same seed trains the same network.
        time_limit : float, optional
            Most seconds of training.
        gradient_norms : bool
            Whether each layer's gradient norm is recorded every epoch.
        on_epoch : callable, optional
            Called with the history after every epoch; a true result stops training.
        checkpoint : str or Path, optional
            A folder of its own, where training is written down while it runs.
        resume : bool
            Whether training goes on from the last checkpoint there, if there is one; it ends with
            the bytes of a run that was never interrupted.
        checkpoint_every : float, optional
            Seconds between two checkpoints; see
            :class:`~backpass.training.checkpoints.Checkpoints`.

        Raises
        ------
        TableError
            When the table cannot be used; the message says which column and why.
        """
        checkpoints = Checkpoints.of(checkpoint, resume, checkpoint_every)
        model, rows = cls.prepare(
            table,
            target,
            task=task,
            sample_weight=sample_weight,
            categorical=categorical,
            drop=drop,
            recipe=recipe,
            seed=seed,
        )
        model.train(
            rows,
            time_limit,
            gradient_norms=gradient_norms,
            on_epoch=on_epoch,
            checkpoints=checkpoints,
        )
        return model

    @classmethod
    def prepare(
        cls,
        table: Any,
        target: str,
        *,
        task: str = "auto",
        sample_weight: str | None = None,
        categorical: Sequence[str] = (),
        drop: Sequence[str] = (),
        recipe: Recipe = RECIPE,
        seed: int = 0,
    ) -> tuple[TabularModel, Encoded]:
        """Return a model that knows the table but is not trained yet, and the encoded rows.

        The arguments are those of :meth:`fit`.
        """
        check_asked(task, categorical, drop, seed, recipe)
        whole = as_frame(table)
        rows = usable_rows(whole, target, sample_weight)
        frame = whole[rows]
        with original_rows(rows):
            if task == "auto":
                task = guess_task(frame[target])
            learnt = _learn_target(frame[target], task, recipe)
            inputs = input_columns(frame, target, sample_weight, drop)
            encoder = TableEncoder(categorical=tuple(categorical)).fit(inputs)
            encoded = Encoded(
                encoder.transform(inputs),
                learnt.encode(frame[target]),
                sample_weights(frame, sample_weight),
            )
        network = _new_network(learnt, encoded.X, recipe, seed)
        return cls(learnt, encoder, network, recipe, seed, sample_weight), encoded

    def encode(self, table: Any) -> Encoded:
        """Return the rows that have a target (and a weight above 0, where there are weights).

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
            With the target and the columns of training.
        """
        whole = as_frame(table)
        name = self.sample_weight if self.sample_weight in whole.columns else None
        rows = usable_rows(whole, self.target.name, name)
        frame = whole[rows]
        with original_rows(rows):
            return Encoded(
                self._encode(frame),
                self.target.encode(frame[self.target.name]),
                sample_weights(frame, name),
            )

    def rows_for_network(self, X: Any, y: Any = None) -> tuple[Network, Any, Any, Any]:
        """Return the network, and rows, targets and weights (or None) of a table as it takes them.

        Parameters
        ----------
        X : DataFrame of polars or pandas, or mapping of columns
        y : sequence, optional
            Targets in place of those in the table's target column.
        """
        import polars as pl

        table = as_frame(X)
        if y is not None:
            table = table.with_columns(pl.Series(self.target.name, y))
        return self.network, *self.encode(table)

    def train(
        self,
        rows: Encoded,
        time_limit: float | None = None,
        *,
        gradient_norms: bool = False,
        on_epoch: Callable[[History], bool | None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Train on the rows that :meth:`prepare` returned; Ctrl-C keeps the best so far.

        Parameters
        ----------
        rows : Encoded
        time_limit, gradient_norms, on_epoch
            As in :meth:`fit`.
        checkpoints : Checkpoints, optional
            Where training is written down, and goes on from where it was.

        Raises
        ------
        NonFiniteError
            When training diverges; the model is then as it was.
        """
        X, y, s = rows
        classes = self.target.classes if isinstance(self.target, ClassTarget) else None
        fraction = self.recipe.validation_fraction
        kept, held_out = split_rows(y, fraction, self.seed, classes=classes, quiet=True)
        started, rng = time.monotonic(), np.random.default_rng(self.seed)
        if checkpoints is not None:
            checkpoints.start(rng, self.seed)
            checkpoints.note(judge=self.recipe.judge)
            checkpoints.curves["metric"] = self.metric_curve
        trainer = Trainer(
            self.network,
            X,
            y,
            s,
            settings=_settings(self.recipe, len(kept), time_limit, gradient_norms),
            rows=kept,
            rng=rng,
            validation=self._judge(X, y, s, held_out),
            checkpoints=checkpoints,
        )
        judged = len(self.metric_curve)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # the trainer says when, and raises
                self.history = trainer.train(on_epoch=on_epoch)
        except NonFiniteError:
            del self.metric_curve[judged:]
            raise
        self.seconds, self.n_rows = time.monotonic() - started, len(y)
        if checkpoints is not None:
            self.seconds += checkpoints.seconds  # of what was not trained again
        if self.recipe.activation == "relu":  # the estimators load half of scikit-learn
            from backpass.estimators.callbacks import warn_of_dead_units

            warn_of_dead_units(self.network, X[kept[:DEAD_ROWS]])

    def _judge(
        self, X: NDArray[Any], y: NDArray[Any], s: NDArray[Any] | None, rows: NDArray[np.intp]
    ) -> Validation:
        judged_y, judged_s = y[rows], None if s is None else s[rows]

        def score(output: Any, loss: float) -> float:
            if isinstance(self.target, ClassTarget):
                self.metric_curve.append(accuracy(judged_y, output, judged_s))
            else:
                self.metric_curve.append(r_squared(judged_y, output[:, 0], judged_s))
            return self.metric_curve[-1] if self.recipe.judge == "metric" else -loss

        return Validation(X, y, s, rows, score)

    # --- prediction ----------------------------------------------------------------------------

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self.target.task

    def predict(self, table: Any) -> pl.Series:
        """Return the predicted target of every row, as the column had it.

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
            With the columns of training, in any order; others are ignored.
        """
        output = refuse_overflow(self.network.predict(self._encode(table)))
        if isinstance(self.target, ClassTarget):
            return self.target.decode(output.argmax(axis=1))
        return self.target.decode(output[:, 0])

    def predict_proba(self, table: Any) -> pl.DataFrame:
        """Return the probability of every class, a column each.

        Raises
        ------
        InputError
            When the target is a quantity.
        """
        import polars as pl

        if not isinstance(self.target, ClassTarget):
            raise InputError(
                f"target {self.target.name!r} is a quantity: there are no probabilities to predict"
            )
        output = refuse_overflow(self.network.predict(self._encode(table)))
        return pl.DataFrame(
            {name: output[:, i].astype(np.float64) for i, name in enumerate(self.target.classes)}
        )

    def predict_table(self, table: Any, *, proba: bool = False) -> pl.DataFrame:
        """Return the predictions as a column named as the target, in the order of the rows.

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
        proba : bool
            Whether the probability of each class is added, as ``churn=yes``.
        """
        predictions = self.predict(table).to_frame()
        if not proba:
            return predictions
        chances = self.predict_proba(table)
        name = self.target.name
        return predictions.hstack(chances.rename(lambda level: f"{name}={level}"))

    def evaluate(self, table: Any) -> dict[str, float]:
        """Return the metrics of the predictions against the target column of `table`.

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
            Rows without a target are left out; a column of weights counts where there is one.
        """
        return self.judge(self.encode(table)).metrics

    def judge(self, rows: Encoded) -> Evaluation:
        """Return the metrics on encoded rows, and where the predictions err."""
        output = refuse_overflow(self.network.predict(rows.X))
        if isinstance(self.target, ClassTarget):
            return evaluate_classes(rows.y, output, rows.sample_weight, self.target.classes)
        y, predicted = (self.target.decode(v).to_numpy() for v in (rows.y, output[:, 0]))
        return evaluate_numbers(y, predicted, rows.sample_weight)

    def text_columns(self) -> list[str]:
        """Return the columns to keep as text when a file is read: ``read_table(as_text=…)``."""
        texts = isinstance(self.target, ClassTarget) and self.target.values == "text"
        return self.encoder.text_columns() + [self.target.name] * texts

    @property
    def main_metric(self) -> str:
        """The metric shown first: accuracy or R²."""
        return MAIN_METRIC[self.task]

    def _encode(self, table: Any) -> NDArray[Any]:
        matrix: NDArray[Any] = self.encoder.transform(as_frame(table))
        return matrix

    # --- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model file: arrays and schema-checked JSON with a SHA-256, no pickle.

        Raises
        ------
        ModelFileError
            When it cannot be written; an old file of that name is then untouched.
        """
        write_model(
            path,
            self.target,
            self.encoder,
            self.network,
            {
                "recipe": self.recipe.to_json(),
                "seed": self.seed,
                "weights": self.sample_weight,  # the name in files, which load for ever
                "history": {
                    "epochs": self.history.epochs,
                    "best_epoch": self.history.best_epoch,
                    "stop_reason": self.history.stop_reason,
                    "seconds": self.seconds,
                    "rows": self.n_rows,
                },
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> TabularModel:
        """Read a model file; nothing in it is executed.

        Raises
        ------
        ModelFileError
            When it is no model file, or damaged; the message says what and where.
        """
        target, encoder, network, told = read_model(path)
        settings = dict(told["recipe"])
        recipe = Recipe(hidden_layer_sizes=tuple(settings.pop("hidden")), **settings)
        past = dict(told["history"])
        seconds, n_rows = past.pop("seconds"), past.pop("rows")
        sample_weight, history = told.get("weights"), History(**past)
        return cls(
            target,
            encoder,
            network,
            recipe,
            told["seed"],
            sample_weight,
            history,
            seconds,
            n_rows,
        )


def _learn_target(column: pl.Series, task: str, recipe: Recipe) -> Target:
    if task == "classification":
        return ClassTarget.fit(column)
    return NumberTarget.fit(column, robust=recipe.robust)


def _new_network(target: Target, X: NDArray[Any], recipe: Recipe, seed: int) -> Network:
    classes = isinstance(target, ClassTarget)
    k = len(target.classes) if isinstance(target, ClassTarget) else 1
    smoothing = f":label_smoothing={recipe.label_smoothing}" if recipe.label_smoothing else ""
    return Network(
        [X.shape[1], *recipe.hidden_layer_sizes, k],
        recipe.activation,
        "softmax" if classes else "identity",
        f"cross_entropy{smoothing}" if classes else "squared_error",
        init=recipe.init,
        seed=seed,
        dtype=X.dtype,
    )


def _settings(
    recipe: Recipe, n_rows: int, time_limit: float | None, gradient_norms: bool
) -> Settings:
    # small tables take smaller batches, so that an epoch has some steps
    batch = max(8, min(recipe.batch_size, n_rows // recipe.min_steps))
    return Settings(
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        learning_rate=recipe.learning_rate,
        batch_size=batch,
        epochs=recipe.epochs,
        alpha=recipe.weight_decay,
        dropout=recipe.dropout,
        clip_norm=recipe.clip_norm,
        tolerance=0.0,
        patience=recipe.patience,
        early_stopping=True,
        time_limit=time_limit,
        gradient_norms=gradient_norms,
    )
