"""Splitting rows: seeded, stratified by class, with classes of one row kept in training."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from backpass.errors import TableError, TableWarning

__all__ = ["split_rows"]

Rows = NDArray[np.int64]


def split_rows(
    y: NDArray[Any],
    fraction: float,
    seed: int,
    *,
    classes: tuple[str, ...] | None = None,
    quiet: bool = False,
) -> tuple[Rows, Rows]:
    """Return the rows to keep and the rows to hold out, both in ascending order.

    Parameters
    ----------
    y : array of shape (N,)
        The encoded target.
    fraction : float
        Part of the rows to hold out, between 0 and 1.
    seed : int
    classes : tuple of str, optional
        Names of the classes 0 … k−1; given, each keeps its share in both parts, as far as it
        can, and every one that occurs is kept in training.
    quiet : bool
        Whether to say nothing of classes with one row.

    Raises
    ------
    TableError
        When either part would be empty.

    Warns
    -----
    TableWarning
        When a class has one row only: it is kept in training.

    Examples
    --------
    >>> kept, held_out = split_rows(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, 0, classes=("a", "b"))
    >>> len(kept), held_out.tolist()
    (6, [0, 7])
    """
    n = len(y)
    n_held_out = round(n * fraction)
    if not 1 <= n_held_out < n:
        raise TableError(f"{n} row(s) are too few to hold out {fraction:g} of them; give more rows")
    rows, alone, stratify = np.arange(n), np.zeros(n, dtype=bool), None
    if classes is not None:
        counts = np.bincount(y, minlength=len(classes))
        alone = counts[y] == 1
        if n > 20 and 2 * alone.sum() > n:
            raise TableError(
                f"{alone.sum()} of {n} rows have a class of their own: the target looks like a "
                "name or a number rather than classes; choose another target or task"
            )
        if not quiet and alone.any():
            _warn_of([classes[code] for code in np.flatnonzero(counts == 1)])
        n_classes = int((counts > 1).sum())
        # fewer rows than classes in a part: shares cannot be kept, so rows are drawn freely
        if n_classes <= n_held_out <= n - alone.sum() - n_classes:
            stratify = y[~alone]
    free = rows[~alone]
    if len(free) <= n_held_out:
        raise TableError(f"{n} rows are too few to hold out {n_held_out} of them; give more rows")
    _, held_out = train_test_split(free, test_size=n_held_out, random_state=seed, stratify=stratify)
    held = np.zeros(n, dtype=bool)
    held[held_out] = True
    if classes is not None:
        held[_unseen(y, held)] = False
    if not held.any():
        raise TableError(f"{n} rows of {len(classes or ())} classes are too few; give more rows")
    return np.flatnonzero(~held), np.flatnonzero(held)


def _unseen(y: NDArray[Any], held: NDArray[np.bool_]) -> list[int]:
    """Return a held-out row of each class of which no row was kept."""
    missing = np.setdiff1d(y[held], y[~held])
    return [int(np.flatnonzero(held & (y == code))[0]) for code in missing]


def _warn_of(names: list[str]) -> None:
    shown = ", ".join(repr(name) for name in names[:5]) + ", …" * (len(names) > 5)
    have, are, they = (
        ("class has", "is", "it") if len(names) == 1 else ("classes have", "are", "they")
    )
    warnings.warn(
        f"{len(names)} {have} one row only and {are} kept in training, so {they} cannot be "
        f"tested: {shown}",
        TableWarning,
        stacklevel=3,
    )
