"""The numbers of a recording, laid out as a notation has them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.formatter import VECTORS
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.recording import Recording

__all__ = ["ROWS", "Values"]

ROWS = {"z", "a", "delta", "g", "dphi", "dC", "dz", "y", "terms"}
"""Quantities with one row a sample in our layout."""

_WEIGHTS = {"W", "dW", "W_new"}
_BIASES = {"b", "db", "b_new"}
_FLAT = {"P", "Pb"}
"""Rows of one sample in every notation, as numerator layout has them."""


@dataclass(frozen=True)
class Values:
    """Looks up the numbers of a formula's quantities.

    Parameters
    ----------
    notation : Notation
    recording : Recording
        Of the batch, or of the one sample.
    samples : list of Recording
        Of every sample alone, where a leaf may belong to one.
    """

    notation: Notation
    recording: Recording
    samples: list[Recording] = field(default_factory=list)

    def __call__(self, leaf: Leaf) -> Any:
        """Return a matrix, a column or row being one too, or a number."""
        recording = self.recording if leaf.sample is None else self.samples[leaf.sample]
        if leaf.key in VECTORS:
            return self._of_unit(leaf, recording)
        if leaf.key == "dhb":
            return recording.arrays[f"dhb{leaf.entry[0]}", leaf.layer]
        if leaf.entry:
            array = self._array(leaf, recording)
            return array[0][leaf.entry] if leaf.key in ROWS else array[leaf.entry]
        return self._laid_out(leaf, recording)

    def _laid_out(self, leaf: Leaf, recording: Recording) -> Any:
        notation, key = self.notation, leaf.key
        if key in ("share", "ones", "N", "S"):
            return self._of_weights(key, recording)
        array = self._array(leaf, recording)
        if key in ROWS:
            return notation.from_our_rows(array)
        if key in _WEIGHTS:
            return notation.from_our_weights(array)
        if key in _BIASES:
            return notation.from_our_rows(array[None, :])
        if key == "bs":
            N = len(recording.arrays["s", None])
            return notation.from_our_rows(np.repeat(array[None, :], N, axis=0))
        if key in _FLAT:
            return array[None, :]
        return array[0] if key == "jac" else array

    @staticmethod
    def _of_unit(leaf: Leaf, recording: Recording) -> Any:
        """Return a vector that belongs to one unit: its weights, or a derivative of its output."""
        (unit,) = leaf.entry
        if leaf.key == "w":
            return recording.arrays["W", leaf.layer][:, unit][:, None]
        if leaf.key == "dfw":
            return recording.arrays["dfw", leaf.layer]  # of the first unit
        if leaf.key == "Pw":
            return recording.arrays["Pw", leaf.layer][:, unit][None, :]
        return recording.arrays[f"{leaf.key}{unit}", leaf.layer][None, :]

    @staticmethod
    def _array(leaf: Leaf, recording: Recording) -> Any:
        key = "b" if leaf.key == "bs" else leaf.key
        known = recording.arrays
        return known[key, leaf.layer] if (key, leaf.layer) in known else known[key, None]

    @staticmethod
    def _of_weights(key: str, recording: Recording) -> Any:
        s = recording.arrays["s", None]
        if key == "N":
            return np.array(len(s))
        if key == "S":
            return np.sum(s)
        return (np.ones_like(s) if key == "ones" else s / np.sum(s))[:, None]

    @property
    def last(self) -> int:
        """The number of the output layer."""
        return max(layer or 0 for key, layer in self.recording.arrays if key == "z")

    def weights_are_equal(self) -> bool:
        """Return whether every sample counts the same."""
        s = self.recording.arrays["s", None]
        return bool(np.all(s == s[0]))
