"""Numbers for a network and its rows that come out round in both passes.

Weights, biases, inputs and targets are drawn from small sets a hundred times, the two passes are
run on each draw, and the one whose results have the fewest decimals is kept; then single numbers of
it are drawn anew as long as that shortens the results. What teaches little counts as long: results
near 0, equal units, a relu that is on everywhere.
"""

from typing import Any

import numpy as np

from backpass.core.activations import Activation
from backpass.core.arrays import Array
from backpass.core.losses import Loss
from backpass.core.parameters import Parameters
from backpass.derivatives.batch import subject
from backpass.derivatives.tracing.recording import record
from backpass.network.network import Network

Draw = tuple[Network, Array, Array]
DRAWS, CHANGES = 100, 200
WEIGHTS = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0)
BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0)
INPUTS = (-2.0, -1.0, 0.5, 1.0, 2.0, 3.0)
NOT_ROUND = 12
"""What a number of more than four digits costs; a round one costs one for each decimal."""
A_ZERO, TOO_LARGE, A_TWIN, IDLE = 30, 5, 20, 300
"""What a result near 0 costs, one of 10 or more, a unit with the numbers of another, and a layer
that is saturated, or whose φ′ is 1 everywhere, and may be forgotten."""
NEAR_ZERO, SATURATED = 0.01, 0.001
RESULTS = {"z", "a", "dC", "dphi", "dz", "delta", "g", "dW", "db", "J"}


def round_numbers(network: Network, rows: int, seed: int) -> tuple[Network, Array, Array]:
    """Return a network of the same layers and loss, rows and targets, with round numbers."""
    rng = np.random.default_rng(seed)
    draws = [_draw(network, rows, rng) for _ in range(DRAWS)]
    lengths = list(map(_length, draws))
    length, best = min(lengths), draws[int(np.argmin(lengths))]
    for _ in range(CHANGES):
        other = _changed(best, rng)
        if (changed := _length(other)) <= length:
            length, best = changed, other
    return best


def _draw(network: Network, rows: int, rng: Any) -> Draw:
    theta, k = network.parameters.copy(), network.sizes[-1]
    X = np.zeros((rows, network.sizes[0]))
    for array, pool in _pools(theta, X):
        array[...] = rng.choice(pool, array.shape)
    phi, loss = network.model.activations[-1], network.model.loss
    if phi.elementwise:
        y = rng.choice(targets_for(phi, loss), (rows, k))
    else:
        y = np.eye(k)[rng.integers(k, size=rows)]
    return Network.from_model(network.model.with_parameters(theta)), X, y


def _changed(draw: Draw, rng: Any) -> Draw:
    """Return a draw with one number drawn anew."""
    network, X, y = draw
    theta, X = network.parameters.copy(), X.copy()
    pools = _pools(theta, X)
    array, pool = pools[rng.integers(len(pools))]
    array.flat[rng.integers(array.size)] = rng.choice(pool)
    return Network.from_model(network.model.with_parameters(theta)), X, y


def _pools(theta: Parameters, X: Array) -> list[tuple[Array, tuple[float, ...]]]:
    """Return the arrays that are drawn, and what from."""
    weights, biases = ((W, WEIGHTS) for W in theta.weights), ((b, BIASES) for b in theta.biases)
    return [*weights, *biases, (X, INPUTS)]


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


def _length(draw: Draw) -> int:
    """Return how long the numbers of a run are to write, and what else speaks against it."""
    cost = 0
    for (name, layer), array in record(subject(*draw)).arrays.items():
        if name in ("z", "a"):  # equal numbers hide it where indices are mixed up
            cost += A_TWIN * sum(array.shape[1] - len({*row}) for row in array.tolist())
        idle = name == "dphi" and np.all(array == 1)
        if idle or (name in ("a", "dphi") and np.any((array != 0) & (abs(array) < SATURATED))):
            cost += IDLE
        if name in RESULTS and layer != 0:
            cost += sum(map(_cost, np.ravel(array)))
    return cost


def _cost(number: float) -> int:
    if abs(number) < NEAR_ZERO:
        return A_ZERO
    return decimals(number) + TOO_LARGE * (abs(number) >= 10)


def decimals(number: float) -> int:
    """Return how many decimals a number has; :data:`NOT_ROUND` where four digits do not tell it.

    Examples
    --------
    >>> decimals(3.0), decimals(-0.125), decimals(1 / 3), decimals(23.3125)
    (0, 3, 12, 12)
    """
    text = f"{number:.4g}"
    short = "e" not in text and abs(float(text) - number) < 1e-9
    return len(text.partition(".")[2]) if short else NOT_ROUND
