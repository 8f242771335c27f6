"""The gradients that are judged: ours, an engine's, or anybody's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array, to_numpy
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model, Parameters
from backpass.core.settings import Settings
from backpass.derivatives.batch import Subject
from backpass.derivatives.notation import get_notation
from backpass.engines import Problem, choose
from backpass.errors import InputError


@dataclass(frozen=True)
class Claim:
    """Derivatives that somebody says are right."""

    # by kind and layer: "W", "b", "delta", "g" (layer 0: the inputs), "W data", which leaves the L2
    # penalty out, and "dz", the output's ∂C/∂z
    arrays: Mapping[tuple[str, int], Array]
    source: str  # whose they are
    # of the floating-point numbers they were computed in
    eps: float = float(np.finfo(np.float64).eps)


def _parameter_arrays(theta: Parameters, kind: str = "W") -> dict[tuple[str, int], Array]:
    arrays = {}
    for layer, (W, b) in enumerate(zip(theta.weights, theta.biases, strict=True), start=1):
        arrays[kind, layer] = W
        if kind == "W":
            arrays["b", layer] = b
    return arrays


OBSERVED = {"B1z": "dz", "B1f": "dz", "B1": "delta", "B2b": "delta", "B2a": "g"}
"""The kind of what each equation of the backward pass computes."""


def our_claim(given: Subject) -> Claim:
    """Return every derivative of the backward pass, as it is computed."""
    arrays: dict[tuple[str, int], Array] = {}

    def observe(equation: str, layer: int, operands: Mapping[str, Any], result: Array) -> None:
        kind = OBSERVED.get(equation)
        if kind:
            arrays[kind, layer] = result

    model, batch = given.network.model, (given.X, given.y, given.s)
    _, found = backprop.loss_and_gradients(model, *batch, alpha=given.alpha, observe=observe)
    arrays |= _parameter_arrays(found.parameters)
    if found.inputs is not None:
        arrays["g", 0] = found.inputs
    if given.alpha:
        _, found = backprop.loss_and_gradients(model, *batch, inputs=False)
        arrays |= _parameter_arrays(found.parameters, "W data")
    return Claim(arrays, "backpropagation")


def claim_of_engine(name: str, given: Subject, dtype: Any) -> Claim:
    """Return the gradient as an engine computes it, in its own precision.

    Raises
    ------
    InputError
        When the engine is unknown or cannot compute this network.
    """
    model = given.network.model
    theta = Parameters(model.parameters.sizes, model.parameters.flat.astype(dtype))
    loss = model.loss
    if loss.name == "cross_entropy":  # the targets are encoded, and smoothed, already
        loss = LOSSES.get_record("cross_entropy")
    problem = Problem(
        Model(theta, model.activations, loss),
        given.X.astype(dtype),
        given.y.astype(dtype),
        given.s.astype(dtype),
        Settings(optimizer="sgd", alpha=given.alpha, batch_size=None),
    )
    engine = choose(name, problem)
    flat = engine.start(problem).evaluate(np.arange(len(given.X))).gradient
    found = Parameters(theta.sizes, to_numpy(flat).astype(np.float64))
    label = f"engine {engine.name!r}, {np.dtype(dtype).name}"
    return Claim(_parameter_arrays(found), label, float(np.finfo(dtype).eps))


# --- anybody's ------------------------------------------------------------------------------------


def claim_of_somebody(claimed: Any, theta: Parameters, layout: str = "code") -> Claim:
    """Return gradients in any of the forms that :func:`backpass.check_gradients` takes.

    It is said to be the gradient of `theta`, with weights in the layout of a notation: ``"nabla"``
    has (out, in).
    """
    notation = get_notation(layout)
    weights, biases = _parts(claimed, theta)
    arrays: dict[tuple[str, int], Array] = {}
    coarsest = float(np.finfo(np.float64).eps)
    for kind, given, own in (("W", weights, theta.weights), ("b", biases, theta.biases)):
        if len(given) != len(own):
            raise InputError(
                f"claimed: {len(given)} arrays of {kind} for {len(own)} layers; give one a layer"
            )
        for layer, (x, like) in enumerate(zip(given, own, strict=True), start=1):
            x = _numbers(x, f"{kind} of layer {layer}")
            if x.dtype.kind == "f":
                coarsest = max(coarsest, float(np.finfo(x.dtype).eps))
            want = notation.from_our_weights(like).shape if kind == "W" else like.shape
            if x.shape != want:
                hint = _hint(x, like, layout) if kind == "W" else ""
                raise InputError(
                    f"claimed: {kind} of layer {layer} has shape {x.shape}, not {want}{hint}"
                )
            x = notation.from_our_weights(x) if kind == "W" else x
            arrays[kind, layer] = x.astype(np.float64)
    inputs = getattr(claimed, "inputs", None)
    if inputs is not None:
        arrays["g", 0] = _numbers(inputs, "the inputs").astype(np.float64)
    return Claim(arrays, "claimed gradients", coarsest)


def _hint(x: Array, like: Array, layout: str) -> str:
    if x.ndim == 2 and x.T.shape == like.shape and layout == "code":
        return "; weights of (out, in) go with layout='nabla'"
    return ""


def _parts(claimed: Any, theta: Parameters) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the weights and the biases of a claim."""
    if hasattr(claimed, "weights") and hasattr(claimed, "biases"):
        return list(claimed.weights), list(claimed.biases)
    if isinstance(claimed, Mapping):
        if set(claimed) != {"weights", "biases"}:
            raise InputError(
                f"claimed: a dict has the keys 'weights' and 'biases', not {sorted(claimed)!r}"
            )
        return list(claimed["weights"]), list(claimed["biases"])
    if isinstance(claimed, tuple | list):
        if len(claimed) == 2 and all(isinstance(part, tuple | list) for part in claimed):
            return list(claimed[0]), list(claimed[1])
        if len(claimed) == 2 * len(theta.weights):  # W, b, W, b, … as in module.parameters()
            return list(claimed[::2]), list(claimed[1::2])
        raise InputError(
            "claimed: give (weights, biases), a list each, or W_1, b_1, W_2, b_2, … in one list of "
            f"{2 * len(theta.weights)}; this is a {type(claimed).__name__} of {len(claimed)}"
        )
    flat = _numbers(claimed, "the flat gradient")
    if flat.shape != theta.flat.shape:
        raise InputError(
            f"claimed: the flat gradient has shape {flat.shape}, not {theta.flat.shape}"
        )
    parts = Parameters(theta.sizes, flat)
    return list(parts.weights), list(parts.biases)


def _numbers(x: Any, what: str) -> Array:
    """Return an array of real numbers, whatever library it comes from."""
    try:
        x = to_numpy(x.detach()) if hasattr(x, "detach") else np.asarray(x)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"claimed: {what} is no array of numbers") from None
    if x.dtype.kind not in "fiu":
        raise InputError(f"claimed: {what} is no array of real numbers, but of {x.dtype}")
    return x
