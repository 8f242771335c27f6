"""A network trained on a table, with all it takes to predict from another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError, ModelFileError, TableError
from backpass.network import Network
from backpass.parameters import Model, Parameters, parameter_count
from backpass.storage.container import read_container, write_container
from backpass.storage.schema import AnyOf, Int, ListOf, Number, Optional, Schema, Text
from backpass.tabular.encoder import STATE_SCHEMA, TableEncoder
from backpass.tabular.frames import as_frame, as_numbers
from backpass.tabular.metrics import MAIN_METRIC, class_metrics, number_metrics
from backpass.tabular.recipe import RECIPE, RECIPE_SCHEMA, Recipe
from backpass.tabular.splitting import split_rows
from backpass.tabular.targets import (
    TARGET_SCHEMAS,
    ClassTarget,
    NumberTarget,
    Target,
    guess_task,
    target_from_state,
)
from backpass.training import History, Settings, Trainer, Validation

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["TabularModel", "target_rows"]

PREDICT_ROWS = 8192  # rows predicted at a time, so that hidden layers stay small
KIND = "model"

MODEL_SCHEMA: dict[str, Schema] = {
    "target": AnyOf(*TARGET_SCHEMAS.values()),
    "encoder": STATE_SCHEMA,
    "recipe": RECIPE_SCHEMA,
    "seed": Int(),
    "weights": Optional(Text()),
    "network": {
        "sizes": ListOf(Int(min=1), shortest=2),
        "activations": ListOf(Text(), shortest=1),
        "loss": Text(),
    },
    "history": {
        "epochs": Int(min=0),
        "best_epoch": Int(min=0),
        "stop_reason": Text(),
        "seconds": Number(min=0),
        "rows": Int(min=1),
    },
}
"""What the JSON of a model file must look like."""


def target_rows(frame: pl.DataFrame, target: str) -> pl.DataFrame:
    """Return the rows of `frame` whose target is there.

    Raises
    ------
    TableError
        When the column is not in the table, or empty.
    """
    if target not in frame.columns:
        raise TableError(
            f"the table has no column {target!r} to predict; it has "
            f"{', '.join(repr(c) for c in frame.columns[:12])}"
        )
    column = frame[target]
    present = column.is_not_null()
    if column.dtype.is_float():
        present = present & column.is_not_nan()
    if not present.any():
        raise TableError(f"target {target!r} has no values; choose another column")
    return frame.filter(present)


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
    weights : str or None
        The column of sample weights, which is not an input.
    history : History
        Of the training; empty in a model that was loaded, but for its epochs.
    seconds : float
        Training time.
    n_rows : int
        Rows it was trained on.

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
    weights: str | None = None
    history: History = field(default_factory=History)
    seconds: float = 0.0
    n_rows: int = 1

    # --- training ------------------------------------------------------------------------------

    @classmethod
    def fit(
        cls,
        table: Any,
        target: str,
        *,
        task: str = "auto",
        weights: str | None = None,
        categorical: Sequence[str] = (),
        drop: Sequence[str] = (),
        recipe: Recipe = RECIPE,
        seed: int = 0,
        time_limit: float | None = None,
        gradient_norms: bool = False,
        on_epoch: Callable[[History], bool | None] | None = None,
    ) -> TabularModel:
        """Train a network that predicts the column `target` of `table` from the others.

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
            All its rows are used for training, a part of them to judge epochs.
        target : str
            Rows without a value there are left out.
        task : {"auto", "classification", "regression"}
        weights : str, optional
            A column of sample weights.
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

        Raises
        ------
        TableError
            When the table cannot be used; the message says which column and why.
        """
        frame = target_rows(as_frame(table), target)
        if task == "auto":
            task = guess_task(frame[target])
        learn = ClassTarget.fit if task == "classification" else NumberTarget.fit
        learnt: Target = learn(frame[target], **({"robust": True} if _robust(task, recipe) else {}))
        s = sample_weights(frame, weights)
        inputs = input_columns(frame, target, weights, drop)
        encoder = TableEncoder(categorical=tuple(categorical)).fit(inputs)
        X, y = encoder.transform(inputs), learnt.encode(frame[target])
        model = cls(learnt, encoder, _new_network(learnt, X, recipe, seed), recipe, seed, weights)
        model._train(X, y, s, time_limit, gradient_norms, on_epoch)
        return model

    def _train(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        s: NDArray[Any] | None,
        time_limit: float | None,
        gradient_norms: bool,
        on_epoch: Callable[[History], bool | None] | None,
    ) -> None:
        classes = self.target.classes if isinstance(self.target, ClassTarget) else None
        recipe = self.recipe
        rows, held_out = split_rows(y, recipe.validation_fraction, self.seed, classes=classes)
        started = time.monotonic()
        trainer = Trainer(
            self.network,
            X,
            y,
            s,
            settings=_settings(recipe, len(rows), time_limit, gradient_norms),
            rows=rows,
            rng=np.random.default_rng(self.seed),
            validation=self._judge(X[held_out], y[held_out], None if s is None else s[held_out]),
        )
        self.history = trainer.train(on_epoch=on_epoch)
        self.seconds, self.n_rows = time.monotonic() - started, len(y)

    def _judge(self, X: NDArray[Any], y: NDArray[Any], s: NDArray[Any] | None) -> Validation:
        def loss() -> float:
            return self.network.loss(X, y, s)

        def score() -> float:
            output = self._output(X)
            if isinstance(self.target, ClassTarget):
                return class_metrics(y, output, s)["accuracy"]
            return number_metrics(y, output[:, 0], s)["R²"]

        if self.recipe.judge == "metric":
            return Validation(score, loss)
        return Validation(lambda: -loss(), loss)

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
        output = self._output(self._encode(table))
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
                f"{self.target.name!r} is a quantity: there are no probabilities to predict"
            )
        output = self._output(self._encode(table))
        return pl.DataFrame(
            {name: output[:, i].astype(np.float64) for i, name in enumerate(self.target.classes)}
        )

    def evaluate(self, table: Any) -> dict[str, float]:
        """Return the metrics of the predictions against the target column of `table`.

        Parameters
        ----------
        table : DataFrame of polars or pandas, or mapping of columns
            Rows without a target are left out; a column of weights counts where there is one.
        """
        frame = target_rows(as_frame(table), self.target.name)
        has_weights = self.weights is not None and self.weights in frame.columns
        s = sample_weights(frame, self.weights if has_weights else None)
        output, column = self._output(self._encode(frame)), frame[self.target.name]
        if isinstance(self.target, ClassTarget):
            return class_metrics(self.target.encode(column), output, s)
        predicted = self.target.decode(output[:, 0]).to_numpy()
        return number_metrics(as_numbers(column), predicted, s)

    @property
    def main_metric(self) -> str:
        """The metric shown first: accuracy or R²."""
        return MAIN_METRIC[self.task]

    def _encode(self, table: Any) -> NDArray[Any]:
        matrix: NDArray[Any] = self.encoder.transform(as_frame(table))
        return matrix

    def _output(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the network's output (N, k), some thousand rows at a time."""
        parts = [
            self.network.predict(X[start : start + PREDICT_ROWS])
            for start in range(0, len(X), PREDICT_ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.network.sizes[-1]))

    # --- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model file: arrays and schema-checked JSON with a SHA-256, no pickle.

        Raises
        ------
        ModelFileError
            When it cannot be written; an old file of that name is then untouched.
        """
        state, arrays = self.encoder.to_state()
        activations, loss = self.network.model.specs()
        meta = {
            "target": self.target.state(),
            "encoder": state,
            "recipe": self.recipe.to_json(),
            "seed": self.seed,
            "weights": self.weights,
            "network": {
                "sizes": list(self.network.sizes),
                "activations": activations,
                "loss": loss,
            },
            "history": {
                "epochs": self.history.epochs,
                "best_epoch": self.history.best_epoch,
                "stop_reason": self.history.stop_reason,
                "seconds": self.seconds,
                "rows": self.n_rows,
            },
        }
        tensors = {f"encoder.{name}": array for name, array in arrays.items()}
        write_container(path, KIND, meta, {**tensors, "network.flat": self.network.parameters.flat})

    @classmethod
    def load(cls, path: str | Path) -> TabularModel:
        """Read a model file; nothing in it is executed.

        Raises
        ------
        ModelFileError
            When it is no model file, or damaged; the message says what and where.
        """
        meta, tensors = read_container(path, KIND, MODEL_SCHEMA)
        arrays = {
            name.removeprefix("encoder."): array
            for name, array in tensors.items()
            if name.startswith("encoder.")
        }
        told = meta["history"]
        target = target_from_state(meta["target"])
        encoder = TableEncoder.from_state(meta["encoder"], arrays)
        n_inputs = sum(len(column.outputs) for column in encoder.columns_)
        return cls(
            target,
            encoder,
            _network_from(path, meta["network"], tensors, n_inputs, target),
            Recipe(**{**meta["recipe"], "hidden": tuple(meta["recipe"]["hidden"])}),
            meta["seed"],
            meta.get("weights"),
            History(
                epochs=told["epochs"],
                best_epoch=told["best_epoch"],
                stop_reason=told["stop_reason"],
            ),
            told["seconds"],
            told["rows"],
        )


def _robust(task: str, recipe: Recipe) -> bool:
    return task == "regression" and recipe.robust


def input_columns(
    frame: pl.DataFrame, target: str, weights: str | None, drop: Sequence[str]
) -> pl.DataFrame:
    """Return the columns to learn from.

    Raises
    ------
    TableError
        When a column to leave out is not there, is the target, or nothing remains.
    """
    if target in drop:
        raise TableError(f"column {target!r} is the target; it cannot be dropped, too")
    if unknown := [name for name in drop if name not in frame.columns]:
        raise TableError(f"the table has no column {unknown[0]!r} to drop")
    inputs = frame.drop({target, *drop, *([weights] if weights else [])})
    if not inputs.width:
        raise TableError(f"no columns are left to predict {target!r} from")
    return inputs


def sample_weights(frame: pl.DataFrame, name: str | None) -> NDArray[np.float64] | None:
    """Return the column of weights (N,), checked to be finite, at least 0 and of positive sum."""
    if name is None:
        return None
    if name not in frame.columns:
        raise TableError(f"the table has no column {name!r} to take weights from")
    s = as_numbers(frame[name])
    bad = ~np.isfinite(s) | (s < 0)
    if bad.any():
        row = int(bad.argmax()) + 1
        raise TableError(
            f"column {name!r}: the weight in data row {row} is {s[row - 1]:g}; "
            "weights must be numbers of at least 0"
        )
    if s.sum() == 0:
        raise TableError(f"column {name!r}: all weights are 0")
    return s


def _new_network(target: Target, X: NDArray[Any], recipe: Recipe, seed: int) -> Network:
    classes = isinstance(target, ClassTarget)
    smoothing = f":label_smoothing={recipe.label_smoothing}" if recipe.label_smoothing else ""
    return Network(
        [X.shape[1], *recipe.hidden, len(target.classes) if isinstance(target, ClassTarget) else 1],
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


def _network_from(
    path: str | Path, told: dict[str, Any], tensors: dict[str, Any], n_inputs: int, target: Target
) -> Network:
    """Return the network of a model file, after checking that its parts fit together."""
    sizes, flat = told["sizes"], tensors.get("network.flat")
    n_outputs = len(target.classes) if isinstance(target, ClassTarget) else 1
    if flat is None or flat.dtype.kind != "f" or flat.shape != (parameter_count(sizes),):
        raise ModelFileError(f"{path}: tensor 'network.flat' does not fit sizes {sizes}")
    if sizes[0] != n_inputs or sizes[-1] != n_outputs:
        raise ModelFileError(
            f"{path}: the network is {sizes[0]} to {sizes[-1]}, but the encoder gives {n_inputs} "
            f"inputs and the target has {n_outputs} output(s)"
        )
    try:
        model = Model.from_specs(Parameters(sizes, flat), told["activations"], told["loss"])
    except InputError as error:
        raise ModelFileError(f"{path}: network: {error}") from None
    if not model.is_finite():
        raise ModelFileError(f"{path}: a parameter is not a finite number; train the model again")
    return Network.from_model(model)
