"""A learner's own backpropagation, with the mistakes in it that learners make.

Written apart from the package, in plain NumPy, as one would for homework: the tests of
``backpass.derivatives.homework`` take its answers, right or wrong, and ask which mistake was made.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, maximum=1, total=1):
    e = np.exp(z - z.max(axis=maximum, keepdims=True))
    return e / e.sum(axis=total, keepdims=True)


VALUE = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "logistic": sigmoid,
    "identity": lambda z: z,
    "softmax": softmax,
}

# the derivative, from z and from a, as one looks it up
SLOPE_OF_Z = {
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "logistic": lambda z: sigmoid(z) * sigmoid(-z),
    "identity": np.ones_like,
}
SLOPE_OF_A = {
    "relu": lambda a: np.where(a > 0, 1.0, 0.0),
    "tanh": lambda a: 1 - a**2,
    "logistic": lambda a: a * (1 - a),
    "identity": np.ones_like,
}


def cost_derivative(loss, y, p):
    if loss == "squared_error":
        return p - y
    if loss == "cross_entropy":
        return -y / p
    return -y / p + (1 - y) / (1 - p)


def jacobian(a):
    """Return softmax's Jacobian of one sample."""
    return np.diag(a) - np.outer(a, a)


def output_error(loss, phi, y, z, a, m):
    """Return ∂C/∂z_L, one row a sample, with the mistakes `m`."""
    if "label index for one-hot" in m:
        return a - y.argmax(axis=1)[:, None]
    if "label smoothing forgotten" in m:
        y = np.eye(y.shape[1])[y.argmax(axis=1)]
    if "rows out of step" in m:
        y = np.concatenate([y[1:], y[:1]])
    if "(N, 1) − (N,)" in m:
        return (a - y.ravel()).mean(axis=1, keepdims=True)
    if "labels one off" in m:
        y = np.roll(y, 1, axis=1)
    if "activation forgotten" in m and phi == "softmax" and loss == "cross_entropy":
        return a - y  # a is z
    dC = cost_derivative(loss, y, a)
    if phi == "softmax":
        if "softmax Jacobian missing" in m:
            return dC
        if "softmax like a logistic" in m:
            return dC * a * (1 - a)
        full = np.array([jacobian(row) @ d for row, d in zip(a, dC, strict=True)])
        if loss == "cross_entropy":
            full = a - y  # which holds where the rows of a do not sum to 1, too
        if "softmax Jacobian twice" in m:
            full = np.array([jacobian(row) @ d for row, d in zip(a, full, strict=True)])
        return full
    fused = loss == "binary_cross_entropy"
    right = a - y if fused else dC * SLOPE_OF_Z[phi](z)
    if "output f′ missing" in m:
        return dC
    if "output f′ twice" in m:
        return right * SLOPE_OF_Z[phi](z)
    return right


def hidden_slope(phi, z, a, m):
    if "f′ missing" in m:
        return np.ones_like(z)
    if "z for a in f′" in m:
        return SLOPE_OF_A[phi](z)
    if "f′ at a" in m:
        return SLOPE_OF_Z[phi](a)
    if "f′ of another activation" in m:
        return a * (1 - a)  # a logistic's
    if "f for f′" in m:
        return VALUE[phi](z)
    if "relu's f′" in m and phi == "relu":
        return np.where(z < 0, 1.0, 0.0)
    slope = SLOPE_OF_Z[phi](z)
    if "sign slip in f′" in m:
        return -slope
    return slope**2 if "f′ twice" in m else slope


def forward(case, W, b, m):
    phis = [phi.name for phi in case.model.activations]
    if "another activation" in m:
        phis = [*("relu" for _ in phis[1:]), phis[-1]]
    z, a = [None], [case.X]
    for l, phi in enumerate(phis, start=1):  # noqa: E741
        last = l == len(phis)
        turned = "W for Wᵀ forward" in m
        z.append(a[-1] @ (W[l].T if turned else W[l]))
        if "bias forgotten" not in m:
            z[-1] = z[-1] + b[l]
        if phi == "softmax" and "softmax maximum over the batch" in m:
            a.append(softmax(z[-1], maximum=0))
        elif phi == "softmax" and "softmax over the whole array" in m:
            e = np.exp(z[-1])
            a.append(e / e.sum())
        elif phi == "softmax" and "softmax sum over the batch" in m:
            a.append(softmax(z[-1], total=0))
        elif "activation forgotten" in m and not last:
            a.append(z[-1])
        else:
            a.append(VALUE[phi](z[-1]))
    return phis, z, a


def gradients(case, *mistakes):
    """Return ``{"W1": …, "b1": …, "delta1": …}`` as a learner who makes `mistakes` finds it."""
    m = set(mistakes)
    W = [None, *case.model.parameters.weights]
    b = [None, *case.model.parameters.biases]
    L, N = len(W) - 1, len(case.X)
    phis, z, a = forward(case, W, b, m)
    s = np.ones(N) if "sample weights forgotten" in m else case.s
    S = s.sum()
    d = output_error(case.model.loss.name, phis[-1], case.y, z[L], a[L], m)
    if "averaged over the outputs" in m:
        d = d / d.shape[1]
    if "y − ŷ" in m:
        d = -d
    if "data term doubled" in m:
        d = 2 * d
    share = s / S
    if "1/N missing" in m:
        share = s
    if "1/N twice" in m:
        share = s / S**2
    if "N for S" in m:
        share = s / N
    if "sample weights twice" in m:
        share = s**2 / S
    delta = {L: share[:, None] * d}
    if "row left out" in m:  # for n in range(N - 1)
        delta[L][-1] = 0
    answer = {}
    for l in range(L, 0, -1):  # noqa: E741
        answer |= layer_gradients(case, l, W, b, z, a, delta, S, m)
        if l > 1:
            V = W[l - 1] if "neighbouring W" in m else W[l]
            if "weights updated too early" in m:
                V = V - 0.05 * answer[f"W{l}"]
            g = delta[l] @ (V if "W for Wᵀ" in m else V.T)
            if "W missing" in m:
                g = delta[l]
            delta[l - 1] = g * hidden_slope(phis[l - 2], z[l - 1], a[l - 1], m)
            if "1/N in every layer" in m:
                delta[l - 1] = delta[l - 1] / S
    return finished(answer, L, m)


def layer_gradients(case, l, W, b, z, a, delta, S, m):  # noqa: E741
    below, e, alpha = a[l - 1], delta[l], case.alpha
    if "z for a in the weight gradient" in m and l > 1:
        below = z[l - 1]
    if "neighbouring a" in m:
        below = a[l]
    if "X for a" in m and below.shape == a[0].shape:
        below = a[0]
    if "a overwritten by f′" in m and l > 1:
        phi = "relu" if "another activation" in m else case.model.activations[l - 2].name
        below = hidden_slope(phi, z[l - 1], a[l - 1], m)
    dW = sum(np.outer(x, row) for x, row in zip(below, e, strict=True))
    db = sum(e)
    if "product of the means" in m:
        dW = len(e) * np.outer(below.mean(axis=0), e.mean(axis=0))
    if "last sample only" in m:
        dW, db = np.outer(below[-1], e[-1]), e[-1]
    if "1/N twice in the biases" in m:
        db = db / S
    if "averaged over the units" in m:
        dW = dW / len(W[l])
    if "W times the summed error" in m:
        dW = W[l] * db
    if "bias gradient summed wrongly" in m:
        db = np.full(e.shape[1], e.sum())
    if "left at zero" in m:
        db = 0 * db
    penalty = alpha / S * W[l]
    if "regularisation forgotten" in m:
        penalty = 0
    if "regularisation without 1/S" in m:
        penalty = alpha * W[l]
    if "penalty not halved" in m:
        penalty = 2 * alpha / S * W[l]
    if "penalty halved" in m:
        penalty = alpha / S * W[l] / 2
    if "another α" in m:
        penalty = 0.7 / S * W[l]
    if "penalty not asked for" in m:
        penalty = 0.7 / S * W[l]
    if "penalty's sign" in m:
        penalty = -alpha / S * W[l]
    if "biases regularised" in m:
        db = db + alpha / S * b[l]
    if "one gradient a sample" in m:
        db = e
    return {f"W{l}": dW + penalty, f"b{l}": db, f"delta{l}": e}


def finished(answer, L, m):
    """Return the answer as it is handed in."""
    if "layers in reverse" in m:
        answer = {f"{n[:-1]}{L + 1 - int(n[-1])}": x for n, x in answer.items()}
    if "neighbouring layer" in m:  # counted from 2
        answer = {f"{n[:-1]}{int(n[-1]) - 1}": x for n, x in answer.items() if n[-1] != "1"}
    factor = 1.0
    for name, number in {
        "sign": -1.0, "factor 2": 2.0, "factor ½": 0.5, "constant factor": 0.037,
    }.items():  # fmt: skip
        factor *= number if name in m else 1.0
    answer = {name: factor * x for name, x in answer.items()}
    if "transposed" in m:
        answer = {name: x.T for name, x in answer.items()}
    return answer
