"""The recording of a run by an observer, the only source of numbers in a trace, and its layout."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from heapq import nlargest
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array, to_numpy
from backpass.core.optimizers import Optimizer
from backpass.core.parameters import Model, Parameters
from backpass.derivatives.batch import Subject
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.formulas import VECTORS, Equation, Leaf, leaves
from backpass.errors import InputError
from backpass.network.network import Network

if TYPE_CHECKING:
    from backpass.derivatives.forms import Factor

EPSILON = 0.001
"""By how much a parameter is nudged."""

MOST_JACOBIANS = 20_000_000
"""The most numbers that a layer's ∂f/∂w may have."""

_RESULTS = {
    "F1": "z", "F2": "a", "C": "J", "B1z": "dz", "B1f": "dz", "B1": "delta", "B2a": "g",
    "B2b": "delta", "B3": "dW", "B4": "db",
}  # fmt: skip
"""The name of what each equation computes."""

_OPERANDS = {
    "F1": {"W": "W", "b": "b"},
    "C": {"y": "y", "costs": "costs", "s": "s", "alpha": "lambda", "penalty": "penalty"},
    "B1z": {"dC": "dC", "dphi": "dphi"},
    "B2b": {"dphi": "dphi"},
}
"""Operands that are no result of another equation, by their names in the formulas."""

_WITHOUT_LAYER = {"costs", "J", "s", "y", "lambda", "penalty"}


@dataclass
class Recording:
    """Every number that an observer was shown, copied in our layout, and in which order.

    Arrays are known by name and layer, None where there is none, equations by id and layer.

    Examples
    --------
    >>> from backpass import Network
    >>> from backpass.derivatives.batch import subject
    >>> seen = record(subject(Network([2, 3, 1], seed=0), [[0.0, 1.0]], [1.0]))
    >>> seen.order[:3], seen.arrays["z", 1].shape
    ([('F1', 1), ('F2', 1), ('F1', 2)], (1, 3))
    """

    arrays: dict[tuple[str, int | None], Any] = field(default_factory=dict)
    order: list[tuple[str, int]] = field(default_factory=list)
    model: Model | None = None

    def observe(
        self, equation: str, layer: int, operands: Mapping[str, Any], result: Array
    ) -> None:
        """Keep what one equation took and gave."""
        self.order.append((equation, layer))
        if equation == "F1" and layer == 1:
            self._keep("a", 0, operands["a"])
        for name, key in _OPERANDS.get(equation, {}).items():
            if name in operands:
                value = operands[name]
                jacobian = name == "dphi" and value.ndim == 3
                self._keep("jac" if jacobian else key, layer, value)
        self._keep(_RESULTS[equation], layer, result)

    def add(self, other: "Recording") -> None:
        """Take what another recording of the same run has beyond this one."""
        self.arrays = {**other.arrays, **self.arrays}

    def _keep(self, key: str, layer: int, value: Any) -> None:
        where = None if key in _WITHOUT_LAYER else layer
        scalar = isinstance(value, int | float)
        self.arrays[key, where] = np.array(value if scalar else to_numpy(value), copy=True)


def record(subject: Subject, *, fused: bool = True) -> Recording:
    """Run the two passes on a batch and return all that their observer saw.

    ∂C/∂z_L is taken in one formula where the loss declares it, as in training, unless not `fused`.
    """
    seen = Recording(model=subject.network.model)
    backprop.loss_and_gradients(
        subject.network.model,
        subject.X,
        subject.y,
        subject.s,
        alpha=subject.alpha,
        fused=fused,
        observe=seen.observe,
    )
    return seen


def record_chained(subject: Subject) -> Recording:
    """Return ∂C/∂a and ∂a/∂z of the output, which one formula leaves out; none where ŷ is 0."""
    with np.errstate(all="ignore"):
        seen = record(subject, fused=False)
    known = {key: array for key, array in seen.arrays.items() if key[0] in ("dC", "jac", "dphi")}
    whole = all(np.isfinite(array).all() for array in known.values())
    return Recording(known if whole else {})


def record_jacobians(subject: Subject, seen: Recording) -> None:
    """Add what an observer of note 4's form saw: one sample's Jacobians and their products.

    Refused where ∂f/∂w of every unit of a layer would fill the memory.
    """
    from backpass.derivatives.forms import jacobian  # most traces are of backprop's own form

    for layer, W in enumerate(subject.network.weights, start=1):
        count = W.shape[0] * W.shape[1] ** 2
        if count > MOST_JACOBIANS:
            raise InputError(
                f"form jacobian writes out ∂f/∂w for every unit: {count} numbers in layer {layer}, "
                f"more than {MOST_JACOBIANS}; choose form batch or sample, or a narrower network"
            )

    def observe(name: str, layer: int, value: Array) -> None:
        # of ∂f/∂w, that of the first unit is shown
        seen.arrays[name, layer] = np.array(value[0] if name == "dfw" else value)

    jacobian(subject.network.model, subject.X, subject.y, np.ones(1), observe=observe)


def record_thin_chain(subject: Subject, seen: Recording) -> "list[Factor]":
    """Add the fractions of note 3's chain, and return them from the loss down to the weight."""
    from backpass.derivatives.forms import thin_chain

    x, y = subject.X[0, 0], subject.y[0, 0]
    factors, _ = thin_chain(subject.network.model, x, y)
    for key, factor in zip(chain_keys(len(subject.network.weights)), factors, strict=True):
        whole = key[0] == "dz_dW"  # a matrix, of which an entry is shown
        seen.arrays[key] = np.full((1, 1) if whole else (), factor.value)
    return factors


def chain_keys(last: int) -> list[tuple[str, int]]:
    """Return name and layer of each of the chain's fractions, from the loss down to the weight."""
    keys = [("dC", last), ("da_dz", last)]
    for layer in range(last - 1, 0, -1):
        keys += [("dz_da", layer + 1), ("da_dz", layer)]
    return [*keys, ("dz_dW", 1)]


def record_neurons(subject: Subject, seen: Recording, layer: int) -> None:
    """Add every derivative of the single neurons of one layer."""
    from backpass.derivatives.forms import neuron_derivatives

    W, b = subject.network.weights[layer - 1], subject.network.biases[layer - 1]
    phi, alpha = subject.network.model.activations[layer - 1], seen.arrays["a", layer - 1][0]
    for unit in range(W.shape[1]):
        derivatives = neuron_derivatives(alpha, W[:, unit], b[unit], phi)
        for key, value in zip(("dha", "dhw", "dhb"), derivatives, strict=True):
            seen.arrays[f"{key}{unit}", layer] = np.array(value)


def record_nudge(
    subject: Subject, seen: Recording, key: str, layer: int, entry: tuple[int, ...]
) -> Recording:
    """Run the passes again with one parameter moved by ε, and note what the derivative promised."""
    theta, network = subject.network.parameters.copy(), subject.network
    moved = (theta.weights if key == "W" else theta.biases)[layer - 1]
    moved[entry] += EPSILON
    model = network.model.with_parameters(theta)
    second = record(replace(subject, network=Network.from_model(model)))
    known = seen.arrays
    known["epsilon", None] = np.array(EPSILON)
    known["moved", None] = np.array(moved[entry])
    known["J_moved", None] = second.arrays["J", None]
    for name in ("J", "costs", "penalty"):
        second.arrays[f"{name}_moved", None] = second.arrays[name, None]
    known["change", None] = known["J_moved", None] - known["J", None]
    known["promised", None] = EPSILON * known[f"d{key}", layer][entry]
    return second


def record_paths(
    seen: Recording, key: str, layer: int, entry: tuple[int, ...], most: int
) -> tuple[list[tuple[int, tuple[int, ...]]], int]:
    """Add the strongest paths from one parameter to the cost; return sample and units of each.

    The second is the number of all paths.
    """
    from backpass.derivatives.forms import strongest_paths

    known = seen.arrays
    last = max(where or 0 for name, where in known if name == "z")
    layers = range(layer, last)
    weights = [known["W", m + 1] for m in layers]
    found = []
    for n in range(len(known["s", None])):
        slopes = [known["dphi", m][n] for m in layers]
        below = 1.0 if key == "b" else known["a", layer - 1][n, entry[0]]
        paths = strongest_paths(entry[-1], slopes, weights, known["delta", last][n], most)
        found += [(n, path.units, below * path.product) for path in paths]
    found = nlargest(most, found, key=lambda path: abs(path[2]))
    products = np.array([product for *_, product in found])
    data = known[f"d{key}", layer][entry]
    if key == "W":
        data = data - known["lambda", None] / np.sum(known["s", None]) * known["W", layer][entry]
    known["path", None], known["rest", None] = products, data - np.sum(products)
    count = len(known["s", None]) * math.prod(W.shape[1] for W in weights)
    return [(n, units) for n, units, _ in found], count


def record_update(
    subject: Subject,
    seen: Recording,
    optimizer: Optimizer,
    rate: float,
    decay: float,
    state: Mapping[str, Array] | None = None,
    step: int = 1,
) -> None:
    """Take a step of the optimiser (U), by default its first, on copies; keep what is around it.

    `decay` is the strength of weight decay beside the gradient, where the optimiser has it.
    """
    theta, known = subject.network.parameters, seen.arrays
    layers = range(1, len(theta.weights) + 1)
    slopes = [known[key, layer].ravel() for layer in layers for key in ("dW", "db")]
    gradient = Parameters(theta.sizes, np.concatenate(slopes).astype(theta.flat.dtype))
    before = optimizer.init(theta.flat) if state is None else dict(state)
    flat, after = optimizer.step(theta.flat, gradient.flat, before, step, rate)
    known["lambda", None] = np.array(decay if optimizer.decoupled else 0.0)
    if optimizer.decoupled:
        flat = flat - rate * decay * theta.is_weight() * theta.flat
    told = {"new": flat} | {slot[0]: array for slot, array in after.items()}  # v of velocity
    told |= {f"{slot[0]}_old": array for slot, array in before.items()}
    for name, array in told.items():
        parts = Parameters(theta.sizes, array)
        for layer, W, b in zip(layers, parts.weights, parts.biases, strict=True):
            known[f"W_{name}", layer], known[f"b_{name}", layer] = (
                to_numpy(W).copy(),
                to_numpy(b).copy(),
            )
    seen.order += [("U", layer) for layer in layers]
    known["rate", None], known["step", None] = np.array(rate), np.array(step)


ROWS = {"z", "a", "delta", "g", "dphi", "dC", "dz", "y", "costs", "costs_moved"}
"""Quantities with one row a sample in our layout."""

_WEIGHTS, _BIASES = {"W", "dW"}, {"b", "db"}  # and their updates: W_new, W_m, b_v
_FLAT = {"P", "Pb"}
"""Derivatives of one sample's cost: rows, or columns in denominator layout."""

_JACOBIANS = {"jac", "dfa", "dfb", "dfw"}
"""Derivatives of a layer, which denominator layout transposes."""


@dataclass(frozen=True)
class Values:
    """Looks up the numbers of a formula's quantities, as a notation lays them out."""

    notation: Notation
    recording: Recording  # of the batch, or of the one sample
    samples: list[Recording] = field(default_factory=list)  # each alone, where a leaf is of one
    derivations: bool = False  # whether those of the records are shown line by line
    most_lines: int | None = None  # the most elements of an array that are written out; None: all

    @property
    def model(self) -> Model:
        """The model whose run it is."""
        assert self.recording.model is not None
        return self.recording.model

    def __call__(self, leaf: Leaf) -> Any:
        """Return a matrix, a column or row being one too, or a number."""
        recording = self.recording if leaf.sample is None else self.samples[leaf.sample]
        if leaf.key in VECTORS:
            return self._of_unit(leaf, recording)
        if leaf.key == "dhb":
            return recording.arrays[f"dhb{leaf.entry[0]}", leaf.layer]
        if leaf.key in ("same", "dz_db"):
            return np.array(float(leaf.entry[0] == leaf.entry[1]))
        if leaf.key in ("costs", "costs_moved"):  # of one sample
            return self._array(leaf, recording)[0]
        if leaf.entry:
            array = self._array(leaf, recording)
            return array[0][leaf.entry] if leaf.key in ROWS else array[leaf.entry]
        return self._laid_out(leaf, recording)

    def _laid_out(self, leaf: Leaf, recording: Recording) -> Any:
        notation, key = self.notation, leaf.key
        if key in ("s", "ones", "N", "S"):
            return self._of_weights(key, recording)
        array = self._array(leaf, recording)
        flipped = notation.denominator_layout
        if key in ROWS:
            return notation.from_our_rows(array)
        if key.partition("_")[0] in _WEIGHTS:
            return notation.from_our_weights(array)
        if key.partition("_")[0] in _BIASES:
            return notation.from_our_rows(array[None, :])
        if key == "bs":
            N = len(recording.arrays["s", None])
            return notation.from_our_rows(np.repeat(array[None, :], N, axis=0))
        if key in _FLAT:
            return array[:, None] if flipped else array[None, :]
        if key in _JACOBIANS:
            array = array[0] if key == "jac" else array
            return array.T if flipped else array
        return array

    def _of_unit(self, leaf: Leaf, recording: Recording) -> Any:
        """Return a vector that belongs to one unit: its weights, or a derivative of its output."""
        unit, known = int(leaf.entry[0]), recording.arrays
        if leaf.key == "w":
            return known["W", leaf.layer][:, unit][:, None]
        if leaf.key == "unit":
            return np.eye(known["b", leaf.layer].size)[:, [unit]]
        if leaf.key in ("dak", "dab"):  # z and b are interchangeable
            return known["dfb", leaf.layer][:, [unit]]
        if leaf.key == "dfw":
            return self._laid_out(replace(leaf, entry=()), recording)  # of the first unit
        one = known["Pw", leaf.layer][:, unit] if leaf.key == "Pw" else None
        one = known[f"{leaf.key}{unit}", leaf.layer] if one is None else one
        return one[:, None] if self.notation.denominator_layout else one[None, :]

    @staticmethod
    def _array(leaf: Leaf, recording: Recording) -> Any:
        key, known = "b" if leaf.key == "bs" else leaf.key, recording.arrays
        return known[key, leaf.layer] if (key, leaf.layer) in known else known[key, None]

    @staticmethod
    def _of_weights(key: str, recording: Recording) -> Any:
        s = recording.arrays["s", None]
        if key == "N":
            return np.array(len(s))
        if key == "S":
            return np.sum(s)
        return (np.ones_like(s) if key == "ones" else s)[:, None]

    @property
    def pair(self) -> Any:
        """What loss and output are together, where one formula derives both; else None."""
        return self.model.loss.fused.get(self.model.activations[-1].name)

    def units(self, layer: int) -> int:
        """Return how many units a layer has."""
        return int(self.recording.arrays["a", layer].shape[1])

    @property
    def last(self) -> int:
        """The number of the output layer."""
        return max(layer or 0 for key, layer in self.recording.arrays if key == "z")

    def weights_are_equal(self) -> bool:
        """Return whether every sample counts the same."""
        s = self.recording.arrays["s", None]
        return bool(np.all(s == s[0]))


@dataclass(frozen=True)
class Line:
    """A formula and the numbers of its quantities."""

    equation: Any  # a line of a record's derivation is a node
    values: Values
    defines: bool = False  # it says what a function is, for any z: such a line has no numbers
    digits: int = 1  # the least that its numbers need

    def quantities(self) -> tuple[list[Leaf], list[Leaf]]:
        """Return those on the left and on the right; a derivation's line computes none."""
        if not isinstance(self.equation, Equation):
            return [], []
        return leaves(self.equation.left), leaves(self.equation.right)
