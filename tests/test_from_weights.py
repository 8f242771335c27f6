"""Estimators are made of weights and of networks, of any shapes, to predict and to train on."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from backpass import MLPClassifier, MLPRegressor, Network
from backpass.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def fitted():
    return MLPClassifier((5,), max_iter=20, random_state=0).fit(X, y)


@pytest.mark.parametrize("layout", ["code", "nabla"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_estimator_is_made_of_weights(layout, dtype):
    m = MLPClassifier((5, 4), "tanh", max_iter=20, random_state=0).fit(X.astype(dtype), NAMES[y])
    coefs = [(W if layout == "code" else W.T).tolist() for W in m.coefs_]
    coefs = [np.array(W, dtype) for W in coefs]
    again = MLPClassifier.from_weights(
        coefs, m.intercepts_, classes=NAMES, activation="tanh", layout=layout, warm_start=True,
        learning_rate_init=0.05,
    )  # fmt: skip
    rows = X.astype(dtype)
    np.testing.assert_array_equal(again.predict_proba(rows), m.predict_proba(rows))
    assert (again.predict(rows) == m.predict(rows)).all()
    assert again.get_params()["hidden_layer_sizes"] == (5, 4)
    assert (again.n_iter_, again.t_, again.loss_curve_) == (0, 0, [])
    assert again.partial_fit(rows, NAMES[y]).t_ == 150
    assert again.fit(rows, NAMES[y]).score(rows, NAMES[y]) > 0.9
    assert pickle.loads(pickle.dumps(again)).predict(rows[:1]) == again.predict(rows[:1])


def test_a_pruned_network_is_another_estimator():
    m = fitted()
    keep = [0, 2, 3]
    small = MLPClassifier.from_weights(
        [m.coefs_[0][:, keep], m.coefs_[1][keep]], [m.intercepts_[0][keep], m.intercepts_[1]]
    )
    m.coefs_[1][[1, 4]] = 0
    np.testing.assert_allclose(small.predict_proba(X), m.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("k", "options", "width"),
    [(1, {}, 2), (2, {}, 2), (2, {"multilabel": True}, 2), (3, {"loss": "hinge"}, 3),
     (3, {"loss": "binary_cross_entropy"}, 3), (1, {"loss": "cross_entropy"}, None)],
)  # fmt: skip
def test_outputs_and_classes_fit_each_other(k, options, width):
    W, b = [np.arange(2.0 * k).reshape(2, k)], [np.zeros(k)]
    if width is None:
        with pytest.raises(InputError, match="output"):
            MLPClassifier.from_weights(W, b, **options)
        return
    m = MLPClassifier.from_weights(W, b, **options)
    assert len(m.classes_) == width
    targets = np.ones((4, k), int) if "multilabel" in options else np.arange(4) % width
    assert len(m.predict(np.ones((4, 2)))) == 4
    m.partial_fit(np.ones((4, 2)), targets)


def test_an_estimator_is_made_of_a_network():
    network = Network([2, 3, 4, 1], ["relu", "tanh"], "identity", "huber:delta=2", seed=0)
    m = MLPRegressor.from_network(network, alpha=0.5)
    np.testing.assert_array_equal(m.predict(X[:, :2]), network.predict(X[:, :2])[:, 0])
    assert m.get_params()["activation"] == ["relu", "tanh"]
    assert m.get_params()["alpha"] == 0.5
    m.partial_fit(X[:, :2], y)
    assert (network.parameters.flat != m.network_.parameters.flat).any()
    softmax = Network([4, 3], output="softmax", loss="cross_entropy:label_smoothing=0.1", seed=0)
    m = MLPClassifier.from_network(softmax, classes=NAMES)
    np.testing.assert_array_equal(m.predict_proba(X), softmax.predict(X))
    m.network_ = network = Network([4, 7, 3], "tanh", "softmax", "cross_entropy", seed=0)
    assert m.network_ is network


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MLPClassifier.from_weights(3, 4), "coefs must be a list"),
        (lambda: MLPClassifier.from_weights([np.eye(3)] * 2, [np.zeros(3)]), "1 for 2"),
        (lambda: MLPClassifier.from_weights([np.eye(3)], [np.zeros(4)]), "of 4 numbers"),
        (lambda: MLPClassifier.from_weights([], []), "coefs must be a list"),
        (lambda: MLPClassifier.from_weights([np.ones((3, 2))], [np.zeros(3)]), "layer 1"),
        (lambda: MLPClassifier.from_weights([np.ones((3, 2))] * 2, [np.zeros(2)] * 2), "layer 2"),
        (lambda: MLPClassifier.from_weights([np.full((3, 2), np.nan)], [np.zeros(2)]), "finite"),
        (lambda: MLPClassifier.from_weights([np.eye(3)], [np.eye(3)[0]], classes=[3, 1, 2]), "asc"),
        (lambda: MLPClassifier.from_weights([np.eye(3)], [np.eye(3)[0]], alpha=-1), "alpha"),
        (lambda: MLPRegressor.from_weights([np.eye(3)], [np.eye(3)[0]], classes=[1]), "classes"),
        (lambda: MLPClassifier.from_network(fitted()), "Network"),
        (lambda: MLPClassifier.from_network(Network([2, 3])), "softmax"),
        (lambda: MLPRegressor.from_network(fitted().network_), "use MLPClassifier"),
        (lambda: MLPRegressor.from_network(Network([2, 3]), hidden_layer_sizes=3), "leave them"),
    ],
)
def test_weights_that_do_not_fit_are_refused(make, words):
    with pytest.raises(InputError, match=words) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_before_fit_it_says_how_weights_become_an_estimator():
    for name in ("coefs_", "intercepts_"):
        with pytest.raises(AttributeError, match="from_weights"):
            setattr(MLPClassifier(), name, [np.eye(3)])
    assert not hasattr(MLPClassifier(), "n_layers_")


def test_convergence_is_not_told_of_weights_that_were_given():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        MLPRegressor.from_weights([np.eye(2)], [np.zeros(2)]).predict([[1, 2]])
