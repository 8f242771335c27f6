"""The layers of a network as ONNX operators, with every activation.

Activations are written in plain operators, also where ONNX has one of its own: ``Elu`` and
``LeakyRelu`` keep their number in float32 only, and onnxruntime has no ``Selu``, ``Elu`` or
``Softplus`` for float64. None overflows where ours does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backpass.core.activations import SELU_ALPHA, SELU_SCALE, Activation
from backpass.core.arrays import SQRT_HALF, to_numpy
from backpass.errors import InputError
from backpass.export.graph import Arithmetic, Graph
from backpass.network.network import Network

__all__ = ["FORMS", "activation_node", "float_dtype", "network_nodes"]

Form = Callable[[Arithmetic, str, Mapping[str, float]], str]


def _silu(f: Arithmetic, z: str) -> str:
    # z / (1 + e^−z), where an infinite divisor gives 0: onnxruntime 1.20 merges z·Sigmoid(z) into
    # an operator that it has not for float64
    return f("Div", z, f("Add", 1.0, f("Exp", f("Neg", z))))


def _softplus(f: Arithmetic, z: str) -> str:
    # max(z, 0) + log(1 + exp(−|z|)): exp is only taken of numbers ≤ 0
    e = f("Exp", f("Neg", f("Abs", z)))
    return f("Add", f("Max", z, 0.0), f("Log", f("Add", 1.0, e)))


def _expm1_of_negative(f: Arithmetic, z: str) -> str:
    # e^z − 1 = 2t / (1 − t), t = tanh(z/2): nothing cancels near 0
    t = f("Tanh", f("Mul", 0.5, f("Min", z, 0.0)))
    return f("Div", f("Mul", 2.0, t), f("Sub", 1.0, t))


def _elu(f: Arithmetic, z: str, alpha: float) -> str:
    # one of the two terms is 0
    return f("Add", f("Max", z, 0.0), f("Mul", alpha, _expm1_of_negative(f, z)))


def _erf(f: Arithmetic, z: str) -> str:
    """Return erf(z), by way of float32: onnxruntime has no kernel for float64."""
    if f.dtype == np.float32:
        return f("Erf", z)
    return f.graph.cast(f("Erf", f.graph.cast(z, np.float32)), f.dtype)


def _gelu(f: Arithmetic, z: str) -> str:
    probability = f("Mul", 0.5, f("Add", 1.0, _erf(f, f("Mul", SQRT_HALF, z))))
    return f("Mul", z, probability)


FORMS: dict[str, Form] = {
    "identity": lambda f, z, n: z,
    "logistic": lambda f, z, n: f("Sigmoid", z),
    "tanh": lambda f, z, n: f("Tanh", z),
    "relu": lambda f, z, n: f("Relu", z),
    "leaky_relu": lambda f, z, n: f("Max", z, f("Mul", n["slope"], z)),  # 0 ≤ slope < 1
    "elu": lambda f, z, n: _elu(f, z, n["alpha"]),
    "selu": lambda f, z, n: f("Mul", SELU_SCALE, _elu(f, z, SELU_ALPHA)),
    "gelu": lambda f, z, n: _gelu(f, z),
    "silu": lambda f, z, n: _silu(f, z),
    "mish": lambda f, z, n: f("Mul", z, f("Tanh", _softplus(f, z))),
    "softplus": lambda f, z, n: _softplus(f, z),
    "exp": lambda f, z, n: f("Exp", z),
    "softmax": lambda f, z, n: f("Softmax", z, axis=1),
}
"""From arithmetic, the name of z and the record's numbers to the name of φ(z)."""


def activation_node(f: Arithmetic, z: str, phi: Activation) -> str:
    """Add φ(z) to the graph and return its name.

    Raises
    ------
    InputError
        When the activation has no form here, as one that a user has registered.
    """
    if phi.name not in FORMS:
        raise InputError(
            f"activation {phi.name!r} cannot be written in ONNX operators; train with one of "
            f"{', '.join(FORMS)}"
        )
    return FORMS[phi.name](f, z, phi.numbers)


def float_dtype(network: Network) -> np.dtype[Any]:
    """Return the dtype that the network computes in.

    Raises
    ------
    InputError
        When that is neither float32 nor float64.
    """
    dtype: np.dtype[Any] = to_numpy(network.parameters.flat).dtype
    if dtype not in (np.float32, np.float64):
        raise InputError(f"ONNX export takes networks of float32 or float64, not of {dtype}")
    return dtype


def network_nodes(graph: Graph, network: Network, x: str, given: Any) -> str:
    """Add every layer, and return the name of the output (N, k), in the network's dtype.

    Parameters
    ----------
    graph : Graph
    network : Network
    x : str
        The inputs, (N, n_0).
    given : dtype
        Of the inputs; others than the network's are converted.

    Raises
    ------
    InputError
        When a parameter is not a finite number.
    """
    if not network.model.is_finite():
        raise InputError("a parameter is not a finite number; train with a lower learning rate")
    dtype = float_dtype(network)
    f = Arithmetic(graph, dtype)
    a = x if np.dtype(given) == dtype else graph.cast(x, dtype)
    layers = zip(network.weights, network.biases, network.model.activations, strict=True)
    for layer, (W, b, phi) in enumerate(layers, start=1):
        weights = graph.constant(np.ascontiguousarray(to_numpy(W)), f"W_{layer}")
        biases = graph.constant(np.ascontiguousarray(to_numpy(b)), f"b_{layer}")
        a = activation_node(f, graph.op("Gemm", a, weights, biases), phi)
    return a
