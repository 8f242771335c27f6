"""Idioms that live on which arrays and lists are the same object: ties, views, resets, bits."""

import copy
import pickle
import tempfile
from pathlib import Path

import joblib
import numpy as np
import scipy.sparse
from sklearn.metrics import log_loss

from idioms import QUICK, SMALL, diabetes, idiom, idioms_for, iris, moons, rounded, sums


@idiom
def tied_autoencoder(MLPClassifier, MLPRegressor):
    X, _ = iris()
    reg = MLPRegressor(hidden_layer_sizes=(3,), activation="identity", random_state=0)
    reg.partial_fit(X, X)
    reg.coefs_[1] = reg.coefs_[0].T
    print(np.shares_memory(reg.coefs_[0], reg.coefs_[1]), rounded(reg.score(X, X)))
    for _ in range(5):
        reg.partial_fit(X, X)
        reg.coefs_[1] = reg.coefs_[0].T
    print(rounded(reg.score(X, X)), sums(reg.coefs_))


@idiom
def tied_hidden_layers(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(hidden_layer_sizes=(5, 5, 5), max_iter=5, random_state=0).fit(X, y)
    clf.coefs_[2] = clf.coefs_[1]
    clf.partial_fit(X, y).partial_fit(X, y)
    print(clf.coefs_[2] is clf.coefs_[1], sums(clf.coefs_), rounded(clf.loss_curve_[-2:]))


@idiom
def given_array_and_lbfgs(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**SMALL, "max_iter": 2}, solver="lbfgs", warm_start=True).fit(X, y)
    W = np.full(clf.coefs_[0].shape, 0.1)
    coefs, clf.coefs_[0] = clf.coefs_, W
    clf.fit(X, y)
    print(clf.coefs_ is coefs, clf.coefs_[0] is W, bool((W == 0.1).all()))


@idiom
def given_array_and_warm_fit(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK, warm_start=True).fit(X, y)
    W = np.full(reg.coefs_[0].shape, 0.1)
    coefs, reg.coefs_[0] = reg.coefs_, W
    reg.fit(X, y)
    print(reg.coefs_ is coefs, reg.coefs_[0] is W, sums([W]))


@idiom
def lists_after_early_stopping(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK, early_stopping=True).fit(X, y)
    clf.coefs_[0] *= 2
    clf.intercepts_[0] = np.zeros(5)
    print(rounded(clf.predict_proba(X[:2])), len(clf.coefs_))


@idiom
def lists_as_tuples(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    layers = [(W / 2, b) for W, b in zip(clf.coefs_, clf.intercepts_)]
    clf.coefs_, clf.intercepts_ = zip(*layers)
    print(rounded(clf.predict_proba(X[:2])), rounded(clf.score(X, y)))


@idiom
def lists_as_arrays_of_objects(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coefs.npy"
        np.save(path, np.array(clf.coefs_, dtype=object), allow_pickle=True)
        clf.fit(X[:30], y[:30])
        clf.coefs_ = np.load(path, allow_pickle=True)
    print(rounded(clf.predict_proba(X[:2])))


@idiom
def whole_numbers_as_weights(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_ = [np.sign(W).astype(int) for W in clf.coefs_]
    print(rounded(clf.predict_proba(X[:2])), rounded(clf.score(X, y)))


@idiom
def fortran_and_strided_arrays(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_[0] = np.asfortranarray(clf.coefs_[0])
    clf.coefs_[1] = np.repeat(clf.coefs_[1], 2, axis=0)[::2]
    clf.partial_fit(X, y)
    print(rounded(clf.predict_proba(X[:2])), sums(clf.coefs_), clf.coefs_[0].flags.f_contiguous)


@idiom
def doubles_in_a_network_of_floats(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    X = X.astype(np.float32)
    reg = MLPRegressor(**QUICK).fit(X, y)
    reg.coefs_[0] = np.linspace(-1, 1, 50).reshape(10, 5)
    print(rounded(reg.predict(X[:3]), 3), reg.coefs_[0].dtype, reg.coefs_[1].dtype)


@idiom
def floats_then_training(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_ = [W.astype(np.float32) for W in clf.coefs_]
    clf.partial_fit(X, y)
    print(rounded(clf.predict_proba(X[:2]), 3), [str(W.dtype) for W in clf.coefs_])


@idiom
def bits_flipped(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    bits = reg.coefs_[0].view(np.uint64)
    for row, column, bit in ((0, 0, 63), (3, 2, 52), (9, 4, 51)):
        bits[row, column] ^= np.uint64(1) << np.uint64(bit)
    print(rounded(reg.predict(X[:4])))


@idiom
def inputs_permuted(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    before, order = clf.predict_proba(X), [2, 0, 3, 1]
    clf.coefs_[0][:] = clf.coefs_[0][order]
    print(np.allclose(clf.predict_proba(X[:, order]), before), rounded(clf.score(X, y)))


@idiom
def printed_lists(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier((2,), max_iter=3, random_state=0).fit(X, y)
    with np.printoptions(precision=3, suppress=True):
        print(clf.coefs_)
        print(f"weights: {clf.coefs_[0]} intercepts: {clf.intercepts_}")


@idiom
def lists_sliced_and_added(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    both = clf.coefs_ + clf.intercepts_
    print(type(both).__name__, len(both), len(clf.coefs_[:-1]), clf.coefs_[::-1][0].shape)
    print(both[0] is clf.coefs_[0], clf.coefs_[-1] is clf.coefs_[1], sums(clf.coefs_.copy()))
    print([W is V for W, V in zip(list(clf.coefs_), copy.copy(clf.coefs_))])


@idiom
def hash_of_the_weights(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    before = joblib.hash(clf.coefs_)
    kept = copy.deepcopy(clf.coefs_)
    clf.partial_fit(X, y)
    after = joblib.hash(clf.coefs_)
    clf.coefs_ = kept
    print(before == after, before == joblib.hash(clf.coefs_))


@idiom
def weights_forgotten(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK, warm_start=True).fit(X, y)
    first = sums(clf.coefs_)
    clf.fit(X, y)
    del clf.coefs_
    print(hasattr(clf, "coefs_"), sums(clf.fit(X, y).coefs_) == first)


@idioms_for(adam={"solver": "adam"}, sgd={"solver": "sgd"})
def shallow_copies_take_turns(MLPClassifier, MLPRegressor, **params):
    X, y = iris()
    clf = MLPClassifier(**QUICK, **params).fit(X, y)
    other = copy.copy(clf)
    for _ in range(3):
        clf.partial_fit(X[:75], y[:75])
        other.partial_fit(X[75:], y[75:])
    print(sums(clf.coefs_), sums(other.coefs_), rounded(other.loss_), clf.t_, other.t_)


@idiom
def two_clients_train_one_array(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    a = MLPRegressor(**QUICK).partial_fit(X[:100], y[:100])
    b = MLPRegressor(**{**QUICK, "random_state": 3}).partial_fit(X[100:], y[100:])
    b.coefs_[0] = a.coefs_[0]
    for _ in range(3):
        a.partial_fit(X[:100], y[:100])
        b.partial_fit(X[100:], y[100:])
    print(a.coefs_[0] is b.coefs_[0], sums(a.coefs_), sums(b.coefs_))


@idiom
def weights_copied_entry_by_entry(MLPClassifier, MLPRegressor):
    X, y = iris()
    a, b = (MLPClassifier(**{**QUICK, "random_state": i}).fit(X, y) for i in (1, 2))
    for V, W in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_):
        V[...] = W
    print(np.array_equal(a.predict_proba(X), b.predict_proba(X)), a.coefs_[0] is b.coefs_[0])


@idiom
def dropout_by_hand(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf, rng = MLPClassifier(**QUICK).fit(X, y), np.random.RandomState(0)
    kept = [W.copy() for W in clf.coefs_]
    samples = []
    for _ in range(5):
        clf.coefs_[1] = kept[1] * (rng.uniform(size=(5, 1)) > 0.3)
        samples.append(clf.predict_proba(X[:2]))
    clf.coefs_ = kept
    print(rounded(np.mean(samples, axis=0)), rounded(np.std(samples, axis=0)))


@idiom
def loss_along_a_line(MLPClassifier, MLPRegressor):
    X, y = iris()
    a = MLPClassifier(**{**QUICK, "random_state": 1}).fit(X, y)
    b = MLPClassifier(**{**QUICK, "random_state": 2}).fit(X, y)
    middle = copy.deepcopy(a)
    for t in (0, 0.5, 1):
        for i in range(2):
            middle.coefs_[i] = (1 - t) * a.coefs_[i] + t * b.coefs_[i]
            middle.intercepts_[i] = (1 - t) * a.intercepts_[i] + t * b.intercepts_[i]
        print(t, rounded(log_loss(y, middle.predict_proba(X))))


@idiom
def saliency_by_zeroing_inputs(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    original = clf.coefs_[0].copy()
    for feature in range(4):
        clf.coefs_[0][feature, :] = 0
        print(feature, rounded(clf.score(X, y)))
        clf.coefs_[0] = original.copy()
    print(rounded(clf.score(X, y)))


@idiom
def deepcopy_of_a_holder_of_both(MLPClassifier, MLPRegressor):
    class Trainer:
        def __init__(self, model):
            self.model, self.weights = model, model.coefs_

    X, y = iris()
    trainer = copy.deepcopy(Trainer(MLPClassifier(**QUICK).fit(X, y)))
    trainer.weights[0][...] = 0
    print(trainer.weights is trainer.model.coefs_, rounded(trainer.model.predict_proba(X[:2])))


@idiom
def list_kept_after_early_stopping(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK, early_stopping=True, warm_start=True).fit(X, y)
    coefs, W = clf.coefs_, clf.coefs_[0]
    kept = W.copy()
    clf.fit(X, y)
    print(clf.coefs_ is coefs, clf.coefs_[0] is W, np.array_equal(W, kept))


@idiom
def floats_pickled(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_ = [W.astype(np.float32) for W in clf.coefs_]
    other = pickle.loads(pickle.dumps(clf))
    print([str(W.dtype) for W in other.coefs_], rounded(other.predict_proba(X[:2])))


@idiom
def slice_of_one_layer(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**{**QUICK, "hidden_layer_sizes": (4, 4, 4)}).fit(X, y)
    reg.coefs_[1:3] = [np.eye(4), np.eye(4)]
    reg.coefs_[1], reg.coefs_[2] = reg.coefs_[2], 2 * reg.coefs_[1]
    print(rounded(reg.predict(X[:3])))


@idiom
def sparse_weights(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for i, W in enumerate(clf.coefs_):
        clf.coefs_[i] = scipy.sparse.csr_matrix(np.where(np.abs(W) > 0.5, W, 0))
    print(sum(W.nnz for W in clf.coefs_), rounded(clf.predict_proba(X[:2])))
