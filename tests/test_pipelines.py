"""Pipelines that hold our estimators go through pickle, joblib and skops, fitted or not."""

import io
import pickle
import re
from pathlib import Path

import joblib
import numpy as np
import polars as pl
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backpass import MLPClassifier, MLPRegressor, TableEncoder

GUIDE = Path(__file__).parent.parent / "docs" / "how-to" / "files.md"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
FRAME = pl.DataFrame(
    {
        "a": X[:, 0],
        "city": RNG.choice(["Bonn", "Oslo"], 40),
        "garden": RNG.random(40) < 0.5,
        "built": pl.Series(RNG.integers(0, 18000, 40)).cast(pl.Date),
        "constant": 1.0,
    }
)
LABELS = np.where(X[:, 0] > 0, "no", "yes")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:dropped 'constant'"),
]


def through_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


def through_joblib(thing):
    buffer = io.BytesIO()
    joblib.dump(thing, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def through_skops(thing):
    data = skops.io.dumps(thing)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


WAYS = [through_pickle, through_joblib, through_skops]
SETTINGS = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}
CASES = {
    "classifier": (StandardScaler, MLPClassifier, X, LABELS, {}),
    "regressor": (StandardScaler, MLPRegressor, X, X[:, 0], {}),
    "columns, classifier": (TableEncoder, MLPClassifier, FRAME, LABELS, {}),
    "columns, regressor": (TableEncoder, MLPRegressor, FRAME, X[:, 0], {}),
    "numbers of records": (
        StandardScaler, MLPRegressor, X, X[:, 0],
        {"activation": "elu:alpha=0.5", "loss": "huber:delta=2"},
    ),
    "early stopping": (StandardScaler, MLPClassifier, X, LABELS, {"early_stopping": True}),
    "lbfgs": (StandardScaler, MLPRegressor, X, X[:, 0], {"solver": "lbfgs"}),
    "two labels": (StandardScaler, MLPClassifier, X, (X > 0).astype(int), {}),
}  # fmt: skip


def new_pipeline(case):
    first, last, rows, y, settings = CASES[case]
    return make_pipeline(first(), last(**SETTINGS | settings)), rows, y


def answers(pipeline, rows):
    """The bytes of everything that the pipeline can say of the rows."""
    names = ("predict", "predict_proba")
    return [getattr(pipeline, n)(rows).tolist() for n in names if hasattr(pipeline, n)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_a_fitted_pipeline_predicts_the_same_bits(case, way):
    pipeline, rows, y = new_pipeline(case)
    pipeline.fit(rows, y)
    again = way(pipeline)
    assert answers(again, rows) == answers(pipeline, rows)
    assert again[-1].network_.parameters.flat.tobytes() == (
        pipeline[-1].network_.parameters.flat.tobytes()
    )
    assert again[-1].loss_curve_ == pipeline[-1].loss_curve_


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_a_pipeline_that_is_not_fitted_trains_the_same(case, way):
    pipeline, rows, y = new_pipeline(case)
    again = way(pipeline)
    assert again.get_params().keys() == pipeline.get_params().keys()
    assert answers(again.fit(rows, y), rows) == answers(pipeline.fit(rows, y), rows)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_goes_on_where_it_was(way, solver):
    mlp = MLPRegressor(**SETTINGS | {"solver": solver})
    for _ in range(3):
        mlp.partial_fit(X, X[:, 0])
    again = way(mlp)
    again.random_state = mlp.random_state = 1
    for one in (mlp, again):
        one.partial_fit(X, X[:, 0])
    assert again.network_.parameters.flat.tobytes() == mlp.network_.parameters.flat.tobytes()


def test_the_guide_names_what_skops_must_trust():
    if not GUIDE.exists():
        pytest.skip("docs/ is not in this checkout")
    needed = set()
    for case in CASES:
        pipeline, rows, y = new_pipeline(case)
        data = skops.io.dumps(pipeline.fit(rows, y))
        needed |= set(skops.io.get_untrusted_types(data=data))
    named = set(re.findall(r'"(backpass\.[\w.]+)",\n', GUIDE.read_text(encoding="utf-8")))
    assert needed == named
