"""A pack: networks of several recipes, each on K folds of a table, that predict together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError
from backpass.network.batch import refuse_overflow
from backpass.network.network import Network
from backpass.tabular.pack.blending import Blend
from backpass.tabular.pack.intervals import FoldErrors, interval
from backpass.tabular.recipe import Recipe


@dataclass(frozen=True)
class PackedRecipe:
    """The networks of one recipe."""

    recipe: Recipe
    networks: tuple[Network, ...]  # one for each fold, which it has not seen
    epochs: tuple[int, ...]  # the epoch that was kept of each


@dataclass(frozen=True)
class Pack:
    """Networks that predict together.

    Examples
    --------
    >>> one, other = (Network([1, 1], seed=seed) for seed in (0, 1))
    >>> pack = Pack((PackedRecipe(Recipe(), (one, other), (1, 1)),), Blend((1.0,)))
    >>> X = np.ones((1, 1))
    >>> bool(np.isclose(pack.predict(X), (one.predict(X) + other.predict(X)) / 2))
    True
    """

    recipes: tuple[PackedRecipe, ...]
    blend: Blend  # what each of them counts
    # for each fold the errors on its rows, of a regression: see intervals
    errors: tuple[FoldErrors, ...] = ()

    @property
    def networks(self) -> Iterator[Network]:
        """All networks, recipe by recipe."""
        return (network for packed in self.recipes for network in packed.networks)

    @property
    def first(self) -> PackedRecipe:
        """The recipe that counts most."""
        return self.recipes[int(np.argmax(self.blend.weights))]

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the mean of what the networks make of encoded rows (N, d): (N, k)."""
        means = [_mean([output_of(n, X) for n in packed.networks]) for packed in self.recipes]
        mixed: NDArray[Any] = refuse_overflow(self.blend.apply(np.stack(means)))
        return mixed

    def predict_without(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return for each fold what the networks make of rows that have not seen it: (K, N, k)."""
        each = [np.stack([output_of(n, X) for n in packed.networks]) for packed in self.recipes]
        return np.stack(
            [self.blend.apply(np.stack(of_fold)) for of_fold in zip(*each, strict=True)]
        )

    def interval(
        self, X: NDArray[Any], coverage: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return lower and upper ends for encoded rows, in units of the encoded target.

        Raises
        ------
        InputError
            When there are none: of classes, of a training that was cut short, or too few rows.
        """
        if not self.errors:
            raise InputError("this model has no errors to make intervals of; train it to its end")
        predictions = self.predict(X)[None] if len(self.errors) == 1 else self.predict_without(X)
        return interval(predictions[:, :, 0], self.errors, coverage)


def output_of(network: Network, X: NDArray[Any]) -> NDArray[Any]:
    """Return the output for encoded rows; a network without bins takes the first columns."""
    width = network.sizes[0]
    if len(X) == 1:  # the same bytes in a tenth of the time
        return np.asarray(network.predict_one(X[0, :width]))[None, :]
    rows = X if X.shape[1] == width else np.ascontiguousarray(X[:, :width])
    return np.asarray(network.predict(rows))


def _mean(outputs: list[NDArray[Any]]) -> NDArray[Any]:
    total = outputs[0].copy()
    for output in outputs[1:]:  # in their order, whatever NumPy does with many
        total += output
    total /= len(outputs)
    return total
