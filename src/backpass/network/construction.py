"""From sizes and names, or from arrays, to the model that a network holds."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.arrays import Array, namespace
from backpass.core.initializers import INITIALIZERS, Initializer
from backpass.core.layouts import in_our_layout
from backpass.core.losses import LOSSES, Loss
from backpass.core.parameters import Model, Parameters, parameter_count
from backpass.core.requirements import as_generator
from backpass.errors import InputError, brief

MOST_PARAMETERS = 1 << 48  # a petabyte of float32: nobody means it
HiddenSpec = str | Activation | Sequence[str | Activation]


def hidden_records(activation: HiddenSpec, n_hidden: int) -> tuple[Activation, ...]:
    """Return one activation a hidden layer, from one for all or one each."""
    if isinstance(activation, str) or not isinstance(activation, Sequence):
        return (ACTIVATIONS.get_record(activation),) * n_hidden
    if len(activation) != n_hidden:
        raise InputError(
            f"activation: {len(activation)} activations given for {n_hidden} hidden layer(s); "
            "give one for all or one each"
        )
    return tuple(ACTIVATIONS.get_record(spec) for spec in activation)


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    checked = tuple(sizes) if isinstance(sizes, Iterable) else ()
    integers = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in checked)
    if len(checked) < 2 or not integers or any(n < 1 for n in checked):
        raise InputError(
            f"sizes must be at least two integers of at least 1, input first; got {brief(sizes)}"
        )
    counted = tuple(int(n) for n in checked)
    if parameter_count(counted) > MOST_PARAMETERS:
        raise InputError(f"sizes {sizes!r} make more parameters than memory can hold; take fewer")
    return counted


def _check_dtype(dtype: Any) -> None:
    with suppress(TypeError):  # where it names no dtype at all
        if np.dtype(dtype) in (np.dtype("float32"), np.dtype("float64")):
            return
    raise InputError(f"dtype must be float32 or float64, not {brief(dtype)}")


def new_model(
    sizes: Sequence[int],
    activation: HiddenSpec,
    output: str | Activation,
    loss: str | Loss,
    init: str | Initializer,
    seed: Any,
    dtype: Any,
) -> Model:
    """Return a model with parameters that were drawn; arguments as of ``Network``."""
    sizes = _check_sizes(sizes)
    _check_dtype(dtype)
    hidden = hidden_records(activation, len(sizes) - 2)
    activations = (*hidden, ACTIVATIONS.get_record(output))
    theta = Parameters(sizes, np.zeros(parameter_count(sizes), dtype=dtype))
    model = Model(theta, activations, LOSSES.get_record(loss))
    # scikit-learn's rule looks at `activation` even where no layer is hidden
    if isinstance(activation, str) or not isinstance(activation, Sequence):
        first = ACTIVATIONS.get_record(activation)
    else:
        first = activations[0]
    initializer, rng = INITIALIZERS.get_record(init), as_generator(seed)
    for W, b in zip(theta.weights, theta.biases, strict=True):
        W[...], b[...] = initializer.draw(rng, W.shape[0], W.shape[1], first.name)
    return model


def model_from_arrays(
    weights: Sequence[Array],
    biases: Sequence[Array],
    activation: HiddenSpec,
    output: str | Activation,
    loss: str | Loss,
    layout: str,
) -> Model:
    """Return a model with copies of the arrays; arguments as of ``Network.from_arrays``."""
    weights, biases = in_our_layout(weights, biases, layout)
    hidden = hidden_records(activation, len(weights) - 1)
    activations = (*hidden, ACTIVATIONS.get_record(output))
    return Model(_parameters_from(weights, biases), activations, LOSSES.get_record(loss))


def _parameters_from(weights: Sequence[Array], biases: Sequence[Array]) -> Parameters:
    """Return parameters holding copies of `weights` (in, out) and `biases` (out,) that fit."""
    xp = namespace(weights[0])
    sizes = [int(weights[0].shape[0]), *(int(W.shape[1]) for W in weights)]
    pieces = [xp.reshape(x, (-1,)) for pair in zip(weights, biases, strict=True) for x in pair]
    flat = xp.concat(pieces)
    if not xp.isdtype(flat.dtype, ("real floating", "complex floating")):
        flat = xp.astype(flat, xp.float64)
    return Parameters(_check_sizes(sizes), flat)
