"""Folds: every row of a table in one of K parts, alike in their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import TableError
from backpass.tabular.relations import Relations, last_part, some_groups, whole_groups

FEWEST_ROWS = 5  # of a fold: fewer say nothing of the networks that did not see them
FEWEST = 4  # rows: two folds, and in the other one a row to judge by and one to learn from
INNER = 10  # parts of a network's training rows, of which one judges its epochs


@dataclass(frozen=True)
class Folds:
    """Which rows each network is trained on, and which it predicts."""

    fold: NDArray[np.int64]  # the network that predicts each row; −1 where none does, (N,)
    # whether a network is trained on the rows before its fold only, those of −1 first
    forward: bool = False

    @property
    def count(self) -> int:
        """How many folds there are: K."""
        return int(self.fold.max()) + 1

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Which rows a network predicts that has not seen them."""
        return self.fold >= 0

    def held_out(self, k: int) -> NDArray[np.intp]:
        """Return the rows that network `k` predicts."""
        return np.flatnonzero(self.fold == k)

    def trained_on(self, k: int) -> NDArray[np.intp]:
        """Return the rows that network `k` is trained on."""
        return np.flatnonzero(self.fold < k if self.forward else self.fold != k)


def fold_count(n_rows: int, wanted: int) -> int:
    """Return how many folds so many rows are dealt into: at least two, of five rows or more.

    Raises
    ------
    TableError
        When there are too few rows for two folds and one that judges.

    Examples
    --------
    >>> fold_count(1000, 8), fold_count(20, 8), fold_count(4, 8)
    (8, 4, 2)
    """
    if n_rows < FEWEST:
        raise TableError(f"{n_rows} row(s) are too few to learn from; give at least {FEWEST}")
    return max(2, min(wanted, n_rows // FEWEST_ROWS))


def folds_of(y: NDArray[Any], wanted: int, seed: int, relations: Relations) -> Folds:
    """Return the folds of a table: groups are whole, and of times each fold is later than the last.

    Parameters
    ----------
    y : array of shape (N,)
    wanted : int
        Folds, of which there may be fewer.
    seed : int
    relations : Relations

    Examples
    --------
    >>> y = np.zeros(30)
    >>> folds_of(y, 2, 0, Relations(times=np.arange(30.0))).fold.tolist()[::6]
    [-1, -1, 0, 0, 1]
    """
    count = fold_count(len(y), wanted)
    if relations.groups is not None:
        return Folds(whole_groups(relations.groups, count, seed))
    if relations.times is not None:
        borders = np.quantile(relations.times, np.arange(1, count + 1) / (count + 1))
        block = np.searchsorted(np.unique(borders), relations.times, side="left")
        return Folds(np.unique(block, return_inverse=True)[1].astype(np.int64) - 1, forward=True)
    return Folds(deal(y, count, seed))


def judging_rows(y: NDArray[Any], seed: int, relations: Relations) -> NDArray[np.bool_]:
    """Return which of a network's training rows judge its epochs: a tenth of them.

    Whole groups, or the last ones of a course of time; else alike in their targets.
    """
    related: NDArray[np.bool_] = np.ones(len(y), dtype=bool)
    if relations.groups is not None:
        related = some_groups(relations.groups, 1 / INNER, seed)
    elif relations.times is not None:
        related = last_part(relations.times, 1 / INNER)
    if not related.all():  # else they are all of one group or time
        return related
    first: NDArray[np.bool_] = deal(y, min(INNER, len(y)), seed) == 0
    return first


def deal(y: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row: in the order of their targets, each K rows in a row to K folds.

    So every fold has its share of each class and of each range of a quantity, rare and extreme
    ones too.

    Parameters
    ----------
    y : array of shape (N,)
        Targets: classes 0 … k−1, or numbers.
    folds : int
        K.
    seed : int

    Examples
    --------
    >>> fold = deal(np.array([0, 1, 0, 1, 0, 1]), 2, 0)
    >>> np.bincount(fold).tolist(), np.bincount(fold, weights=[0, 1, 0, 1, 0, 1]).tolist()
    ([3, 3], [1.0, 2.0])
    """
    rng, n = np.random.default_rng(seed), len(y)
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    keys = rng.random((-(-n // folds), folds))
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.argsort(keys, axis=1).ravel()[:n]
    return fold
