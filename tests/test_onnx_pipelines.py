"""Pipelines of scikit-learn as ONNX files, with our steps among others."""

import json
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from backpass import MLPClassifier, MLPRegressor, TableEncoder, onnx_inputs, to_onnx
from backpass.core.activations import ACTIVATIONS
from backpass.core.custom_records import register_activation
from backpass.errors import InputError
from backpass.export.pipelines import register_converters
from helpers import assert_close
from onnx_runs import run

skl2onnx = pytest.importorskip("skl2onnx")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N = 90
X = RNG.normal(size=(N, 4)) * [1, 10, 100, 1000]
Y = np.array(["a", "b", "ü"])[RNG.integers(0, 3, N)]
TABLE = pd.DataFrame(
    {
        "size": np.where(RNG.random(N) < 0.2, np.nan, X[:, 1]),
        "naïve Σ": RNG.choice(np.array(["u", "v", None], dtype=object), N),
        "naïve_Σ": RNG.choice(["x", "y"], N),
        "label": RNG.random(N) < 0.5,
        "same": 1,
    }
)


def classifier(**settings):
    return MLPClassifier((6,), max_iter=8, random_state=0, **settings)


def regressor(**settings):
    return MLPRegressor(hidden_layer_sizes=(6,), max_iter=8, random_state=0, **settings)


def fit(pipeline, rows, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pipeline.fit(rows, y)


def assert_same(pipeline, rows, inputs, sample=None):
    """Compare labels and probabilities, or numbers, with those of the pipeline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skl2onnx uses what others have deprecated
        model = to_onnx(pipeline, X=sample)
    found = list(run(model, inputs).values())
    if hasattr(pipeline, "predict_proba"):
        chances = pipeline.predict_proba(rows)
        ordered = np.sort(chances, axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 2e-5
        assert clear.mean() > 0.9
        assert (found[0][clear] == pipeline.predict(rows)[clear]).all()
        assert_close(found[1], chances, np.full(chances.shape, 1e-5))
    else:
        want = pipeline.predict(rows)
        assert_close(found[0].reshape(want.shape), want, 1e-5 * (1 + np.abs(want)))
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scaled_classes(dtype):
    rows = X.astype(dtype)
    pipeline = fit(make_pipeline(StandardScaler(), classifier()), rows, Y)
    model = assert_same(pipeline, rows, {"X": rows}, sample=rows)
    assert {p.key: json.loads(p.value) for p in model.metadata_props} == {
        "backpass.classes": ["a", "b", "ü"]
    }


@pytest.mark.parametrize("y", [X[:, 0], X[:, :2]], ids=["one", "two"])
def test_numbers_of_components(y):
    pipeline = fit(make_pipeline(StandardScaler(), PCA(3), regressor()), X, y)
    assert_same(pipeline, X, {"X": X})


@pytest.mark.parametrize("y", [Y, Y == "a", RNG.integers(5, 8, N)], ids=["text", "truth", "int"])
@pytest.mark.parametrize("between", [[], [StandardScaler()], [PCA(2)]], ids=["", "scaled", "pca"])
def test_a_table_encoder_takes_an_input_for_each_column(between, y):
    pipeline = fit(make_pipeline(TableEncoder(), *between, classifier()), TABLE, y)
    inputs = onnx_inputs(pipeline, TABLE)
    assert list(inputs) == ["size", "naïve Σ", "naïve_Σ", "label"]
    model = assert_same(pipeline, TABLE, inputs)
    meanings = [i.doc_string for i in model.graph.input]
    assert meanings[0] == "number; NaN where missing"
    assert meanings[3].startswith("truth value")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_table_encoder_before_a_regressor(dtype):
    encoder = TableEncoder(dtype=dtype)
    for steps in ([encoder], [encoder, StandardScaler()], [encoder, "passthrough"]):
        named = [(str(i), step) for i, step in enumerate([*steps, regressor()])]
        pipeline = fit(Pipeline(named), TABLE, X[:, 0])
        assert_same(pipeline, TABLE, onnx_inputs(pipeline, TABLE))


def test_the_columns_of_a_sample_are_inputs():
    chosen = ColumnTransformer(
        [("n", StandardScaler(), ["size"]), ("c", OneHotEncoder(), ["naïve Σ"])]
    )
    rows = TABLE.fillna({"size": 0.5, "naïve Σ": "w"})
    pipeline = fit(make_pipeline(chosen, classifier()), rows, Y)
    inputs = {"size": rows[["size"]].to_numpy(), "naïve Σ": rows[["naïve Σ"]].to_numpy(object)}
    used = rows[["size", "naïve Σ"]]
    assert_same(pipeline, rows, inputs, sample=used)
    assert_same(pipeline, rows, inputs, sample=pl.DataFrame(used.to_dict("list")))


def test_our_steps_inside_of_others():
    numbers = TableEncoder(dtype="float64")
    inner = ColumnTransformer([("table", numbers, [0, 1]), ("rest", "passthrough", [2, 3])])
    assert_same(fit(make_pipeline(inner, regressor()), X, X[:, 2]), X, {"X": X})
    voters = [("ours", classifier()), ("theirs", LogisticRegression(max_iter=500))]
    vote = VotingClassifier(voters, voting="soft", flatten_transform=False)
    assert_same(fit(make_pipeline(StandardScaler(), vote), X, Y), X, {"X": X})
    voters = [("ours", regressor()), ("theirs", LinearRegression())]
    vote = VotingRegressor(voters)
    assert_same(fit(make_pipeline(StandardScaler(), vote), X, X[:, 0]), X, {"X": X})


def test_a_search_gives_its_best():
    pipeline = make_pipeline(StandardScaler(), classifier())
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2)
    assert_same(fit(search, X, Y), X, {"X": X})


def test_scikit_onnx_itself_knows_our_steps():
    register_converters()
    pipeline = fit(make_pipeline(StandardScaler(), classifier()), X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = skl2onnx.to_onnx(pipeline, X[:1])
    found = list(run(model, {"X": X}).values())
    assert_close(found[1], pipeline.predict_proba(X), np.full((N, 3), 1e-5))


def test_what_cannot_be_converted_is_refused_in_a_line():
    pipeline = fit(make_pipeline(FunctionTransformer(np.sign), classifier()), X, Y)
    with pytest.raises(InputError, match=r"^skl2onnx cannot convert this pipeline: Function.*$"):
        to_onnx(pipeline)
    with pytest.raises(InputError, match="column 'label' of X is called as an output"):
        to_onnx(pipeline, X=TABLE)
    rows = pd.DataFrame({"day": pd.to_datetime(["2020-01-01"] * 3)})
    with pytest.raises(InputError, match="column 'day' of X holds datetime64"):
        to_onnx(pipeline, X=rows)


def test_a_column_of_another_type_that_no_step_takes_is_no_input():
    numbers = pd.DataFrame(X[:, :2], columns=["a", "b"])
    rows = numbers.assign(day=pd.Timestamp("2020-01-01"))
    chosen = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])])
    pipeline = fit(make_pipeline(chosen, classifier()), rows, Y)
    converted = to_onnx(pipeline, X=rows)
    assert [value.name for value in converted.graph.input] == ["a", "b"]


def test_an_activation_of_the_users_is_refused_in_a_pipeline():
    register_activation("cubed", lambda z: z**3, lambda z: 3 * z**2)
    try:
        pipeline = make_pipeline(StandardScaler(), classifier(activation="cubed"))
        with pytest.raises(InputError, match=r"^activation 'cubed' cannot be written in ONNX"):
            to_onnx(fit(pipeline, X, Y))
    finally:
        ACTIVATIONS.unregister("cubed")


def test_without_skl2onnx_it_is_named(monkeypatch):
    pipeline = fit(make_pipeline(StandardScaler(), classifier()), X, Y)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(InputError, match="ONNX export needs skl2onnx, which is not installed"):
        to_onnx(pipeline)


def test_a_pipeline_that_is_not_fitted_is_refused():
    for pipeline in (
        make_pipeline(StandardScaler(), classifier()),
        make_pipeline(TableEncoder(), classifier()),
        make_pipeline(classifier()),
        make_pipeline(TableEncoder(), PCA(2), classifier()),
    ):
        with pytest.raises(NotFittedError):
            to_onnx(pipeline)
    with pytest.raises(InputError, match="has not learnt from a table yet"):
        onnx_inputs(TableEncoder(), TABLE)
