"""Idioms of scikit-learn's gallery, and of pipelines, searches and ensembles around the MLP."""

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import classification_report, confusion_matrix, make_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from idioms import QUICK, SMALL, diabetes, digits, idiom, iris, moons, rounded, wine


@idiom
def plot_mlp_alpha(MLPClassifier, MLPRegressor):
    X, y = moons()
    for alpha in np.logspace(-1, 1, 3):
        clf = make_pipeline(
            StandardScaler(),
            MLPClassifier(
                solver="lbfgs", alpha=alpha, random_state=1, max_iter=4, hidden_layer_sizes=[4, 4]
            ),
        ).fit(X[:60], y[:60])
        xx, yy = np.meshgrid(np.arange(-2, 3, 1.0), np.arange(-1, 2, 1.0))
        Z = clf.predict_proba(np.column_stack([xx.ravel(), yy.ravel()]))[:, 1]
        print(alpha, rounded(Z.reshape(xx.shape)[0], 2), rounded(clf.score(X[60:], y[60:])))


@idiom
def plot_mlp_training_curves(MLPClassifier, MLPRegressor):
    params = [
        {"learning_rate": "constant", "momentum": 0, "learning_rate_init": 0.2},
        {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": False},
        {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": True},
        {"learning_rate": "invscaling", "momentum": 0, "learning_rate_init": 0.2},
        {"learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": True},
    ]
    X, y = iris()
    X = MinMaxScaler().fit_transform(X)
    for param in [{"solver": "sgd", **p} for p in params] + [{"solver": "adam"}]:
        mlp = MLPClassifier(random_state=0, max_iter=8, hidden_layer_sizes=(10,), **param)
        mlp.fit(X, y)
        print(f"Training set score: {mlp.score(X, y):f}")
        print(f"Training set loss: {mlp.loss_:f}", rounded(mlp.loss_curve_[-2:]))


@idiom
def plot_mnist_filters(MLPClassifier, MLPRegressor):
    X, y = digits()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, test_size=0.3)
    mlp = MLPClassifier(
        hidden_layer_sizes=(9,), max_iter=4, alpha=1e-4, solver="sgd", random_state=1,
        learning_rate_init=0.2,
    )  # fmt: skip
    mlp.fit(X_train, y_train)
    print(f"Test set score: {mlp.score(X_test, y_test):f}")
    vmin, vmax = mlp.coefs_[0].min(), mlp.coefs_[0].max()
    images = [coef.reshape(8, 8) for coef in mlp.coefs_[0].T]
    print(rounded([vmin, vmax]), len(images), rounded(images[3][4]))


@idiom
def classifier_comparison(MLPClassifier, MLPRegressor):
    X, y = moons()
    for name, clf in {
        "Logistic": LogisticRegression(),
        "Neural Net": MLPClassifier(alpha=1, max_iter=20, random_state=42),
    }.items():
        model = make_pipeline(StandardScaler(), clf).fit(X[:60], y[:60])
        print(name, rounded(model.score(X[60:], y[60:])), rounded(model.predict_proba(X[:1])))


@idiom
def report_and_confusion_matrix(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf = MLPClassifier(**QUICK).fit(X[:120], y[:120])
    predictions = clf.predict(X[120:])
    print(confusion_matrix(y[120:], predictions))
    print(classification_report(y[120:], predictions, zero_division=0))


@idiom
def learning_curve_of_sizes(MLPClassifier, MLPRegressor):
    X, y = iris()
    sizes, train, test = learning_curve(
        MLPClassifier(**QUICK), X, y, train_sizes=[0.3, 1.0], cv=2, shuffle=True, random_state=0
    )
    print(sizes.tolist(), rounded(train), rounded(test))


@idiom
def learning_curve_incremental(MLPClassifier, MLPRegressor):
    X, y = iris()
    sizes, _, test = learning_curve(
        MLPClassifier(**QUICK), X, y, train_sizes=[0.2, 0.6, 1.0], cv=2,
        exploit_incremental_learning=True,
    )  # fmt: skip
    print(sizes.tolist(), rounded(test))


@idiom
def validation_curve_of_alpha(MLPClassifier, MLPRegressor):
    X, y = iris()
    train, test = validation_curve(
        MLPClassifier(**QUICK), X, y, param_name="alpha", param_range=[0.01, 10], cv=2
    )
    print(rounded(train), rounded(test))


@idiom
def partial_dependence_of_two_features(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = make_pipeline(StandardScaler(), MLPRegressor(**QUICK)).fit(X, y)
    for feature in (2, 8):
        found = partial_dependence(reg, X, [feature], grid_resolution=4)
        print(rounded(found["average"]))


@idiom
def permutation_importances(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    found = permutation_importance(clf, X, y, n_repeats=3, random_state=0)
    print(rounded(found.importances_mean), rounded(found.importances_std))


@idiom
def voting(MLPClassifier, MLPRegressor):
    X, y = iris()
    members = [("mlp", MLPClassifier(**QUICK)), ("lr", LogisticRegression())]
    for how in ("soft", "hard"):
        vote = VotingClassifier(members, voting=how, weights=[2, 1]).fit(X[:100], y[:100])
        print(how, rounded(vote.score(X[100:], y[100:])))


@idiom
def stacking(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    stack = StackingRegressor(
        [("mlp", MLPRegressor(**QUICK)), ("ridge", Ridge())], final_estimator=Ridge(), cv=2
    ).fit(X, y)
    print(rounded(stack.predict(X[:3])), rounded(stack.final_estimator_.coef_))


@idiom
def bagging(MLPClassifier, MLPRegressor):
    X, y = iris()
    bag = BaggingClassifier(
        MLPClassifier((5,), max_iter=4), n_estimators=3, max_features=0.75, random_state=0
    ).fit(X, y)
    print(rounded(bag.predict_proba(X[:2])), [e.random_state for e in bag.estimators_])


@idiom
def calibration(MLPClassifier, MLPRegressor):
    X, y = moons()
    for ensemble in (True, False):
        clf = CalibratedClassifierCV(MLPClassifier(**QUICK), cv=2, ensemble=ensemble).fit(X, y)
        print(rounded(clf.predict_proba(X[:2]), 3))


@idiom
def one_versus_rest_and_one_versus_one(MLPClassifier, MLPRegressor):
    X, y = iris()
    rest = OneVsRestClassifier(MLPClassifier(**QUICK)).fit(X, y)
    pairs = OneVsOneClassifier(MLPClassifier(**QUICK)).fit(X, y)
    print(rounded(rest.predict_proba(X[:2])), pairs.predict(X[:5]).tolist())
    print([e.out_activation_ for e in rest.estimators_])


@idiom
def several_outputs_by_several_networks(MLPClassifier, MLPRegressor):
    X, y = iris()
    Y = np.column_stack([y, (X[:, 0] > 0).astype(int)])
    both = MultiOutputClassifier(MLPClassifier(**QUICK)).fit(X, Y)
    print(both.predict(X[:3]).tolist(), rounded(both.score(X, Y)))
    reg = MultiOutputRegressor(MLPRegressor(**QUICK))
    reg.partial_fit(X, Y)
    print(rounded(reg.predict(X[:2])))


@idiom
def chain_of_classifiers(MLPClassifier, MLPRegressor):
    X, y = iris()
    Y = np.column_stack([y == 0, y == 2]).astype(int)
    chain = ClassifierChain(MLPClassifier(**QUICK), random_state=0).fit(X, Y)
    print(rounded(chain.predict_proba(X[:2])))


@idiom
def multilabel(MLPClassifier, MLPRegressor):
    X, y = iris()
    Y = np.column_stack([y == 0, y != 2, X[:, 1] > 0]).astype(int)
    clf = MLPClassifier(**QUICK).fit(X, Y)
    print(clf.predict(X[:3]).tolist(), rounded(clf.predict_proba(X[:2])), rounded(clf.score(X, Y)))
    print(clf.classes_.tolist(), clf.n_outputs_, clf.out_activation_)


@idiom
def several_numbers_at_once(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, np.column_stack([y, y**2]))
    print(reg.predict(X).shape, rounded(reg.predict(X[:2])), reg.n_outputs_, reg.n_iter_)


@idiom
def grid_search(MLPClassifier, MLPRegressor):
    X, y = iris()
    grid = {"hidden_layer_sizes": [(3,), (5, 2)], "alpha": [0.001, 1]}
    search = GridSearchCV(MLPClassifier(max_iter=6, random_state=0), grid, cv=2).fit(X, y)
    print(search.best_params_, rounded(search.best_score_), search.best_index_)
    print(rounded(search.cv_results_["mean_test_score"]), search.best_estimator_.n_iter_)
    print(search.best_estimator_)


@idiom
def random_search(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    space = {"alpha": np.logspace(-4, 1, 20), "activation": ["tanh", "relu"]}
    search = RandomizedSearchCV(
        MLPRegressor(**QUICK), space, n_iter=3, cv=2, random_state=0,
        scoring="neg_mean_squared_error",
    ).fit(X, y)  # fmt: skip
    print(rounded(search.cv_results_["mean_test_score"]), search.best_params_["activation"])


@idiom
def halving_search(MLPClassifier, MLPRegressor):
    X, y = digits()
    search = HalvingGridSearchCV(
        MLPClassifier((6,), random_state=0), {"learning_rate_init": [1e-4, 0.02]}, cv=2,
        resource="max_iter", min_resources=2, max_resources=4, random_state=0,
    ).fit(X, y)  # fmt: skip
    print(search.best_params_, search.n_resources_, rounded(search.best_score_))


@idiom
def pipeline_with_a_step_of_it(MLPClassifier, MLPRegressor):
    X, y = wine()
    pipe = Pipeline([("scale", StandardScaler()), ("mlp", MLPClassifier(**SMALL))])
    pipe.set_params(mlp__alpha=0.1, mlp__learning_rate_init=0.05).fit(X, y)
    print(pipe["mlp"].alpha, rounded(pipe.named_steps["mlp"].loss_), pipe.classes_.tolist())
    pipe["mlp"].coefs_[0][:] = 0
    print(rounded(pipe.score(X, y)), rounded(pipe[:-1].transform(X)[0, :2]))


@idiom
def columns_of_a_frame(MLPClassifier, MLPRegressor):
    X, y = iris()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(X[:, 0] > 0, "u", "v"))
    prepare = ColumnTransformer(
        [("numbers", StandardScaler(), ["a", "b"]), ("words", OneHotEncoder(), ["kind"])]
    )
    model = make_pipeline(prepare, MLPClassifier(**QUICK)).fit(frame, pd.Series(y, name="species"))
    print(model[-1].n_features_in_, rounded(model.predict_proba(frame[:2])))


@idiom
def target_transformed(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    model = TransformedTargetRegressor(MLPRegressor(**QUICK), transformer=StandardScaler())
    model.fit(X, 50 * y + 100)
    print(rounded(model.predict(X[:3]), 2), rounded(model.regressor_.loss_))


@idiom
def cross_validated_frame(MLPClassifier, MLPRegressor):
    X, y = iris()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    cv = KFold(2, shuffle=True, random_state=0)
    found = cross_validate(
        MLPClassifier(**QUICK), frame, pd.Series(y), cv=cv, return_estimator=True,
        scoring=["accuracy", "f1_macro"],
    )  # fmt: skip
    print(rounded(found["test_accuracy"]), rounded(found["test_f1_macro"]))
    print([e.feature_names_in_.tolist() for e in found["estimator"]])


@idiom
def cross_validated_predictions(MLPClassifier, MLPRegressor):
    X, y = moons()
    proba = cross_val_predict(MLPClassifier(**QUICK), X, y, cv=3, method="predict_proba")
    print(rounded(proba[:2]), rounded(roc_auc_score(y, proba[:, 1])))


@idiom
def frame_as_target_of_a_regressor(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    frame = pd.DataFrame({"target": y})
    print(rounded(cross_val_score(MLPRegressor(**QUICK), X, frame, cv=2)))
    reg = MLPRegressor(**QUICK).fit(X, frame)
    print(reg.predict(X).shape, rounded(reg.score(X, frame)), rounded(reg.score(X, y[:, None])))


@idiom
def own_scorer(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    scorer = make_scorer(lambda t, p: np.abs(t - p).max(), greater_is_better=False)
    print(rounded(cross_val_score(MLPRegressor(**QUICK), X, y, cv=2, scoring=scorer)))


@idiom
def self_training(MLPClassifier, MLPRegressor):
    X, y = iris()
    hidden = np.where(np.arange(len(y)) % 5, -1, y)
    model = SelfTrainingClassifier(MLPClassifier(**QUICK), threshold=0.6, max_iter=2)
    model.fit(X, hidden)
    print((model.transduction_ != -1).sum(), rounded(model.score(X, y)))


@idiom
def weights_of_the_rows(MLPClassifier, MLPRegressor):
    X, y = iris()
    weights = np.where(y == 0, 5.0, 0.5)
    clf = MLPClassifier(**QUICK).fit(X, y, sample_weight=weights)
    print(rounded(clf.loss_curve_[-2:]), rounded(clf.score(X, y, sample_weight=weights)))


@idiom
def sinus_with_lbfgs(MLPClassifier, MLPRegressor):
    x = np.linspace(-3, 3, 60).reshape(-1, 1)
    reg = MLPRegressor(
        hidden_layer_sizes=(6,), activation="tanh", solver="lbfgs", max_iter=12, random_state=1
    )
    reg.fit(x, np.sin(x).ravel())
    print(rounded(reg.score(x, np.sin(x).ravel()), 2), reg.n_iter_)


@idiom
def xor(MLPClassifier, MLPRegressor):
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    clf = MLPClassifier(
        (4,), activation="logistic", solver="lbfgs", max_iter=200, random_state=3, alpha=0.001
    ).fit(X, y)
    print("predictions:", clf.predict(X), "score:", clf.score(X, y))
    print([W.shape for W in clf.coefs_])


@idiom
def first_example_of_the_user_guide(MLPClassifier, MLPRegressor):
    X, y = [[0.0, 0.0], [1.0, 1.0]], [0, 1]
    clf = MLPClassifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(5, 2), random_state=1)
    clf.fit(X, y)
    print(clf)
    print(clf.predict([[2.0, 2.0], [-1.0, -2.0]]), [coef.shape for coef in clf.coefs_])
