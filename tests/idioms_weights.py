"""Idioms of public code that read, replace and change the weights of one fitted network."""

import json
import math
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss

from idioms import QUICK, SMALL, diabetes, idiom, idioms_for, iris, moons, rounded, sums, wine


@idiom
def replace_one_layer(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    print(rounded(clf.predict_proba(X[:2])))
    clf.coefs_[0] = np.random.RandomState(1).normal(size=clf.coefs_[0].shape)
    print(rounded(clf.predict_proba(X[:2])), rounded(clf.score(X, y)))


@idiom
def slice_over_all_layers(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    reg.coefs_[:] = [np.ones_like(W) / 10 for W in reg.coefs_]
    reg.intercepts_[:] = [np.zeros_like(b) for b in reg.intercepts_]
    print(rounded(reg.predict(X[:4])), rounded(reg.score(X, y)))


@idiom
def zero_a_layer(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_[0][...] = 0
    print(rounded(np.ptp(clf.predict_proba(X), axis=0)), rounded(clf.score(X, y)))


@idiom
def scale_a_layer_in_place(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_[0] *= 0.5
    clf.intercepts_[-1] += [1, 0, -1]
    print(rounded(clf.predict_proba(X[:3])))


@idiom
def change_through_a_reference(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    W = reg.coefs_[-1]
    W += np.linspace(-1, 1, W.size).reshape(W.shape)
    print(rounded(reg.predict(X[:4])), W is reg.coefs_[-1])


@idiom
def assign_both_lists(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf = MLPClassifier(**SMALL).fit(X, y)
    rng = np.random.RandomState(3)
    clf.coefs_ = [rng.uniform(-1, 1, W.shape) for W in clf.coefs_]
    clf.intercepts_ = [rng.uniform(-1, 1, b.shape) for b in clf.intercepts_]
    print(rounded(clf.predict_proba(X[:2])), rounded(clf.score(X, y)))


@idiom
def array_changed_after_it_was_assigned(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    W = np.zeros(clf.coefs_[0].shape)
    clf.coefs_[0] = W
    before = clf.predict_proba(X[:2])
    W[0, 0] = 3
    print(clf.coefs_[0][0, 0], clf.coefs_[0] is W)
    print(rounded(before), rounded(clf.predict_proba(X[:2])))


@idiom
def list_changed_after_it_was_assigned(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    weights = [W.copy() for W in reg.coefs_]
    reg.coefs_ = weights
    weights[0] = np.full_like(weights[0], 0.1)
    print(reg.coefs_ is weights, reg.coefs_[0] is weights[0], rounded(reg.predict(X[:3])))


@idiom
def identities(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**SMALL).fit(X, y)
    coefs, first = clf.coefs_, clf.coefs_[0]
    print(clf.coefs_ is coefs, clf.coefs_[0] is first, clf.intercepts_ is clf.intercepts_)
    clf.partial_fit(X, y)
    print(clf.coefs_ is coefs, clf.coefs_[0] is first, type(first).__name__)
    print(isinstance(coefs, list), [type(b).__name__ for b in clf.intercepts_])


@idioms_for(
    adam={"solver": "adam"},
    sgd={"solver": "sgd"},
    plain_sgd={"solver": "sgd", "momentum": 0},
)
def reference_seen_through_training(MLPClassifier, MLPRegressor, **params):
    X, y = iris()
    clf = MLPClassifier(**QUICK, **params)
    clf.partial_fit(X, y, classes=np.unique(y))
    W, kept = clf.coefs_[0], clf.coefs_[0].copy()
    for _ in range(3):
        clf.partial_fit(X, y)
    print(np.array_equal(W, clf.coefs_[0]), rounded(np.abs(W - kept).max()))


@idiom
def refit_leaves_the_old_arrays_alone(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    old, copies = clf.coefs_, [W.copy() for W in clf.coefs_]
    clf.set_params(random_state=1).fit(X, y)
    print(clf.coefs_ is old, all(np.array_equal(a, b) for a, b in zip(old, copies)))
    print(sums(old), sums(clf.coefs_))


@idiom
def assigned_array_is_trained_in_place(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    W = np.full(clf.coefs_[0].shape, 0.1)
    clf.coefs_[0] = W
    clf.partial_fit(X, y)
    print(W is clf.coefs_[0], sums([W]))


@idiom
def random_search_over_weights(MLPClassifier, MLPRegressor):
    X, y = iris()
    rng = np.random.RandomState(0)
    clf = MLPClassifier(hidden_layer_sizes=(4,), max_iter=1, random_state=0).fit(X, y)
    best, best_weights = 0, None
    for _ in range(20):
        clf.coefs_ = [rng.normal(size=W.shape) for W in clf.coefs_]
        clf.intercepts_ = [rng.normal(size=b.shape) for b in clf.intercepts_]
        accuracy = clf.score(X, y)
        if accuracy > best:
            best, best_weights = accuracy, (clf.coefs_, clf.intercepts_)
    clf.coefs_, clf.intercepts_ = best_weights
    print(rounded(best), rounded(clf.score(X, y)))


@idiom
def hill_climbing_layer_by_layer(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    rng = np.random.RandomState(0)
    reg = MLPRegressor(**SMALL).fit(X, y)
    score = reg.score(X, y)
    for i in range(20):
        layer = i % len(reg.coefs_)
        old = reg.coefs_[layer]
        reg.coefs_[layer] = old + rng.normal(scale=0.1, size=old.shape)
        new_score = reg.score(X, y)
        if new_score > score:
            score = new_score
        else:
            reg.coefs_[layer] = old
    print(rounded(score), rounded(reg.score(X, y)))


@idiom
def genetic_algorithm_over_flat_weights(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(hidden_layer_sizes=(3,), max_iter=1, random_state=0).fit(X, y)
    shapes = [p.shape for p in clf.coefs_ + clf.intercepts_]
    ends = np.cumsum([math.prod(s) for s in shapes])

    def fitness(genome):
        parts = [p.reshape(s) for p, s in zip(np.split(genome, ends[:-1]), shapes)]
        clf.coefs_, clf.intercepts_ = parts[: len(clf.coefs_)], parts[len(clf.coefs_) :]
        return clf.score(X, y)

    rng = np.random.RandomState(0)
    population = rng.normal(size=(8, ends[-1]))
    for generation in range(4):
        scores = np.array([fitness(genome) for genome in population])
        parents = population[np.argsort(-scores, kind="stable")[:4]]
        population = np.vstack([parents, parents + rng.normal(scale=0.3, size=parents.shape)])
        print(generation, rounded(scores.max()), rounded(scores.mean()))


@idiom
def freeze_the_first_layer(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK)
    clf.partial_fit(X, y, classes=np.unique(y))
    frozen_W, frozen_b = clf.coefs_[0].copy(), clf.intercepts_[0].copy()
    for _ in range(5):
        clf.partial_fit(X, y)
        clf.coefs_[0] = frozen_W.copy()
        clf.intercepts_[0] = frozen_b.copy()
    print(sums(clf.coefs_), rounded(clf.loss_), rounded(clf.score(X, y)))


@idiom
def freeze_the_first_layer_without_copying(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK)
    clf.partial_fit(X, y, classes=np.unique(y))
    frozen = clf.coefs_[0]
    for _ in range(3):
        clf.partial_fit(X, y)
        clf.coefs_[0] = frozen
    print(sums(clf.coefs_), rounded(clf.loss_curve_))


@idiom
def prune_small_weights(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for W in clf.coefs_:
        W[np.abs(W) < np.percentile(np.abs(W), 50)] = 0
    print(sum(int((W == 0).sum()) for W in clf.coefs_), rounded(clf.score(X, y)))
    print(rounded(clf.predict_proba(X[:2])))


@idiom
def prune_and_tune_with_masks(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf = MLPClassifier(**QUICK).fit(X, y)
    masks = [np.abs(W) > 0.3 for W in clf.coefs_]
    for _ in range(4):
        clf.coefs_ = [W * mask for W, mask in zip(clf.coefs_, masks)]
        clf.partial_fit(X, y)
    clf.coefs_ = [np.multiply(W, mask) for W, mask in zip(clf.coefs_, masks)]
    print(sums(clf.coefs_), [int(np.count_nonzero(W)) for W in clf.coefs_])


@idiom
def silence_one_unit_at_a_time(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for unit in range(5):
        saved = clf.coefs_[1][unit].copy()
        clf.coefs_[1][unit] = 0
        print(unit, rounded(clf.score(X, y)))
        clf.coefs_[1][unit] = saved
    print(rounded(clf.score(X, y)))


@idiom
def cast_to_float32(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    clf.coefs_ = [W.astype(np.float32) for W in clf.coefs_]
    clf.intercepts_ = [b.astype(np.float32) for b in clf.intercepts_]
    print(rounded(clf.predict_proba(X[:3])), rounded(clf.score(X, y)))
    print([str(W.dtype) for W in clf.coefs_], sum(W.nbytes for W in clf.coefs_))


@idiom
def halve_the_precision_and_back(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    before = reg.predict(X)
    for i, (W, b) in enumerate(zip(reg.coefs_, reg.intercepts_)):
        reg.coefs_[i] = W.astype(np.float16).astype(np.float64)
        reg.intercepts_[i] = b.astype(np.float16).astype(np.float64)
    print(rounded(np.abs(reg.predict(X) - before).max(), 6), str(reg.coefs_[0].dtype))


@idiom
def quantise_to_eight_bits(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for i, W in enumerate(clf.coefs_):
        scale = np.abs(W).max() / 127
        clf.coefs_[i] = np.round(W / scale).astype(np.int8) * scale
    print(rounded(clf.predict_proba(X[:2])), [len(np.unique(W)) for W in clf.coefs_])


@idiom
def add_noise_to_every_layer(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for sigma in (0.1, 0.5):
        for i in range(len(clf.coefs_)):
            clf.coefs_[i] = clf.coefs_[i] + np.random.normal(0, sigma, clf.coefs_[i].shape)
        print(sigma, rounded(clf.predict_proba(X[:2])))


@idiom
def swap_two_units(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    before = clf.predict_proba(X)
    clf.coefs_[0][:, [0, 1]] = clf.coefs_[0][:, [1, 0]]
    clf.intercepts_[0][[0, 1]] = clf.intercepts_[0][[1, 0]]
    print(rounded(np.abs(clf.predict_proba(X) - before).max()))
    clf.coefs_[1][[0, 1]] = clf.coefs_[1][[1, 0]]
    print(np.allclose(clf.predict_proba(X), before))


@idiom
def weights_to_json_and_back(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    proba = clf.predict_proba(X)
    text = json.dumps(
        {
            "coefs": [W.tolist() for W in clf.coefs_],
            "intercepts": [b.tolist() for b in clf.intercepts_],
        }
    )
    other = MLPClassifier(**{**QUICK, "random_state": 5}).fit(X[:20], y[:20])
    read = json.loads(text)
    other.coefs_ = [np.array(W) for W in read["coefs"]]
    other.intercepts_ = [np.array(b) for b in read["intercepts"]]
    print(np.allclose(other.predict_proba(X), proba), rounded(other.score(X, y)))


@idiom
def weights_to_npz_and_back(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.npz"
        np.savez(path, *reg.coefs_, *reg.intercepts_)
        reg.fit(X[:50], y[:50])
        with np.load(path) as saved:
            arrays = [saved[name] for name in saved.files]
    reg.coefs_, reg.intercepts_ = arrays[:2], arrays[2:]
    print(rounded(reg.predict(X[:4])))


@idiom
def forward_pass_by_hand(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**{**QUICK, "hidden_layer_sizes": (6, 4)}, activation="tanh").fit(X, y)
    a = X
    for i, (W, b) in enumerate(zip(clf.coefs_, clf.intercepts_)):
        z = a @ W + b
        a = np.tanh(z) if i < clf.n_layers_ - 2 else z
    e = np.exp(a - a.max(axis=1, keepdims=True))
    proba = e / e.sum(axis=1, keepdims=True)
    print(np.allclose(proba, clf.predict_proba(X)), clf.out_activation_, rounded(proba[:2]))


@idiom
def count_parameters(MLPClassifier, MLPRegressor):
    X, y = wine()
    clf = MLPClassifier(**{**SMALL, "hidden_layer_sizes": (7, 3)}).fit(X, y)
    print(sum(W.size for W in clf.coefs_) + sum(b.size for b in clf.intercepts_))
    print([W.shape for W in clf.coefs_], [b.shape for b in clf.intercepts_], len(clf.coefs_))
    print(clf.n_layers_, clf.n_outputs_, clf.n_features_in_)


@idiom
def norms_of_the_layers(MLPClassifier, MLPRegressor):
    X, y = wine()
    for alpha in (1e-4, 1, 100):
        clf = MLPClassifier(**QUICK, alpha=alpha).fit(X, y)
        print(alpha, [rounded(np.linalg.norm(W)) for W in clf.coefs_])


@idiom
def flatten_and_unflatten(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    flat = np.concatenate([c.ravel() for c in reg.coefs_] + [b.ravel() for b in reg.intercepts_])
    flat = flat * 0.9
    start = 0
    for arrays in (reg.coefs_, reg.intercepts_):
        for i, a in enumerate(arrays):
            arrays[i] = flat[start : start + a.size].reshape(a.shape)
            start += a.size
    print(flat.shape, rounded(flat[:3]), rounded(reg.predict(X[:3])))


@idiom
def zero_the_intercepts(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for b in clf.intercepts_:
        b.fill(0)
    clf.intercepts_[-1] = np.log(np.bincount(y) / len(y))
    print(rounded(clf.predict_proba(np.zeros((1, 4)))), rounded(clf.intercepts_[-1]))


@idiom
def clip_the_weights_after_every_step(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK)
    for start in range(0, 150, 50):
        clf.partial_fit(X[start : start + 50], y[start : start + 50], classes=[0, 1, 2])
        for W in clf.coefs_:
            np.clip(W, -0.3, 0.3, out=W)
    print(rounded([np.abs(W).max() for W in clf.coefs_]), sums(clf.coefs_))


@idiom
def gradient_by_finite_differences(MLPClassifier, MLPRegressor):
    X, y = iris()
    clf = MLPClassifier(**QUICK).fit(X, y)
    W, eps, gradient = clf.coefs_[1], 1e-4, []
    for i, j in ((0, 0), (2, 1), (4, 2)):
        W[i, j] += eps
        above = log_loss(y, clf.predict_proba(X))
        W[i, j] -= 2 * eps
        below = log_loss(y, clf.predict_proba(X))
        W[i, j] += eps
        gradient.append((above - below) / (2 * eps))
    print(rounded(gradient))


@idiom
def copyto_and_flat(MLPClassifier, MLPRegressor):
    X, y = diabetes()
    reg = MLPRegressor(**QUICK).fit(X, y)
    np.copyto(reg.coefs_[0], np.eye(*reg.coefs_[0].shape))
    reg.coefs_[1].flat[:] = np.arange(5)
    reg.coefs_[1].ravel()[0] = -3
    reg.intercepts_[0].put([0, 1], [7, 8])
    print(rounded(reg.predict(X[:3])))


@idiom
def attributes_by_name(MLPClassifier, MLPRegressor):
    X, y = moons()
    clf = MLPClassifier(**QUICK).fit(X, y)
    for name in ("coefs_", "intercepts_"):
        setattr(clf, name, [2 * a for a in getattr(clf, name)])
    print(rounded(clf.predict_proba(X[:3])))
