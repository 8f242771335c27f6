"""What a subclass calls its own, or a script puts into an estimator, is not taken for ours."""

import copy
import inspect
import pickle
import re
import warnings

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.datasets import load_iris

from backpass import MLPClassifier, MLPRegressor
from backpass.errors import InputError, PrivateMethodWarning, VersionWarning
from backpass.estimators import fitted_network
from backpass.estimators.own_parameters import OURS
from backpass.estimators.sklearn_private import INSTEAD

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::backpass.errors.DeadUnitsWarning"
)
X, y = load_iris(return_X_y=True)
QUICK = {"max_iter": 3, "random_state": 0}
ESTIMATORS = [MLPClassifier, MLPRegressor]


def theirs(kind):
    return getattr(sklearn.neural_network, kind.__name__)


@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"early_stopping": True}])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_private_names_have_the_prefix_or_are_scikit_learns(kind, settings):
    m = kind(**QUICK, gradient_norms=True, **settings).fit(X, y)
    names = set(vars(m))
    for ancestor in kind.__mro__:
        if ancestor.__module__.startswith("backpass."):
            names |= vars(ancestor).keys() | getattr(ancestor, "__annotations__", {}).keys()
    private = {n for n in names if n.startswith("_") and not n.startswith("_bp_")}
    private = {n for n in private if not n.startswith("__")}
    # of other packages' base classes, which put them there: ABCMeta, metadata routing
    private -= {"_abc_impl", "_sklearn_auto_wrap_output_keys", "_doc_link_module"}
    reference = theirs(kind)(**QUICK).fit(X, y)
    assert private - INSTEAD.keys() <= {*dir(reference)}
    assert "_bp_network" in names


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_our_parameters_are_those_that_scikit_learn_has_not(kind):
    ours, other = (inspect.signature(k).parameters.keys() for k in (kind, theirs(kind)))
    assert ours - other - {"loss"} == OURS - ({"class_weight"} if kind is MLPRegressor else set())


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("assigned", [False, True])
def test_a_pickle_from_before_the_prefix_goes_on(solver, assigned):
    m = MLPClassifier((3,), solver=solver, warm_start=True, **QUICK).fit(X, y)
    if assigned:
        m.coefs_ = [2 * W for W in m.coefs_]
    state = pickle.loads(pickle.dumps(m.__getstate__()))
    old = {re.sub("^_bp_", "_", name): value for name, value in state.items()}
    assert {"_" + name for name in ("network", "history", "steps")} <= old.keys()
    del old["_classes"], old["_backpass_version"]
    read = MLPClassifier.__new__(MLPClassifier)
    with pytest.warns(VersionWarning):
        read.__setstate__(old)
    assert set(fitted_network.OF_OLD).isdisjoint(vars(read))
    np.testing.assert_array_equal(read.predict_proba(X), m.predict_proba(X))
    np.testing.assert_array_equal(read.fit(X, y).coefs_[0], m.fit(X, y).coefs_[0])


class Weighted(MLPClassifier):
    def __init__(self, class_weight=None, dropout=0.0, **kw):
        super().__init__(dropout=dropout, **kw)
        self.class_weight = class_weight


def told(model):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PrivateMethodWarning)
        model.fit(X, y)
    return [str(w.message) for w in found if w.category is PrivateMethodWarning]


def test_a_parameter_of_a_subclass_is_told_once_where_it_is_set():
    class Own(Weighted):
        pass

    assert told(Own(**QUICK)) == []  # at its default it is nothing
    first = told(Own("balanced", **QUICK))
    assert len(first) == 1
    assert re.match("class_weight is a parameter of Own's own: .* stays None; super", first[0])
    assert told(Own("balanced", **QUICK)) == []


@pytest.mark.filterwarnings("ignore::backpass.errors.PrivateMethodWarning")
@pytest.mark.parametrize("weights", ["balanced", "nonsense", {0: 1, 1: 99, 2: 1}])
def test_only_what_a_subclass_passes_on_is_ours(weights):
    plain = MLPClassifier((4,), dropout=0.5, **QUICK).fit(X, y)
    own = Weighted(weights, 0.5, hidden_layer_sizes=(4,), **QUICK)
    assert own.get_params()["class_weight"] == weights
    for model in (own, copy.copy(own), copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        np.testing.assert_array_equal(model.fit(X, y).coefs_[0], plain.coefs_[0])
    own.set_params(dropout=0.0).fit(X, y)
    np.testing.assert_array_equal(own.coefs_[0], MLPClassifier((4,), **QUICK).fit(X, y).coefs_[0])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_what_scikit_learns_estimator_holds_is_refused_by_every_use_but_fit(kind):
    other = theirs(kind)(hidden_layer_sizes=(3,), **QUICK).fit(X, y)
    with pytest.raises(InputError, match=rf"{kind.__name__}\.from_weights\(m\.coefs_") as found:
        kind().__setstate__(other.__getstate__())
    assert ("classes=m.classes_" in str(found.value)) == (kind is MLPClassifier)
    m = kind()
    vars(m).update(vars(other))
    for use in (m.predict, lambda X: m.score(X, y), lambda X: m.partial_fit(X, y)):
        with pytest.raises(InputError, match="that no fit of backpass made"):
            use(X)
    with pytest.raises(InputError, match="that no fit of backpass made"):
        m.set_params(warm_start=True).fit(X, y)
    assert not hasattr(m, "network_")
    m.set_params(warm_start=False).fit(X, y)
    np.testing.assert_allclose(m.coefs_[0], other.coefs_[0], rtol=1e-9)
    advice = {"classes": other.classes_} if kind is MLPClassifier else {}
    made = kind.from_weights(other.coefs_, other.intercepts_, **advice)
    np.testing.assert_array_equal(made.predict(X), m.predict(X))


def test_labels_set_by_hand_name_the_outputs_of_a_file_too():
    onnx = pytest.importorskip("onnx.reference")
    from backpass import to_onnx

    m = MLPClassifier((8,), learning_rate_init=0.02, random_state=0).fit(X, y)
    for labels in ([2, 0, 1], ["z", "a", "m"]):
        m.classes_ = np.array(labels)
        file = to_onnx(m)
        label = onnx.ReferenceEvaluator(file).run(None, {"X": X})[0]
        np.testing.assert_array_equal(label, m.predict(X))
    m.partial_fit(X, np.array(labels)[y], classes=labels)
    assert m.score(X, np.array(labels)[y]) > 0.9
    for wrong in (["a"], ["a", "b", "b"], [["a", "b", "c"]], list("abcd")):
        m.classes_ = wrong
        for use in (m.predict, lambda X: m.partial_fit(X, y)):
            with pytest.raises(InputError, match="classes_ must be 3 different labels, one for"):
                use(X)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "rmsprop"])
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_parameters_in_float32_are_numbers_as_others_are(engine, solver):
    rates = {"alpha": 0.01, "learning_rate_init": 0.01, "beta_1": 0.5, "momentum": 0.5}
    single = {name: np.float32(rate) for name, rate in rates.items()}
    double = {name: float(rate) for name, rate in single.items()}
    fits = []
    for told in (single, double):
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            fits.append(MLPClassifier((4,), solver=solver, engine=engine, **told, **QUICK))
            fits[-1].fit(X, y)
    np.testing.assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])


@pytest.mark.parametrize("kind", [bytes, object, list])
def test_bytes_are_named(kind):
    labels = np.array([b"a", b"b", b"c"])[y]
    labels = labels.tolist() if kind is list else labels.astype(kind)
    with pytest.raises(InputError, match=r"^y holds bytes; decode them: \[b\.decode\(\) for b in"):
        MLPClassifier(**QUICK).fit(X, labels)
    with pytest.raises(InputError, match="classes holds bytes"):
        MLPClassifier(**QUICK).partial_fit(X, labels, classes=[b"a", b"b", b"c"])


def test_copies_keep_one_buffer_and_what_is_copied_with_them():
    m = MLPClassifier((3,), **QUICK).fit(X, y)
    twin, array, again = copy.deepcopy([m, m.coefs_[1], m])
    assert twin is again
    assert twin.coefs_[1] is array
    assert np.shares_memory(array, twin.network_.parameters.flat)
    assert not np.shares_memory(array, m.coefs_[1])
    array, twin = copy.deepcopy((m.coefs_[1], m))  # here it is copied before
    assert twin.coefs_[1] is array
    array[...] = 0
    assert not np.array_equal(twin.predict_proba(X), m.predict_proba(X))
