"""Every public method of the estimators takes what scikit-learn's MLP takes, and refuses the same.

The oracle is scikit-learn's own estimator: for each form of X, y and weights below, both give the
same numbers and warnings, or both refuse, ours in one line. DIFFERENT lists what is meant so.
"""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from backpass import MLPClassifier, MLPRegressor
from backpass.errors import InputError

N, FAST = 30, {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
rng = np.random.default_rng(0)
X0 = X = rng.normal(size=(N, 3))
FRAME = pd.DataFrame(X, columns=list("abc"))
WHOLE = (5 * FRAME).round().astype(int)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
NUMBERS = np.round(X @ [1, 2, 3], 3)
WEIGHTS = rng.uniform(0.5, 2, N)
DATES = np.array(["2020-01-01", "2020-01-02"] * (N // 2), dtype="M8[D]")

ROWS = {
    "float64": X, "float32": X.astype("f4"), "float16": X.astype("f2"), "long": X.astype("g"),
    "big endian": X.astype(">f8"), "Fortran": np.asfortranarray(X), "integers": WHOLE.to_numpy(),
    "booleans": X > 0, "list": X.tolist(), "tuple": tuple(map(tuple, X)), "text": X.astype(str),
    "objects": X.astype(object), "text objects": X.astype(str).astype(object),
    "memory": memoryview(X), "matrix": np.matrix(X), "one axis": X[:, 0], "three axes": X[:, None],
    "complex": X + 1j, "dates": np.repeat(DATES[:, None], 3, axis=1), "no rows": X[:0],
    "None": None, "a None": np.where(X > 1.5, None, X.astype(object)), "Series": FRAME["a"],
    "DataFrame": FRAME, "integer names": pd.DataFrame(X), "Float64": FRAME.astype("Float64"),
    "Int64": WHOLE.astype("Int64"), "boolean": (FRAME > 0).astype("boolean"),
    "string": FRAME.astype(str).astype("string"), "category": WHOLE.astype("category"),
    "text category": FRAME.astype(str).astype("category"),
    "missing Int64": WHOLE.astype("Int64").mask(FRAME > 1.5),
    "missing Float64": FRAME.astype("Float64").mask(FRAME > 1.5),
    "mixed": FRAME.assign(b=CLASSES, c=FRAME["c"] > 0), "with text": FRAME.assign(b="x"),
    "polars": pl.DataFrame(X, schema=list("abc")),
    "polars text": pl.DataFrame(X.astype(str), schema=list("abc")),
    "polars null": pl.DataFrame({"a": [None, *X[1:, 0]], "b": X[:, 1], "c": X[:, 2]}),
}  # fmt: skip


def targets(y, text, nullable):
    """Return the forms of a target: `y` as such, as `text`, and in pandas' dtype `nullable`."""
    first = np.arange(N) == 0
    return {
        "(N,)": y, "(N, 1)": y[:, None], "(1, N)": y[None, :], "(N, 1, 1)": y[:, None, None],
        "list": y.tolist(), "list of lists": y[:, None].tolist(), "tuple": tuple(y),
        "float": y.astype(float), "float32": y.astype("f4"), "uint8": abs(y).astype("u1"),
        "bool": y > 0, "fractions": y + 0.25, "objects": y.astype(object), "text": text,
        "text objects": text.astype(object), "bytes": text.astype("S"), "complex": y + 1j,
        "mixed": ["a", *y[1:].tolist()], "a None": [None, *y[1:].tolist()], "dates": DATES,
        "NaN": np.where(first, np.nan, y), "infinite": np.where(first, np.inf, y),
        "too few": y[:-1], "None": None, "number": 3, "word": "abc", "Series": pd.Series(y),
        "DataFrame": pd.DataFrame({"y": y}), "nullable": pd.Series(y).astype(nullable),
        "nullable frame": pd.DataFrame({"y": y}).astype(nullable),
        "missing": pd.Series(y).astype(nullable).mask(first),
        "boolean": pd.Series(y > 0).astype("boolean"), "str": pd.Series(text),
        "string": pd.Series(text).astype("string"), "category": pd.Series(y).astype("category"),
        "text category": pd.Series(text).astype("category"), "polars": pl.Series("y", y),
        "polars frame": pl.DataFrame({"y": y}), "polars text": pl.Series("y", text),
        "polars category": pl.Series("y", text).cast(pl.Categorical),
        "several": np.stack([y > 0, y > 1], axis=1).astype(int),
        "several of a frame": pd.DataFrame({"a": y > 0, "b": y > 1}).astype(int),
    }  # fmt: skip


OF_ROWS = {
    "array": WEIGHTS, "list": WEIGHTS.tolist(), "tuple": tuple(WEIGHTS), "number": 2.0,
    "float32": WEIGHTS.astype("f4"), "integers": np.ceil(WEIGHTS).astype(int), "bool": WEIGHTS > 1,
    "objects": WEIGHTS.astype(object), "text": WEIGHTS.astype(str), "Series": pd.Series(WEIGHTS),
    "text objects": WEIGHTS.astype(str).astype(object), "polars": pl.Series(WEIGHTS),
    "another index": pd.Series(WEIGHTS, index=np.arange(N) + 100), "(N, 1)": WEIGHTS[:, None],
    "DataFrame": pd.DataFrame({"w": WEIGHTS}), "polars frame": pl.DataFrame({"w": WEIGHTS}),
    "Float64": pd.Series(WEIGHTS, dtype="Float64"), "category": pd.Categorical(WEIGHTS),
    "Int64": pd.Series(np.ceil(WEIGHTS)).astype("Int64"), "too few": WEIGHTS[:-1],
    "missing": pd.Series(WEIGHTS).astype("Float64").mask(WEIGHTS > 1.8), "zeros": 0 * WEIGHTS,
    "NaN": np.where(WEIGHTS > 1.8, np.nan, WEIGHTS), "negative": -WEIGHTS, "complex": WEIGHTS + 1j,
    "word": "balanced",
}  # fmt: skip

PREDICTS = {"predict", "predict_proba", "predict_log_proba", "score"}
TRAINS = {"fit", "partial_fit", "early stopping"}

DIFFERENT = {  # (argument, form): who alone accepts it, in which methods
    # scikit-learn fits texts that are numbers, and then refuses to predict from them
    ("X", "text"): ("ours", PREDICTS),
    ("X", "text category"): ("ours", PREDICTS),
    ("X", "polars text"): ("ours", PREDICTS),
    # scores against texts that are numbers, and fails on them, by accident, in fit
    ("numbers", "text"): ("ours", TRAINS),
    ("numbers", "bytes"): ("ours", TRAINS),
    ("numbers", "polars text"): ("ours", TRAINS),
    # whose numbers depend on their unit
    ("X", "dates"): ("theirs", TRAINS),
    ("numbers", "dates"): ("theirs", {"score"}),
    # a loss of NaN
    ("numbers", "a None"): ("theirs", {"early stopping"}),
    # maximises the loss of such rows
    ("weights of classes", "negative"): ("theirs", TRAINS),
    ("weights of numbers", "negative"): ("theirs", TRAINS),
    # one for all rows is taken in fit, there too
    ("weights of numbers", "number"): ("ours", {"score"}),
}  # fmt: skip


KINDS = {"classes": (MLPClassifier, SklearnClassifier), "numbers": (MLPRegressor, SklearnRegressor)}
Y = {"classes": CLASSES, "numbers": NUMBERS}
TARGETS = {
    "classes": targets(CLASSES, np.array(list("abc"))[CLASSES], "Int64"),
    "numbers": targets(NUMBERS, NUMBERS.astype(str), "Float64"),
}
CASES = [
    *(("X", form, task) for form in ROWS for task in Y),
    *((task, form, task) for task in Y for form in TARGETS[task]),
    *((f"weights of {task}", form, task) for form in OF_ROWS for task in Y),
]


def outcome(call):
    """Return what a call gives, what it raises, and its warnings but those of stopping early."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result, error = np.asarray(call()), None
        except Exception as raised:
            result, error = None, raised
    return result, error, {warning.category for warning in told} - {ConvergenceWarning}


def methods(kind, task, X, y, weights):
    """Return what an estimator can do with these rows, targets and weights, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = kind(**FAST).fit(*(np.array(a) for a in (X0, Y[task])))
    labels = list("abc") if "a" in str(np.asarray(y)) else [0, 1, 2]
    known = {"classes": labels} if task == "classes" else {}
    early = {"early_stopping": True, "validation_fraction": 0.3}

    def parameters(estimator):
        return np.concatenate([W.ravel() for W in estimator.coefs_])

    def one_step():
        return parameters(kind(**FAST).partial_fit(X, y, sample_weight=weights, **known))

    return {
        "fit": lambda: parameters(kind(**FAST).fit(X, y, weights)),
        "early stopping": lambda: parameters(kind(**FAST, **early).fit(X, y, weights)),
        "partial_fit": one_step,
        "score": lambda: fitted.score(X, y, weights),
        "predict": lambda: fitted.predict(X),
        "predict_proba": lambda: fitted.predict_proba(X),  # of a regressor: neither has it
        "predict_log_proba": lambda: fitted.predict_log_proba(X),
    }


@pytest.mark.parametrize(("argument", "form", "task"), CASES)
def test_every_method_does_what_scikit_learns_does(argument, form, task):
    given = {"X": X0, "y": Y[task], "weights": None}
    name, forms = {"X": ("X", ROWS), task: ("y", TARGETS[task])}.get(argument, ("weights", OF_ROWS))
    given[name] = forms[form]
    ours, theirs = (methods(kind, task, **given) for kind in KINDS[task])
    alone, where = DIFFERENT.get((argument, form), ("nobody", set()))
    for method in ours:
        got, refused, warned = outcome(ours[method])
        want, their_refusal, their_warnings = outcome(theirs[method])
        if isinstance(their_refusal, AttributeError):
            assert isinstance(refused, AttributeError)
            continue
        if method in where:
            assert (refused is None) == (alone == "ours") != (their_refusal is None), method
        else:
            assert (refused is None) == (their_refusal is None), (method, refused, their_refusal)
        if refused is not None:
            assert isinstance(refused, InputError), (method, repr(refused))
            assert str(refused).isprintable(), str(refused)
        elif their_refusal is None:
            assert warned == their_warnings, method
            if got.dtype.kind == "f":
                size = 1e-4 if got.dtype == "f4" else 1e-7
                np.testing.assert_allclose(got, want, rtol=size, atol=size)
            else:
                np.testing.assert_array_equal(got, want)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_frame_of_one_target_can_be_cross_validated():
    model = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", max_iter=50, random_state=0)
    scores = cross_val_score(model, X0, pd.DataFrame({"y": NUMBERS}), cv=3)
    np.testing.assert_array_equal(scores, cross_val_score(model, X0, NUMBERS, cv=3))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "mish"])
def test_few_rows_are_predicted_as_among_many(dtype, activation):
    """They take another way, which has to give the same bits and the same refusals."""
    rows = np.concatenate([X0, 3 * X0]).astype(dtype)
    for task, (kind, _) in KINDS.items():
        model = kind(**{**FAST, "hidden_layer_sizes": (33, 8)}, activation=activation)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X0.astype(dtype), Y[task])
        whole = model.network_.predict(rows)
        for n in (1, 2, 16, 17):
            for few in (rows[:n], np.asfortranarray(rows[:n])):
                np.testing.assert_array_equal(model._bp_checked_output(few), whole[:n])
            np.testing.assert_array_equal(model._bp_checked_output(rows[::2][:n]), whole[::2][:n])
        with pytest.raises(InputError, match="X contains NaN"):
            model.predict(np.where(rows[:1] == rows[0, 0], np.nan, rows[:1]))
        with pytest.raises(InputError, match=r"X has 2 features, but .* 3"):
            model.predict(rows[:1, :2])
        model.network_.parameters.flat[...] = np.finfo(dtype).max
        with pytest.raises(InputError, match="X, row 1: the network's output is"):
            model._bp_checked_output(abs(rows[:1]))
