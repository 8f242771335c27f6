"""Idioms of names: labels set by hand, and what a subclass calls its own helpers and parameters."""

import copy
import pickle

import joblib
import numpy as np
import sklearn.neural_network._base
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.utils.class_weight import compute_sample_weight

from idioms import QUICK, SMALL, diabetes, idiom, idioms_for, iris, moons, rounded, sums


@idiom
def labels_in_another_order_and_partial_fit(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.classes_ = np.array([1, 0, 2])
    print(rounded(clf.score(X, y)), rounded(clf.predict_proba(X[:2])))
    for _ in range(100):
        clf.partial_fit(X, y)
    print(rounded(clf.score(X, y)), rounded(clf.loss_), clf.classes_.tolist())


@idioms_for(
    texts={"labels": np.array(["b", "a", "c"])},
    reversed={"labels": np.array([2, 1, 0])},
)
def labels_in_another_order_and_a_warm_fit(MLPClassifier, MLPRegressor, labels):
    X, y = iris()
    clf = MLPClassifier(**QUICK, warm_start=True).fit(X, labels[y])
    clf.classes_ = labels
    clf.fit(X, labels[y])
    print(rounded(clf.score(X, labels[y])), clf.predict(X[:5]).tolist(), clf.classes_.tolist())
    again = pickle.loads(pickle.dumps(clf))
    print(again.predict(X[:5]).tolist(), again.set_params(warm_start=False).fit(X, y).classes_)


@idiom
def two_labels_in_another_order(MLPClassifier, MLPRegressor):
    X, y = moons()
    y = np.where(y == 0, "neg", "pos")
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.classes_ = np.array(["pos", "neg"])
    clf.partial_fit(X, y)
    print(clf.predict(X[:5]).tolist(), rounded(clf.score(X, y)), rounded(clf.loss_))


@idiom
def fewer_labels_than_classes(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.classes_ = np.array(["a", "b"])
    print(clf.predict(X[:5]).tolist())


HELPERS = """
activation begin_with check_classes check_data check_parameters check_weights check_y
checked_output class_weights codes current_network decide decided_codes default_score encode engine
enter fit_rows fits fitted_with gathered generator go_on hand_back has_own_arrays history keep
loss_name loss_record n_classes n_outputs network of_fit optimizer_state original_y
output_activation reach search set_classes set_outputs set_results start steps stratify take
target_type train with_activation y_is_numeric
""".split()  # noqa: SIM905


@idiom
def subclass_with_helpers_of_any_name(MLPClassifier, MLPRegressor):
    X, y = iris()
    for name in HELPERS:
        kind = type("Own", (MLPClassifier,), {f"_{name}": lambda self, *args, **kw: "its own"})
        clf = kind(**{**QUICK, "max_iter": 2}, early_stopping=True).fit(X, y)
        clf.set_params(early_stopping=False).fit(X, y).partial_fit(X, y)
        print(name, sums(clf.coefs_), getattr(clf, f"_{name}")())


@idiom
def subclass_with_attributes_of_any_name(MLPClassifier, MLPRegressor):
    class Own(MLPClassifier):
        def fit(self, X, y):
            for name in HELPERS:
                setattr(self, f"_{name}", name)
            return super().fit(X, y)

    X, y = iris()
    clf = Own(**QUICK).fit(X, y)
    for name in HELPERS:
        setattr(clf, f"_{name}", 0)
    clf.partial_fit(X, y)
    print(sums(clf.coefs_), clf._steps, copy.deepcopy(clf)._network, clf.predict(X[:5]).tolist())


@idiom
def subclass_with_class_weights_of_its_own(MLPClassifier, MLPRegressor):
    class Weighted(MLPClassifier):
        def __init__(self, class_weight=None, **kw):
            super().__init__(**kw)
            self.class_weight = class_weight

        def fit(self, X, y):
            weights = compute_sample_weight(self.class_weight, y)
            return super().fit(X, y, sample_weight=weights)

    X, y = iris()
    y = np.where(np.arange(150) % 3, y, 0)
    clf = Weighted("balanced", **QUICK).fit(X, y)
    again = copy.deepcopy(clf)
    print(rounded(clf.loss_), sums(clf.coefs_), sums(again.fit(X, y).coefs_), clf.get_params())
    print(rounded(clf.set_params(class_weight={0: 1, 1: 5, 2: 1}).fit(X, y).loss_))


@idiom
def subclass_with_other_parameters_of_its_own(MLPClassifier, MLPRegressor):
    class Own(MLPClassifier):
        def __init__(self, dropout=3, engine=None, max_iter=5, random_state=0):
            self.dropout, self.engine = dropout, engine
            super().__init__((4,), max_iter=max_iter, random_state=random_state)

    class Noisy(Own):
        def __init__(self, time_limit=(), n_threads="all", **kw):
            super().__init__(**kw)
            self.time_limit, self.n_threads = time_limit, n_threads

    X, y = iris()
    clf = clone(Noisy(dropout=5)).fit(X, y)
    print(clf.dropout, clf.engine, clf.time_limit, clf.n_threads, sums(clf.coefs_))
    search = GridSearchCV(Own(), {"dropout": [1, "x"], "engine": [[]]}, cv=2).fit(X, y)
    print(rounded(search.cv_results_["mean_test_score"]), search.best_estimator_)
    print(rounded(search.best_estimator_.predict_proba(X[:2])))


@idiom
def validation_scores_of_lbfgs(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**SMALL, solver="lbfgs", early_stopping=True).fit(X, y)
    print(hasattr(clf, "validation_scores_"), hasattr(clf, "best_validation_score_"))
    clf.set_params(solver="adam").fit(X, y).set_params(warm_start=True)
    print(len(clf.validation_scores_), clf.best_validation_score_)
    clf.set_params(solver="lbfgs").fit(X, y)
    print(len(clf.validation_scores_), clf.best_validation_score_)


@idiom
def hashes_of_copies(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    same = joblib.hash(clf)
    others = copy.deepcopy(clf), pickle.loads(pickle.dumps(clf)), clone(clf).fit(X, y)
    print([joblib.hash(other) == same for other in others])
    others[0].coefs_[0][0] = 0
    print(joblib.hash(others[0]) == same, joblib.hash(copy.deepcopy(others)) == same)


@idioms_for(
    adam={"solver": "adam"}, sgd={"solver": "sgd"}, lbfgs={"solver": "lbfgs"}
)  # fmt: skip
def numbers_of_numpy_as_parameters(MLPClassifier, MLPRegressor, solver):
    X, y = diabetes()
    few = {"max_iter": np.int32(5), "hidden_layer_sizes": np.array([5]), "random_state": 0}
    rates = {"alpha": np.float32(0.01), "learning_rate_init": np.float32(0.01)}
    other = {"momentum": np.float16(0.5), "beta_1": np.float32(0.5), "tol": np.float32(0)}
    reg = MLPRegressor(**few, **rates, **other, solver=solver).fit(X, y)
    print(rounded(reg.loss_), sums(reg.coefs_))


# --- those that differ: see idioms_different ---------------------------------------------------


@idiom
def tables_of_scikit_learn_changed(MLPClassifier, MLPRegressor):
    table, relu = sklearn.neural_network._base.ACTIVATIONS, "relu"
    X, y = iris()
    before = table[relu]
    table[relu] = lambda Z: np.copyto(Z, np.where(Z > 0, Z, 0.1 * Z))
    try:
        print(sums(MLPClassifier(**QUICK).fit(X, y).coefs_))
    finally:
        table[relu] = before


@idioms_for(
    setter={"way": "property"}, every={"way": "__setattr__"}
)  # fmt: skip
def results_watched_as_they_are_set(MLPClassifier, MLPRegressor, way):
    seen = []

    class Watched(MLPClassifier):
        if way == "property":

            @property
            def loss_(self):
                return seen[-1]

            @loss_.setter
            def loss_(self, value):
                seen.append(value)

        else:

            def __setattr__(self, name, value):
                super().__setattr__(name, value)
                if name == "loss_":
                    seen.append(value)

    X, y = iris()
    clf = Watched(**QUICK).fit(X, y)
    print(rounded(clf.loss_), len(seen))


@idiom
def asked_whether_it_is_scikit_learns(MLPClassifier, MLPRegressor):
    print("mlp" if isinstance(MLPClassifier(), Theirs) else "other")


@idiom
def negative_sample_weights(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    weights = np.where(np.arange(len(y)) == 7, -0.5, 1)
    print(rounded(MLPRegressor(**QUICK).fit(X, y, sample_weight=weights).loss_))


@idiom
def weights_transposed(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_ = [W.T for W in clf.coefs_]
    print([W.shape for W in clf.coefs_])


@idiom
def one_number_for_all_biases(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.intercepts_[0] = 0
    print(clf.predict(X[:5]).tolist())


@idioms_for(
    state={"put": lambda clf, theirs: clf.__setstate__(theirs.__getstate__())},
    attributes={"put": lambda clf, theirs: vars(clf).update(vars(theirs))},
)
def attributes_of_scikit_learns(MLPClassifier, MLPRegressor, put):
    X, y = iris()
    theirs, clf = Theirs(**QUICK).fit(X, y), MLPClassifier()
    put(clf, theirs)
    print(rounded(clf.score(X, y)))


@idiom
def constraints_with_one_more(MLPClassifier, MLPRegressor):
    class Own(MLPClassifier):
        _parameter_constraints = {**MLPClassifier._parameter_constraints, "x": [int]}  # noqa: RUF012

    print(sorted(Own._parameter_constraints))
