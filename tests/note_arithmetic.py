"""The arithmetic of the five notes, written from the notes in NumPy, in each note's own layout.

It calls nothing of backpass. Samples lie in columns; W is (in, out) in notes 1, 4 and 5 and
(out, in) in notes 2 and 3. What is returned has the names that a trace's formulas have.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RATE = 0.1


def sigma(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=0)


ELEMENTWISE = {
    "identity": (lambda z: z, lambda z: 1.0 + 0 * z),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (sigma, lambda z: sigma(z) * (1 - sigma(z))),
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
}
"""Value and derivative of an activation function."""

COST = {
    "squared_error": (lambda a, y: 0.5 * (a - y) ** 2, lambda a, y: a - y),
    "cross_entropy": (lambda a, y: -y * np.log(a), lambda a, y: -y / a),
    "binary_cross_entropy": (
        lambda a, y: -y * np.log(a) - (1 - y) * np.log(1 - a),
        lambda a, y: (1 - y) / (1 - a) - y / a,
    ),
    "logistic": (lambda a, y: np.log(1 + np.exp(-y * a)), lambda a, y: -y * sigma(-y * a)),
}
"""Cost of every output, and its derivative by the prediction."""


@dataclass(frozen=True)
class Kind:
    """A kind of network: every layer's activation, and the cost, by our records' names."""

    activations: tuple[str, ...]
    cost: str

    def value(self, z, l):  # noqa: E741
        name = self.activations[l - 1]
        return softmax(z) if name == "softmax" else ELEMENTWISE[name][0](z)

    def slope(self, z, l):  # noqa: E741
        return ELEMENTWISE[self.activations[l - 1]][1](z)

    def jacobian(self, z, l):  # noqa: E741
        """Return ∂a/∂z of one sample; z is a vector."""
        if self.activations[l - 1] == "softmax":
            return np.diag(softmax(z)) - np.outer(softmax(z), softmax(z))
        return np.diag(self.slope(z, l))

    def costs(self, a, y):
        return COST[self.cost][0](a, y)

    def to_output(self, a, y):
        return COST[self.cost][1](a, y)

    def to_last(self, z, y):
        """Return ∂C/∂z^L of every sample, by the chain rule."""
        L = len(self.activations)
        pairs = zip(z.T, self.value(z, L).T, y.T, strict=True)
        columns = [self.jacobian(zn, L).T @ self.to_output(an, yn) for zn, an, yn in pairs]
        return np.stack(columns, axis=1)


def updated(found, W, b):
    """Add the step of gradient descent, from the gradients in `found` (notes 4 and 5)."""
    for l in W:  # noqa: E741
        found["W_new", l] = W[l] - RATE * found["dW", l]
        found["b_new", l] = b[l] - RATE * found["db", l]
    return found


def with_matrices(W, b, X, Y, kind):
    """Notes 1 and 5: W is (in, out), the mean stands in E^L."""
    L, N, ones = len(W), X.shape[1], np.ones((X.shape[1], 1))
    found = {("a", 0): X}
    for l in range(1, L + 1):  # noqa: E741
        found["z", l] = W[l].T @ found["a", l - 1] + np.tile(b[l], N)
        found["a", l] = kind.value(found["z", l], l)
    found["J", None] = kind.costs(found["a", L], Y).sum() / N
    found["dz", L] = kind.to_last(found["z", L], Y)
    for l in range(L, 0, -1):  # noqa: E741
        if l == L:
            found["delta", l] = found["dz", L] / N
        else:
            found["g", l] = W[l + 1] @ found["delta", l + 1]
            found["delta", l] = found["g", l] * kind.slope(found["z", l], l)
        found["dW", l] = found["a", l - 1] @ found["delta", l].T
        found["db", l] = found["delta", l] @ ones
    found["g", 0] = W[1] @ found["delta", 1]
    return updated(found, W, b)


def with_nablas(W, b, X, Y, kind):
    """Note 3, section 5.2: W is (out, in); a before and h after activation."""
    L, m, ones = len(W), X.shape[1], np.ones((X.shape[1], 1))
    A, H, dA, dH = {}, {0: X}, {}, {}
    for k in range(1, L + 1):
        A[k] = W[k] @ H[k - 1] + b[k] @ ones.T
        H[k] = kind.value(A[k], k)
    to_last = H[L] - Y if kind.activations[-1] == "softmax" else kind.to_last(A[L], Y)
    dA[L] = to_last / m
    for k in range(L - 1, -1, -1):
        dH[k] = W[k + 1].T @ dA[k + 1]
        if k:
            dA[k] = dH[k] * kind.slope(A[k], k)
    named = {"z": A, "a": H, "delta": dA, "g": dH, "dz": {L: to_last}}
    found = {(key, k): array for key, arrays in named.items() for k, array in arrays.items()}
    for k in range(1, L + 1):
        found["dW", k], found["db", k] = dA[k] @ H[k - 1].T, dA[k] @ ones
    found["J", None] = kind.costs(H[L], Y).sum() / m
    return updated(found, W, b)


def by_biases(W, b, x, y, kind):
    """Note 2, of one sample: the recursion from ∂L/∂b to ∂L/∂b, W is (out, in)."""
    L, found = len(W), {("a", 0): x}
    for l in range(1, L + 1):  # noqa: E741
        found["z", l] = W[l] @ found["a", l - 1] + b[l]
        found["a", l] = kind.value(found["z", l], l)
        rows = kind.jacobian(found["z", l][:, 0], l)
        # row j is ∂a/∂b_j = Σ_k ∂a/∂z_k δ_jk
        found["dfb", l] = np.stack([rows @ unit for unit in np.eye(len(rows))])
    found["J", None] = kind.costs(found["a", L], y).sum()
    to_activation = kind.to_output(found["a", L], y)
    for l in range(L, 0, -1):  # noqa: E741
        found["delta", l] = found["db", l] = found["dfb", l] @ to_activation
        by_unit = [found["a", l - 1] * found["db", l][i] for i in range(len(W[l]))]
        found["dW", l] = np.hstack(by_unit).T
        to_activation = found["g", l - 1] = W[l].T @ found["delta", l]
    return updated(found, W, b)


def by_jacobians(W, b, x, y, kind):
    """Note 4, of one sample: single neurons, Jacobians of layers, 𝒫 handed down; W is (in, out)."""
    L, found = len(W), {("a", 0): x}
    for j in range(1, L + 1):
        below = found["a", j - 1]
        found["z", j] = W[j].T @ below + b[j]
        found["a", j] = kind.value(found["z", j], j)
        slope = kind.jacobian(found["z", j][:, 0], j)
        found["dfa", j], found["dfb", j] = slope @ W[j].T, slope
        found["dfw", j] = slope[:, :1] @ below.T  # of the first neuron
        if j < L:
            for k in range(W[j].shape[1]):
                found[f"dha{k}", j] = slope[k, k] * W[j][:, k][None, :]
                found[f"dhw{k}", j] = slope[k, k] * below.T
                found[f"dhb{k}", j] = slope[k, k]
    found["J", None] = kind.costs(found["a", L], y).sum()
    found["P", L] = kind.to_output(found["a", L], y).T
    for j in range(L, 0, -1):
        P = found["P", j]
        found["P", j - 1], found["Pb", j] = P @ found["dfa", j], P @ found["dfb", j]
        found["Pw", j] = P @ found["dfw", j]
        found["delta", j] = found["db", j] = found["Pb", j].T
        found["dW", j] = found["a", j - 1] @ found["delta", j].T
        found["g", j - 1] = found["P", j - 1].T
    return updated(found, W, b)


def by_samples(one: Callable):
    """Return a note's arithmetic of one sample, with the mean of J, dW and db over several."""

    def mean(W, b, X, Y, kind):
        each = [one(W, b, X[:, n : n + 1], Y[:, n : n + 1], kind) for n in range(X.shape[1])]
        if len(each) == 1:
            return each[0]
        keys = [key for key in each[0] if key[0] in ("J", "dW", "db")]
        return updated({key: sum(found[key] for found in each) / len(each) for key in keys}, W, b)

    return mean


ARITHMETIC = {
    1: with_matrices,
    2: by_samples(by_biases),
    3: with_nablas,
    4: by_samples(by_jacobians),
    5: with_matrices,
}
"""The arithmetic of every note: ``(W, b, X, Y, kind)``, W and b by layer, X and Y in columns."""

TRANSPOSED = {2, 3}
"""The notes whose W is (out, in)."""
