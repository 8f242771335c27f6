"""A fitted estimator's weights are its own: written to, copied, given, and what cannot be set."""

import copy
import pickle
import re
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from backpass import MLPClassifier, MLPRegressor, Network, to_onnx
from backpass.errors import InputError, PrivateMethodWarning, VersionWarning
from backpass.estimators import fitted_network
from backpass.estimators.sklearn_private import INSTEAD

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::backpass.errors.DeadUnitsWarning"),
]
X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def fitted(**settings):
    told = {"hidden_layer_sizes": (5,), "max_iter": 20, "random_state": 0, **settings}
    return MLPClassifier(**told).fit(X, y)


def by_hand(estimator, coefs, intercepts):
    """Return the probabilities that these weights give."""
    hidden = np.maximum(X @ np.asarray(coefs[0]) + intercepts[0], 0)
    e = np.exp(hidden @ np.asarray(coefs[1]) + intercepts[1])
    return e / e.sum(axis=1, keepdims=True)


def set_item(m):
    m.coefs_[0] = np.full((4, 5), 0.25)


def set_item_to_lists(m):
    m.intercepts_[1] = [1, 2, 3]


def set_slice(m):
    m.coefs_[:] = [W * 0.5 for W in m.coefs_]


def set_in_place(m):
    m.coefs_[1] *= -1


def set_a_view(m):
    W = m.coefs_[0]
    W[:, 2] = 0


def set_whole(m):
    m.coefs_ = [W.astype(np.float16) for W in m.coefs_]
    m.intercepts_ = tuple(b + 1 for b in m.intercepts_)


def set_an_array_written_to_later(m):
    W = np.zeros((4, 5))
    m.coefs_[0] = W
    m.predict(X)
    W[1, 3] = 7


def set_a_list_written_to_later(m):
    weights = [W.copy() for W in m.coefs_]
    m.coefs_ = weights
    m.predict(X)
    weights[1] = np.eye(5, 3)


WAYS = [
    set_item, set_item_to_lists, set_slice, set_in_place, set_a_view, set_whole,
    set_an_array_written_to_later, set_a_list_written_to_later,
]  # fmt: skip


@pytest.mark.parametrize("engine", ["auto", "native", "reference"])
@pytest.mark.parametrize("write", WAYS)
def test_everything_sees_what_was_written(write, engine, tmp_path):
    m = fitted(engine=engine)
    write(m)
    want = by_hand(m, m.coefs_, m.intercepts_)
    np.testing.assert_allclose(m.predict_proba(X), want, rtol=1e-9)
    np.testing.assert_allclose(m.predict_proba(X[:1]), want[:1], rtol=1e-9)
    joblib.dump(m, tmp_path / "m")
    for other in (
        pickle.loads(pickle.dumps(m)),
        copy.copy(m),
        copy.deepcopy(m),
        joblib.load(tmp_path / "m"),
        joblib.load(tmp_path / "m", mmap_mode="r"),
    ):
        np.testing.assert_array_equal(other.predict_proba(X), m.predict_proba(X))
    onnx = pytest.importorskip("onnxruntime")
    to_onnx(m, tmp_path / "m.onnx")
    session = onnx.InferenceSession(tmp_path / "m.onnx")
    got = session.run(["probabilities"], {"X": X})[0]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
    assert m.coefs_ is m.coefs_
    np.testing.assert_allclose(m.network_.predict(X), want, rtol=1e-9)
    assert all(W is view for W, view in zip(m.coefs_, m.network_.weights, strict=True))


@pytest.mark.parametrize("write", WAYS)
def test_training_goes_on_from_what_was_written(write):
    m = fitted(solver="sgd", learning_rate_init=0.1, batch_size=150, shuffle=False, momentum=0)
    write(m)
    coefs, intercepts = m.coefs_, m.intercepts_
    network = Network.from_arrays(
        [np.asarray(W, float) for W in coefs], [np.asarray(b, float) for b in intercepts],
        "relu", "softmax", "cross_entropy",
    )  # fmt: skip
    gradients = network.loss_and_gradients(X, y, alpha=m.alpha)[1]
    m.partial_fit(X, y)
    assert m.coefs_ is coefs
    for got, W, g in zip(m.coefs_, network.weights, gradients.weights, strict=True):
        np.testing.assert_allclose(got, W - 0.1 * g, rtol=2e-3 if got.dtype == "f2" else 1e-9)


def test_what_cannot_be_written_is_refused_and_changes_nothing():
    m = fitted()
    before = m.predict_proba(X)
    refused = [
        lambda: m.coefs_.pop(), lambda: m.coefs_.append(1), lambda: m.coefs_.clear(),
        lambda: m.coefs_.__delitem__(0), lambda: m.coefs_.insert(0, 1), lambda: m.coefs_.sort(),
        lambda: m.coefs_.__iadd__([1]), lambda: m.coefs_.__imul__(2), lambda: m.coefs_.reverse(),
        lambda: m.coefs_.__setitem__(0, np.zeros((4, 3))),
        lambda: m.coefs_.__setitem__(slice(0, 1), []),
        lambda: m.intercepts_.__setitem__(0, np.full(5, np.nan)),
        lambda: m.intercepts_.__setitem__(0, ["a"] * 5),
        lambda: setattr(m, "coefs_", m.coefs_[:1]), lambda: setattr(m, "coefs_", 3),
        lambda: setattr(m, "network_", Network([3, 5, 3], "relu", "softmax", "cross_entropy")),
    ]  # fmt: skip
    for call in refused:
        with pytest.raises(InputError, match=r"coefs_|intercepts_|network_"):
            call()
    np.testing.assert_array_equal(m.predict_proba(X), before)
    weights = [W.copy() for W in m.coefs_]
    m.coefs_ = weights
    weights.pop()  # their own list, which says so when it is used
    with pytest.raises(InputError, match="from_weights"):
        m.predict(X)


def test_a_copy_shares_what_scikit_learns_shares_and_nothing_else():
    m = fitted(warm_start=True)
    before, t = m.predict_proba(X), m.t_
    twin = copy.copy(m)
    assert twin.coefs_ is m.coefs_
    twin.coefs_, twin.intercepts_ = [W + 1 for W in m.coefs_], [b + 1 for b in m.intercepts_]
    np.testing.assert_array_equal(m.predict_proba(X), before)
    twin.partial_fit(X, y)
    twin.set_params(activation="tanh").predict(X)
    np.testing.assert_array_equal(m.predict_proba(X), before)
    assert m.t_ == t
    assert m.partial_fit(X, y).t_ == t + len(X)
    for apart in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        before = m.predict_proba(X)
        apart.coefs_[0][...] = 0
        apart.fit(X, y)
        np.testing.assert_array_equal(m.predict_proba(X), before)


def test_layers_that_share_memory_predict_and_are_not_trained():
    m = MLPRegressor(hidden_layer_sizes=(4,), activation="identity", max_iter=5).fit(X, X)
    m.coefs_[1] = m.coefs_[0].T
    m.predict(X)
    with pytest.raises(InputError, match="assign a copy"):
        m.partial_fit(X, X)
    m.coefs_[1] = m.coefs_[0].T.copy()
    m.partial_fit(X, X)


def test_weights_that_are_deleted_are_drawn_again():
    m = fitted(warm_start=True)
    first = m.coefs_[0].copy()
    m.fit(X, y)
    del m.coefs_
    assert not hasattr(m, "coefs_")
    assert not hasattr(m, "n_layers_")
    np.testing.assert_array_equal(m.fit(X, y).coefs_[0], first)


def test_a_mapped_estimator_is_written_to_and_trained(tmp_path):
    m = fitted()
    joblib.dump(m, tmp_path / "m")
    mapped = joblib.load(tmp_path / "m", mmap_mode="r")
    mapped.coefs_ = [W * 2 for W in mapped.coefs_]
    mapped.intercepts_[0] = np.zeros(5)
    mapped.predict(X)
    mapped.partial_fit(X, y)
    joblib.load(tmp_path / "m", mmap_mode="r").partial_fit(X, y)
    np.testing.assert_array_equal(joblib.load(tmp_path / "m").predict_proba(X), m.predict_proba(X))


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
        (lambda: MLPClassifier.from_weights(3, 4), "intercepts must be a list"),
        (lambda: MLPClassifier.from_weights([np.eye(2)], [np.zeros(3)]), "layer 1"),
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


def test_what_has_no_effect_cannot_be_set():
    m = fitted()
    for name, way_out in {
        "out_activation_": "from_network", "n_layers_": "Network", "n_outputs_": "Network",
        "engine_": "set_params",
    }.items():  # fmt: skip
        with pytest.raises(AttributeError, match=way_out):
            setattr(m, name, "another")


def test_a_changed_activation_is_obeyed():
    m = fitted()
    hidden = np.tanh(X @ m.coefs_[0] + m.intercepts_[0])
    want = (hidden @ m.coefs_[1] + m.intercepts_[1]).argmax(axis=1)
    m.activation = "tanh"
    np.testing.assert_array_equal(m.predict(X), want)
    assert m.network_.model.activations[0].name == "tanh"
    with pytest.raises(InputError, match="did you mean"):
        m.set_params(activation="tan").predict(X)


@pytest.mark.parametrize("name", INSTEAD)
def test_private_names_of_scikit_learn_say_what_is_instead(name):
    m = fitted()
    assert not hasattr(m, name)
    for use in (lambda: getattr(m, name), lambda: setattr(m, name, 3)):
        with pytest.raises(AttributeError, match=re.escape(INSTEAD[name])):
            use()


def test_a_subclass_hears_once_which_of_its_methods_are_not_called():
    class Own(MLPClassifier):
        def _backprop(self, *args):
            raise AssertionError

        def _decide_alone(self):
            raise AssertionError

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", PrivateMethodWarning)
        model = Own((3,), max_iter=2).fit(X, y)
        model.fit(X, y)
        fitted()
    told = [str(w.message) for w in told if w.category is PrivateMethodWarning]
    assert len(told) == 1
    assert "Own._backprop" in told[0]
    assert "register_loss" in told[0]


def test_a_pickle_of_another_version_is_named(monkeypatch):
    data = pickle.dumps(fitted())
    with warnings.catch_warnings():
        warnings.simplefilter("error", VersionWarning)
        pickle.loads(data)
    monkeypatch.setattr(fitted_network, "installed", lambda: "99.0")
    with pytest.warns(VersionWarning, match=r"0\.\d.*99\.0"):
        assert pickle.loads(data).predict(X[:1]) == fitted().predict(X[:1])


def test_results_that_are_set_between_fits_count():
    m = MLPClassifier((3,), max_iter=3, warm_start=True, random_state=0).fit(X, y)
    m.best_loss_, m.loss_curve_, m._no_improvement_count = -1.0, [], 5
    m.fit(X, y)
    assert (m.best_loss_, len(m.loss_curve_), m._no_improvement_count) == (-1.0, 3, 8)


@pytest.mark.parametrize("schedule", ["cosine", "linear_warmup"])
def test_schedules_of_steps_begin_anew_with_each_warm_fit(schedule):
    told = {"learning_rate": schedule, "max_iter": 10, "random_state": 0, "tol": 0.0}
    m = MLPClassifier((3,), warm_start=True, **told).fit(X, y)
    once = list(m._history.learning_rates)
    m.fit(X, y)
    assert m._history.learning_rates == once * 2
    parts = MLPClassifier((3,), **told)
    for _ in range(10):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert parts._history.learning_rates == once  # max_iter calls are its length


def test_warnings_as_errors_leave_a_fitted_estimator():
    m = MLPClassifier((3,), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            m.fit(X, y)
    assert m.n_iter_ == 2
    assert len(m.predict(X)) == len(X)


def test_all_that_fit_has_left_can_be_deleted():
    m = fitted()
    for name in [name for name in vars(m) if name.endswith("_")]:
        if name in vars(m):
            delattr(m, name)
    assert not hasattr(m, "coefs_")
    np.testing.assert_array_equal(m.fit(X, y).coefs_[0], fitted().coefs_[0])


def test_convergence_is_not_told_of_weights_that_were_given():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        MLPRegressor.from_weights([np.eye(2)], [np.zeros(2)]).predict([[1, 2]])
