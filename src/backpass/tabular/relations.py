"""Rows that are no strangers to each other: those of a group, or of a course of time.

Where rows of one customer stand on both sides of a split, a score tells how well customers are
remembered; where those of tomorrow do, how well the past is predicted from the future.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from backpass.errors import TableError
from backpass.tabular.column_values import as_days, as_numbers
from backpass.tabular.selection import known_column, split_rows

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


class Relations(NamedTuple):
    """How the rows of a table are related; both None where they are not."""

    groups: NDArray[np.int64] | None = None  # the number of each row's group, (N,)
    times: NDArray[np.float64] | None = None  # when each row was, (N,)

    def __bool__(self) -> bool:
        return self.groups is not None or self.times is not None

    def of(self, rows: NDArray[np.intp]) -> Self:
        """Return the relations of some of the rows."""
        groups, times = self.groups, self.times
        return type(self)(
            None if groups is None else groups[rows], None if times is None else times[rows]
        )


def relations_of(frame: pl.DataFrame, group: str | None, time: str | None) -> Relations:
    """Return the relations that two columns tell.

    Raises
    ------
    TableError
        When a column is not there, or has a gap, or times are no dates and no numbers.

    Examples
    --------
    >>> import polars
    >>> relations_of(polars.DataFrame({"who": ["b", "a", "b"]}), "who", None).groups.tolist()
    [0, 1, 0]
    """
    import polars as pl

    groups = times = None
    if group is not None:
        column = _whole(known_column(frame, group, "to take groups from"), "group")
        groups = column.rank("dense").to_numpy().astype(np.int64) - 1
        _, first, places = np.unique(groups, return_index=True, return_inverse=True)
        groups = np.argsort(np.argsort(first))[places]
        if len(first) < 2:
            raise TableError(f"column {group!r} has one group only; name another column")
    if time is not None:
        column = _whole(known_column(frame, time, "to take times from"), "time")
        if not (column.dtype.is_temporal() or column.dtype.is_numeric()):
            raise TableError(f"column {time!r} holds no times and no numbers; name another column")
        days = column.dtype.is_temporal() and not isinstance(column.dtype, pl.Duration)
        times = as_days(column) if days else as_numbers(column)
        if len(np.unique(times)) < 2:
            raise TableError(f"column {time!r} has one time only; name another column")
    return Relations(groups, times)


def _whole(column: pl.Series, what: str) -> pl.Series:
    missing = column.is_null()
    if missing.any():
        row = int(missing.arg_true()[0]) + 1
        raise TableError(
            f"column {column.name!r}, row {row}: its {what} is missing; fill it in, or leave the"
            " row out"
        )
    return column


def last_part(times: NDArray[np.float64], fraction: float) -> NDArray[np.bool_]:
    """Return which rows are the last ones: about that part, those of one time together.

    Examples
    --------
    >>> last_part(np.array([3.0, 1.0, 2.0, 2.0]), 0.25).tolist()
    [True, False, False, False]
    """
    found = np.unique(times)
    border = np.quantile(times, 1 - fraction, method="lower")
    last = times > border
    result: NDArray[np.bool_] = last if last.any() else times == found[-1]
    return result


def some_groups(groups: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Return which rows are of some whole groups: about that part of the rows.

    Examples
    --------
    >>> int(some_groups(np.array([0, 0, 0, 0, 0, 0, 1, 2]), 0.25, 0).sum())
    1
    """
    part = whole_groups(groups, max(2, round(1 / fraction)), seed)
    sizes = np.bincount(part)
    chosen: NDArray[np.bool_] = part == np.argmin(np.abs(sizes - fraction * len(groups)))
    return chosen


def whole_groups(groups: NDArray[np.int64], parts: int, seed: int) -> NDArray[np.int64]:
    """Return the part of each row: groups stay whole, and parts become about equally large.

    The largest groups first, each to the part with the fewest rows so far.

    Examples
    --------
    >>> part = whole_groups(np.array([0, 0, 0, 1, 2, 2]), 2, 0)
    >>> bool(part[0] == part[1] == part[2] != part[3] == part[4] == part[5])
    True
    """
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    filled, part_of = np.zeros(min(parts, len(sizes)), dtype=np.int64), np.zeros_like(sizes)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        part_of[group] = int(np.argmin(filled))
        filled[part_of[group]] += sizes[group]
    return np.asarray(part_of[groups], dtype=np.int64)


def split(
    y: NDArray[Any],
    fraction: float,
    seed: int,
    relations: Relations,
    *,
    classes: tuple[str, ...] | None = None,
    quiet: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to keep and to hold out: whole groups, the last ones, or drawn by chance.

    Parameters
    ----------
    y, fraction, seed, classes, quiet
        As of :func:`~backpass.tabular.selection.split_rows`, which draws rows that are strangers.
    relations : Relations

    Examples
    --------
    >>> split(np.zeros(4), 0.25, 0, Relations(times=np.array([3.0, 1.0, 2.0, 4.0])))
    (array([0, 1, 2]), array([3]))
    """
    if not relations:
        return split_rows(y, fraction, seed, classes=classes, quiet=quiet)
    if not 0 < fraction < 1:
        raise TableError(f"a part of the rows is held out, not {fraction:g} of them")
    if relations.times is not None:
        held = last_part(relations.times, fraction)
    else:
        assert relations.groups is not None
        held = some_groups(relations.groups, fraction, seed)
    return np.flatnonzero(~held), np.flatnonzero(held)
