"""Idioms that come out differently on purpose, and where the page says so.

Each is refused with a way out, warned of, or named by a row of docs/how-to/from-scikit-learn.md.
"""

import copy
import json
from dataclasses import dataclass

import numpy as np

from idioms import QUICK, SMALL, diabetes, idiom, idioms_for, iris, moons, rounded, sums


@dataclass
class Difference:
    """How ours differs: `how` is ``"raises"``, ``"warns"`` or ``"differs"``.

    `row` stands in the page; `says` is a regular expression that the error or warning matches.
    """

    how: str
    row: str
    says: str = ""


SHAPES = Difference("raises", "an array of another shape in `coefs_`", r"from_weights\(coefs")
READ_ONLY = Difference(
    "raises",
    "`out_activation_`, `n_layers_`, `n_outputs_` set after fit",
    r"Network\.from_arrays\(",
)
PRIVATE = Difference(
    "raises", "private names (`_label_binarizer`, ", "is private to scikit-learn's"
)
HOOKS = Difference("warns", "private methods overridden in a subclass", "backpass does not use")
RENAMED = Difference("differs", "`classes_` set after fit")
WATCHED = Difference("differs", "attributes that a property or `__setattr__` of a subclass watches")
THEIRS = Difference("raises", "attributes or state of scikit-learn's estimator", "from_weights")
OBEYED = Difference("differs", "set between calls of `partial_fit`")
TIED = Difference("raises", "an array of one layer that shares memory", "assign a copy")
TYPE = Difference("differs", "the type of `coefs_` and `intercepts_`")
OPTIMISER = Difference("differs", "the optimiser's state after `copy.copy`")

DIFFERENT = {
    "hidden_units_cut_off": SHAPES,
    "one_layer_of_another_shape": SHAPES,
    "last_layer_taken_off": SHAPES,
    "layer_put_in": SHAPES,
    "list_cleared_and_filled": SHAPES,
    "layer_appended_by_addition": SHAPES,
    "intercepts_as_rows": Difference("raises", SHAPES.row, r"array\.reshape\(\(5,\)\)"),
    "weights_set_before_fit": SHAPES,
    "logits_by_another_output_activation": READ_ONLY,
    "hidden_output_by_fewer_layers": READ_ONLY,
    **{
        f"private_name_{name}": PRIVATE
        for name in (
            "label_binarizer", "forward_pass", "forward_pass_fast", "optimizer", "random_state",
            "best_coefs", "compute_loss_grad",
        )
    },
    "subclass_with_its_own_initialisation": HOOKS,
    "subclass_with_its_own_loss": HOOKS,
    "subclass_with_its_own_output": HOOKS,
    "subclass_that_watches_every_epoch": HOOKS,
    "subclass_that_masks_the_gradient": HOOKS,
    "changed_between_partial_fits_learning_rate": OBEYED,
    "changed_between_partial_fits_momentum": OBEYED,
    "changed_between_partial_fits_schedule": OBEYED,
    "changed_between_partial_fits_beta_1": OBEYED,
    "changed_between_partial_fits_solver": OBEYED,
    "tied_autoencoder": TIED,
    "tied_hidden_layers": TIED,
    "type_name_of_the_lists": TYPE,
    "hash_of_the_weights": TYPE,
    "shallow_copies_take_turns_adam": OPTIMISER,
    "shallow_copies_take_turns_sgd": OPTIMISER,
    "list_kept_after_early_stopping": Difference("differs", "`coefs_` after `early_stopping`"),
    "counter_of_samples_set_back": Difference("differs", "`t_` set between calls"),
    "loss_of_several_numbers": Difference("differs", "squared error of k outputs"),
    "overflowing_loss": Difference("raises", "the loss becomes NaN or infinite", "epoch 1"),
    "classes_renamed_after_fit": RENAMED,
    "fewer_labels_than_classes": Difference("raises", RENAMED.row, "3 different labels"),
    "tables_of_scikit_learn_changed": Difference("differs", "scikit-learn's own tables"),
    "results_watched_as_they_are_set_setter": WATCHED,
    "results_watched_as_they_are_set_every": WATCHED,
    "asked_whether_it_is_scikit_learns": Difference("differs", "`isinstance(m, sklearn."),
    "negative_sample_weights": Difference("raises", "negative sample weights", "of row 7 is neg"),
    "weights_transposed": Difference("raises", SHAPES.row, r"give array\.T$"),
    "one_number_for_all_biases": Difference("raises", SHAPES.row, r"np\.full\(\(5,\), 0\)"),
    "attributes_of_scikit_learns_state": THEIRS,
    "attributes_of_scikit_learns_attributes": THEIRS,
    "constraints_with_one_more": PRIVATE,
    "loss_curve_of_lbfgs": Difference("differs", "`loss_curve_` of L-BFGS"),
    "partial_fit_of_a_regressor_with_lbfgs": Difference(
        "differs", "`partial_fit` of a regressor with L-BFGS"
    ),
    "all_parameters_as_json": Difference("differs", "What there is beyond"),
}  # fmt: skip


@idiom
def hidden_units_cut_off(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    keep = np.argsort(-np.abs(clf.coefs_[1]).sum(axis=1))[:3]
    clf.coefs_ = [clf.coefs_[0][:, keep], clf.coefs_[1][keep]]
    clf.intercepts_ = [clf.intercepts_[0][keep], clf.intercepts_[1]]
    print(rounded(clf.score(X, y)))


@idiom
def one_layer_of_another_shape(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    reg.coefs_[0] = reg.coefs_[0][:, :3]
    reg.intercepts_[0] = reg.intercepts_[0][:3]
    reg.coefs_[1] = reg.coefs_[1][:3]
    print(rounded(reg.predict(X[:3])))


@idiom
def last_layer_taken_off(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_.pop()
    del clf.intercepts_[-1]
    print(len(clf.coefs_), len(clf.intercepts_))


@idiom
def layer_put_in(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_.insert(1, np.eye(5))
    clf.intercepts_.insert(1, np.zeros(5))
    clf.n_layers_ += 1
    print(rounded(clf.score(X, y)))


@idiom
def list_cleared_and_filled(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    new = [W / 2 for W in clf.coefs_]
    clf.coefs_.clear()
    for W in new:
        clf.coefs_.append(W)
    print(rounded(clf.score(X, y)))


@idiom
def layer_appended_by_addition(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_ += [np.eye(3)]
    clf.intercepts_ += [np.zeros(3)]
    print(len(clf.coefs_), [W.shape for W in clf.coefs_])


@idiom
def intercepts_as_rows(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    reg.intercepts_ = [np.ones((1, b.size)) for b in reg.intercepts_]
    print(rounded(reg.predict(X[:3])))


@idiom
def weights_set_before_fit(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    trained = MLPRegressor(**QUICK).fit(X, y)
    reg = MLPRegressor(**QUICK)
    reg.coefs_ = [W.copy() for W in trained.coefs_]
    reg.intercepts_ = [b.copy() for b in trained.intercepts_]
    reg.n_layers_, reg.n_outputs_, reg.out_activation_ = 3, 1, "identity"
    print(rounded(reg.predict(X[:3])))


@idiom
def logits_by_another_output_activation(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.out_activation_ = "identity"
    print(rounded(clf.predict_proba(X[:2])))


@idiom
def hidden_output_by_fewer_layers(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    hidden = copy.deepcopy(clf)
    hidden.n_layers_ = 2
    print(rounded(hidden.predict_proba(X[:2])))


@idiom
def number_of_outputs_set(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    reg.n_outputs_ = 1
    print(rounded(reg.predict(X[:2])))


@idioms_for(
    label_binarizer={"show": lambda clf, X: clf._label_binarizer.classes_.tolist()},
    forward_pass={"show": lambda clf, X: [a.shape for a in clf._forward_pass([X, None, None])]},
    forward_pass_fast={"show": lambda clf, X: rounded(clf._forward_pass_fast(X[:2]))},
    optimizer={"show": lambda clf, X: clf._optimizer.learning_rate},
    random_state={"show": lambda clf, X: clf._random_state.randint(100)},
    best_coefs={"show": lambda clf, X: len(clf._best_coefs)},
    compute_loss_grad={"show": lambda clf, X: clf._compute_loss_grad.__name__},
)
def private_name(MLPClassifier, MLPRegressor, show):
    X, y = iris()
    print(show(MLPClassifier(**QUICK).fit(X, y), X))


@idiom
def subclass_with_its_own_initialisation(MLPClassifier, MLPRegressor):
    class He(MLPClassifier):
        def _init_coef(self, fan_in, fan_out, dtype):
            W = self._random_state.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))
            return W.astype(dtype), np.zeros(fan_out, dtype)

    X, y = iris()
    print(rounded(He(**QUICK).fit(X, y).loss_curve_))


@idiom
def subclass_with_its_own_loss(MLPClassifier, MLPRegressor):
    class Weighted(MLPRegressor):
        def _backprop(self, *args, **kw):
            loss, coef_grads, intercept_grads = super()._backprop(*args, **kw)
            return 2 * loss, [2 * g for g in coef_grads], [2 * g for g in intercept_grads]

    X, y = diabetes()
    print(rounded(Weighted(**QUICK).fit(X, y).loss_curve_))


@idiom
def subclass_with_its_own_output(MLPClassifier, MLPRegressor):
    class Positive(MLPRegressor):
        def _forward_pass_fast(self, X, check_input=True):
            return np.maximum(super()._forward_pass_fast(X, check_input), 0)

    X, y = diabetes()
    print(rounded(Positive(**QUICK).fit(X, y).predict(X[:5])))


@idiom
def subclass_that_watches_every_epoch(MLPClassifier, MLPRegressor):
    class Watched(MLPClassifier):
        def _update_no_improvement_count(self, *args):
            super()._update_no_improvement_count(*args)
            print(self.n_iter_, rounded(self.loss_))

    X, y = iris()
    Watched(**{**QUICK, "max_iter": 3}).fit(X, y)


@idiom
def subclass_that_masks_the_gradient(MLPClassifier, MLPRegressor):
    class Frozen(MLPClassifier):
        def _compute_loss_grad(self, layer, sw_sum, activations, deltas, coef_grads, bias_grads):
            super()._compute_loss_grad(layer, sw_sum, activations, deltas, coef_grads, bias_grads)
            if layer == 0:
                coef_grads[0][:] = 0

    X, y = iris()
    print(sums(Frozen(**QUICK).fit(X, y).coefs_))


@idioms_for(
    learning_rate={"change": {"learning_rate_init": 0.001}},
    momentum={"change": {"momentum": 0.0}},
    schedule={"change": {"learning_rate": "invscaling"}},
    beta_1={"change": {"beta_1": 0.1}, "solver": "adam"},
    solver={"change": {"solver": "adam"}},
)
def changed_between_partial_fits(MLPClassifier, MLPRegressor, change, solver="sgd"):
    X, y = iris()
    clf = MLPClassifier(**QUICK, solver=solver)
    clf.partial_fit(X, y, classes=np.unique(y)).partial_fit(X, y)
    clf.set_params(**change)
    for _ in range(3):
        clf.partial_fit(X, y)
    print(rounded(clf.loss_curve_), sums(clf.coefs_))


@idiom
def loss_of_several_numbers(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, np.column_stack([y, 2 * y]))
    print(rounded(reg.loss_), rounded(reg.score(X, np.column_stack([y, 2 * y]))))


@idiom
def overflowing_loss(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(hidden_layer_sizes=(5,), max_iter=1, random_state=0).fit(X, 1e170 * y)
    print(reg.loss_)


@idiom
def classes_renamed_after_fit(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**SMALL).fit(X, y)
    clf.classes_ = np.array(["lower", "upper"])
    print(clf.predict(X[:4]).tolist())


@idiom
def loss_curve_of_lbfgs(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**{**SMALL, "max_iter": 3}, solver="lbfgs").fit(X, y)
    print(len(getattr(clf, "loss_curve_", [])), hasattr(clf, "best_loss_"))


@idiom
def partial_fit_of_a_regressor_with_lbfgs(MLPClassifier, MLPRegressor):
    print(hasattr(MLPRegressor(solver="lbfgs"), "partial_fit"))


@idiom
def all_parameters_as_json(MLPClassifier, MLPRegressor):
    print(json.dumps(MLPClassifier().get_params()))
    print(list(MLPRegressor().get_params()))
