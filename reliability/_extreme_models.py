"""Estimators and models of tables on extreme numbers: how they end, and what they leave behind."""

import random
import tempfile
import warnings
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from reliability._extreme_training import judge_checkpoints
from reliability._extremes import FEATURES, INPUTS, TARGETS, Wrong
from sklearn.exceptions import ConvergenceWarning

from backpass.errors import (
    BackpassError,
    DeadUnitsWarning,
    InputError,
    NonFiniteError,
    TableWarning,
)
from backpass.estimators.classifier import MLPClassifier
from backpass.estimators.regressor import MLPRegressor
from backpass.export import onnx_inputs, to_onnx
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import RECIPE

ROWS = 40
CURVES = (
    "loss_curve_", "validation_scores_", "validation_loss_curve_", "loss_", "best_loss_",
    "best_validation_score_", "gradient_noise_", "mean_squared_gradient_norms_",
    "layer_gradient_norms_",
)  # fmt: skip
UNJUDGED = {"best", "own.metric"}  # R² of rows whose targets are all equal is NaN
KNOWN = (ConvergenceWarning, DeadUnitsWarning, TableWarning)  # said on purpose


@dataclass(frozen=True)
class Fit:
    """One fit of an estimator."""

    classes: int
    features: str
    targets: str
    dtype: str
    held_out: str
    options: dict[str, Any]
    partial: bool


def draw_fit(rng: random.Random) -> Fit:
    """Return a fit with some options drawn."""
    features = rng.choice(list(FEATURES))
    solver = rng.choice(("adam", "sgd", "adamw", "rmsprop", "lbfgs"))
    options = {
        "solver": solver,
        "engine": rng.choice(("native", "reference")),
        "early_stopping": rng.random() < 0.4 and features != "one row",
        "gradient_norms": solver != "lbfgs" and rng.random() < 0.3,
        "learning_rate_init": rng.choice((1e-3, 1e-3, 1.0, 1e10, 1e30)),
        "clip_norm": rng.choice((None, None, 1.0)),
        "activation": rng.choice(("relu", "tanh", "mish", "gelu", "selu", "softplus")),
    }
    held_out = rng.choice(["", "", *(name for name in FEATURES if name != "one row")])
    partial = solver != "lbfgs" and not options["early_stopping"] and rng.random() < 0.2
    classes = rng.choice((0, 0, 2, 3))
    if not classes:
        options["loss"] = rng.choice(("squared_error", "absolute_error", "poisson", "huber"))
    return Fit(
        classes, features, rng.choice(list(TARGETS)), rng.choice(("float32", "float64")),
        "" if partial or solver == "lbfgs" else held_out, options, partial,
    )  # fmt: skip


def fit_once(fit: Fit) -> BackpassError | None:
    """Fit an estimator; return what stopped it, or raise Wrong."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, INPUTS))
    X = FEATURES[fit.features](x)
    if fit.dtype == "float32" and fit.features != "1e300":
        X = X.astype(np.float32)
    y = np.abs(rng.normal(size=ROWS)) + 0.5
    y = np.arange(ROWS) % fit.classes if fit.classes else TARGETS[fit.targets](y)
    y = y[: len(X)]
    kind = MLPClassifier if fit.classes else MLPRegressor
    estimator = kind(hidden_layer_sizes=(4,), max_iter=4, random_state=0, **fit.options)
    options: dict[str, Any] = {}
    if fit.held_out:
        judging = np.arange(ROWS) % fit.classes if fit.classes else np.linspace(0.5, 1, ROWS)
        options["validation_data"] = FEATURES[fit.held_out](x), judging
    try:
        if fit.partial:
            known = {"classes": np.arange(fit.classes)} if fit.classes else {}
            estimator.partial_fit(X, y, **known).partial_fit(X, y)
        else:
            estimator.fit(X, y, **options)
    except BackpassError as error:
        left = [name for name in vars(estimator) if name.endswith("_")]
        if left and not fit.partial:
            raise Wrong(f"{left[0]} was left after: {error}") from error
        return error
    judge_estimator(estimator, X, y)
    return None


def judge_estimator(estimator: Any, X: Any, y: Any) -> None:
    """Raise Wrong unless all that a fit leaves is finite, and what it predicts is, or refused."""
    if not estimator.network_.model.is_finite():
        raise Wrong("parameters are not finite, and nothing was said")
    for name in CURVES:
        curve = getattr(estimator, name, None)
        if curve is not None and not np.isfinite(np.asarray(curve, dtype=float)).all():
            raise Wrong(f"{name} is not finite: {curve}")
    try:
        predicted = estimator.predict(X)
        score = estimator.score(X, y) if len(y) > 1 else 0.0  # R² is of two rows or more
        chances = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else None
    except InputError:
        return
    if not (np.isfinite(predicted.astype(float)).all() and score < np.inf):
        raise Wrong(f"predictions, or their score {score}, are not numbers")
    if chances is not None and not ((chances >= 0) & (chances <= 1)).all():
        raise Wrong("a probability lies outside of [0, 1]")


# --- models of tables ----------------------------------------------------------------------------

COLUMNS: dict[str, Any] = {
    "ordinary": lambda x: x,
    "1e300": lambda x: x / np.abs(x).max() * 1e300,
    "both ends": lambda x: np.where(x > 0, 1e300, -1e300),
    "1e-310": lambda x: x * 1e-310,
    "constant": lambda x: np.full_like(x, 7.0),
    "one other": lambda x: np.where(np.arange(len(x)) == 5, 1e300, 1.0),
    "next to a constant": lambda x: 1e16 + np.round(x),
    "1e-300 to 1e300": lambda x: 10.0 ** np.clip(x * 150, -300, 300),
    "zeros": np.zeros_like,
    "with nothing": lambda x: np.where(x > 0, x * 1e200, np.nan),
}


@dataclass(frozen=True)
class Table:
    """One table, and how a model is trained on it."""

    columns: tuple[str, ...]
    target: str
    classes: bool
    weights: str
    rate: float
    clip: float | None
    judge: str


def draw_table(rng: random.Random) -> Table:
    """Return a table of three columns with a target."""
    names = list(COLUMNS)
    return Table(
        tuple(rng.choice(names) for _ in range(3)), rng.choice(names[:-1]), rng.random() < 0.4,
        rng.choice(("", "", "1e300", "1e-310", "1e-300 to 1e300")),
        rng.choice((2e-3, 2e-3, 1.0, 1e10, 1e30)), rng.choice((None, 1.0)),
        rng.choice(("loss", "metric")),
    )  # fmt: skip


def model_once(table: Table) -> BackpassError | None:
    """Train, judge, save, load and export a model; return what stopped it, or raise Wrong."""
    rng = np.random.default_rng(4)
    data = {f"x{i}": COLUMNS[name](rng.normal(size=60)) for i, name in enumerate(table.columns)}
    y = COLUMNS[table.target](rng.normal(size=60))
    data["y"] = np.where(np.arange(60) % 3 == 0, "a", "b") if table.classes else y
    if table.weights:
        data["s"] = np.abs(COLUMNS[table.weights](rng.normal(size=60))) + 0.0
    frame = pl.DataFrame(
        {name: pl.Series(column, nan_to_null=True) for name, column in data.items()}
    )
    recipe = changed(
        RECIPE, hidden_layer_sizes=(8,), epochs=3, learning_rate=table.rate, clip_norm=table.clip,
        judge=table.judge,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "checkpoints"
        try:
            model = TabularModel.fit(
                frame, "y", recipe=recipe, sample_weight="s" if table.weights else None,
                checkpoint=folder, checkpoint_every=0.0,
            )  # fmt: skip
        except BackpassError as error:
            judge_checkpoints(folder, UNJUDGED)
            return error
        judge_checkpoints(folder, UNJUDGED)
        judge_model(model, frame, Path(place) / "model.backpass")
    return None


def judge_model(model: TabularModel, frame: pl.DataFrame, path: Path) -> None:
    """Raise Wrong unless predictions are finite, and the same once saved, loaded and exported."""
    predicted = model.predict(frame)
    told = model.evaluate(frame)
    for name, value in told.items():
        if not np.isfinite(value):
            raise Wrong(f"{name} is {value}")
    model.save(path)
    if not TabularModel.load(path).predict(frame).equals(predicted):
        raise Wrong("the saved model predicts something else")
    numbers = model.predict_proba(frame).to_numpy() if model.task == "classification" else predicted
    if not np.isfinite(np.asarray(numbers)).all():
        raise Wrong("predictions are not finite")
    judge_export(model, frame, np.asarray(numbers, dtype=np.float64))


def judge_export(model: TabularModel, frame: pl.DataFrame, numbers: Any) -> None:
    """Raise Wrong unless the exported model predicts finite numbers that are the model's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    results = session.run(None, onnx_inputs(model, frame))
    got = np.asarray(results[-1], dtype=np.float64).reshape(numbers.shape)
    scale = 1.0 if model.task == "classification" else float(np.abs(numbers).max())
    if not np.isfinite(got).all():
        raise Wrong("the exported model's predictions are not finite")
    off = np.abs(got - numbers).max() / (scale or 1.0)
    if off > 1e-4:  # float32, through some layers
        raise Wrong(f"the exported model is off by {off:.3g} of the largest prediction")


def guarded(once: Any, what: Any) -> BackpassError | None:
    """Run `once` on `what` with every warning but our own an error."""
    with warnings.catch_warnings(action="error"):
        for known in KNOWN:
            warnings.simplefilter("ignore", known)
        error: BackpassError | None = once(what)
    if error is not None and (
        "\n" in str(error) or not isinstance(error, InputError | NonFiniteError)
    ):
        raise Wrong(f"not a clear stop: {type(error).__name__}: {error}")
    return error
