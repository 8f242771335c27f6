"""Wrong backward passes, planted one at a time: the certificate must catch and name every one.

The nets have distinct widths, but where a transposed matrix must fit; N is 6, the sample weights
differ, L2 is on, and no hidden layer is the identity.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backpass import Network, check_gradients
from backpass.core import backprop
from backpass.core.arrays import real

N = 6
NETS = {
    "distinct": ([3, 5, 4, 2], ["tanh", "logistic"], "softmax", "cross_entropy"),
    "square": ([4, 4, 4, 4], ["tanh", "logistic"], "softmax", "cross_entropy"),
    "jacobian": ([3, 5, 4, 2], ["gelu", "tanh"], "softmax", "squared_error"),
    "elementwise": ([3, 5, 4, 2], ["elu", "mish"], "tanh", "squared_error"),
    "kinked": ([3, 5, 4, 2], ["relu", "leaky_relu"], "identity", "absolute_error"),
}
HIDDEN, ALL = {1, 2}, {1, 2, 3}


def problem(name):
    sizes, hidden, output, loss = NETS[name]
    rng = np.random.default_rng(len(name))
    network = Network(sizes, hidden, output, loss, seed=3)
    for b in network.biases:
        b[...] = 0.3 * rng.normal(size=b.shape)
    X = rng.normal(size=(N, sizes[0]))
    y = rng.integers(sizes[-1], size=N) if loss == "cross_entropy" else rng.normal(size=(N, 2))
    return network, X, y, rng.uniform(0.3, 3.0, size=N)


def check(name):
    network, X, y, s = problem(name)
    return check_gradients(network, X, y, sample_weight=s, alpha=0.7)


@pytest.mark.parametrize("name", NETS)
def test_the_right_backward_pass_passes(name):
    found = check(name)
    assert found.passed, found
    assert found.blame == []
    methods = {m for row in found.table for m in row.comparisons}
    assert {"complex step", "differences"} <= methods
    for row in found.table:
        assert row.verdict == "good", row
        assert row.comparisons["complex step"].worst <= 1e-12


def transposed(x):
    return np.swapaxes(x, -1, -2)


def rows_shifted(x):
    return np.roll(x, 1, axis=0)


def columns_shifted(x):
    return np.roll(x, 1, axis=1)


# --- by equation: what the function becomes, given the right one ------------------------------

F1 = {
    "the bias is forgotten": lambda f: lambda a, W, b: a @ W,
    "the bias is doubled": lambda f: lambda a, W, b: a @ W + 2 * b,
    "the bias is negated": lambda f: lambda a, W, b: a @ W - b,
    "the product is doubled": lambda f: lambda a, W, b: 2 * (a @ W) + b,
    "the product is negated": lambda f: lambda a, W, b: b - a @ W,
    "the activations are forgotten": lambda f: lambda a, W, b: np.ones_like(a) @ W + b,
    "Wᵀ for W": lambda f: lambda a, W, b: a @ transposed(W) + b,
    "everything is halved": lambda f: lambda a, W, b: f(a, W, b) / 2,
}
F2 = {
    "forgotten": lambda f: lambda z, phi: z,
    "doubled": lambda f: lambda z, phi: 2 * f(z, phi),
    "negated": lambda f: lambda z, phi: -f(z, phi),
    "applied twice": lambda f: lambda z, phi: f(f(z, phi), phi),
}
C = {
    "1/S is missing": lambda f: (
        lambda terms, s, alpha, penalty: (
            (s * terms.sum(axis=1)).sum() + alpha * penalty / (2 * s.sum())
        )
    ),
    "1/S twice": lambda f: (
        lambda terms, s, alpha, penalty: (
            (s * terms.sum(axis=1)).sum() / s.sum() ** 2 + alpha * penalty / (2 * s.sum())
        )
    ),
    "1/N for 1/S": lambda f: (
        lambda terms, s, alpha, penalty: (
            (s * terms.sum(axis=1)).sum() / len(s) + alpha * penalty / (2 * s.sum())
        )
    ),
    "the sample weights are forgotten": lambda f: (
        lambda terms, s, alpha, penalty: terms.sum(axis=1).mean() + alpha * penalty / (2 * s.sum())
    ),
    "the sample weights are squared": lambda f: (
        lambda terms, s, alpha, penalty: (
            (s**2 * terms.sum(axis=1)).sum() / s.sum() + alpha * penalty / (2 * s.sum())
        )
    ),
    "the mean over the outputs": lambda f: (
        lambda terms, s, alpha, penalty: (
            (s * terms.mean(axis=1)).sum() / s.sum() + alpha * penalty / (2 * s.sum())
        )
    ),
    "the first output only": lambda f: (
        lambda terms, s, alpha, penalty: (
            (s * terms[:, 0]).sum() / s.sum() + alpha * penalty / (2 * s.sum())
        )
    ),
    "negated": lambda f: lambda terms, s, alpha, penalty: -f(terms, s, alpha, penalty),
    "doubled": lambda f: lambda terms, s, alpha, penalty: 2 * f(terms, s, alpha, penalty),
}
PENALTY = {
    "forgotten": lambda f: lambda terms, s, alpha, penalty: f(terms, s, 0.0, penalty),
    "without the half": lambda f: lambda terms, s, alpha, penalty: f(terms, s, 2 * alpha, penalty),
    "negated": lambda f: lambda terms, s, alpha, penalty: f(terms, s, -alpha, penalty),
    "not divided by S": lambda f: (
        lambda terms, s, alpha, penalty: f(terms, s, alpha * s.sum(), penalty)
    ),
    "divided by N": lambda f: (
        lambda terms, s, alpha, penalty: f(terms, s, alpha * s.sum() / len(s), penalty)
    ),
}
B1 = {
    "1/S is missing": lambda f: lambda s, derivative: s[:, None] * derivative,
    "1/S twice": lambda f: lambda s, derivative: f(s, derivative) / s.sum(),
    "1/N for 1/S": lambda f: lambda s, derivative: s[:, None] * derivative / len(s),
    "1/N as well": lambda f: lambda s, derivative: f(s, derivative) / len(s),
    "the sample weights are forgotten": lambda f: lambda s, derivative: derivative / s.sum(),
    "the plain mean": lambda f: lambda s, derivative: derivative / len(s),
    "the sample weights are squared": lambda f: lambda s, derivative: f(s, s[:, None] * derivative),
    "another sample's weight": lambda f: lambda s, derivative: f(rows_shifted(s), derivative),
    "doubled": lambda f: lambda s, derivative: 2 * f(s, derivative),
    "halved": lambda f: lambda s, derivative: f(s, derivative) / 2,
    "negated": lambda f: lambda s, derivative: -f(s, derivative),
    "the derivative is forgotten": lambda f: lambda s, derivative: f(s, np.ones_like(derivative)),
    "another sample's derivative": lambda f: lambda s, derivative: f(s, rows_shifted(derivative)),
    "outputs swapped": lambda f: lambda s, derivative: f(s, columns_shifted(derivative)),
    "the mean over the outputs": lambda f: (
        lambda s, derivative: f(s, derivative / derivative.shape[1])
    ),
    "a part in a million too large": lambda f: lambda s, derivative: f(s, derivative) * (1 + 1e-6),
}
B2A = {
    "W for Wᵀ": lambda f: lambda delta, W: delta @ W,
    "the weights are forgotten": lambda f: (
        lambda delta, W: delta.sum(axis=1)[:, None] + 0 * W[:, 0]
    ),
    "the weights' size only": lambda f: lambda delta, W: delta @ abs(W).T,
    "doubled": lambda f: lambda delta, W: 2 * f(delta, W),
    "negated": lambda f: lambda delta, W: -f(delta, W),
    "the error signal is forgotten": lambda f: lambda delta, W: f(np.ones_like(delta), W),
    "another sample's": lambda f: lambda delta, W: f(rows_shifted(delta), W),
    "1/N as well": lambda f: lambda delta, W: f(delta, W) / len(delta),
    "units shifted by one": lambda f: lambda delta, W: columns_shifted(f(delta, W)),
    "summed over the samples": lambda f: lambda delta, W: f(delta, W).sum(axis=0) + 0 * f(delta, W),
}
B2B = {
    "φ′ is forgotten": lambda f: lambda g, dphi: g,
    "φ′ twice": lambda f: lambda g, dphi: g * dphi**2,
    "g is forgotten": lambda f: lambda g, dphi: dphi,
    "added": lambda f: lambda g, dphi: g + dphi,
    "divided": lambda f: lambda g, dphi: g / dphi,
    "doubled": lambda f: lambda g, dphi: 2 * f(g, dphi),
    "negated": lambda f: lambda g, dphi: -f(g, dphi),
    "another sample's φ′": lambda f: lambda g, dphi: f(g, rows_shifted(dphi)),
    "another unit's φ′": lambda f: lambda g, dphi: f(g, columns_shifted(dphi)),
    "1/N as well": lambda f: lambda g, dphi: f(g, dphi) / len(g),
    "the mean φ′ of the batch": lambda f: lambda g, dphi: f(g, dphi.mean(axis=0)),
}
B3 = {
    "doubled": lambda f: lambda a, delta, W, alpha, S: 2 * f(a, delta, W, alpha, S),
    "negated": lambda f: lambda a, delta, W, alpha, S: -f(a, delta, W, alpha, S),
    "transposed": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, alpha, S).T,
    "the product is transposed": lambda f: (
        lambda a, delta, W, alpha, S: delta.T @ a + alpha / S * W
    ),
    "the activations are forgotten": lambda f: (
        lambda a, delta, W, alpha, S: f(np.ones_like(a), delta, W, alpha, S)
    ),
    "the error signal is forgotten": lambda f: (
        lambda a, delta, W, alpha, S: f(a, np.ones_like(delta), W, alpha, S)
    ),
    "the activations are squared": lambda f: (
        lambda a, delta, W, alpha, S: f(a * a, delta, W, alpha, S)
    ),
    "1/N as well": lambda f: lambda a, delta, W, alpha, S: f(a, delta / len(a), W, alpha, S),
    "the sum, not the mean": lambda f: lambda a, delta, W, alpha, S: f(a, delta * S, W, alpha, S),
    "the product of the means": lambda f: (
        lambda a, delta, W, alpha, S: np.outer(a.mean(axis=0), delta.sum(axis=0)) + alpha / S * W
    ),
    "samples shifted by one": lambda f: (
        lambda a, delta, W, alpha, S: f(rows_shifted(a), delta, W, alpha, S)
    ),
    "the first sample is left out": lambda f: (
        lambda a, delta, W, alpha, S: f(a[1:], delta[1:], W, alpha, S)
    ),
}
L2 = {
    "forgotten": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, 0.0, S),
    "doubled": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, 2 * alpha, S),
    "negated": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, -alpha, S),
    "not divided by S": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, alpha, 1.0),
    "divided by N": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, alpha, len(a)),
    "divided twice": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W, alpha, S**2),
    "without the weights": lambda f: (
        lambda a, delta, W, alpha, S: f(a, delta, np.ones_like(W), alpha, S)
    ),
    "L1 for L2": lambda f: lambda a, delta, W, alpha, S: f(a, delta, np.sign(W), alpha, S),
    "of the other side of W": lambda f: lambda a, delta, W, alpha, S: f(a, delta, W.T, alpha, S),
}
B4 = {
    "forgotten": lambda f: lambda delta: 0 * f(delta),
    "the mean": lambda f: lambda delta: delta.mean(axis=0),
    "doubled": lambda f: lambda delta: 2 * f(delta),
    "negated": lambda f: lambda delta: -f(delta),
    "the first sample only": lambda f: lambda delta: delta[0],
    "the last sample is left out": lambda f: lambda delta: f(delta[:-1]),
    "sizes are added up": lambda f: lambda delta: f(abs(delta)),
    "squares are added up": lambda f: lambda delta: f(delta**2),
    "the other axis": lambda f: lambda delta: delta.sum(axis=1)[: delta.shape[1]],
    "units shifted by one": lambda f: lambda delta: rows_shifted(f(delta)),
}


# --- by layer: what a derivative is evaluated at ----------------------------------------------


def output_from(change):
    """Return an output derivative (N, k) that `change` makes of (dC, φ, z, a) in place of ours."""

    def planted(f):
        def output_derivative(model, passed, y, *, fused=True, observe=None):
            z, a, phi = passed.z[-1], passed.a[-1], model.activations[-1]
            dz = change(model, phi, y, z, a)
            if observe is not None:
                observe("B1z", len(model.activations), {}, dz)
            return dz

        return output_derivative

    return planted


def chained(dC, jacobian):
    return np.einsum("nk,nki->ni", dC, jacobian)


def jacobian_twice(model, phi, y, z, a):
    J = phi.derivative(z, a)
    return chained(chained(model.loss.derivative(y, a), J), J)


def diagonal_only(model, phi, y, z, a):
    return model.loss.derivative(y, a) * a * (1 - a)


OUTPUT = {
    "cross-entropy's sign": ("distinct", lambda model, phi, y, z, a: y - a),
    "softmax is forgotten": ("distinct", lambda model, phi, y, z, a: model.loss.derivative(y, a)),
    "cross-entropy is forgotten": (
        "distinct", lambda model, phi, y, z, a: phi.derivative(z, a).sum(axis=1) + a - y**2 / 2,
    ),
    "ŷ − y times softmax's Jacobian": (
        "distinct", lambda model, phi, y, z, a: chained(a - y, phi.derivative(z, a)),
    ),
    "only the diagonal of the Jacobian": ("distinct", diagonal_only),
    "z for ŷ": ("distinct", lambda model, phi, y, z, a: z - y),
    "the Jacobian is forgotten": (
        "jacobian", lambda model, phi, y, z, a: model.loss.derivative(y, a),
    ),
    "the Jacobian twice": ("jacobian", jacobian_twice),
    "the Jacobian's diagonal": ("jacobian", diagonal_only),
    "softmax over the batch": (
        "jacobian",
        lambda model, phi, y, z, a: chained(a - y, phi.derivative(z, phi.value(z.T).T)),
    ),
    "φ′ is forgotten": ("elementwise", lambda model, phi, y, z, a: model.loss.derivative(y, a)),
    "the factor 2 of an un-halved square": (
        "elementwise", lambda model, phi, y, z, a: 2 * (a - y) * phi.derivative(z, a),
    ),
    "φ′ at a": (
        "elementwise",
        lambda model, phi, y, z, a: (a - y) * phi.derivative(a, phi.value(a)),
    ),
    "1 − z² for tanh′": ("elementwise", lambda model, phi, y, z, a: (a - y) * (1 - z * z)),
    "the loss at z": (
        "elementwise",
        lambda model, phi, y, z, a: model.loss.derivative(y, z) * phi.derivative(z, a),
    ),
    "the residual's size for its sign": ("kinked", lambda model, phi, y, z, a: a - y),
    "the sign of ŷ": ("kinked", lambda model, phi, y, z, a: np.sign(a)),
}  # fmt: skip


def hidden_from(change):
    """Return an error signal of a hidden layer with the φ′ that `change` makes of layer l."""

    def planted(f):
        def _error_through(model, passed, layer, g, observe):
            dphi = change(model, passed, layer)
            return backprop._run(observe, "B2b", layer, backprop.hidden_error, g=g, dphi=dphi)

        return _error_through

    return planted


def slope_at_activation(model, passed, layer):
    phi, a = model.activations[layer - 1], passed.a[layer]
    return phi.derivative(a, phi.value(a))


def slope_of(shift):
    def slope(model, passed, layer):
        phi = model.activations[layer - 1]
        return phi.derivative(passed.z[layer - 1 + shift], passed.a[layer + shift])

    return slope


HIDDEN_SLOPES = {
    "φ′ at a": ("distinct", slope_at_activation, HIDDEN),
    "φ′ at a, once more": ("elementwise", slope_at_activation, HIDDEN),
    "1 − z² for tanh′": ("distinct", lambda m, p, i: 1 - p.z[i - 1] ** 2, HIDDEN),
    "σ for σ′": ("distinct", lambda m, p, i: p.a[i], HIDDEN),
    "φ for φ′": ("elementwise", lambda m, p, i: p.a[i], HIDDEN),
    "1 − φ for φ′": ("elementwise", lambda m, p, i: 1 - p.a[i], HIDDEN),
    "the step of relu for all": ("elementwise", lambda m, p, i: (p.z[i - 1] > 0) * 1.0, HIDDEN),
    "relu's derivative left and right swapped": (
        "kinked", lambda m, p, i: (real(p.z[i - 1]) <= 0) * 1.0, HIDDEN,
    ),
    "z of the layer above": ("square", slope_of(1), HIDDEN),
}  # fmt: skip


def shifted(field, by):
    """Return a backward pass that reads `field` of the forward pass a layer off."""

    def planted(f):
        def backward(model, passed, y, s, **options):
            values = getattr(passed, field)
            moved = [values[min(max(i + by, 0), len(values) - 1)] for i in range(len(values))]
            return f(model, replace(passed, **{field: moved}), y, s, **options)

        return backward

    return planted


SHIFTED = {
    "inputs of the layer below": ("inputs", -1, {"B3"}, {2, 3}),
    "inputs of the layer above": ("inputs", 1, {"B3"}, {1, 2}),
}


def of_the_total(planted):
    """Return a wrong C, written for the total alone, as the whole of the cost."""

    def whole(f):
        def total(*operands):
            return f(*operands).total

        def mean_cost(terms, s, alpha, penalty):
            return backprop.Cost(planted(total)(terms, s, alpha, penalty), None, None)

        return mean_cost

    return whole


def faults():
    """Yield every planted fault: id, net, function, its replacement, who is to blame, layers."""
    tables = [
        ("F1", F1, "pre_activation", {"B4", "B3", "B2a"}),
        ("F2", F2, "activate", None),
        ("C", C, "mean_cost", {"B1"}),
        ("C, penalty", PENALTY, "mean_cost", {"B3"}),
        ("B1", B1, "output_error", {"B1"}),
        ("B2a", B2A, "error_below", {"B2a"}),
        ("B2b", B2B, "hidden_error", {"B2b"}),
        ("B3", B3, "weight_gradient", {"B3"}),
        ("B3, L2", L2, "weight_gradient", {"B3"}),
        ("B4", B4, "bias_gradient", {"B4"}),
    ]
    square = {
        "Wᵀ for W", "W for Wᵀ", "transposed", "the product is transposed",
        "of the other side of W", "the other axis",
    }  # fmt: skip
    for equation, table, function, blamed in tables:
        for name, planted in table.items():
            planted = of_the_total(planted) if function == "mean_cost" else planted
            net = "square" if name in square else "distinct"
            yield f"{equation}: {name}", net, function, planted, blamed, None
    for name, (net, change) in OUTPUT.items():
        planted = output_from(change)
        yield f"B1z: {name}", net, "output_derivative", planted, {"B1z"}, {3}
    for name, (net, change, layers) in HIDDEN_SLOPES.items():
        yield f"B2b, φ′: {name}", net, "_error_through", hidden_from(change), {"B2b"}, layers
    for name, (field, by, blamed, layers) in SHIFTED.items():
        yield f"a layer off: {name}", "square", "backward", shifted(field, by), blamed, layers


FAULTS = list(faults())
LAYERS = {"B1": {3}, "B1z": {3}, "B2a": {0, 1, 2}, "B2b": HIDDEN, "B3": ALL, "B4": ALL}
"""Where an equation's fault shows, if nothing nearer to the output hides it."""


@pytest.mark.parametrize(
    ("net", "function", "planted", "blamed", "layers"),
    [fault[1:] for fault in FAULTS],
    ids=[fault[0] for fault in FAULTS],
)
def test_every_planted_fault_is_caught_and_named(
    monkeypatch, net, function, planted, blamed, layers
):
    monkeypatch.setattr(backprop, function, planted(getattr(backprop, function)))
    with np.errstate(all="ignore"):
        found = check(net)
    assert not found.passed
    assert found.worst.verdict == "wrong"
    if blamed is None:  # what is used is not φ: its own derivative does not fit it
        assert "the derivative of activation 'logistic', layer 2" in found.blame
        return
    named = [re.match(r"(\w+), layer (\d+)", text) for text in found.blame]
    assert all(named), found.blame
    equations = {match[1] for match in named}
    assert equations <= blamed, found.blame
    # the fault nearest to the output is named; those below it may be hidden by it
    top = max(layers or LAYERS[next(iter(equations))])
    assert str(top) in {match[2] for match in named}, found.blame


def test_the_documentation_gives_the_number_of_faults():
    assert len({fault[0] for fault in FAULTS}) == len(FAULTS) >= 60
    page = Path(__file__).parent.parent / "docs" / "how-to" / "check-gradients.md"
    text = page.read_text(encoding="utf-8")
    assert f"{len(FAULTS)} wrong backward passes" in text
