"""Idioms that look at types, dtypes, names, errors and the text of an estimator."""

import inspect
import json
import warnings

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from idioms import QUICK, SMALL, diabetes, idiom, idioms_for, iris, moons, rounded


@idiom
def loss_as_an_item(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print(round(clf.loss_.item(), 4), round(clf.best_loss_.item(), 4), clf.loss_.shape)
    reg = MLPRegressor(**QUICK).fit(*diabetes())
    print(round(reg.loss_.item(), 4), reg.loss_curve_[0].dtype)


@idiom
def type_names_of_the_losses(MLPClassifier, MLPRegressor):
    for model, (X, y) in ((MLPClassifier(**QUICK), iris()), (MLPRegressor(**QUICK), diabetes())):
        model.fit(X, y)
        print(type(model.loss_).__name__, type(model.best_loss_).__name__)
        print(type(model.loss_curve_).__name__, type(model.loss_curve_[0]).__name__)
        print(isinstance(model.loss_, float), type(model.n_iter_).__name__, type(model.t_).__name__)


@idiom
def type_names_with_early_stopping(MLPClassifier, MLPRegressor):
    for model, (X, y) in ((MLPClassifier(**SMALL), iris()), (MLPRegressor(**SMALL), diabetes())):
        model.set_params(early_stopping=True).fit(X, y)
        print(type(model.validation_scores_).__name__, type(model.validation_scores_[0]).__name__)
        print(type(model.best_validation_score_).__name__, model.best_loss_)


@idiom
def type_names_of_lbfgs(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier((3,), solver="lbfgs", max_iter=3, random_state=0).fit(X, y)
    print(isinstance(clf.loss_, float), type(clf.n_iter_).__name__, clf.t_)


@idiom
def printed_losses(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print("loss: %.4f" % clf.loss_, f"{clf.loss_:.3e}", str(round(clf.loss_, 3)))
    print([round(x, 3) for x in clf.loss_curve_][:3], np.array(clf.loss_curve_).dtype)
    print(pd.DataFrame({"loss": clf.loss_curve_}).round(3).tail(2))


@idiom
def type_of_the_score(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print(type(clf.score(X, y)).__name__, clf.score(X, y))
    reg = MLPRegressor(**QUICK).fit(*diabetes())
    print(type(reg.score(*diabetes())).__name__)


@idiom
def dtypes_of_classes_and_predictions(MLPClassifier, MLPRegressor):
    X, y = iris()
    for form in (y, y.astype(float), y.astype(str), y > 0, y.astype("int8"), y.tolist()):
        clf = MLPClassifier(**{**SMALL, "max_iter": 1}).fit(X, form)
        print(clf.classes_, clf.classes_.dtype, clf.predict(X[:2]).dtype, clf.predict(X[:2]).shape)


@idiom
def dtypes_of_numbers(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    for form in (X, X.astype("f4"), (9 * X).astype(int), X.tolist()):
        reg = MLPRegressor(**{**SMALL, "max_iter": 1}).fit(form, y)
        print(reg.predict(form).dtype, reg.coefs_[0].dtype, reg.intercepts_[0].dtype)
        print(type(reg.predict(form)[0]).__name__, reg.predict(form).flags.writeable)


@idiom
def flags_of_the_arrays(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print([(W.flags.c_contiguous, W.flags.writeable, W.ndim) for W in clf.coefs_])
    print(json.dumps([len(b.tolist()) for b in clf.intercepts_]), type(clf.classes_).__name__)


@idiom
def text_of_the_estimator(MLPClassifier, MLPRegressor):
    print(MLPClassifier(), MLPRegressor())
    print(MLPClassifier((10, 5), alpha=0.1, solver="sgd", random_state=0))
    print(repr(MLPRegressor(hidden_layer_sizes=[3], learning_rate="adaptive", verbose=True)))
    print("MLPClassifier" in estimator_html_repr(MLPClassifier()))


@idiom
def positional_parameters(MLPClassifier, MLPRegressor):
    clf = MLPClassifier((10, 5), "tanh")
    print(clf.hidden_layer_sizes, clf.activation)
    kinds = inspect.signature(MLPClassifier).parameters
    print([p.name for p in kinds.values() if p.kind == p.POSITIONAL_OR_KEYWORD])
    kinds = inspect.signature(MLPRegressor).parameters
    print([p.name for p in kinds.values() if p.kind == p.POSITIONAL_OR_KEYWORD])


@idiom
def parameters_as_json(MLPClassifier, MLPRegressor):
    clf = MLPClassifier(**SMALL, alpha=np.float64(0.5))
    chosen = ("hidden_layer_sizes", "alpha", "max_iter", "batch_size", "random_state", "tol")
    params = clf.get_params()
    print(json.dumps({name: params[name] for name in chosen}))
    print(MLPClassifier(**params) is not clf, MLPClassifier(**params).get_params() == params)


@idiom
def defaults_of_scikit_learns_parameters(MLPClassifier, MLPRegressor):
    names = "activation alpha batch_size beta_1 beta_2 early_stopping epsilon max_fun max_iter"
    names += " momentum n_iter_no_change nesterovs_momentum power_t shuffle solver tol verbose"
    for model in (MLPClassifier(), MLPRegressor()):
        params = model.get_params()
        print([name for name in params if name in names.split()])
        print([params[name] for name in names.split()])


@idiom
def names_of_the_features(MLPClassifier, MLPRegressor):
    X, y = iris()
    frame = pd.DataFrame(X, columns=["sl", "sw", "pl", "pw"])
    clf = MLPClassifier(**QUICK).fit(frame, y)
    print(clf.feature_names_in_, clf.n_features_in_)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        clf.predict(X)
    print([w.category.__name__ for w in told])
    try:
        clf.predict(frame[["sw", "sl", "pl", "pw"]])
    except ValueError as error:
        print(type(error).__mro__[-4:-2] != (), "feature names" in str(error).lower())


@idiom
def mistakes(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    attempts = {
        "other features": lambda: clf.predict(X[:, :3]),
        "one row": lambda: clf.predict(X[0]),
        "NaN": lambda: clf.predict(np.full((1, 4), np.nan)),
        "rows and labels": lambda: clf.fit(X, y[:-1]),
        "solver": lambda: MLPClassifier(solver="newton").fit(X, y),
        "activation": lambda: MLPClassifier(activation="sine").fit(X, y),
        "hidden": lambda: MLPClassifier(hidden_layer_sizes=(0,)).fit(X, y),
        "alpha": lambda: MLPClassifier(alpha=-1).fit(X, y),
        "no classes": lambda: MLPClassifier().partial_fit(X, y),
        "numbers": lambda: MLPClassifier().fit(X, X[:, 0]),
        "new class": lambda: clf.partial_fit(X, y + 1),
        "early": lambda: MLPRegressor(early_stopping=True).partial_fit(X, y),
        "empty": lambda: MLPRegressor().fit(X[:0], y[:0]),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except ValueError:
            print(name, "ValueError")


@idiom
def wrong_names(MLPClassifier, MLPRegressor):
    for attempt in (
        lambda: MLPClassifier(hidden_layers=3),
        lambda: MLPClassifier().set_params(hidden_layers=3),
        lambda: MLPRegressor((3,), "relu", "adam", 0.1),
        lambda: MLPRegressor().predict_proba([[1]]),
        lambda: MLPRegressor().classes_,
    ):
        try:
            attempt()
        except Exception as error:
            print(type(error).__name__)


@idiom
def before_fit(MLPClassifier, MLPRegressor):
    for model in (MLPClassifier(), MLPRegressor()):
        print([hasattr(model, n) for n in ("coefs_", "intercepts_", "loss_", "n_iter_", "t_")])
        print([hasattr(model, n) for n in ("classes_", "n_features_in_", "out_activation_")])
        try:
            model.predict([[1.0, 2.0]])
        except NotFittedError as error:
            print(type(error).__name__, isinstance(error, ValueError))
        try:
            check_is_fitted(model)
        except NotFittedError:
            print("not fitted yet")
        print(getattr(model, "coefs_", None), vars(model).get("loss_"))


@idiom
def what_there_is(MLPClassifier, MLPRegressor):
    for solver in ("adam", "sgd", "lbfgs"):
        clf, reg = MLPClassifier(solver=solver), MLPRegressor(solver=solver)
        print(solver, hasattr(clf, "partial_fit"))
        print(hasattr(clf, "predict_proba"), hasattr(reg, "predict_proba"))
    print(hasattr(clf, "decision_function"), hasattr(clf, "predict_log_proba"))
    print(hasattr(clf, "transform"), is_classifier(clf), is_regressor(reg))


@idiom
def partial_fit_chains(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**SMALL)
    print(clf.fit(X, y) is clf, clf.partial_fit(X, y) is clf, clf.set_params(alpha=1) is clf)


@idiom
def log_of_probabilities(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print(rounded(clf.predict_log_proba(X[:2])), rounded(clf.predict_proba(X).sum(axis=1)[:3]))


@idiom
def two_classes_have_one_output(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, np.where(y, "yes", "no"))
    print(clf.classes_, clf.n_outputs_, clf.out_activation_, clf.coefs_[-1].shape)
    print(rounded(clf.predict_proba(X[:2])), clf.predict(X[:4]).tolist())


@idiom
def threshold_of_ones_own(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, y)
    p = clf.predict_proba(X)[:, 1]
    print([(t, int((p >= t).sum())) for t in (0.3, 0.5, 0.7)])


@idioms_for(iterations={"max_iter": 2}, batches={"batch_size": 500}, column={"max_iter": 300})
def warnings_by_class(MLPClassifier, MLPRegressor, **params):
    X, y = moons()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        target = y.reshape(-1, 1) if params == {"max_iter": 300} else y
        MLPClassifier(**{**QUICK, **params}, tol=0.01).fit(X, target)
    print(sorted({w.category.__name__ for w in told}))


@idiom
def summary_of_all_fitted_attributes(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for name in [
        "best_loss_",
        "best_validation_score_",
        "classes_",
        "loss_",
        "loss_curve_",
        "n_features_in_",
        "n_iter_",
        "n_layers_",
        "n_outputs_",
        "out_activation_",
        "t_",
        "validation_scores_",
    ]:
        print(name, type(getattr(clf, name)).__name__)


@idiom
def type_name_of_the_lists(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print(type(clf.coefs_).__name__, type(clf.intercepts_) is list)


@idiom
def fitted_names_found_by_their_underscore(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, y)
    names = [n for n in vars(clf) if n.endswith("_") and not n.startswith("_")]
    print("coefs_" in names, "intercepts_" in names, "loss_" in names, "n_layers_" in names)
    print("coefs_" in dir(clf), all(hasattr(clf, n) for n in names))


@idiom
def forms_of_the_hidden_layers(MLPClassifier, MLPRegressor):
    X, y = iris()
    for sizes in (3, (3,), [3, 2], np.array([2, 2]), np.int64(4), (), []):
        clf = MLPClassifier(hidden_layer_sizes=sizes, max_iter=2, random_state=0).fit(X, y)
        print([W.shape for W in clf.coefs_], clf.n_layers_, rounded(clf.loss_))


@idiom
def parameters_as_numpys_numbers(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(
        hidden_layer_sizes=tuple(np.arange(2, 4)), alpha=np.float32(0.25), max_iter=np.int64(4),
        random_state=np.int32(3), batch_size=np.int16(50), learning_rate_init=1, shuffle=np.True_,
        tol=0, momentum=1, beta_1=0, verbose=0, n_iter_no_change=np.inf,
    ).fit(X, y)  # fmt: skip
    print(rounded(clf.loss_curve_), clf.alpha, clf.max_iter)
