"""Weights in the layouts of the notes, turned into ours: W (in, out) and b (out,)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backpass.core.arrays import Array, namespace
from backpass.errors import InputError


class Layout(NamedTuple):
    """The layout of a weight matrix in one notation."""

    note: int  # the number of the lecture note; 0 is our own
    # whether its W has one row a unit of the layer above, (out, in), where ours is (in, out)
    weights_transposed: bool


LAYOUTS = {
    "code": Layout(0, False),
    "error": Layout(1, False),
    "chain": Layout(2, True),
    "nabla": Layout(3, True),
    "omega": Layout(4, False),
    "bracket": Layout(5, False),
}
"""The layout of every notation, by its name."""


def in_our_layout(
    weights: Sequence[Array], biases: Sequence[Array], layout: str = "code"
) -> tuple[list[Array], list[Array]]:
    """Return weights (in, out) and biases (out,) of matrices that lie as a notation has them.

    Parameters
    ----------
    weights : sequence of arrays
        W_1 … W_L: (out, in) where the notation transposes them, (in, out) elsewhere.
    biases : sequence of arrays (out,), (out, 1) or (1, out)
        b_1 … b_L.
    layout : str
        The name of a notation, a key of :data:`LAYOUTS`.

    Raises
    ------
    InputError
        When there is no such notation, or the shapes do not fit; where they would fit
        transposed, the message says so.

    Examples
    --------
    >>> weights, biases = in_our_layout([np.ones((2, 3))], [np.zeros((2, 1))], "nabla")
    >>> weights[0].shape, biases[0].shape
    ((3, 2), (2,))
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; known: {', '.join(map(repr, LAYOUTS))}")
    transposed = LAYOUTS[layout].weights_transposed
    if len(weights) != len(biases) or not len(weights):
        raise InputError(
            f"give as many bias vectors as weight matrices, at least one; got {len(weights)} "
            f"weights and {len(biases)} biases"
        )
    given = [W if hasattr(W, "shape") else np.asarray(W) for W in weights]
    vectors = [_vector(b if hasattr(b, "shape") else np.asarray(b)) for b in biases]
    ours = [W.T if transposed and W.ndim == 2 else W for W in given]
    misfit = _first_misfit(ours, vectors)
    if misfit is not None:
        raise InputError(_complaint(misfit, given, biases, ours, vectors, layout))
    return ours, vectors


def _vector(b: Array) -> Array:
    """Return a column or a row as a vector; anything else as it is."""
    return namespace(b).reshape(b, (-1,)) if b.ndim == 2 and 1 in b.shape else b


def _first_misfit(weights: Sequence[Array], biases: Sequence[Array]) -> int | None:
    """Return the first layer, from 1, whose W or b does not fit; None where all do."""
    below = weights[0].shape[0] if weights[0].ndim == 2 else None
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True), start=1):
        if W.ndim != 2 or W.shape[0] != below or b.shape != (W.shape[1],):
            return layer
        below = W.shape[1]
    return None


def _complaint(
    layer: int,
    given: Sequence[Array],
    biases: Sequence[Array],
    ours: Sequence[Array],
    vectors: Sequence[Array],
    layout: str,
) -> str:
    """Return what does not fit, which layout was expected, and whether another would do."""
    W = given[layer - 1]
    note, transposed = LAYOUTS[layout]
    expected = "(out, in)" if transposed else "(in, out)"
    below = ""
    if W.ndim == 2:
        units = ours[0].shape[0] if layer == 1 else ours[layer - 2].shape[1]
        below = f" the {units} units below"
    where = f"; W is {expected} and b is (out,)"
    if note:
        where += f" in layout {layout!r} (note {note})"
    turned = [V.T if V.ndim == 2 else V for V in ours]
    hint = ""
    if _first_misfit(turned, vectors) is None:
        names = [name for name, other in LAYOUTS.items() if other.weights_transposed != transposed]
        hint = f"; they fit transposed: give layout={' or '.join(map(repr, names))}"
    elif len(ours) > 1 and _fits_alone(layer, turned, ours, vectors):
        hint = f"; W of layer {layer} alone fits transposed"
    return (
        f"layer {layer}: W {tuple(W.shape)} and b {np.shape(biases[layer - 1])} do not fit"
        f"{below}{where}{hint}"
    )


def _fits_alone(
    layer: int, turned: Sequence[Array], ours: Sequence[Array], vectors: Sequence[Array]
) -> bool:
    """Return whether the matrices fit when that of one layer is transposed."""
    mixed = [*ours[: layer - 1], turned[layer - 1], *ours[layer:]]
    return _first_misfit(mixed, vectors) is None
