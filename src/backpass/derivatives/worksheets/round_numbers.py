"""Numbers for a network and its rows that come out round in both passes.

Weights, biases, inputs and targets are drawn from small sets some hundred times, the two passes are
run on each draw, and the one whose results have the fewest decimals is kept. What teaches little
counts as long: results near 0, equal units, a relu that is on everywhere.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass.core.activations import Activation
from backpass.core.arrays import Array
from backpass.core.losses import Loss
from backpass.core.parameters import Parameters
from backpass.derivatives.batch import subject
from backpass.derivatives.tracing.recording import Recording, record
from backpass.network.network import Network

DRAWS = 300
WEIGHTS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)
BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0)
INPUTS = (-2.0, -1.0, 0.5, 1.0, 2.0, 3.0)
NOT_ROUND = 7
"""What a number of more than five decimals costs; a round one costs one for each decimal."""
A_ZERO, TOO_LARGE, A_TWIN, IDLE = 30, 5, 20, 300
"""What a result near 0 costs, one of 10 or more, a unit with the numbers of another, and a layer
whose φ′ is 1 everywhere, and may be forgotten."""
NEAR_ZERO = 0.01
RESULTS = {"z", "a", "dC", "dphi", "dz", "delta", "g", "dW", "db", "J"}


def round_numbers(network: Network, rows: int, seed: int) -> tuple[Network, Array, Array]:
    """Return a network of the same layers and loss, rows and targets, with round numbers.

    Parameters
    ----------
    network : Network
        Of which the sizes, activations and loss are taken.
    rows : int
    seed : int
        The same seed gives the same numbers.
    """
    rng = np.random.default_rng(seed)
    draws = (_draw(network, rows, rng) for _ in range(DRAWS))
    return min(draws, key=lambda draw: _length(record(subject(*draw))))


def _draw(network: Network, rows: int, rng: Any) -> tuple[Network, Array, Array]:
    sizes = network.sizes
    theta = Parameters(sizes, np.zeros(network.parameters.flat.shape))
    for W, b in zip(theta.weights, theta.biases, strict=True):
        W[...], b[...] = rng.choice(WEIGHTS, W.shape), rng.choice(BIASES, b.shape)
    X = np.array(
        [rng.choice(INPUTS, sizes[0], replace=sizes[0] > len(INPUTS)) for _ in range(rows)]
    )
    phi, loss = network.model.activations[-1], network.model.loss
    if phi.elementwise:
        y = rng.choice(targets_for(phi, loss), (rows, sizes[-1]))
    else:
        y = np.eye(sizes[-1])[rng.integers(sizes[-1], size=rows)]
    return Network.from_model(network.model.with_parameters(theta)), X, y


def targets_for(phi: Activation, loss: Loss) -> tuple[float, ...]:
    """Return the targets to draw from: what the output can come near to.

    Examples
    --------
    >>> from backpass.core.activations import ACTIVATIONS
    >>> from backpass.core.losses import LOSSES
    >>> loss = LOSSES.get_record("squared_error")
    >>> [targets_for(ACTIVATIONS.get_record(name), loss) for name in ("logistic", "tanh", "relu")]
    [(0.0, 1.0), (-1.0, 1.0), (0.0, 1.0, 2.0)]
    """
    values = phi.value(np.linspace(*phi.domain, 99)[:, None])
    low, high = float(values.min()), float(values.max())
    if loss.task == "margin" or (-1.01 < low < -0.9 and high < 1.01):
        return -1.0, 1.0
    if low < -0.5:
        return -1.0, 0.0, 1.0, 2.0
    return (0.0, 1.0) if high < 1.01 else (0.0, 1.0, 2.0)


def _length(seen: Recording) -> int:
    """Return how long the numbers of a run are to write, and what else speaks against it."""
    cost = 0
    for (name, layer), array in seen.arrays.items():
        if name in ("z", "a"):  # equal numbers hide it where indices are mixed up
            cost += A_TWIN * sum(array.shape[1] - len({*row}) for row in array.tolist())
        if name == "dphi" and np.all(array == 1):
            cost += IDLE
        if name in RESULTS and layer != 0:
            cost += sum(map(_cost, np.ravel(array)))
    return cost


def _cost(number: float) -> int:
    if abs(number) < NEAR_ZERO:
        return A_ZERO
    return decimals(number) + TOO_LARGE * (abs(number) >= 10)


def decimals(number: float) -> int:
    """Return how many decimals a number has, up to those of one that is not round.

    Examples
    --------
    >>> decimals(3.0), decimals(-0.125), decimals(1 / 3)
    (0, 3, 7)
    """
    within: Iterator[int] = (
        n for n in range(6) if abs(number * 10**n - round(number * 10**n)) < 1e-9
    )
    return next(within, NOT_ROUND)
