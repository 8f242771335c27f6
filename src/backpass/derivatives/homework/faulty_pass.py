r"""Forward and backward pass with faults: backprop.py's equations, each of which can be replaced.

:data:`RULES` has one rule an equation, and one for each of their factors that a learner may take
wrongly: the targets, the sample weights, φ and φ′, what stands left and right in a^T δ. A
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

Rule: TypeAlias = Callable[["Pass", int], Any]
"""What a pass computes in a layer: an array, a number, or for ``"phi"`` a record."""


class CannotPlantError(Exception):
    """A fault makes no sense here: the shapes do not fit, or there is no such layer."""


@dataclass(frozen=True)
class Fault:
    """One rule taken wrongly.

    Examples
    --------
    >>> no_bias = Fault("F1", lambda w, l: w.a[l - 1] @ w.W[l], layers=[2])
    >>> no_bias.concerns(1), no_bias.concerns(2)
    (False, True)
    """

    name: str  # in RULES
    rule: Rule | None = None  # instead of the right one
    factor: Callable[["Pass", int], float] | None = None  # its result is multiplied by this
    layers: Collection[int] | None = None  # only in these

    def concerns(self, l: int) -> bool:
        """Return whether layer `l` is computed wrongly."""
        return self.layers is None or l in self.layers


class Layers:
    """A quantity of a pass by layer, ``w.z[l]``: what its rule gives there.

    ``rule(l)`` is the name of the rule that gives it in a layer.
    """

    def __init__(self, w: "Pass", layers: range, rule: Callable[[int], str]) -> None:
        self.w, self.layers, self.rule = w, layers, rule

    def __getitem__(self, l: int) -> Array:
        if l not in self.layers:
            raise CannotPlantError
        array: Array = self.w.do(self.rule(l), l)
        return array

    def get(self, l: int) -> Array | None:
        """Return the array of layer `l`; None where there is no such layer."""
        return self[l] if l in self.layers else None


class Pass:
    """One forward and one backward pass over a batch, with faults.

    Of faults that replace the same rule in the same layer, the first counts. `base` is a pass over
    the same batch with the first of these faults, or with none: what no other fault touches is
    taken from it. The quantities z, a, delta, g, dW and db by layer, and y, s and S, are computed
    when they are first asked for; a fault that makes no sense in this network raises
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
        self.X, self.targets, self.weights, self.alpha = X, y, s, alpha
        self.faults, self.base, L = faults, base, self.L
        old = {id(fault) for fault in base.faults} if base else set()
        new = [fault for fault in faults if id(fault) not in old]
        self.changed = {(f.name, l) for f in new for l in range(L + 1) if f.concerns(l)}
        self.known: dict[tuple[str, int], Any] = {}
        self.read: dict[tuple[str, int], set[tuple[str, int]]] = {}  # the rules behind each of them
        self.reading: list[set[tuple[str, int]]] = []  # those under way, the innermost last
        every = range(1, L + 1)
        self.z = Layers(self, every, lambda l: "F1")
        self.a = Layers(self, range(L + 1), lambda l: "F2" if l else "X")
        self.delta = Layers(self, every, lambda l: "B2b" if l < L else "B1")
        self.dW = Layers(self, every, lambda l: "B3")
        self.db = Layers(self, every, lambda l: "B4")
        self.g = Layers(self, range(L), lambda l: "B2a")

    y = property(lambda self: self.do("y", self.L))
    s = property(lambda self: self.do("s", self.L))
    S = property(lambda self: self.do("S", self.L))

    def with_faults(self, faults: Sequence[Fault]) -> "Pass":
        """Return the pass over the same batch with faults, the first of which are this one's."""
        return Pass(self.model, self.X, self.targets, self.weights, self.alpha, faults, self)

    def do(self, name: str, l: int) -> Any:
        """Return what a rule gives for layer `l`, faults included."""
        place = name, l
        if place not in self.known:
            self.reading.append({place})
            try:
                self.known[place] = self._taken(name, l)
            finally:
                self.read[place] = self.reading.pop()
        self._reads(self.read[place])
        return self.known[place]

    def _taken(self, name: str, l: int) -> Any:
        """Return what a rule gives, from the pass below where no new fault touches it."""
        if self.base is not None:
            theirs = self.base.do(name, l)
            if self.changed.isdisjoint(self.base.read[name, l]):
                self._reads(self.base.read[name, l])
                return theirs
        concerned = [f for f in self.faults if f.name == name and f.concerns(l)]
        rule = next((f.rule for f in concerned if f.rule is not None), RULES[name])
        try:
            value = rule(self, l)
        except (IndexError, ValueError):
            if self.faults:  # shapes that two faults leave no way to put together
                raise CannotPlantError from None
            raise
        for fault in concerned:
            if fault.factor is not None:
                value = fault.factor(self, l) * value
        return value

    def _reads(self, rules: set[tuple[str, int]]) -> None:
        if self.reading:
            self.reading[-1] |= rules

    def is_faulty(self, name: str, l: int) -> bool:
        """Return whether a rule is taken wrongly in layer `l`."""
        self._reads({(name, l)})
        return any(f.name == name and f.concerns(l) for f in self.faults)

    def of_kind(self, kind: str) -> Layers:
        """Return results: ∂J/∂W of ``"W"``, of ``"b"``, ``"delta"``, ``"g"``; z and a itself."""
        found: Layers = getattr(self, {"W": "dW", "b": "db"}.get(kind, kind))
        return found

    def value(self, kind: str, l: int) -> Array | None:
        """Return a result by its kind and layer; None where there is no such layer."""
        return self.of_kind(kind).get(l)

    def rules(self, kind: str, l: int) -> set[tuple[str, int]]:
        """Return the rules that a result was computed by: a fault in any other leaves it alone."""
        results = self.of_kind(kind)
        return self.read[results.rule(l), l] if results.get(l) is not None else set()


# --- the right rules -----------------------------------------------------------------------------


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
    "X": lambda w, l: w.X,
    "labels": lambda w, l: w.targets,
    "y": lambda w, l: w.do("labels", l),  # as they stand beside the rows
    "s": lambda w, l: w.weights,
    "S": lambda w, l: np.sum(w.s),
    "phi": lambda w, l: w.phi[l],
    "F1": lambda w, l: backprop.pre_activation(w.a[l - 1], w.W[l], w.b[l]),
    "F2": lambda w, l: backprop.activate(w.z[l], w.do("phi", l)),
    "B1z": _output_derivative,
    "B1": lambda w, l: backprop.output_error(w.s, w.do("B1z", l)),
    "B2a": lambda w, l: backprop.error_below(w.delta[l + 1], w.W[l + 1]),
    "slope": lambda w, l: w.do("phi", l).derivative(w.z[l], w.a[l]),
    "B2b": lambda w, l: backprop.hidden_error(w.g[l], w.do("slope", l)),
    "alpha": lambda w, l: w.alpha,
    "B3 a": lambda w, l: w.a[l - 1],
    "B3 delta": lambda w, l: w.delta[l],
    "B3": _weight_gradient,
    "B4 delta": lambda w, l: w.delta[l],
    "B4": lambda w, l: backprop.bias_gradient(w.do("B4 delta", l)),
}
"""The right rules, by equation id; ``"B3 a"`` is the factor a of B3, and ``"B1z"`` is B1f, too."""
