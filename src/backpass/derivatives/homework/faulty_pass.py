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
from backpass.core.activations import Activation
from backpass.core.arrays import Array
from backpass.core.parameters import Model
from backpass.derivatives.forms.common import from_one

# l is a layer throughout, as in the notes
# ruff: noqa: E741

Rule: TypeAlias = Callable[["Pass", int], Any]
"""What a pass computes in a layer: an array, a number, or for ``"phi"`` a record."""


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


class Layers:
    """Arrays by layer, each computed when it is first asked for.

    Parameters
    ----------
    layers : range
        Those that there are.
    compute : callable
        ``compute(l)``.
    reading : list of set
        The rules that are being read for the arrays under way, the innermost last; shared by all
        the arrays of a pass.

    Attributes
    ----------
    rules : dict
        By layer, the rules that the array was computed by, as pairs of name and layer.

    Examples
    --------
    >>> squares = Layers(range(1, 4), lambda l: l**2, [])
    >>> squares[2], squares.get(4)
    (4, None)
    """

    def __init__(
        self, layers: range, compute: Callable[[int], Array], reading: list[set[tuple[str, int]]]
    ) -> None:
        self.layers, self.compute, self.reading = layers, compute, reading
        self.known: dict[int, Array] = {}
        self.rules: dict[int, set[tuple[str, int]]] = {}

    def __getitem__(self, l: int) -> Array:
        if l not in self.layers:
            raise CannotPlantError
        if l not in self.known:
            self.reading.append(set())
            try:
                self.known[l] = self.compute(l)
            finally:
                self.rules[l] = self.reading.pop()
        if self.reading:
            self.reading[-1] |= self.rules[l]
        return self.known[l]

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
        A pass over the same batch with the first of these faults, or with none. What no other
        fault touches is taken from it.

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
        self.faults, self.base, L = faults, base, self.L
        old = () if base is None else base.faults
        self.changed = {
            (fault.name, l)
            for fault in faults
            if not any(fault is one for one in old)
            for l in range(L + 1)
            if fault.concerns(l)
        }
        self.once: dict[str, Any] = {}
        self.reading: list[set[tuple[str, int]]] = []
        every = range(1, L + 1)
        self.z = self._layers("z", every, lambda l: self.do("F1", l))
        self.a = self._layers("a", range(L + 1), lambda l: self.do("F2", l) if l else X)
        self.delta = self._layers("delta", every, lambda l: self.do("B2b" if l < L else "B1", l))
        self.dW = self._layers("dW", every, lambda l: self.do("B3", l))
        self.db = self._layers("db", every, lambda l: self.do("B4", l))
        self.g = self._layers("g", range(L), lambda l: self.do("B2a", l))

    def _layers(self, name: str, layers: range, compute: Callable[[int], Array]) -> Layers:
        """Return arrays that are taken from the pass below where no new fault touches them."""

        def shared(l: int) -> Array:
            if self.base is not None:
                theirs: Layers = getattr(self.base, name)
                array = theirs[l]
                if self.changed.isdisjoint(theirs.rules[l]):
                    self.reading[-1] |= theirs.rules[l]
                    return array
            return compute(l)

        return Layers(layers, shared, self.reading)

    def _of_batch(self, name: str) -> Array:
        """Return what a rule gives for the whole batch, computed once."""
        if name not in self.once:
            self.reading.append(set())
            value = self.do(name, self.L)
            self.once[name] = value, self.reading.pop()
        array: Array
        array, rules = self.once[name]
        if self.reading:
            self.reading[-1] |= rules
        return array

    def _read(self, name: str, l: int) -> None:
        if self.reading:
            self.reading[-1].add((name, l))

    def activation(self, l: int) -> Activation:
        """Return the activation of layer `l`, a record."""
        record: Activation = self.do("phi", l)
        return record

    @property
    def y(self) -> Array:
        """The targets, (N, k)."""
        return self._of_batch("y")

    @property
    def s(self) -> Array:
        """The sample weights, (N,)."""
        return self._of_batch("s")

    @property
    def S(self) -> float:
        """The sum of the sample weights."""
        s = self.s
        if "S" not in self.once:
            self.once["S"] = np.sum(s)
        total: float = self.once["S"]
        return total

    @property
    def derivative(self) -> Array:
        """∂C/∂z_L, (N, k)."""
        return self.do("B1z", self.L)

    def do(self, name: str, l: int) -> Any:
        """Return what a rule gives for layer `l`, faults included."""
        self._read(name, l)
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

    def is_faulty(self, name: str, l: int) -> bool:
        """Return whether a rule is taken wrongly in layer `l`."""
        self._read(name, l)
        return any(f.name == name and f.concerns(l) for f in self.faults)

    def value(self, kind: str, l: int) -> Array | None:
        """Return a result: ∂J/∂W_l of ``"W"``, of ``"b"``, ``"delta"``, ``"g"``; z and a itself.

        None where there is no such layer.
        """
        found: Array | None = self._of_kind(kind).get(l)
        return found

    def rules(self, kind: str, l: int) -> set[tuple[str, int]]:
        """Return the rules that a result was computed by: a fault in any other leaves it alone."""
        arrays = self._of_kind(kind)
        return arrays.rules[l] if arrays.get(l) is not None else set()

    def _of_kind(self, kind: str) -> Layers:
        return {
            "W": self.dW, "b": self.db, "delta": self.delta, "g": self.g, "z": self.z, "a": self.a,
        }[kind]  # fmt: skip


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
    "labels": lambda w, l: w.targets,
    "y": lambda w, l: w.do("labels", l),  # as they stand beside the rows
    "s": lambda w, l: w.weights,
    "phi": lambda w, l: w.phi[l],
    "F1": _pre_activation,
    "F2": lambda w, l: backprop.activate(w.z[l], w.activation(l)),
    "B1z": _output_derivative,
    "B1": lambda w, l: backprop.output_error(w.s, w.derivative),
    "B2a": lambda w, l: backprop.error_below(w.delta[l + 1], w.W[l + 1]),
    "slope": lambda w, l: w.activation(l).derivative(w.z[l], w.a[l]),
    "B2b": lambda w, l: backprop.hidden_error(w.g[l], w.do("slope", l)),
    "alpha": lambda w, l: w.alpha,
    "B3 a": lambda w, l: w.a[l - 1],
    "B3 delta": lambda w, l: w.delta[l],
    "B3": _weight_gradient,
    "B4 delta": lambda w, l: w.delta[l],
    "B4": lambda w, l: backprop.bias_gradient(w.do("B4 delta", l)),
}
"""The right rules, by equation id; ``"B3 a"`` is the factor a of B3, and ``"B1z"`` is B1f, too."""
