"""skl2onnx alone converts our estimators: nobody calls anything of backpass's export for it.

The order of imports counts, so that some of it runs in processes of their own.
"""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backpass import MLPClassifier, MLPRegressor, TableEncoder
from helpers import assert_close
from onnx_runs import run

skl2onnx = pytest.importorskip("skl2onnx")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # of skl2onnx
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]
PLAIN = {"zipmap": False}


def classifier(**settings):
    return MLPClassifier((6,), max_iter=20, random_state=0, **settings)


def regressor():
    return MLPRegressor(hidden_layer_sizes=(6,), max_iter=20, random_state=0)


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def other(model):
    return [("ours", model), ("theirs", LogisticRegression())]


def converted(model, rows, **settings):
    if hasattr(model, "predict_proba"):
        settings.setdefault("options", {id(model): PLAIN})
    return skl2onnx.to_onnx(model, rows[:1], **settings)


def assert_same(model, onnx, rows, tolerance):
    found = list(run(onnx, {"X": rows}).values())
    if hasattr(model, "predict_proba"):
        chances = np.asarray(model.predict_proba(rows.astype(np.float64)))
        assert_close(np.asarray(found[1]), chances, np.full(chances.shape, tolerance))
    if hasattr(model, "classes_"):
        assert np.mean(np.asarray(found[0]) == model.predict(rows.astype(np.float64))) > 0.98
    else:
        want = model.predict(rows.astype(np.float64))
        assert_close(found[0].reshape(want.shape), want, tolerance * (1 + abs(want)))


CLASSIFIERS = {
    "alone": classifier(),
    "pipeline": scaled(classifier()),
    "columns": make_pipeline(
        ColumnTransformer([("s", StandardScaler(), [0, 1])], remainder="passthrough"), classifier()
    ),
    "search": GridSearchCV(scaled(classifier()), {"mlpclassifier__alpha": [0.1]}, cv=2),
    "voting": VotingClassifier(other(classifier()), voting="soft", flatten_transform=False),
    "voting of pipelines": VotingClassifier(
        other(scaled(classifier())), voting="soft", flatten_transform=False
    ),
    "stacking": StackingClassifier(other(classifier()), cv=2),
    "on top of a stack": StackingClassifier(other(LogisticRegression())[1:], classifier(), cv=2),
    "calibrated": CalibratedClassifierCV(classifier(), cv=2),
    "one against the rest": OneVsRestClassifier(classifier()),
    "bagging": BaggingClassifier(classifier(), 2),
}
REGRESSORS = {
    "alone": regressor(),
    "pipeline": scaled(regressor()),
    "voting": VotingRegressor([("ours", regressor()), ("theirs", LinearRegression())]),
    "stacking": StackingRegressor([("ours", regressor()), ("theirs", LinearRegression())], cv=2),
    "bagging": BaggingRegressor(regressor(), 2),
    "one for each output": MultiOutputRegressor(regressor()),
}


# rows of float32 as most examples of skl2onnx have them: the network still computes in float64
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_wherever_they_stand(name, dtype, tolerance):
    model = CLASSIFIERS[name].fit(X, Y)
    rows = X.astype(dtype)
    assert_same(model, converted(model, rows), rows, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_wherever_they_stand(name, dtype, tolerance):
    model = REGRESSORS[name].fit(X, X[:, :2] if name == "one for each output" else X[:, 0])
    rows = X.astype(dtype)
    assert_same(model, converted(model, rows), rows, tolerance)


def test_a_classifier_for_each_output():
    model = MultiOutputClassifier(classifier()).fit(X, (X[:, :2] > 0).astype(int))
    found = list(run(converted(model, X), {"X": X}).values())
    assert (found[0] == model.predict(X)).all()


def test_the_inputs_may_be_given_by_their_types():
    types = pytest.importorskip("skl2onnx.common.data_types")
    model = scaled(classifier()).fit(X, Y)
    given = [("X", types.FloatTensorType([None, 4]))]
    onnx = skl2onnx.convert_sklearn(model, initial_types=given, options={id(model): PLAIN})
    assert_same(model, onnx, X.astype(np.float32), 2e-6)


def test_probabilities_are_a_matrix_without_being_asked_for():
    model = scaled(classifier()).fit(X, Y)
    onnx = skl2onnx.to_onnx(model, X[:1])
    assert [output.name for output in onnx.graph.output] == ["label", "probabilities"]
    assert_same(model, onnx, X, 1e-12)
    for options in ({"zipmap": False}, {"mlpclassifier__zipmap": False}, {id(model[-1]): PLAIN}):
        assert_same(model, skl2onnx.to_onnx(model, X[:1], options=options), X, 1e-12)
    with pytest.raises(ValueError, match="Unexpected value"):
        skl2onnx.to_onnx(model, X[:1], options={"zipmap": True})


def test_a_subclass():
    class Ours(MLPClassifier):
        pass

    model = VotingClassifier(other(Ours((6,), max_iter=20, random_state=0)), voting="soft")
    model.set_params(flatten_transform=False).fit(X, Y)
    assert_same(model, converted(model, X), X, 1e-12)


TABLE = pd.DataFrame({"size": X[:, 0], "city": RNG.choice(["Bonn", "Oslo", "Rome"], len(X))})


@pytest.mark.parametrize(
    "first",
    [
        TableEncoder(),
        ColumnTransformer([("table", TableEncoder(), ["size", "city"])]),
        ColumnTransformer([("c", TableEncoder(), ["city"]), ("s", StandardScaler(), ["size"])]),
    ],
    ids=["alone", "in columns", "beside another"],
)
def test_the_encoder_of_tables(first):
    model = make_pipeline(first, classifier()).fit(TABLE, Y)
    onnx = skl2onnx.to_onnx(model, TABLE[:1])
    found = run(onnx, {name: TABLE[[name]].to_numpy() for name in TABLE})
    chances = model.predict_proba(TABLE)
    assert_close(found["probabilities"], chances, np.full(chances.shape, 1e-6))


def test_what_is_not_fitted_is_said():
    with pytest.raises(NotFittedError):
        skl2onnx.to_onnx(classifier(), X[:1])


def test_a_converter_of_the_users_own_stays():
    class Mine(MLPClassifier):
        pass

    def refuse(scope, operator, container):
        raise NotImplementedError("mine")

    skl2onnx.update_registered_converter(Mine, "Mine", lambda operator: None, refuse)
    Mine((2,), max_iter=1).fit(X, Y).__sklearn_tags__()
    assert skl2onnx.get_model_alias(Mine) == "Mine"


# --- the order of imports ------------------------------------------------------------------------

PARTS = {
    "theirs": "import skl2onnx",
    "ours": """
import pickle, sys, warnings
warnings.simplefilter("ignore")
from backpass import MLPClassifier
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X = np.random.default_rng(0).normal(size=(60, 4))
model = MLPClassifier((6,), max_iter=20, random_state=0)
""",
    "pipeline": "model = make_pipeline(StandardScaler(), model)",
    "ensemble": "model = CalibratedClassifierCV(model, cv=2)",
    "fit": "model.fit(X, X[:, 0] > 0)",
    "register": """
from backpass.export.pipelines import register_converters
register_converters()
""",
    "unpickle": "model = pickle.loads(sys.stdin.buffer.read())",
    "convert": """
import onnxruntime
import skl2onnx
rows = skl2onnx.common.data_types.DoubleTensorType([None, 4])
for convert, given in (
    (skl2onnx.to_onnx, {"X": X[:1]}),
    (skl2onnx.convert_sklearn, {"initial_types": [("X", rows)]}),
):
    onnx = convert(model, options={id(model): {"zipmap": False}}, **given)
    session = onnxruntime.InferenceSession(onnx.SerializeToString())
    difference = session.run(None, {"X": X})[1] - model.predict_proba(X)
    print(abs(difference).max() < 1e-12, "backpass.export.pipelines" in sys.modules)
""",
}


def said(order, pickled=b""):
    """Run the parts in a process of their own, and return what it prints."""
    code = "\n".join(PARTS[part] for part in order.split())
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickled, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


@pytest.mark.parametrize(
    "order",
    [
        "ours fit convert",
        "theirs ours pipeline fit convert",
        "ours pipeline fit convert",
        "theirs ours ensemble fit convert",
        "ours theirs ensemble fit convert",
        "ours ensemble fit register convert",
    ],
)
def test_the_order_of_imports_does_not_matter(order):
    assert said(order) == ["True"] * 4


def test_what_was_pickled_is_converted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CalibratedClassifierCV(classifier(), cv=2).fit(X, X[:, 0] > 0)
    pickled = pickle.dumps(model)
    assert said("ours theirs unpickle convert", pickled) == ["True"] * 4


def test_nothing_of_onnx_is_loaded_for_a_fit():
    end = "print([m for m in sys.modules if m.startswith(('onnx', 'skl2onnx', 'backpass.export'))])"
    done = subprocess.run(
        [sys.executable, "-c", f"{PARTS['ours']}\n{PARTS['fit']}\n{end}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "[]\n", done.stderr
