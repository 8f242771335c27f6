"""Networks and estimators as ONNX files: onnxruntime computes what we do."""

import json
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import backpass
from backpass import MLPClassifier, MLPRegressor, Network, register_activation, to_onnx
from backpass.core.activations import ACTIVATIONS
from backpass.errors import InputError, ModelFileError
from backpass.export.graph import onnx_part
from backpass.export.layers import FORMS
from backpass.tabular.encoder import TableEncoder
from helpers import HIDDEN, PAIRS, assert_close, specs
from onnx_runs import onnx, output_bound, run

DTYPES = ["float32", "float64"]
HIDDEN_SPECS = [s for s in specs(ACTIVATIONS) if s.partition(":")[0] in HIDDEN]


def rows(n, width, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(dtype)


# --- networks --------------------------------------------------------------------------------


def test_every_activation_has_a_form():
    assert set(FORMS) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", HIDDEN_SPECS)
def test_every_hidden_activation(hidden, dtype):
    network = Network([4, 6, 5, 2], hidden, seed=1, dtype=dtype)
    X = 3 * rows(30, 4, dtype)
    output = run(to_onnx(network), {"X": X})["output"]
    assert output.dtype == dtype
    bound = output_bound(network, X)
    assert_close(output, bound.value, bound.error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output(output, loss, dtype):
    network = Network([4, 6, 3], "tanh", output, loss, seed=1, dtype=dtype)
    X = 3 * rows(30, 4, dtype)
    bound = output_bound(network, X)
    assert_close(run(to_onnx(network), {"X": X})["output"], bound.value, bound.error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", HIDDEN_SPECS)
def test_large_numbers_do_not_overflow(hidden, dtype):
    one, none = np.ones((1, 1), dtype), np.zeros(1, dtype)
    network = Network.from_arrays([one, one], [none, none], hidden)
    X = np.array([0, 1e-6, 0.5, 20, 90, 800, 1e4], dtype)
    X = np.concatenate([-X, X])[:, None]
    bound = output_bound(network, X)
    assert_close(run(to_onnx(network), {"X": X})["output"], bound.value, bound.error)


def test_the_bound_is_narrow_enough_to_tell_activations_apart():
    X = 3 * rows(30, 4)
    right, other = (Network([4, 6, 2], name, seed=1) for name in ("mish", "silu"))
    bound = output_bound(right, X)
    with pytest.raises(AssertionError):
        assert_close(run(to_onnx(other), {"X": X})["output"], bound.value, bound.error)


def test_no_hidden_layer_and_any_number_of_rows():
    network = Network([3, 2], seed=0)
    for n in (1, 2, 1000):
        X = rows(n, 3)
        bound = output_bound(network, X)
        assert_close(run(to_onnx(network), {"X": X})["output"], bound.value, bound.error)


def test_opset_and_names():
    model = to_onnx(Network([3, 4, 2], seed=0))
    assert {o.domain: o.version for o in model.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert model.ir_version == 8
    assert (model.producer_name, model.producer_version) == ("backpass", backpass.__version__)
    assert {t.name for t in model.graph.initializer} == {"W_1", "b_1", "W_2", "b_2"}
    onnx.checker.check_model(model, full_check=True)


def test_an_activation_of_the_users_is_refused():
    register_activation("cubed", lambda z: z**3, lambda z: 3 * z**2)
    try:
        with pytest.raises(InputError, match="activation 'cubed' cannot be written in ONNX"):
            to_onnx(Network([2, 3, 1], "cubed", seed=0))
    finally:
        ACTIVATIONS.unregister("cubed")


def test_what_cannot_be_exported_is_refused(tmp_path):
    for model in (MLPClassifier(), TableEncoder(), "a text", None):
        with pytest.raises(InputError, match="holds no trained network"):
            to_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    network = Network([3, 4, 2], seed=0)
    model = to_onnx(network, tmp_path / "m.onnx")
    assert onnx.load(tmp_path / "m.onnx") == model
    first = (tmp_path / "m.onnx").read_bytes()
    to_onnx(network, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == first  # the same model is the same bytes
    with pytest.raises(ModelFileError, match="make its folder first"):
        to_onnx(network, tmp_path / "none" / "m.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_missing_package_is_named():
    with pytest.raises(InputError, match=r"onnx_of_nobody, which is not installed: pip install"):
        onnx_part("onnx_of_nobody.helper")


def test_networks_too_large_for_the_format_are_refused(monkeypatch):
    monkeypatch.setattr("backpass.export.graph.LARGEST", 100)
    with pytest.raises(InputError, match="an ONNX file holds less than 2 GiB"):
        to_onnx(Network([30, 40, 2], seed=0))


# --- estimators ------------------------------------------------------------------------------


def fitted(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.set_params(hidden_layer_sizes=(7,), max_iter=8, random_state=0).fit(X, y)


CLASSES = {
    "two": np.array(["no", "yes"]),
    "three": np.array(["a", "ü", "c"]),
    "integers": np.array([-3, 5, 7]),
    "truths": np.array([False, True]),
    "numbers": np.array([1.0, 2.0]),
    "one": np.array(["only"]),
    "objects": np.array(["x", "y"], dtype=object),
}
CLASS_LOSSES = [
    "log_loss",
    "cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "hinge",
    "logistic",
]


def assert_same_decisions(estimator, X, found, margin):
    """Compare labels, but for rows so close to the boundary that rounding may decide."""
    clear = margin > 1e-5
    assert clear.mean() > 0.9
    assert (found["label"][clear] == estimator.predict(X)[clear]).all()


def margins(output, boundary):
    """Return how far each row's output is from another decision."""
    if output.shape[1] == 1:
        return np.abs(output[:, 0] - boundary)
    ordered = np.sort(output, axis=1)
    return ordered[:, -1] - ordered[:, -2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", CLASS_LOSSES)
@pytest.mark.parametrize("classes", CLASSES)
def test_a_classifier_gives_labels_and_probabilities(classes, loss, dtype):
    X = rows(80, 4, dtype)
    y = CLASSES[classes][np.arange(80) % len(CLASSES[classes])]
    estimator = fitted(MLPClassifier(loss=loss), X, y)
    model = to_onnx(estimator)
    found = run(model, {"X": X})
    told = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert told["backpass.classes"] == estimator.classes_.tolist()
    scored = loss in ("hinge", "logistic")
    output = estimator.network_.predict(X)
    assert_same_decisions(estimator, X, found, margins(output, 0.0 if scored else 0.5))
    if scored:
        bound = output_bound(estimator.network_, X)
        assert_close(found["scores"], bound.value, bound.error)
    else:
        want = estimator.predict_proba(X)
        assert_close(found["probabilities"], want, np.full(want.shape, 1e-5))


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "hinge"])
def test_a_classifier_of_several_labels(loss):
    X, y = rows(80, 4), (rows(80, 3, seed=1) > 0).astype(int)
    estimator = fitted(MLPClassifier(loss=loss), X, y)
    found = run(to_onnx(estimator), {"X": X})
    output = estimator.network_.predict(X)
    clear = np.abs(output - (0.0 if loss == "hinge" else 0.5)) > 1e-5
    assert clear.mean() > 0.9
    assert (found["label"] == estimator.predict(X))[clear].all()
    if loss != "hinge":
        want = estimator.predict_proba(X)
        assert_close(found["probabilities"], want, np.full(want.shape, 1e-5))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_regressor(outputs, dtype):
    X, y = rows(80, 4, dtype), 100 * rows(80, outputs, seed=1)
    estimator = fitted(MLPRegressor(), X, y[:, 0] if outputs == 1 else y)
    found = run(to_onnx(estimator), {"X": X})["prediction"]
    bound = output_bound(estimator.network_, X)
    error = bound.error[:, 0] if outputs == 1 else bound.error
    assert_close(found, estimator.predict(X), 2 * error)


def test_classes_that_onnx_does_not_have_are_refused():
    estimator = fitted(MLPClassifier(), rows(20, 2), np.arange(20) % 2)
    estimator.classes_ = np.array([None, 1], dtype=object)
    with pytest.raises(InputError, match="classes of type object have no ONNX form"):
        to_onnx(estimator)


def test_the_network_of_an_estimator():
    X = rows(20, 2)
    estimator = fitted(MLPClassifier(), X, np.arange(20) % 3)
    found = run(to_onnx(estimator, network_only=True), {"X": X})
    assert list(found) == ["output"]
    bound = output_bound(estimator.network_, X)
    assert_close(found["output"], bound.value, bound.error)
