"""How far two forward passes of one network may lie apart, summed in different orders."""

import numpy as np


def output_tolerance(network, X):
    """Return the rounding error to allow for every output on the rows of X.

    A sum of n products carries n·eps of the sum of its magnitudes, an activation 8 eps of its
    result; no activation stretches an error (|φ′| ≤ 1.13), except exp, whose relative error is the
    absolute one of what it is taken of. Two passes err both, so the whole counts twice, and twice
    again for the factor 1.13 a layer.
    """
    eps, magnitude, length = np.finfo(network.parameters.flat.dtype).eps, np.abs(X).max(), 0
    for W, b in zip(network.weights, network.biases, strict=True):
        magnitude = max(1.0, (magnitude * np.abs(W).sum(axis=0) + np.abs(b)).max())
        length += W.shape[0] + 8
    if network.model.activations[-1].name == "exp":
        magnitude *= max(1.0, network.predict(X).max())
    return float(4 * length * magnitude * eps)
