"""A network in ONNX: F1 and F2 of every layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.core.arrays import to_numpy
from backpass.errors import InputError
from backpass.export.activation_forms import activation_node
from backpass.export.graph import Arithmetic, Graph
from backpass.network.network import Network

__all__ = ["float_dtype", "network_nodes"]


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
