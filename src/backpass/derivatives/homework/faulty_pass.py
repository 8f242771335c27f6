r"""Forward and backward pass with faults: backprop.py's equations, each of which can be replaced.

:data:`RULES` has one rule an equation, and one for each of their factors that a learner may take
wrongly: the targets, the sample weights, φ′, what stands left and right in a^T δ. A
:class:`Fault` replaces a rule, or multiplies its result, in all layers or in some. Without faults
the numbers are those of :mod:`backpass.core.backprop`, bit for bit.

Numbering follows the notes: layers are 1 … L, ``w.W[l]`` is W_l, ``w.a[0]`` is X.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.core.parameters import Model
from backpass.derivatives.forms.common import from_one

# l is a layer throughout, as in the notes
# ruff: noqa: E741

Rule: TypeAlias = Callable[["Pass", int], Array]


class CannotPlantError(Exception):
    """A fault makes no sense here: the shapes do not fit, or there is no such layer."""


@dataclass(frozen=True)
class Fault:
    """One rule taken wrongly.

    Parameters
    ----------
    name : str
        Its name in :data:`RULES`.
    rule : callable, optional
        ``rule(w, l)`` instead of the right one.
    factor : callable, optional
        ``factor(w, l)``, by which the rule's result is multiplied.
    layers : collection of int, optional
        Only in these layers.

    Examples
    --------
    >>> no_bias = Fault("F1", lambda w, l: w.a[l - 1] @ w.W[l], layers=[2])
    >>> no_bias.concerns(1), no_bias.concerns(2)
    (False, True)
    """

    name: str
    rule: Rule | None = None
    factor: Callable[["Pass", int], float] | None = None
    layers: Collection[int] | None = None

    def concerns(self, l: int) -> bool:
        """Return whether layer `l` is computed wrongly."""
        return self.layers is None or l in self.layers

    def clashes(self, other: "Fault") -> bool:
        """Return whether both replace the same rule in one layer; factors multiply."""
        if self.name != other.name or self.rule is None or other.rule is None:
            return False
        if self.layers is None or other.layers is None:
            return True
        return not set(self.layers).isdisjoint(other.layers)


class Layers(dict[int, Array]):
    """Arrays by layer, each computed when it is first asked for.

    Parameters
    ----------
    layers : range
        Those that there are.
    compute : callable
        ``compute(l)``.

    Examples
    --------
    >>> squares = Layers(range(1, 4), lambda l: l**2)
    >>> squares[2], squares.get(4), dict(squares)
    (4, None, {2: 4})
    """

    def __init__(self, layers: range, compute: Callable[[int], Array]) -> None:
        super().__init__()
        self.layers, self.compute = layers, compute

    def __missing__(self, l: int) -> Array:
        if l not in self.layers:
            raise CannotPlantError
        self[l] = self.compute(l)
        return self[l]

    def get(self, l: int, default: Any = None) -> Any:
        """Return the array of layer `l`; None where there is no such layer."""
        return self[l] if l in self.layers else default


class Pass:
    """One forward and one backward pass over a batch, with faults.

    Parameters
    ----------
    model : Model
        Its parameters are NumPy arrays.
    X, y, s : arrays of shapes (N, n_0), (N, k) and (N,)
        Rows, encoded targets and sample weights.
    alpha : float
        L2 strength.
    faults : sequence of Fault
        Of those that replace the same rule in the same layer, the first counts.
    base : Pass, optional
        A pass over the same batch without faults, whose z and a are used where they are the same.

    Attributes
    ----------
    z, a, delta, g, dW, db : Layers
        Pre-activations, activations, error signals ∂J/∂z, ∂J/∂a, ∂J/∂W and ∂J/∂b by layer, each
        computed when it is first asked for. A fault that makes no sense in this network raises
        :class:`CannotPlantError` then.

    Examples
    --------
    >>> from backpass.core.parameters import Parameters
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> batch = neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)
    >>> Pass(*batch).dW[1], Pass(*batch).db[1]
    (array([[-0.0625]]), array([-0.125]))
    >>> Pass(*batch, faults=[Fault("F1", lambda w, l: w.a[0] @ w.W[l])]).z[1]  # no bias
    array([[1.]])
    """

    def __init__(
        self,
        model: Model,
        X: Array,
        y: Array,
        s: Array,
        alpha: float = 0.0,
        faults: Sequence[Fault] = (),
        base: "Pass | None" = None,
    ) -> None:
        theta = model.parameters
        self.model, self.sizes, self.L = model, theta.sizes, len(theta.weights)
        self.W, self.b = from_one(theta.weights), from_one(theta.biases)
        self.phi, self.loss = from_one(model.activations), model.loss
        self.targets, self.weights, self.alpha = y, s, alpha
        self.faults, L = faults, self.L
        self.y, self.s = self.do("y", L), self.do("s", L)
        self.S = np.sum(self.s)
        every = range(1, L + 1)
        self.z = Layers(every, lambda l: self.do("F1", l))
        self.a = Layers(range(L + 1), lambda l: self.do("F2", l) if l else X)
        if base is not None and not any(fault.name in ("F1", "F2") for fault in faults):
            self.z, self.a = base.z, base.a
        self.delta = Layers(every, lambda l: self.do("B2b" if l < L else "B1", l))
        self.dW = Layers(every, lambda l: self.do("B3", l))
        self.db = Layers(every, lambda l: self.do("B4", l))
        self.g = Layers(range(L), lambda l: self.do("B2a", l))

    @property
    def derivative(self) -> Array:
        """∂C/∂z_L, (N, k)."""
        return self.do("B1z", self.L)

    def do(self, name: str, l: int) -> Array:
        """Return what a rule gives for layer `l`, faults included."""
        concerned = [f for f in self.faults if f.name == name and f.concerns(l)]
        rule = next((f.rule for f in concerned if f.rule is not None), RULES[name])
        value = rule(self, l)
        for fault in concerned:
            if fault.factor is not None:
                value = fault.factor(self, l) * value
        return value

    def is_faulty(self, name: str, l: int) -> bool:
        """Return whether a rule is taken wrongly in layer `l`."""
        return any(f.name == name and f.concerns(l) for f in self.faults)

    def value(self, kind: str, l: int) -> Array | None:
        """Return a result: ∂J/∂W_l of ``"W"``, of ``"b"``, ``"delta"``, ``"g"``; z and a itself.

        None where there is no such layer.
        """
        kinds = {
            "W": self.dW, "b": self.db, "delta": self.delta, "g": self.g, "z": self.z, "a": self.a,
        }  # fmt: skip
        found: Array | None = kinds[kind].get(l)
        return found


# --- the right rules -----------------------------------------------------------------------------


def _pre_activation(w: Pass, l: int) -> Array:
    return backprop.pre_activation(w.a[l - 1], w.W[l], w.b[l])


def _output_derivative(w: Pass, l: int) -> Array:
    if w.is_faulty("slope", l):  # then loss and output cannot be taken together
        return backprop.chained_derivative(w.loss.derivative(w.y, w.a[l]), w.do("slope", l))
    return output_derivative(w, l)


def output_derivative(w: Pass, l: int) -> Array:
    """Return ∂C/∂z_L of the output that the pass has, (N, k)."""
    passed = backprop.Forward([w.z[l]], [w.a[l]], [], [], 0.0)
    return backprop.output_derivative(w.model, passed, w.y)


def _weight_gradient(w: Pass, l: int) -> Array:
    a, delta = w.do("B3 a", l), w.do("B3 delta", l)
    return backprop.weight_gradient(a, delta, w.W[l], w.do("alpha", l), w.S)


RULES: dict[str, Rule] = {
    "y": lambda w, l: w.targets,
    "s": lambda w, l: w.weights,
    "F1": _pre_activation,
    "F2": lambda w, l: backprop.activate(w.z[l], w.phi[l]),
    "B1z": _output_derivative,
    "B1": lambda w, l: backprop.output_error(w.s, w.derivative),
    "B2a": lambda w, l: backprop.error_below(w.delta[l + 1], w.W[l + 1]),
    "slope": lambda w, l: w.phi[l].derivative(w.z[l], w.a[l]),
    "B2b": lambda w, l: backprop.hidden_error(w.g[l], w.do("slope", l)),
    "alpha": lambda w, l: w.alpha,
    "B3 a": lambda w, l: w.a[l - 1],
    "B3 delta": lambda w, l: w.delta[l],
    "B3": _weight_gradient,
    "B4 delta": lambda w, l: w.delta[l],
    "B4": lambda w, l: backprop.bias_gradient(w.do("B4 delta", l)),
}
"""The right rules, by equation id; ``"B3 a"`` is the factor a of B3, and ``"B1z"`` is B1f, too."""
