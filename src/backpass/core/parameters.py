"""The state of a network: data only, no algorithm.

All weights and biases live in one flat buffer θ of length P, in the order W_1, b_1, W_2, b_2, …;
``weights[l]`` and ``biases[l]`` are views of it, so an optimiser updates one array and every layer
sees it. The views are rebuilt on copy, deepcopy and unpickling.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.arrays import Array, namespace, to_numpy
from backpass.core.losses import LOSSES, Loss
from backpass.errors import InputError

MOST_ROWS = 4096  # rows of a block
MOST_UNITS = 1 << 20  # of all layers and rows of a block: 8 MiB in float64, twice (z and a)


def parameter_count(sizes: Sequence[int]) -> int:
    """Return the number of weights and biases of a network with layers of these `sizes`.

    Examples
    --------
    >>> parameter_count([3, 4, 2])  # 3·4 + 4 + 4·2 + 2
    26
    """
    return sum(n_in * n_out + n_out for n_in, n_out in pairwise(sizes))


def row_blocks(n_rows: int, sizes: Sequence[int]) -> Iterator[slice]:
    """Yield the rows of a large X in blocks that take little memory in layers of these `sizes`.

    A pass over a block keeps z and a of every layer; where no rows are, there is one empty block.

    Examples
    --------
    >>> list(row_blocks(5000, [3, 4, 2]))
    [slice(0, 4096, None), slice(4096, 5000, None)]
    >>> next(row_blocks(5000, [784, 2048, 2048, 10]))
    slice(0, 214, None)
    """
    size = max(1, min(MOST_ROWS, MOST_UNITS // sum(sizes)))
    for start in range(0, max(n_rows, 1), size):
        yield slice(start, min(start + size, n_rows))


class Parameters:
    """Weights and biases as views of one flat buffer.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first.
    flat : array of shape (P,)
        The buffer; it is used, not copied.

    Attributes
    ----------
    weights : tuple of arrays (in, out)
        ``weights[0]`` is W_1 of the notes.
    biases : tuple of arrays (out,)

    Examples
    --------
    >>> theta = Parameters([2, 1], np.array([1.0, 2.0, 3.0]))
    >>> theta.weights[0], theta.biases[0]
    (array([[1.],
           [2.]]), array([3.]))
    >>> theta.flat[2] = 5.0
    >>> theta.biases[0]
    array([5.])
    """

    sizes: tuple[int, ...]
    flat: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def __init__(self, sizes: Sequence[int], flat: Array) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        if flat.shape != (parameter_count(self.sizes),):
            raise InputError(
                f"sizes {list(self.sizes)} need {parameter_count(self.sizes)} parameters, "
                f"not {tuple(flat.shape)}"
            )
        self.flat = flat
        self._make_views()

    def _make_views(self) -> None:
        weights, biases, start = [], [], 0
        for n_in, n_out in pairwise(self.sizes):
            middle, stop = start + n_in * n_out, start + n_in * n_out + n_out
            xp = namespace(self.flat)
            # a slice of a contiguous vector: reshape makes a view in every library
            weights.append(xp.reshape(self.flat[start:middle], (n_in, n_out)))
            biases.append(self.flat[middle:stop])
            start = stop
        self.weights, self.biases = tuple(weights), tuple(biases)

    def __getstate__(self) -> dict[str, Any]:
        return {"sizes": self.sizes, "flat": self.flat}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.sizes, self.flat = tuple(state["sizes"]), state["flat"]
        self._make_views()

    def copy(self) -> "Parameters":
        """Return parameters with a buffer of their own."""
        return Parameters(self.sizes, namespace(self.flat).asarray(self.flat, copy=True))

    def __copy__(self) -> "Parameters":
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameters":
        return self.copy()

    def is_weight(self) -> Array:
        """Return a vector (P,) that is 1 at weights and 0 at biases, for weight decay."""
        xp = namespace(self.flat)
        ones = Parameters(self.sizes, xp.ones_like(self.flat))
        for b in ones.biases:
            b[...] = 0
        return ones.flat


@dataclass(frozen=True)
class Gradients:
    """The gradient of J, laid out like the parameters.

    Parameters
    ----------
    parameters : Parameters
        ∂J/∂θ: ``weights[l]`` is ∂J/∂W_{l+1}, ``flat`` all of it.
    inputs : array of shape (N, n_0) or None
        ∂J/∂X; None where it was not asked for.
    """

    parameters: Parameters
    inputs: Array | None

    def __repr__(self) -> str:
        shapes = ", ".join(str(tuple(W.shape)) for W in self.weights)
        return f"Gradients of W {shapes}: .weights, .biases, .inputs, .flat ({len(self.flat)},)"

    @property
    def weights(self) -> tuple[Array, ...]:
        """∂J/∂W, one array (in, out) a layer; views of `flat`."""
        return self.parameters.weights

    @property
    def biases(self) -> tuple[Array, ...]:
        """∂J/∂b, one array (out,) a layer; views of `flat`."""
        return self.parameters.biases

    @property
    def flat(self) -> Array:
        """∂J/∂θ as one vector (P,)."""
        return self.parameters.flat


@dataclass(frozen=True)
class Model:
    """Parameters with the records that say what is computed with them.

    Parameters
    ----------
    parameters : Parameters
        θ.
    activations : tuple of Activation
        One a layer, the output's last.
    loss : Loss
        The loss that the output goes with.

    Raises
    ------
    InputError
        When a hidden layer has an output-only activation, the loss was not declared for the
        output, or the numbers of layers and activations differ.
    """

    parameters: Parameters
    activations: tuple[Activation, ...]
    loss: Loss

    def __post_init__(self) -> None:
        n_layers = len(self.parameters.sizes) - 1
        if len(self.activations) != n_layers:
            raise InputError(
                f"{n_layers} layers need {n_layers - 1} hidden activation(s), "
                f"not {len(self.activations) - 1}"
            )
        for layer, activation in enumerate(self.activations[:-1], start=1):
            if not activation.hidden:
                raise InputError(
                    f"layer {layer}: {activation.name!r} is for the output only; hidden layers "
                    f"take {', '.join(a.name for a in ACTIVATIONS.records() if a.hidden)}"
                )
        output = self.activations[-1].name
        if output not in self.loss.outputs:
            raise InputError(
                f"loss {self.loss.name!r} does not go with output {output!r}; "
                f"it goes with {', '.join(self.loss.outputs)}"
            )

    def with_parameters(self, parameters: Parameters) -> "Model":
        """Return the same model with other parameters."""
        return replace(self, parameters=parameters)

    def specs(self) -> tuple[list[str], str]:
        """Return the activations and the loss as texts, from which `from_specs` makes them."""
        return [ACTIVATIONS.spec(a) for a in self.activations], LOSSES.spec(self.loss)

    @staticmethod
    def from_specs(parameters: Parameters, activations: Iterable[str], loss: str) -> "Model":
        """Return the model that `specs` described."""
        records = tuple(ACTIVATIONS.get_record(a) for a in activations)
        return Model(parameters, records, LOSSES.get_record(loss))

    def __reduce__(self) -> tuple[Any, ...]:
        # records hold functions, which do not pickle: their texts do
        activations, loss = self.specs()
        return Model.from_specs, (self.parameters, activations, loss)

    def is_finite(self) -> bool:
        """Return whether every parameter is a finite number."""
        return bool(np.isfinite(to_numpy(self.parameters.flat)).all())
