"""The rows held out to judge epochs: scikit-learn's split of the same seed, in less memory."""

from typing import Any

import numpy as np
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.utils.extmath import _approximate_mode

__all__ = ["hold_out"]


def hold_out(n: int, fraction: float, rng: Any, stratify: Any = None) -> tuple[Any, Any]:
    """Return the row numbers to train on and those held out, as `train_test_split` gives them.

    Parameters
    ----------
    n : int
        How many rows there are.
    fraction : float
        The part to hold out.
    rng : RandomState
    stratify : array of int of shape (n,), optional
        Classes to be split alike. scikit-learn lists such rows one by one, as Python's numbers.

    Examples
    --------
    >>> classes = np.array([0, 1, 0, 1, 1, 1])
    >>> theirs = train_test_split(range(6), test_size=0.5, random_state=3, stratify=classes)
    >>> ours = hold_out(6, 0.5, np.random.RandomState(3), classes)
    >>> [rows.tolist() for rows in ours] == theirs
    True
    """
    one_split = ShuffleSplit(1, test_size=fraction, random_state=rng)
    if stratify is None:
        nothing = np.broadcast_to(0, n)  # n rows, of which only the number counts
        rows, held_out = next(one_split.split(nothing))
        return rows, held_out
    classes, counts = np.unique(stratify, return_counts=True)
    n_held_out = int(np.ceil(fraction * n))
    n_rows = n - n_held_out
    if counts.min() < 2 or min(n_rows, n_held_out) < len(classes):
        # it refuses, and says why
        rows, held_out = train_test_split(
            np.arange(n), test_size=fraction, random_state=rng, stratify=stratify
        )
        return rows, held_out
    to_train = _approximate_mode(counts, n_rows, rng)
    to_judge = _approximate_mode(counts - to_train, n_held_out, rng)
    index = np.int32 if n <= np.iinfo(np.int32).max else np.int64
    rows, held_out = np.empty(n_rows, index), np.empty(n_held_out, index)
    ends = np.cumsum(to_train), np.cumsum(to_judge)
    for i, one in enumerate(classes):
        drawn = np.flatnonzero(stratify == one).astype(index)[rng.permutation(counts[i])]
        rows[ends[0][i] - to_train[i] : ends[0][i]] = drawn[: to_train[i]]
        held_out[ends[1][i] - to_judge[i] : ends[1][i]] = drawn[to_train[i] :][: to_judge[i]]
    rng.shuffle(rows)
    rng.shuffle(held_out)
    return rows, held_out
