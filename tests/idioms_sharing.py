"""Idioms that move weights between estimators: averaging, transfer, best-so-far, copies, files."""

import copy
import pickle
import tempfile
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer

from idioms import QUICK, SMALL, diabetes, digits, idiom, idioms_for, iris, rounded, sums, wine


@idiom
def federated_averaging(MLPClassifier, MLPRegressor):
    X, y = iris()
    parts = np.array_split(np.arange(120), 3)
    clients = [MLPClassifier(**QUICK) for _ in parts]
    for client, rows in zip(clients, parts):
        client.partial_fit(X[rows], y[rows], classes=np.unique(y))
    for _ in range(6):
        coefs = [np.mean(layers, axis=0) for layers in zip(*(c.coefs_ for c in clients))]
        intercepts = [np.mean(layers, axis=0) for layers in zip(*(c.intercepts_ for c in clients))]
        for client, rows in zip(clients, parts):
            for i in range(len(coefs)):
                client.coefs_[i] = coefs[i].copy()
                client.intercepts_[i] = intercepts[i].copy()
            client.partial_fit(X[rows], y[rows])
    print([rounded(c.score(X[120:], y[120:])) for c in clients], rounded(clients[0].loss_curve_))


@idiom
def federated_averaging_of_shared_lists(MLPClassifier, MLPRegressor):
    X, y = iris()
    parts = np.array_split(np.arange(120), 3)
    server = MLPClassifier(**QUICK).partial_fit(X[:30], y[:30], classes=np.unique(y))
    clients = [MLPClassifier(**QUICK) for _ in parts]
    for client, rows in zip(clients, parts):
        client.partial_fit(X[rows], y[rows], classes=np.unique(y))
    for _ in range(3):
        for client, rows in zip(clients, parts):
            client.coefs_ = server.coefs_
            client.intercepts_ = server.intercepts_
            client.partial_fit(X[rows], y[rows])
        server.coefs_ = [sum(W) / len(W) for W in zip(*[c.coefs_ for c in clients])]
        server.intercepts_ = [sum(b) / len(b) for b in zip(*[c.intercepts_ for c in clients])]
        print(rounded(server.score(X[120:], y[120:])), sums(server.coefs_))


@idiom
def federated_averaging_by_size(MLPClassifier, MLPRegressor):
    X, y = digits()
    sizes = [60, 90, 150]
    ends = np.cumsum(sizes)
    weights = np.array(sizes) / sum(sizes)
    clients = []
    for start, end in zip([0, *ends], ends):
        params = {**QUICK, "max_iter": 3}
        clients.append(MLPClassifier(**params).fit(X[start:end], y[start:end]))
    server = copy.deepcopy(clients[0])
    for layer in range(len(server.coefs_)):
        server.coefs_[layer] = sum(w * c.coefs_[layer] for w, c in zip(weights, clients))
        server.intercepts_[layer] = sum(w * c.intercepts_[layer] for w, c in zip(weights, clients))
    print(rounded(server.score(X, y)), rounded(server.predict_proba(X[:1])))


@idiom
def average_of_two_networks(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    a = MLPRegressor(**{**QUICK, "random_state": 1}).fit(X, y)
    b = MLPRegressor(**{**QUICK, "random_state": 2}).fit(X, y)
    merged = MLPRegressor(**{**QUICK, "max_iter": 1}).fit(X, y)
    merged.coefs_ = [(V + W) / 2 for V, W in zip(a.coefs_, b.coefs_)]
    merged.intercepts_ = [(v + w) / 2 for v, w in zip(a.intercepts_, b.intercepts_)]
    print([rounded(m.score(X, y)) for m in (a, b, merged)])


@idiom
def stochastic_weight_averaging(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf, mean, n = MLPClassifier(**QUICK), None, 0
    for epoch in range(8):
        clf.partial_fit(X, y, classes=np.unique(y))
        if epoch >= 3:
            weights = clf.coefs_ + clf.intercepts_
            n += 1
            if mean is None:
                mean = [w.copy() for w in weights]
            else:
                mean = [m + (w - m) / n for m, w in zip(mean, weights)]
    clf.coefs_, clf.intercepts_ = mean[:2], mean[2:]
    print(n, sums(clf.coefs_), rounded(clf.score(X, y)))


@idiom
def moving_average_of_the_weights(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).partial_fit(X, y)
    shadow = copy.deepcopy(reg.coefs_)
    for _ in range(5):
        reg.partial_fit(X, y)
        for s, W in zip(shadow, reg.coefs_):
            s *= 0.9
            s += 0.1 * W
    student = copy.deepcopy(reg)
    student.coefs_ = shadow
    print(rounded(reg.score(X, y)), rounded(student.score(X, y)))


@idiom
def transfer_by_reference(MLPClassifier, MLPRegressor):
    X, y = iris()
    a = MLPClassifier(**QUICK).fit(X, y)
    b = MLPClassifier(**{**QUICK, "random_state": 9}).fit(X, y)
    b.coefs_, b.intercepts_ = a.coefs_, a.intercepts_
    print(a.coefs_ is b.coefs_, a.coefs_[0] is b.coefs_[0])
    b.partial_fit(X, y)
    print(sums(a.coefs_), sums(b.coefs_), rounded(a.predict_proba(X[:1])))


@idiom
def transfer_by_deepcopy(MLPClassifier, MLPRegressor):
    X, y = iris()
    a = MLPClassifier(**QUICK).fit(X, y)
    b = MLPClassifier(**{**QUICK, "random_state": 9}).fit(X, y)
    b.coefs_, b.intercepts_ = copy.deepcopy(a.coefs_), copy.deepcopy(a.intercepts_)
    b.partial_fit(X, y)
    print(sums(a.coefs_), sums(b.coefs_), rounded(a.predict_proba(X[:1])))


@idiom
def transfer_of_the_hidden_layer(MLPClassifier, MLPRegressor):
    X, y = digits()
    source = MLPClassifier(**{**QUICK, "max_iter": 3}).fit(X, y)
    even = y % 2
    target = MLPClassifier(**{**QUICK, "max_iter": 3}, warm_start=True).fit(X[:100], even[:100])
    target.coefs_[0] = source.coefs_[0].copy()
    target.intercepts_[0] = source.intercepts_[0].copy()
    target.fit(X[:100], even[:100])
    print(sums(target.coefs_), rounded(target.score(X[100:], even[100:])))


@idiom
def target_network_of_q_learning(MLPClassifier, MLPRegressor):
    rng = np.random.RandomState(0)
    states, rewards = rng.normal(size=(40, 3)), rng.normal(size=40)
    q = MLPRegressor(**QUICK).partial_fit(states, rewards)
    target = copy.deepcopy(q)
    for step in range(6):
        goal = rewards + 0.9 * target.predict(states[::-1])
        q.partial_fit(states, goal)
        if step % 2:
            for i in range(len(q.coefs_)):
                target.coefs_[i] = 0.5 * target.coefs_[i] + 0.5 * q.coefs_[i]
                target.intercepts_[i] = 0.5 * target.intercepts_[i] + 0.5 * q.intercepts_[i]
    print(rounded(q.predict(states[:3])), rounded(target.predict(states[:3])))


@idiom
def best_weights_kept_by_hand(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf, best = MLPClassifier(**QUICK), -1.0
    for epoch in range(8):
        clf.partial_fit(X[:120], y[:120], classes=np.unique(y))
        score = clf.score(X[120:], y[120:])
        if score > best:
            best, at = score, epoch
            best_coefs = [W.copy() for W in clf.coefs_]
            best_intercepts = [b.copy() for b in clf.intercepts_]
    clf.coefs_, clf.intercepts_ = best_coefs, best_intercepts
    print(at, rounded(best), rounded(clf.score(X[120:], y[120:])), sums(clf.coefs_))


@idiom
def best_weights_kept_without_copying(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf, best = MLPClassifier(**QUICK), -1.0
    for _ in range(6):
        clf.partial_fit(X[:120], y[:120], classes=np.unique(y))
        score = clf.score(X[120:], y[120:])
        if score > best:
            best, kept = score, (clf.coefs_, clf.intercepts_)
    last = sums(clf.coefs_)
    clf.coefs_, clf.intercepts_ = kept
    print(sums(clf.coefs_) == last, sums(clf.coefs_))


@idiom
def best_estimator_kept_by_deepcopy(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg, best, model = MLPRegressor(**QUICK), np.inf, None
    for _ in range(15):
        reg.partial_fit(X[:100], y[:100])
        error = ((reg.predict(X[100:]) - y[100:]) ** 2).mean()
        if error < best:
            best, model = error, copy.deepcopy(reg)
    print(rounded(best), rounded(model.predict(X[:2])), len(model.loss_curve_), model.t_)


@idiom
def weights_of_every_epoch(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf, history = MLPClassifier(**QUICK), []
    for _ in range(5):
        clf.partial_fit(X, y, classes=[0, 1, 2])
        history.append(copy.deepcopy(clf.coefs_))
    print([rounded(np.linalg.norm(b[0] - a[0])) for a, b in zip(history, history[1:])])
    clf.coefs_ = history[0]
    print(rounded(clf.score(X, y)), type(history[0]).__name__)


@idiom
def shallow_copy_and_its_training(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    other = copy.copy(clf)
    print(other.coefs_ is clf.coefs_, other.intercepts_[0] is clf.intercepts_[0])
    other.partial_fit(X, y)
    print(sums(clf.coefs_), sums(other.coefs_), rounded(clf.predict_proba(X[:1])))
    print(clf.t_, other.t_, rounded(clf.loss_), rounded(other.loss_))


@idiom
def shallow_copy_shares_the_loss_curve(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    other = copy.copy(clf)
    other.partial_fit(X, y)
    print(len(clf.loss_curve_), len(other.loss_curve_))


@idiom
def shallow_copy_and_one_layer(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    other = copy.copy(clf)
    other.coefs_[0] = np.zeros_like(other.coefs_[0])
    print(sums(clf.coefs_), rounded(clf.predict_proba(X[:1])))
    other.coefs_ = [np.ones_like(W) for W in other.coefs_]
    print(sums(clf.coefs_), sums(other.coefs_), rounded(other.predict_proba(X[:1])))


@idiom
def deepcopy_and_its_training(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    other = copy.deepcopy(reg)
    for _ in range(3):
        other.partial_fit(X, y)
    print(sums(reg.coefs_), sums(other.coefs_))
    reg.partial_fit(X, y).partial_fit(X, y).partial_fit(X, y)
    print(sums(reg.coefs_) == sums(other.coefs_), len(reg.loss_curve_))


@idiom
def clone_has_no_weights(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK, alpha=0.5).fit(X, y)
    fresh = clone(clf)
    print(hasattr(fresh, "coefs_"), hasattr(fresh, "classes_"), fresh.alpha, fresh)
    print(sums(fresh.fit(X, y).coefs_) == sums(clf.coefs_))


@idioms_for(adam={"solver": "adam"}, sgd={"solver": "sgd"})
def pickle_goes_on_training(MLPClassifier, MLPRegressor, **params):
    X, y = iris()
    clf = MLPClassifier(**QUICK, **params).fit(X, y)
    other = pickle.loads(pickle.dumps(clf))
    for model in (clf, other):
        model.partial_fit(X, y).partial_fit(X, y)
    print(sums(clf.coefs_), sums(other.coefs_), other.t_, rounded(other.loss_curve_[-2:]))


@idiom
def pickle_of_the_lists(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    stored = pickle.dumps((clf.coefs_, clf.intercepts_))
    clf.partial_fit(X, y)
    clf.coefs_, clf.intercepts_ = pickle.loads(stored)
    print(sums(clf.coefs_), rounded(clf.score(X, y)), type(pickle.loads(stored)[0]).__name__)


def _through_a_file(model, mmap_mode=None):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path)
        return joblib.load(path, mmap_mode=mmap_mode)


@idiom
def joblib_file(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = _through_a_file(MLPClassifier(**QUICK).fit(X, y))
    print(rounded(clf.predict_proba(X[:2])))
    clf.coefs_[0][0] = 0
    print(rounded(clf.partial_fit(X, y).predict_proba(X[:2])))


@idiom
def mapped_file_and_new_lists(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = _through_a_file(MLPClassifier(**QUICK).fit(X, y), "r")
    print(rounded(clf.predict_proba(X[:2])))
    clf.coefs_ = [W.copy() for W in clf.coefs_]
    clf.intercepts_ = [b.copy() for b in clf.intercepts_]
    clf.partial_fit(X, y)
    clf.coefs_[0] *= 2
    print(rounded(clf.predict_proba(X[:2])))


@idiom
def mapped_file_and_one_layer(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = _through_a_file(MLPRegressor(**QUICK).fit(X, y), "r")
    reg.coefs_[0] = np.zeros_like(reg.coefs_[0])
    reg.intercepts_[0] = reg.intercepts_[0] + 1
    print(rounded(reg.predict(X[:3])))


@idiom
def mapped_weights_for_another_model(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    mapped = _through_a_file(reg.coefs_, "r")
    reg.fit(X[:30], y[:30])
    reg.coefs_ = mapped
    print(rounded(reg.predict(X[:3])), rounded(reg.score(X, y)))


@idiom
def fitted_attributes_copied_one_by_one(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    other = clone(clf)
    for name, value in vars(clf).items():
        if name.endswith("_") or name.startswith("_"):
            setattr(other, name, copy.deepcopy(value))
    print(np.allclose(other.predict_proba(X), clf.predict_proba(X)), rounded(other.loss_))


@idiom
def dictionary_of_another(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    other = MLPRegressor()
    other.__dict__.update(reg.__dict__)
    print(rounded(other.predict(X[:3])), other.coefs_[0] is reg.coefs_[0])
    other.partial_fit(X, y)
    print(sums(reg.coefs_) == sums(other.coefs_))


@idiom
def ensemble_by_the_mean_of_probabilities(MLPClassifier, MLPRegressor):
    X, y = wine()
    models = [MLPClassifier(**{**QUICK, "max_iter": 4, "random_state": i}) for i in range(3)]
    proba = np.mean([m.fit(X[:100], y[:100]).predict_proba(X[100:]) for m in models], axis=0)
    print(rounded(accuracy_score(y[100:], models[0].classes_[proba.argmax(axis=1)])))
    print(rounded(proba[:2]))


@idiom
def one_hot_targets_and_argmax(MLPClassifier, MLPRegressor):
    X, y = iris()
    Y = LabelBinarizer().fit_transform(y)
    clf = MLPClassifier(**QUICK).fit(X, Y)
    print(clf.predict(X[:3]).tolist(), rounded(clf.predict_proba(X[:2])), clf.out_activation_)
    reg = MLPRegressor(**{**SMALL, "max_iter": 3}).fit(X, Y)
    print(reg.predict(X).argmax(axis=1)[:20].tolist())


@idiom
def distilled_into_a_regressor(MLPClassifier, MLPRegressor):
    X, y = iris()
    teacher = MLPClassifier(**QUICK).fit(X, y)
    logits = np.log(teacher.predict_proba(X))
    student = MLPRegressor(**QUICK).fit(X, logits)
    print(rounded(accuracy_score(y, student.predict(X).argmax(axis=1))), student.n_outputs_)
    print(rounded(student.predict(X[:2])))
