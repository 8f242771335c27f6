"""Arrays as printed: a few significant digits, and large ones cut with a count."""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Cut", "cut", "printed"]


@dataclass(frozen=True)
class Cut:
    """An array as it is shown.

    Parameters
    ----------
    shape : tuple of int
        Of the whole array.
    rows, columns : list of int
        The rows and columns that are shown; the others are left out.
    texts : list of list of str
        The entries that are shown.
    """

    shape: tuple[int, int]
    rows: list[int]
    columns: list[int]
    texts: list[list[str]]

    @property
    def left_out(self) -> int:
        """How many entries are not shown."""
        return self.shape[0] * self.shape[1] - len(self.rows) * len(self.columns)


def printed(value: Any, digits: int = 4) -> str:
    """Return a number with so many significant digits, as ``-0.0625`` or ``1.2e-07``.

    Examples
    --------
    >>> printed(-0.06250001), printed(1234567.0), printed(0.0), printed(12.0)
    ('-0.0625', '1.235e+06', '0', '12')
    """
    text = f"{float(value):.{digits}g}"
    return "0" if text == "-0" else text


def cut(array: Any, max_elements: int | None, digits: int = 4) -> Cut:
    """Return a matrix as it is shown: whole, or its upper left corner of `max_elements` entries.

    Parameters
    ----------
    array : array of shape (m, n)
    max_elements : int or None
        None shows all.
    digits : int
        Significant digits.

    Examples
    --------
    >>> import numpy as np
    >>> part = cut(np.zeros((784, 512)), 64)
    >>> len(part.rows), len(part.columns), part.left_out
    (8, 8, 401344)
    """
    m, n = array.shape
    shown_columns, shown_rows = n, m
    if max_elements is not None and m * n > max_elements:
        side = math.isqrt(max_elements)  # factors of a product are cut alike
        shown_rows, shown_columns = min(m, side), min(n, side)
    texts = [[printed(v, digits) for v in row] for row in array[:shown_rows, :shown_columns]]
    return Cut((m, n), list(range(shown_rows)), list(range(shown_columns)), texts)
