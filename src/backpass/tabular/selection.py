"""From a table to what is learnt from: its rows with a target, in two parts, and its inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.hints import closest
from backpass.errors import TableError, TableWarning, brief, rewording, warn_caller
from backpass.tabular.column_values import as_numbers
from backpass.tabular.frames import columns_named
from backpass.tabular.rows import refuse_nameless
from backpass.tabular.series import refuse_other_types

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


def check_name(name: Any, purpose: str) -> None:
    """Raise a :class:`TableError` for what can be no name of a column, such as a column itself."""
    if not isinstance(name, str | Number | tuple | date):
        told = "None" if name is None else f"of type {type(name).__name__}"
        raise TableError(f"the name of a column is text, not {told}; give one {purpose}")


def known_column(frame: pl.DataFrame, name: str, purpose: str) -> pl.Series:
    """Return a column, or raise a :class:`TableError` that lists those there are.

    Parameters
    ----------
    frame : polars.DataFrame
    name : str
    purpose : str
        What it is wanted for: ``"to predict"``.
    """
    check_name(name, purpose)
    if name in frame.columns:
        return frame[name]
    found = closest(name, frame.columns, elsewhere=()) if isinstance(name, str) else None
    if found:
        hint = f"did you mean {found!r}?"
    else:
        more = ", …" if frame.width > 12 else ""
        hint = f"it has {', '.join(repr(c) for c in frame.columns[:12])}{more}"
    raise TableError(f"the table has no column {brief(name)} {purpose}; {hint}")


def usable_rows(
    frame: pl.DataFrame, target: str, sample_weight: str | None = None
) -> NDArray[np.int64]:
    """Return the numbers, from 0, of the rows that have a target and a weight above 0.

    Raises
    ------
    TableError
        When a column is not in the table or empty, or a weight cannot be used.
    """
    if target == sample_weight:
        raise TableError(f"column {target!r} is the target; it cannot hold the sample weights, too")
    present = with_target(frame, target)
    if not present.any():
        raise TableError(
            f"target {target!r} has no values; give rows that have one, or choose another"
        )
    keep = present.to_numpy()
    if sample_weight is not None:
        keep = keep & (_checked_weights(frame, sample_weight) > 0)
    if not keep.any():
        raise TableError(
            f"no row has both a target {target!r} and a weight {sample_weight!r} above 0"
        )
    return np.flatnonzero(keep)


def with_target(frame: pl.DataFrame, target: str) -> pl.Series:
    """Return which rows have a target; there may be none."""
    column = known_column(frame, target, "to predict")
    refuse_other_types(column, "target", "choose another")
    present = column.is_not_null()
    return present & column.is_not_nan() if column.dtype.is_float() else present


def input_columns(
    frame: pl.DataFrame, target: str, sample_weight: str | None, drop: Sequence[str]
) -> pl.DataFrame:
    """Return the columns to learn from.

    Raises
    ------
    TableError
        When a column to leave out is not there, is the target, or nothing remains.
    """
    if target in drop:
        raise TableError(f"column {target!r} is the target; it cannot be dropped, too")
    for name in drop:
        known_column(frame, name, "to drop")
    refuse_nameless([name if name not in drop else "(dropped)" for name in frame.columns])
    others = {target, *drop, *filter(None, [sample_weight])}
    inputs = columns_named(frame, (name for name in frame.columns if name not in others))
    if not inputs.width:
        raise TableError(f"no columns are left to predict {target!r} from; drop fewer, or add some")
    return inputs


def _checked_weights(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    column = known_column(frame, name, "to take sample weights from")
    refuse_other_types(column, "sample weight", "choose another")
    s = as_numbers(column)
    bad = ~np.isfinite(s) | (s < 0)
    if bad.any():
        row = int(bad.argmax()) + 1
        found = "missing" if np.isnan(s[row - 1]) else f"{s[row - 1]:g}"
        raise TableError(
            f"column {name!r}, row {row}: the weight is {found}; "
            "weights must be numbers of at least 0"
        )
    if not s.any():
        raise TableError(f"column {name!r}: all weights are 0; give some rows more")
    return s


def sample_weights(frame: pl.DataFrame, name: str | None) -> NDArray[np.float64] | None:
    """Return the column of weights (N,), divided by their mean; None without a column.

    Only their ratios count, and numbers around 1 neither overflow nor vanish in float32.

    Raises
    ------
    TableError
        When a weight is missing, negative, not finite or too small beside the largest, or all are
        0.
    """
    if name is None:
        return None
    s = _checked_weights(frame, name)
    shares = s / s.max()
    mean: NDArray[np.float64] = shares / shares.mean()
    lost = (s > 0) & (mean < np.finfo(np.float32).smallest_normal)
    if lost.any():
        row = int(lost.argmax()) + 1
        raise TableError(
            f"column {name!r}, row {row}: the weight is {s[row - 1]:g}, too small beside "
            f"{s.max():g} to count in float32; make it 0, or leave the row out"
        )
    return mean


@contextmanager
def original_rows(
    rows: Sequence[int] | NDArray[np.int64],
    label: str = "",
    line_of: Callable[[int], int] | None = None,
) -> Iterator[None]:
    """Let messages about row i of a part of a table name the row of the whole table.

    Parameters
    ----------
    rows : sequence of int
        The number, from 0, that each row of the part has in the table.
    label : str
        The table's name, put in front of errors.
    line_of : callable, optional
        From the number of a row of the table to its line in the file, where it has one.

    Examples
    --------
    >>> with original_rows(np.array([3, 7]), "a.csv"):
    ...     raise TableError("column 'x', row 2: 'y' is not a number")
    Traceback (most recent call last):
    backpass.errors.TableError: a.csv: column 'x', row 8: 'y' is not a number
    """

    def renumber(message: str) -> str:
        def number(match: re.Match[str]) -> str:
            i = int(match[1])
            if not 1 <= i <= len(rows):
                return match[0]
            row = int(rows[i - 1])
            return f"line {line_of(row)}" if line_of else f"row {row + 1}"

        # quoted names and values may hold the word, too, and stay as they are
        pieces = re.split(r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", message)
        return "".join(
            piece if i % 2 else re.sub(r"\brow (\d+)\b", number, piece)
            for i, piece in enumerate(pieces)
        )

    with rewording(renumber):
        try:
            yield
        except TableError as error:
            prefix = f"{label}: " if label and not str(error).startswith(label) else ""
            raise TableError(f"{prefix}{renumber(str(error))}") from error


def split_rows(
    y: NDArray[Any],
    fraction: float,
    seed: int,
    *,
    classes: tuple[str, ...] | None = None,
    quiet: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
    from sklearn.model_selection import train_test_split

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
    warn_caller(
        f"{len(names)} {have} one row only and {are} kept in training, so {they} cannot be "
        f"tested: {shown}",
        TableWarning,
    )
