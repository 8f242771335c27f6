"""Networks from and to scikit-learn's MLPs: the same predictions, or a refusal by name."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backpass
from backpass import Network
from backpass.errors import InputError
from forward_rounding import output_tolerance
from helpers import ACTIVATIONS, EPS, HIDDEN, PAIRS

THEIRS = ["identity", "logistic", "tanh", "relu"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
LABELS = make_classification(60, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)[1]
TASKS = {
    "binary": (MLPClassifier, np.array(["no", "yes"])[(LABELS > 0).astype(int)]),
    "multiclass": (MLPClassifier, np.array(["a", "b", "c"])[LABELS]),
    "multilabel": (MLPClassifier, make_multilabel_classification(60, random_state=0)[1]),
    "regression": (MLPRegressor, RNG.normal(size=60)),
    "multi-output": (MLPRegressor, RNG.normal(size=(60, 3))),
    "poisson": (MLPRegressor, RNG.poisson(2.0, 60).astype(float)),
}


def fitted(task, activation, dtype=float, **settings):
    kind, y = TASKS[task]
    extra = {"loss": "poisson"} if task == "poisson" else {}
    settings = {"max_iter": 20, "random_state": 0} | extra | settings
    mlp = kind(hidden_layer_sizes=(4, 3), activation=activation, **settings)
    with np.errstate(all="ignore"):
        return mlp.fit(X.astype(dtype), y)


def their_output(mlp, x):
    """What scikit-learn's last layer gives, (N, k)."""
    if isinstance(mlp, MLPRegressor):
        return mlp.predict(x).reshape(len(x), -1)
    chances = mlp.predict_proba(x)
    return chances[:, 1:] if mlp.n_outputs_ == 1 else chances


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("activation", THEIRS)
def test_there_and_back_predictions_are_equal(task, activation, dtype):
    mlp = fitted(task, activation, dtype)
    x = RNG.normal(size=(20, 5)).astype(dtype)
    network = Network.from_sklearn(mlp)
    assert network.parameters.flat.dtype == dtype
    wanted = pytest.approx(their_output(mlp, x), rel=0, abs=output_tolerance(network, x))
    assert network.predict(x) == wanted
    labelled = task in ("binary", "multiclass")
    back = network.to_sklearn(classes=mlp.classes_) if labelled else network.to_sklearn()
    assert type(back) is type(mlp)
    np.testing.assert_array_equal(back.predict(x), mlp.predict(x))
    np.testing.assert_array_equal(their_output(back, x), their_output(mlp, x))
    for ours, theirs in zip(back.coefs_, mlp.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert not np.shares_memory(ours, theirs)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_scikit_learns(task):
    # steps too small to move anything: the loss is that of the parameters
    mlp = fitted(task, "tanh", solver="sgd", batch_size=60, learning_rate_init=1e-300, alpha=0.0)
    network = Network.from_sklearn(mlp)
    y = TASKS[task][1]
    if task == "binary":
        y = (y == "yes").astype(float)
    elif task == "multiclass":
        y = np.searchsorted(mlp.classes_, y)
    elif task != "multilabel":
        y = y.reshape(60, -1)
    loss = network.loss(X, y)
    shared = network.sizes[-1] if task == "multi-output" else 1  # theirs averages over outputs
    assert loss / shared == pytest.approx(mlp.loss_, rel=60 * 100 * EPS)


@pytest.mark.parametrize("sizes", [[5, 4, 3], [5, 3], [5, 4, 4, 2]])
@pytest.mark.parametrize("activation", THEIRS)
def test_a_softmax_becomes_a_classifier(sizes, activation):
    network = Network(sizes, activation, "softmax", "cross_entropy", seed=0)
    mlp = network.to_sklearn()
    assert mlp.predict_proba(X) == pytest.approx(
        network.predict(X), rel=0, abs=output_tolerance(network, X)
    )
    np.testing.assert_array_equal(mlp.predict(X), network.predict(X).argmax(axis=1))


def test_the_estimator_can_be_trained_on():
    network = Network([5, 4, 3], "tanh", "softmax", "cross_entropy", seed=0)
    mlp = network.to_sklearn().set_params(batch_size=60, random_state=0)
    before = mlp.predict_proba(X)
    for _ in range(3):
        mlp.partial_fit(X, LABELS)
    assert len(mlp.loss_curve_) == 3
    assert mlp.loss_curve_[0] == pytest.approx(network.loss(X, LABELS), rel=60 * 100 * EPS)
    assert mlp.loss_curve_[2] < mlp.loss_curve_[0]
    assert not np.array_equal(mlp.predict_proba(X), before)
    np.testing.assert_array_equal(network.to_sklearn().predict_proba(X), before)  # a copy


EXPRESSIBLE = {
    ("identity", "squared_error"), ("exp", "poisson"),
    ("softmax", "cross_entropy"), ("logistic", "binary_cross_entropy"),
}  # fmt: skip


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output_and_loss_is_converted_or_refused_by_name(output, loss):
    network = Network([5, 4, 3], "tanh", output, loss, seed=0)
    if (output, loss) in EXPRESSIBLE:
        assert network.to_sklearn().n_outputs_ == 3
        return
    with pytest.raises(InputError, match=r"scikit-learn (has no output|trains an output)"):
        network.to_sklearn()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_hidden_activation_is_converted_or_refused_by_name(hidden):
    network = Network([5, 4, 1], hidden, seed=0)
    if hidden in THEIRS:
        assert network.to_sklearn().activation == hidden
        return
    with pytest.raises(InputError, match=f"has no hidden activation '{hidden}"):
        network.to_sklearn()


RELU = ACTIVATIONS.get_record("relu")
SMOOTHED = Network([2, 3], "tanh", "softmax", "cross_entropy:label_smoothing=0.1")
TO_REFUSED = {
    "mixed": (Network([2, 3, 3, 1], ["tanh", "relu"]), None, "one activation for all.*tanh, relu"),
    "smoothing": (SMOOTHED, None, "by 'cross_entropy', not by 'cross_entropy:label_smoothing"),
    "a changed relu": (Network([2, 3, 1], replace(RELU, value=abs)), None, "no hidden activation"),
    "one softmax": (Network([2, 1], "relu", "softmax", "cross_entropy"), None, "two classes"),
    "classes of a regression": (Network([2, 1]), [0, 1], "for a classification"),
    "too few classes": (Network([2, 3], "relu", "softmax", "cross_entropy"), [0, 1], "3 different"),
    "descending classes": (
        Network([2, 2], "relu", "softmax", "cross_entropy"), [1, 0], "in ascending order"
    ),
    "labels": (
        Network([2, 3], "relu", "logistic", "binary_cross_entropy"), [0, 1, 2], "one logistic"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TO_REFUSED)
def test_what_scikit_learn_lacks_is_said(case):
    network, classes, reason = TO_REFUSED[case]
    with pytest.raises(InputError, match=reason):
        network.to_sklearn(classes=classes)


FROM_REFUSED = {
    "unfitted": (MLPRegressor(), "this MLPRegressor is not fitted yet; call fit"),
    "a pipeline": (make_pipeline(StandardScaler(), MLPRegressor()), "not Pipeline; of a pipeline"),
    "text": ("mlp", "not str"),
}


@pytest.mark.parametrize("case", FROM_REFUSED)
def test_only_fitted_mlps_are_taken(case):
    given, reason = FROM_REFUSED[case]
    with pytest.raises(InputError, match=reason):
        Network.from_sklearn(given)


def test_our_own_estimators_have_a_network_already():
    ours = backpass.MLPRegressor(hidden_layer_sizes=(2,), solver="lbfgs").fit(
        X, RNG.normal(size=60)
    )
    with pytest.raises(InputError, match="take its network_"):
        Network.from_sklearn(ours)
