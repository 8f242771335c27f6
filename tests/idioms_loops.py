"""Idioms that train in steps: warm starts, partial_fit, parameters changed on the way, stopping."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.utils import gen_batches, shuffle

from idioms import QUICK, SMALL, diabetes, digits, idiom, idioms_for, iris, moons, rounded, sums

ONE = {"hidden_layer_sizes": (5,), "max_iter": 1, "random_state": 0, "warm_start": True}


@idioms_for(
    constant={"solver": "sgd", "learning_rate_init": 0.2},
    invscaling={"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.2},
    adaptive={"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2},
    momentum={"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.1},
    plain={"solver": "sgd", "momentum": 0, "learning_rate_init": 0.2},
    adam={"solver": "adam", "learning_rate_init": 0.01},
    batches_of_32={"solver": "sgd", "batch_size": 32, "learning_rate": "invscaling"},
    decay_of_power_1={
        "solver": "sgd", "learning_rate": "invscaling", "power_t": 1, "learning_rate_init": 0.5,
    },
)  # fmt: skip
def warm_loop_of_one_epoch(MLPClassifier, MLPRegressor, **params):
    X, y = iris()
    clf, curve = MLPClassifier(**ONE, **params), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for i in range(50):
            clf.fit(X, y)
            curve.append(clf.loss_)
            if i + 1 in (1, 2, 50):
                print(rounded(clf.loss_), rounded(clf.score(X, y)), clf.n_iter_, clf.t_)
    print(rounded(curve[::10]), len(clf.loss_curve_), rounded(clf.best_loss_))


@idioms_for(
    constant={"solver": "sgd"},
    invscaling={"solver": "sgd", "learning_rate": "invscaling"},
    adaptive={"solver": "sgd", "learning_rate": "adaptive"},
    adam={"solver": "adam"},
)
def warm_loop_of_several_epochs(MLPClassifier, MLPRegressor, **params):
    X, y = diabetes()
    reg = MLPRegressor(**{**ONE, "max_iter": 4}, learning_rate_init=0.05, **params)
    for _ in range(3):
        reg.fit(X, y)
        print(reg.n_iter_, reg.t_, rounded(reg.loss_curve_))
    print(sums(reg.coefs_), rounded(reg.score(X, y)))


@idiom
def warm_fits_of_lbfgs(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**ONE, "max_iter": 3}, solver="lbfgs", alpha=0.1)
    for _ in range(3):
        clf.fit(X, y)
        print(rounded(clf.loss_, 3), clf.n_iter_, rounded(clf.score(X, y), 2))
    print(len(clf.coefs_), clf.classes_.tolist())


@idiom
def loss_curves_of_several_runs(MLPClassifier, MLPRegressor):
    X, y = moons()
    for rate in (0.1, 0.01):
        clf = MLPClassifier(**{**SMALL, "max_iter": 6}, learning_rate_init=rate).fit(X, y)
        print(rate, rounded(clf.loss_curve_), len(clf.loss_curve_) == clf.n_iter_)


@idioms_for(adam={"solver": "adam"}, sgd={"solver": "sgd", "learning_rate": "invscaling"})
def mini_batches_by_hand(MLPClassifier, MLPRegressor, **params):
    X, y = digits()
    clf = MLPClassifier(**QUICK, **params)
    for epoch in range(2):
        X_epoch, y_epoch = shuffle(X, y, random_state=epoch)
        for batch in gen_batches(len(X), 50):
            clf.partial_fit(X_epoch[batch], y_epoch[batch], classes=np.arange(10))
        print(epoch, rounded(clf.loss_), rounded(clf.score(X, y)), clf.n_iter_, clf.t_)
    print(len(clf.loss_curve_), rounded(clf.best_loss_))


@idiom
def generator_of_batches(MLPClassifier, MLPRegressor):
    def batches(seed):
        rng = np.random.RandomState(seed)
        for _ in range(6):
            X = rng.normal(size=(20, 3))
            yield X, X @ [1.0, -2.0, 0.5]

    reg = MLPRegressor(**QUICK)
    losses = []
    for X, y in batches(0):
        reg.partial_fit(X, y)
        losses.append(reg.loss_)
    print(rounded(losses), rounded(reg.loss_curve_) == rounded(losses))


@idioms_for(
    learning_rate={"learning_rate_init": 0.001},
    alpha={"alpha": 5.0},
    batch_size={"batch_size": 10},
    solver={"solver": "sgd"},
    momentum={"solver": "sgd", "momentum": 0.2},
    schedule={"solver": "sgd", "learning_rate": "invscaling"},
    shuffle={"shuffle": False},
    seed={"random_state": 7},
    beta_1={"beta_1": 0.5},
)
def changed_between_warm_fits(MLPClassifier, MLPRegressor, **change):
    X, y = iris()
    clf = MLPClassifier(**{**ONE, "max_iter": 3}, learning_rate_init=0.05).fit(X, y)
    clf.set_params(**change).fit(X, y)
    print(rounded(clf.loss_curve_), sums(clf.coefs_))


@idiom
def learning_rate_halved_by_hand(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**ONE, solver="sgd", learning_rate_init=0.1)
    for _ in range(6):
        reg.fit(X, y)
        reg.learning_rate_init /= 2
    print(rounded(reg.loss_curve_), reg.learning_rate_init)


@idiom
def other_solver_to_finish(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**ONE, "max_iter": 5}, learning_rate_init=0.05, alpha=0.1).fit(X, y)
    clf.set_params(solver="lbfgs", max_iter=3).fit(X, y)
    print(rounded(clf.loss_, 3), clf.n_iter_, rounded(clf.score(X, y), 2))
    clf.set_params(solver="adam", max_iter=2).fit(X, y)
    print(rounded(clf.loss_, 2), clf.n_iter_, clf.t_)


@idiom
def classes_in_another_order(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK)
    clf.partial_fit(X[y == 2], y[y == 2], classes=[2, 0, 1])
    clf.partial_fit(X[y == 0], y[y == 0]).partial_fit(X, y)
    print(clf.classes_.tolist(), rounded(clf.loss_curve_), clf.predict(X[:8]).tolist())


@idiom
def text_classes_one_by_one(MLPClassifier, MLPRegressor):
    X, y = iris()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    clf = MLPClassifier(**QUICK)
    for row in range(12):
        clf.partial_fit(X[row : row + 1], names[row : row + 1], classes=np.unique(names))
    print(clf.predict(X[:4]).tolist(), rounded(clf.predict_proba(X[:1])), clf.t_)


@idiom
def early_stopping_and_its_scores(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**QUICK, "max_iter": 100}, early_stopping=True, n_iter_no_change=5)
    clf.fit(X, y)
    print(clf.n_iter_, rounded(clf.validation_scores_), rounded(clf.best_validation_score_))
    print(clf.best_loss_, rounded(clf.loss_), sums(clf.coefs_))
    reg = MLPRegressor(**{**SMALL, "max_iter": 20}, early_stopping=True).fit(*diabetes())
    print(reg.n_iter_, rounded(reg.validation_scores_[-3:]), rounded(reg.best_validation_score_))


@idiom
def without_early_stopping_no_scores(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print(clf.validation_scores_, clf.best_validation_score_, rounded(clf.best_loss_))
    print(rounded(min(clf.loss_curve_)) == rounded(clf.best_loss_), clf.n_iter_, clf.t_)


@idiom
def stops_by_itself(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier((5,), max_iter=300, tol=1e-2, n_iter_no_change=3, random_state=0)
    clf.fit(X, y)
    print(clf.n_iter_, rounded(clf.loss_), rounded(clf.best_loss_), clf.t_ == clf.n_iter_ * 100)


@idiom
def best_loss_reset_between_tasks(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK, tol=0.05, n_iter_no_change=2, warm_start=True).fit(X, y)
    print(reg.n_iter_, rounded(reg.best_loss_))
    reg.best_loss_ = np.inf
    reg.fit(X, -3 * y)
    print(reg.n_iter_, rounded(reg.best_loss_), rounded(reg.loss_curve_[-2:]))


@idiom
def warm_fits_that_have_converged(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(
        (4,), max_iter=60, tol=1e-2, n_iter_no_change=2, random_state=0, warm_start=True
    )
    for _ in range(3):
        clf.fit(X, y)
        print(clf.n_iter_, len(clf.loss_curve_), rounded(clf.best_loss_), clf.t_)


@idiom
def loss_curve_emptied_by_hand(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**{**ONE, "max_iter": 3}).fit(X, y)
    clf.loss_curve_ = []
    clf.fit(X, y)
    print(len(clf.loss_curve_), rounded(clf.loss_curve_))


@idiom
def counter_of_samples_set_back(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK, solver="sgd", learning_rate="invscaling").fit(X, y)
    clf.t_ = 0
    for _ in range(6):
        clf.partial_fit(X, y)
    print(clf.t_, rounded(clf.loss_curve_[-6:]))


@idiom
def activation_changed_after_fit(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK, activation="tanh").fit(X, y)
    for activation in ("identity", "logistic", "relu", "tanh"):
        clf.activation = activation
        print(activation, rounded(clf.predict_proba(X[:2])), rounded(clf.score(X, y)))


@idiom
def activation_changed_between_warm_fits(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**ONE, "max_iter": 3}, activation="tanh").fit(X, y)
    clf.set_params(activation="relu").fit(X, y)
    print(rounded(clf.loss_curve_), rounded(clf.score(X, y)))


@idiom
def parameters_changed_then_refitted(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.set_params(hidden_layer_sizes=(3, 2), activation="logistic", alpha=1).fit(X[:, :2], y)
    print([W.shape for W in clf.coefs_], clf.n_features_in_, rounded(clf.loss_curve_[-2:]))


@idioms_for(
    stops={"tol": 0.05, "n_iter_no_change": 2},
    adaptive={
        "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-3, "tol": 0.05,
        "n_iter_no_change": 2, "max_iter": 100,
    },
    early={"early_stopping": True, "n_iter_no_change": 3, "max_iter": 40},
    adam={"max_iter": 3},
)  # fmt: skip
def verbose_fit(MLPClassifier, MLPRegressor, **params):
    X, y = iris()
    MLPClassifier(**{**QUICK, "verbose": True, **params}).fit(X, y)


@idiom
def verbose_number_and_regressor(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    MLPRegressor(**{**SMALL, "max_iter": 40}, tol=0.1, n_iter_no_change=3, verbose=10).fit(X, y)


@idiom
def verbose_partial_fit_and_warm_fit(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**ONE, "max_iter": 2}, verbose=True)
    clf.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    clf.fit(X, y)
    clf.fit(X, y)


@idiom
def stopping_by_hand_on_held_out_loss(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf, best, patience = MLPClassifier(**{**QUICK, "learning_rate_init": 0.3}), np.inf, 0
    for _ in range(30):
        clf.partial_fit(X[:100], y[:100], classes=np.unique(y))
        loss = log_loss(y[100:], clf.predict_proba(X[100:]), labels=clf.classes_)
        best, patience = (loss, 0) if loss < best else (best, patience + 1)
        if patience == 3:
            break
    print(len(clf.loss_curve_), rounded(best), rounded(clf.loss_))


@idiom
def online_stream_with_a_score_before_each_step(MLPClassifier, MLPRegressor):
    X, y = digits()
    clf, right = MLPClassifier(**QUICK), []
    for batch in gen_batches(300, 30):
        if hasattr(clf, "classes_"):
            right.append(clf.score(X[batch], y[batch]))
        clf.partial_fit(X[batch], y[batch], classes=list(range(10)))
    print(rounded(right))


@idioms_for(
    adam={"solver": "adam"},
    sgd={"solver": "sgd"},
    lbfgs={"solver": "lbfgs", "max_iter": 3, "alpha": 0.1},
)
def warm_fit_goes_on_from_given_weights(MLPClassifier, MLPRegressor, **params):
    X, y = iris()
    clf = MLPClassifier(**{**ONE, "max_iter": 4, **params}).fit(X, y)
    rng = np.random.RandomState(2)
    clf.coefs_ = [rng.normal(size=W.shape) / 2 for W in clf.coefs_]
    clf.intercepts_[0] = np.zeros(5)
    start = log_loss(y, clf.predict_proba(X))
    clf.fit(X, y)
    print(rounded(start), rounded(clf.loss_, 3), rounded(clf.score(X, y), 2))


@idioms_for(adam={"solver": "adam"}, sgd={"solver": "sgd"})
def partial_fit_goes_on_from_given_weights(MLPClassifier, MLPRegressor, **params):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK, **params).partial_fit(X, y)
    for W in reg.coefs_:
        limit = np.sqrt(6 / sum(W.shape))
        W[:] = np.random.RandomState(4).uniform(-limit, limit, W.shape)
    reg.intercepts_ = [np.zeros_like(b) for b in reg.intercepts_]
    for _ in range(4):
        reg.partial_fit(X, y)
    print(rounded(reg.loss_curve_), sums(reg.coefs_))


@idiom
def own_initialisation_before_training(MLPClassifier, MLPRegressor):
    X, y = digits()
    clf = MLPClassifier((8,), max_iter=5, random_state=0, warm_start=True)
    clf.partial_fit(X[:10], y[:10], classes=np.arange(10))
    rng = np.random.RandomState(0)
    clf.coefs_ = [rng.normal(0, np.sqrt(2 / W.shape[0]), W.shape) for W in clf.coefs_]
    clf.intercepts_ = [np.zeros(b.shape) for b in clf.intercepts_]
    clf.fit(X, y)
    print(rounded(clf.loss_curve_), rounded(clf.score(X, y)))


@idiom
def random_state_object_shared(MLPClassifier, MLPRegressor):
    X, y = iris()
    rng = np.random.RandomState(5)
    models = [MLPClassifier((4,), max_iter=2, random_state=rng).fit(X, y) for _ in range(2)]
    print([rounded(m.loss_) for m in models], rng.randint(1000))


@idiom
def global_seed(MLPClassifier, MLPRegressor):
    X, y = iris()
    np.random.seed(11)
    clf = MLPClassifier((4,), max_iter=2).fit(X, y)
    print(rounded(clf.loss_curve_), np.random.randint(1000))


@idiom
def warm_start_with_early_stopping(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    params = {**SMALL, "max_iter": 12, "learning_rate_init": 0.1}
    reg = MLPRegressor(**params, early_stopping=True, warm_start=True)
    for _ in range(3):
        reg.fit(X, y)
        print(rounded(reg.best_validation_score_), rounded(reg.score(X, y)))


@idiom
def counter_of_epochs_without_improvement_reset(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK, tol=0.05, n_iter_no_change=2, warm_start=True).fit(X, y)
    print(clf.n_iter_, clf._no_improvement_count)
    clf._no_improvement_count = 0
    print(clf.fit(X, y).n_iter_, clf._no_improvement_count, rounded(clf.best_loss_))


@idiom
def weights_of_the_rows_in_steps(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg, weights = MLPRegressor(**QUICK), np.linspace(0.1, 2, len(y))
    for _ in range(4):
        reg.partial_fit(X, y, sample_weight=weights)
    print(rounded(reg.loss_curve_), rounded(reg.score(X, y, sample_weight=weights)))


@idiom
def until_the_loss_is_small(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf, steps = MLPClassifier(**{**QUICK, "learning_rate_init": 0.1}), 0
    clf.loss_ = np.inf
    while clf.loss_ > 0.4 and steps < 50:
        clf.partial_fit(X, y, classes=[0, 1])
        steps += 1
    print(steps, rounded(clf.loss_))


@idiom
def loss_curves_joined_by_hand(MLPClassifier, MLPRegressor):
    X, y = moons()
    curves = []
    for seed in (0, 1):
        clf = MLPClassifier(**{**ONE, "max_iter": 2, "random_state": seed}).fit(X, y)
        curves = curves + clf.loss_curve_
    clf.loss_curve_ = curves
    clf.fit(X, y)
    print(rounded(curves), len(clf.loss_curve_), clf.loss_curve_ is curves)


@idiom
def floats_after_doubles(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    reg.partial_fit(X.astype(np.float32), y)
    print(reg.coefs_[0].dtype, rounded(reg.predict(X[:3]), 3))


@idiom
def warnings_ignored_by_module(MLPClassifier, MLPRegressor):
    X, y = moons()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=ConvergenceWarning, module="sklearn")
        MLPClassifier(**SMALL).fit(X, y)
    print([w.category.__name__ for w in told])
