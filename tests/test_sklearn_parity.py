"""Same seed, same data, float64: our coefficients are scikit-learn's.

The oracle is scikit-learn's own estimator. The bound of 1e-7 relative is the project's promise;
reordered sums move coefficients by some 1e-11 over these runs, so a failure here is a difference
in the algorithm, not in rounding.
"""

import itertools
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from backpass import MLPClassifier, MLPRegressor

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
SOLVERS = {
    "adam": {"solver": "adam"},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.01},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.01, "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.01},
}


def load(name):
    X, y = {
        "digits": load_digits,
        "breast_cancer": load_breast_cancer,
        "diabetes": load_diabetes,
    }[name](return_X_y=True)
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-3)
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
        return X, y, SklearnRegressor, MLPRegressor
    return X, y, SklearnClassifier, MLPClassifier


def assert_same(ours, theirs):
    assert ours.n_iter_ == theirs.n_iter_
    for a, b in zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    ):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert np.linalg.norm(a - b) <= 1e-7 * np.linalg.norm(b)


def fit_both(name, params, weights=False):
    X, y, Theirs, Ours = load(name)
    s = np.random.default_rng(3).uniform(0.2, 3, len(X)) if weights else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        theirs = Theirs(**params).fit(X, y, sample_weight=s)
        ours = Ours(**params).fit(X, y, sample_weight=s)
    return ours, theirs


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes"])
@pytest.mark.parametrize(("solver", "activation"), list(itertools.product(SOLVERS, ACTIVATIONS)))
def test_five_epochs(name, solver, activation):
    params = {
        **SOLVERS[solver],
        "activation": activation,
        "hidden_layer_sizes": (20, 11),
        "max_iter": 5,
        "random_state": 7,
    }
    for weights, alpha, early in [(False, 1e-4, False), (True, 0.5, False), (True, 0.0, True)]:
        more = {"alpha": alpha, "early_stopping": early}
        ours, theirs = fit_both(name, {**params, **more}, weights)
        assert_same(ours, theirs)
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
        if early:
            np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_)


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes"])
@pytest.mark.parametrize(
    "params",
    [
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "tol": 1e-2},
        {"solver": "sgd", "learning_rate_init": 0.05, "tol": 1e-2, "n_iter_no_change": 3},
        {"solver": "adam", "early_stopping": True, "n_iter_no_change": 4, "tol": 1e-3},
        {"solver": "adam", "tol": 5e-3, "n_iter_no_change": 3, "batch_size": 64},
        {"solver": "adam", "shuffle": False, "max_iter": 20},
    ],
)
def test_runs_that_stop_or_divide_the_rate(name, params):
    params = {"hidden_layer_sizes": (16,), "max_iter": 300, "random_state": 1, **params}
    ours, theirs = fit_both(name, params)
    assert_same(ours, theirs)
    if params.get("learning_rate") == "adaptive":
        assert ours._bp_history.clock.divisions > 0
    elif params["max_iter"] == 300:
        assert ours.n_iter_ < 300


def test_unscaled_inputs_saturate_probabilities_alike():
    """Raw breast cancer features drive probabilities to 0 and 1, where the loss is clipped."""
    X, y = load_breast_cancer(return_X_y=True)
    params = {"hidden_layer_sizes": (10,), "random_state": 0, "max_iter": 30}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = SklearnClassifier(**params).fit(X, y)
        ours = MLPClassifier(**params).fit(X, y)
    assert max(theirs.loss_curve_) > 10
    assert_same(ours, theirs)
    # no bound on the curve here: theirs takes log(1 - p) of a rounded p, ours the logit's


def test_several_outputs_stop_at_the_same_epoch():
    X, y = load_diabetes(return_X_y=True)
    Y = np.stack([y, y**2 / 100, X[:, 0] * 100], axis=1) / 100
    for solver in ("sgd", "adam"):
        params = {"solver": solver, "hidden_layer_sizes": (8,), "tol": 1e-3, "random_state": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = SklearnRegressor(**params).fit(X, Y)
            ours = MLPRegressor(**params).fit(X, Y)
        assert_same(ours, theirs)


def test_poisson():
    X, y = load_diabetes(return_X_y=True)
    params = {"loss": "poisson", "hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 20}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = SklearnRegressor(**params).fit(X, y / 100)
        ours = MLPRegressor(**params).fit(X, y / 100)
    assert_same(ours, theirs)


def test_partial_fit_and_warm_start():
    X, y, Theirs, Ours = load("digits")
    params = {"hidden_layer_sizes": (12,), "random_state": 4}
    pair = [Theirs(**params), Ours(**params)]
    for estimator in pair:
        for start in range(0, 1500, 300):
            part = slice(start, start + 300)
            estimator.partial_fit(X[part], y[part], classes=np.arange(10))
    assert_same(pair[1], pair[0])
    np.testing.assert_allclose(pair[1].loss_curve_, pair[0].loss_curve_, rtol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for estimator in pair:
            estimator.set_params(warm_start=True, max_iter=3).fit(X, y).fit(X, y)
    assert_same(pair[1], pair[0])


def test_multilabel_and_sparse():
    import scipy.sparse

    X, y, Theirs, Ours = load("digits")
    Y = np.stack([y % 2, y > 4, y == 3], axis=1).astype(int)
    X[np.abs(X) < 0.5] = 0
    params = {"hidden_layer_sizes": (12,), "random_state": 4, "max_iter": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = Theirs(**params).fit(scipy.sparse.csr_array(X), Y)
        ours = Ours(**params).fit(scipy.sparse.csr_array(X), Y)
    assert_same(ours, theirs)
    assert (ours.predict(X) == theirs.predict(X)).all()
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-7)


def test_lbfgs_reaches_the_same_loss():
    X, y, Theirs, Ours = load("diabetes")
    params = {"solver": "lbfgs", "hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 15}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # scikit-learn 1.7's use of SciPy
        theirs = Theirs(**params).fit(X, y)
        ours = Ours(**params).fit(X, y)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-4)
    assert ours.n_iter_ == theirs.n_iter_


CHANGES = {
    "nothing": {},
    "learning_rate_init": {"learning_rate_init": 0.05},
    "alpha": {"alpha": 1.0},
    "batch_size": {"batch_size": 40},
    "activation": {"activation": "tanh"},
    "solver": {"solver": "adam", "learning_rate": "constant"},
    "momentum": {"momentum": 0.2},
    "power_t": {"power_t": 1.0},
}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("fits", "epochs"), [(1, 30), (2, 15), (50, 1), (7, 3)])
@pytest.mark.parametrize("solver", [*SOLVERS, "lbfgs"])
def test_loops_of_warm_fits_end_alike(solver, fits, epochs, early_stopping):
    X, y, Theirs, Ours = load("diabetes" if early_stopping else "breast_cancer")
    X, y = X[:300], y[:300]
    settings = SOLVERS.get(solver, {"solver": "lbfgs"})
    early_stopping &= solver != "lbfgs"
    told = {
        "hidden_layer_sizes": (6,), "max_iter": epochs, "warm_start": True, "random_state": 0,
        "tol": 1e-3, "n_iter_no_change": 2, "early_stopping": early_stopping,
    }  # fmt: skip
    pair = [kind(**told, **settings) for kind in (Ours, Theirs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fit in range(fits):
            order = np.argsort(y, kind="stable") if fit % 2 else np.arange(len(y))
            for model in pair:
                model.fit(X[order], y[order])
            assert_same(*pair)
    ours, theirs = pair
    assert ours.t_ == theirs.t_
    for name in ("loss_curve_", "validation_scores_"):
        if getattr(theirs, name, None):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-7)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
def test_parameters_changed_between_warm_fits_count_alike(schedule, change):
    X, y, Theirs, Ours = load("breast_cancer")
    told = {"solver": "sgd", "learning_rate": schedule, "learning_rate_init": 0.2}
    told |= {"hidden_layer_sizes": (6,), "max_iter": 4, "warm_start": True, "random_state": 0}
    pair = [kind(**told, tol=0.01, n_iter_no_change=1) for kind in (Ours, Theirs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in pair:
            model.fit(X[:300], y[:300]).set_params(**CHANGES[change]).fit(X[:300], y[:300])
            model.partial_fit(X[300:], y[300:]).fit(X, y)
    assert_same(*pair)


@pytest.mark.parametrize("stop", ["loss", "score", "adaptive"])
def test_verbose_prints_alike(stop, capsys):
    X, y, Theirs, Ours = load("breast_cancer")
    told = {"hidden_layer_sizes": (4,), "random_state": 0, "tol": 0.01, "n_iter_no_change": 2}
    told |= {"early_stopping": stop == "score", "verbose": True, "max_iter": 100}
    if stop == "adaptive":
        told |= {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1}
    Ours(**told).fit(X, y)
    ours = capsys.readouterr().out
    Theirs(**told).fit(X, y)
    assert ours == capsys.readouterr().out
    assert ours.endswith(" Stopping.\n")
