"""How the predictions of several recipes become one: weights by greedy selection, a temperature.

Everything here is told from out-of-fold predictions, which no network made of rows that it was
trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 30  # of the selection: weights of thirtieths, beyond which nothing changes on most tables
_TEMPERATURES = (0.5, 2.0)  # what a pack that is not broken stays within
_PRIOR = 5.0  # rows' worth of doubt that a temperature other than 1 is needed
SMALLEST = 1e-7  # of a probability: float32 cannot tell 1 from 1 less a smaller one


@dataclass(frozen=True)
class Blend:
    """How much each recipe's predictions count, and how far probabilities are drawn together."""

    weights: tuple[float, ...]  # they sum to 1
    temperature: float = 1.0  # T of softmax(log p / T), of a classification; 1 changes nothing

    def apply(self, predictions: NDArray[Any]) -> NDArray[Any]:
        """Return the blend (N, k) of the recipes' predictions (R, N, k)."""
        mixed = np.zeros_like(predictions[0])
        for weight, output in zip(self.weights, predictions, strict=True):
            if weight:
                mixed += predictions.dtype.type(weight) * output
        return tempered(mixed, self.temperature)


def tempered(probabilities: NDArray[Any], temperature: float) -> NDArray[Any]:
    """Return softmax(log p / T): above 1 less sure than p, below 1 surer.

    Examples
    --------
    >>> tempered(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    if temperature == 1.0:
        return probabilities
    dtype = probabilities.dtype
    z = np.log(np.maximum(probabilities, SMALLEST)) / dtype.type(temperature)
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    result: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return result


def fit_blend(
    predictions: NDArray[Any], y: NDArray[Any], weights: Floats | None, *, classes: bool
) -> Blend:
    """Return the blend that is best on these rows.

    Recipes are taken one after the other, each the one that improves the mean of those taken so far
    most, with replacement (Caruana et al., "Ensemble selection from libraries of models", ICML
    2004); a recipe weighs as often as it was taken.

    Parameters
    ----------
    predictions : array of shape (R, N, k)
        Of R recipes, for N rows that they were not trained on.
    y : array of shape (N,)
        Classes 0 … k−1, or numbers.
    weights : array of shape (N,), optional
        Of the rows.
    classes : bool
        Whether the loss is the log-loss of probabilities, rather than the squared error.

    Examples
    --------
    >>> right, wrong = [[0.9, 0.1], [0.2, 0.8]], [[0.1, 0.9], [0.7, 0.3]]
    >>> fit_blend(np.array([wrong, right]), np.array([0, 1]), None, classes=True).weights
    (0.0, 1.0)
    """
    told = _told(predictions, y, classes)
    taken = np.zeros(len(told))
    total = np.zeros(told.shape[1])
    for step in range(STEPS if len(told) > 1 else 1):
        losses = _losses((total + told) / (step + 1), y, weights, classes)
        best = int(np.argmin(losses))  # the first of equals
        taken[best] += 1
        total += told[best]
    shares = tuple((taken / taken.sum()).tolist())
    if not classes:
        return Blend(shares)
    return Blend(shares, _temperature(Blend(shares).apply(predictions), y, weights))


def blend_loss(blended: NDArray[Any], y: NDArray[Any], weights: Floats | None) -> float:
    """Return the mean log-loss (nats) of probabilities (N, k), or the mean squared error (N, 1)."""
    classes = blended.shape[1] > 1
    return float(_losses(_told(blended[None], y, classes), y, weights, classes)[0])


def row_losses(output: NDArray[Any], y: NDArray[Any]) -> Floats:
    """Return each row's log-loss (nats) of probabilities (N, k), or squared error (N, 1)."""
    classes = output.shape[1] > 1
    each: Floats = _costs(_told(output[None], y, classes), y, classes)[0]
    return each


def _told(predictions: NDArray[Any], y: NDArray[Any], classes: bool) -> Floats:
    """Return what the loss looks at, (R, N): the probability of the true class, or the number."""
    column = y.astype(np.intp) if classes else 0
    told: Floats = predictions[:, np.arange(predictions.shape[1]), column].astype(np.float64)
    return told


def _losses(told: Floats, y: NDArray[Any], weights: Floats | None, classes: bool) -> Floats:
    mean: Floats = np.average(_costs(told, y, classes), axis=1, weights=weights)
    return mean


def _costs(told: Floats, y: NDArray[Any], classes: bool) -> Floats:
    each: Floats = -np.log(np.maximum(told, SMALLEST)) if classes else (told - y) ** 2
    return each


def _temperature(p: NDArray[Any], y: NDArray[Any], weights: Floats | None) -> float:
    """Return the temperature whose probabilities have the least log-loss, near 1 for few rows."""
    from scipy.optimize import minimize_scalar

    p64 = p.astype(np.float64)

    def loss(log_t: float) -> float:
        doubt = _PRIOR * log_t**2 / len(y)
        return blend_loss(tempered(p64, float(np.exp(log_t))), y, weights) + doubt

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(found.x))
