"""A fitted estimator's weights are its own: written to, copied, given, and what cannot be set."""

import copy
import pickle
import re
import warnings
from unittest import mock

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError

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
    with pytest.raises(NotFittedError):
        m.predict(X)
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
    once = list(m._bp_history.learning_rates)
    m.fit(X, y)
    assert m._bp_history.learning_rates == once * 2
    parts = MLPClassifier((3,), **told)
    for _ in range(10):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert parts._bp_history.learning_rates == once  # max_iter calls are its length


def test_warnings_as_errors_leave_a_fitted_estimator():
    m = MLPClassifier((3,), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            m.fit(X, y)
    assert m.n_iter_ == 2
    assert len(m.predict(X)) == len(X)


@pytest.mark.parametrize("assigned", ["", "coefs_", "intercepts_", "coefs_ intercepts_"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_time_out_leaves_what_training_had_reached(engine, solver, assigned):
    m = fitted(solver=solver, engine=engine, warm_start=True, learning_rate_init=0.05)
    m.set_params(verbose=True, tol=0.0)
    for name in assigned.split():
        setattr(m, name, [array * 1.0 for array in getattr(m, name)])
    before = [array.copy() for array in (*m.coefs_, *m.intercepts_)]
    whole = copy.deepcopy(m).set_params(max_iter=4, verbose=False).fit(X, y)
    with (
        mock.patch("builtins.print", side_effect=[None, None, None, TimeoutError]),
        pytest.raises(TimeoutError),
    ):
        m.fit(X, y)
    assert (m.stop_reason_, m.n_iter_, m.t_) == ("interrupted", 4, whole.t_)
    assert m.loss_curve_ == whole.loss_curve_
    reached = [*m.coefs_, *m.intercepts_]
    assert all((a != b).any() for a, b in zip(reached, before, strict=True))
    np.testing.assert_allclose(m.predict_proba(X), whole.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(m.network_.predict(X, engine=engine), m.predict_proba(X))


def test_an_error_before_the_first_epoch_ends_leaves_everything_as_it_was():
    m = fitted()
    m.set_params(early_stopping=True, early_stopping_metric=lambda *_: 1 / 0)
    m.coefs_ = [W * 1.0 for W in m.coefs_]
    before = m.predict_proba(X)
    for warm_start in (True, False):
        with pytest.raises(ZeroDivisionError):
            m.set_params(warm_start=warm_start).fit(X, y)
        np.testing.assert_array_equal(m.predict_proba(X), before)


@pytest.mark.parametrize("write", WAYS)
def test_copies_refuse_at_once_what_the_estimator_does_and_skops_reads_them(write):
    m = fitted()
    write(m)
    data = skops.io.dumps(m)
    read = skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m)), read):
        np.testing.assert_array_equal(other.predict_proba(X), m.predict_proba(X))
        other.partial_fit(X, y)
        if hasattr(m.coefs_, "flat") or other.coefs_.__class__ is not list:
            with pytest.raises(InputError, match="keeps its 2"):
                other.coefs_.append(np.eye(3))


def test_a_hook_that_is_set_on_the_class_itself_is_told(monkeypatch):
    fitted()
    monkeypatch.setattr(MLPClassifier, "_init_coef", lambda *_: None, raising=False)
    with pytest.warns(PrivateMethodWarning, match=r"MLPClassifier\._init_coef"):
        fitted()


def test_a_private_name_that_a_subclass_sets_is_its_own_and_told():
    class Own(MLPClassifier):
        pass

    model = Own()
    with pytest.warns(PrivateMethodWarning, match=r"Own\._optimizer"):
        model._optimizer = 3
    assert model._optimizer == 3


def test_weights_that_became_nan_are_named():
    m = fitted()
    m.coefs_[0][1, 2] = np.nan
    for rows in (X, X[:1]):
        with pytest.raises(InputError, match="coefs_ or intercepts_ hold numbers"):
            m.predict(rows)
    with pytest.raises(InputError, match="masked"):
        m.coefs_[0] = np.ma.masked_less(np.ones((4, 5)) * np.arange(5), 1)


def test_all_that_fit_has_left_can_be_deleted():
    m = fitted()
    for name in [name for name in vars(m) if name.endswith("_")]:
        if name in vars(m):
            delattr(m, name)
    assert not hasattr(m, "coefs_")
    np.testing.assert_array_equal(m.fit(X, y).coefs_[0], fitted().coefs_[0])
