"""Idioms of classes of one's own, derived from the estimators or built around them."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from idioms import QUICK, SMALL, diabetes, digits, idiom, iris, moons, rounded, sums


@idiom
def own_defaults(MLPClassifier, MLPRegressor):
    class Small(MLPClassifier):
        def __init__(self, hidden_layer_sizes=(4,), max_iter=5, random_state=0):
            super().__init__(
                hidden_layer_sizes=hidden_layer_sizes, max_iter=max_iter, random_state=random_state
            )

    X, y = iris()
    clf = Small().fit(X, y)
    print(clf, clf.get_params(), rounded(clf.loss_curve_))
    print(clone(clf), rounded(cross_val_score(Small(), X, y, cv=2)))


@idiom
def keyword_arguments_handed_on(MLPClassifier, MLPRegressor):
    class Net(MLPRegressor):
        def __init__(self, **kw):
            super().__init__(**kw)

    X, y = diabetes()
    reg = Net(**QUICK).fit(X, y)
    print(type(reg).__name__, reg.max_iter, reg.solver, rounded(reg.loss_), sums(reg.coefs_))


@idiom
def own_predict(MLPClassifier, MLPRegressor):
    class Cautious(MLPClassifier):
        def predict(self, X):
            proba = self.predict_proba(X)
            return np.where(proba.max(axis=1) > 0.5, super().predict(X), -1)

    X, y = iris()
    clf = Cautious(**QUICK).fit(X, y)
    print(clf.predict(X[:10]).tolist(), rounded(clf.score(X, y)))


@idiom
def own_fit(MLPClassifier, MLPRegressor):
    class Scaled(MLPRegressor):
        def fit(self, X, y):
            self.mean_, self.std_ = y.mean(), y.std()
            return super().fit(X, (y - self.mean_) / self.std_)

        def predict(self, X):
            return super().predict(X) * self.std_ + self.mean_

    X, y = diabetes()
    reg = Scaled(**QUICK).fit(X, 100 + 20 * y)
    print(rounded(reg.predict(X[:3]), 2), rounded(reg.score(X, 100 + 20 * y)))


@idiom
def own_score_in_a_search(MLPClassifier, MLPRegressor):
    class Squared(MLPRegressor):
        def score(self, X, y, sample_weight=None):
            return -float(((self.predict(X) - y) ** 2).mean())

    X, y = diabetes()
    search = GridSearchCV(Squared(**QUICK), {"alpha": [0.1, 10]}, cv=2).fit(X, y)
    print(rounded(search.cv_results_["mean_test_score"]), search.best_params_)


@idiom
def own_score_and_early_stopping(MLPClassifier, MLPRegressor):
    class Half(MLPClassifier):
        def score(self, X, y, sample_weight=None):
            return super().score(X, y) / 2

    X, y = iris()
    clf = Half(**SMALL, early_stopping=True).fit(X, y)
    print(rounded(clf.validation_scores_), rounded(clf.score(X, y)))


@idiom
def calls_of_partial_fit_counted(MLPClassifier, MLPRegressor):
    class Counting(MLPClassifier):
        calls = 0

        def partial_fit(self, X, y, classes=None):
            self.calls += 1
            return super().partial_fit(X, y, classes=classes)

    X, y = iris()
    clf = Counting(**QUICK)
    for start in range(0, 150, 30):
        clf.partial_fit(X[start : start + 30], y[start : start + 30], classes=np.unique(y))
    print(clf.calls, rounded(clf.loss_curve_))
    print(Counting(**SMALL).fit(X, y).calls)


@idiom
def hidden_layer_as_a_transformer(MLPClassifier, MLPRegressor):
    class Features(MLPClassifier, TransformerMixin):
        def transform(self, X):
            return np.maximum(X @ self.coefs_[0] + self.intercepts_[0], 0)

    X, y = digits()
    features = Features((6,), max_iter=4, learning_rate_init=0.02, random_state=0)
    print(rounded(features.fit(X, y).transform(X[:2])), features.fit_transform(X, y).shape)
    pipe = make_pipeline(features, LogisticRegression()).fit(X, y)
    print(rounded(pipe.score(X, y), 2))


@idiom
def autoencoder(MLPClassifier, MLPRegressor):
    class Autoencoder(MLPRegressor):
        def fit(self, X, y=None):
            return super().fit(X, X)

        def transform(self, X):
            return np.tanh(X @ self.coefs_[0] + self.intercepts_[0])

    X, _ = iris()
    params = {"hidden_layer_sizes": (2,), "activation": "tanh", "learning_rate_init": 0.05}
    coder = Autoencoder(**params, max_iter=10, random_state=0).fit(X)
    print(rounded(coder.transform(X[:3])), rounded(coder.predict(X[:1])))


@idiom
def mixin_that_remembers(MLPClassifier, MLPRegressor):
    class Remembers:
        def fit(self, X, y, **kw):
            self.seen_ = getattr(self, "seen_", 0) + len(X)
            return super().fit(X, y, **kw)

    class Net(Remembers, MLPClassifier):
        pass

    X, y = moons()
    clf = Net(**SMALL).fit(X, y).fit(X, y)
    print(clf.seen_, rounded(clf.loss_), [c.__name__ for c in type(clf).__mro__][:3])


@idiom
def wrapper_around_the_estimator(MLPClassifier, MLPRegressor):
    class Ensemble(ClassifierMixin, BaseEstimator):
        def __init__(self, n=2):
            self.n = n

        def fit(self, X, y):
            params = {**QUICK, "max_iter": 4}
            self.nets_ = [
                MLPClassifier(**{**params, "random_state": i}).fit(X, y) for i in range(self.n)
            ]
            self.classes_ = self.nets_[0].classes_
            return self

        def predict(self, X):
            mean = sum(net.predict_proba(X) for net in self.nets_)
            return self.classes_[mean.argmax(axis=1)]

    X, y = iris()
    print(rounded(cross_val_score(Ensemble(3), X, y, cv=2)))


@idiom
def subclass_that_shrinks_after_fit(MLPClassifier, MLPRegressor):
    class Shrunk(MLPRegressor):
        def fit(self, X, y):
            super().fit(X, y)
            self.coefs_ = [0.9 * W for W in self.coefs_]
            return self

    X, y = diabetes()
    reg = Shrunk(**QUICK).fit(X, y)
    print(rounded(reg.predict(X[:3])), sums(reg.coefs_))


@idiom
def subclass_that_adds_its_own_state(MLPClassifier, MLPRegressor):
    class Noisy(MLPClassifier):
        def __init__(self, sigma=0.1, hidden_layer_sizes=(5,), max_iter=5, random_state=0):
            self.sigma = sigma
            super().__init__(hidden_layer_sizes, max_iter=max_iter, random_state=random_state)

        def fit(self, X, y):
            rng = np.random.RandomState(self.random_state)
            return super().fit(X + rng.normal(0, self.sigma, X.shape), y)

    X, y = iris()
    print(rounded(Noisy(0.5).fit(X, y).loss_curve_), Noisy(0.5))
    print(clone(Noisy(0.3)).sigma, Noisy().set_params(sigma=2).get_params()["sigma"])


@idiom
def hidden_activations_by_hand(MLPClassifier, MLPRegressor):
    X, y = digits()
    clf = MLPClassifier((8, 5), max_iter=4, random_state=0, learning_rate_init=0.02).fit(X, y)
    hidden = X
    for W, b in list(zip(clf.coefs_, clf.intercepts_))[:-1]:
        hidden = np.maximum(0, np.dot(hidden, W) + b)
        print(hidden.shape, rounded(hidden.mean(axis=0)), int((hidden == 0).all(axis=0).sum()))


@idiom
def importance_by_garson(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    A, B = np.abs(reg.coefs_[0]), np.abs(reg.coefs_[1])
    share = (A / A.sum(axis=0)) * B.T
    print(rounded(share.sum(axis=1) / share.sum()))


@idiom
def gradient_of_the_input_by_hand(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK, activation="tanh").fit(X, y)
    (W1, W2), (b1, _) = reg.coefs_, reg.intercepts_
    h = np.tanh(X[:2] @ W1 + b1)
    print(rounded(((1 - h**2) * W2.ravel()) @ W1.T))


@idiom
def subclass_with_a_generator_of_its_own(MLPClassifier, MLPRegressor):
    class Augmented(MLPClassifier):
        def fit(self, X, y):
            self._random_state = np.random.RandomState(4)
            return super().fit(X + self._random_state.normal(0, 0.1, X.shape), y)

    X, y = iris()
    print(rounded(Augmented(**QUICK).fit(X, y).loss_curve_))
