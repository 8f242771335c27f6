"""What `fit`, `predict` and `score` take: rows, targets and weights, and how they are refused."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from backpass.core.arrays import is_sparse, power_of_two_near
from backpass.core.requirements import as_numbers
from backpass.errors import BackpassError, InputError

BLOCK_BYTES = 1 << 22
BLOCK_ROWS = 1 << 16
FEW = 1 << 12  # numbers that are checked at once
LARGEST = 1 << 53


class WrongTypeError(InputError, TypeError):
    """An InputError where scikit-learn raises a TypeError, for code that catches that."""


MENDS = {
    "contains NaN": "fill missing values in, or leave such rows out",
    "contains infinity": "correct such values, or leave such rows out",
    "Reshape your data": "Reshape your data: X.reshape(1, -1) if it is a row, (-1, 1) if a column",
    "value of NA is ambiguous": "leave out the rows in which pandas' NA stands",
    "Complex data not supported": "give real numbers",
}
"""How to mend what scikit-learn says in several lines, by its words."""
_DATA = re.compile(r"(?s)\b(got (?:scalar )?)(?!<class)(?:`.*`|.{80,}) instead", re.IGNORECASE)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Raise what scikit-learn, NumPy and data frames refuse as an InputError of one line.

    Names of columns that differ are listed in scikit-learn's lines: its checks ask for them.

    Examples
    --------
    >>> with in_one_line():
    ...     np.asarray("a").astype(float)
    Traceback (most recent call last):
    backpass.errors.InputError: could not convert string to float: np.str_('a')
    """
    try:
        yield
    except BackpassError:
        raise
    except (TypeError, ValueError) as error:
        told = str(error)
        if told.startswith("The feature names should match"):
            raise
        kind = InputError if isinstance(error, ValueError) else WrongTypeError
        for words, mend in MENDS.items():
            if words in told:
                raise kind(f"{told.splitlines()[0].rstrip('.:')}; {mend}") from None
        raise kind(" ".join(_DATA.sub(r"\1something else", told).split())) from None


def check_container(X: Any) -> Any:
    """Return `X` for scikit-learn, which would take some things for other numbers than they are.

    Raises
    ------
    InputError
        When values are masked, columns have the same name, or a text is no number.

    Examples
    --------
    >>> check_container([["1", "2.5"]])
    array([[1. , 2.5]])
    >>> check_container(np.ma.masked_less([[1.0, -9.0]], 0))
    Traceback (most recent call last):
    backpass.errors.InputError: X has masked values, which would be used; fill them in: X.filled(…)
    """
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    if type(X) is np.ndarray and X.dtype.kind in "SU":  # numbers, as they stand in a file
        try:
            return X.astype(np.float64)
        except ValueError as error:
            raise InputError(f"X holds texts: {error}; encode them as numbers") from None
    if np.ma.is_masked(X):
        raise InputError("X has masked values, which would be used; fill them in: X.filled(…)")
    names = list(X.columns) if hasattr(X, "iloc") and hasattr(X, "columns") else []
    twice = [repr(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"X: column names appear twice: {', '.join(twice)}; rename them")
    return X


def is_plain(X: Any) -> bool:
    """Return whether `X` is what scikit-learn's look at it, which takes long, would leave as it is.

    That is an array of float32 or float64 with rows and columns, and without names.

    Examples
    --------
    >>> is_plain(np.ones((2, 3))), is_plain([[1.0, 2.0]]), is_plain(np.ones(3))
    (True, False, False)
    """
    return type(X) is np.ndarray and X.dtype.char in "fd" and X.ndim == 2 and X.size > 0


def is_plain_target(y: Any, n: int) -> bool:
    """Return whether `y` is an array of `n` numbers or texts that scikit-learn would leave so.

    Examples
    --------
    >>> is_plain_target(np.array(["a", "b"]), 2), is_plain_target(np.array([1.0, np.nan]), 2)
    (True, False)
    """
    if type(y) is not np.ndarray or y.shape != (n,):
        return False
    return y.dtype.kind in "iubU" or (y.dtype.kind == "f" and bool(np.isfinite(y).all()))


def as_floats(X: Any) -> Any:
    """Return an array of objects, as categories of pandas are, as floats; others as they are.

    Raises
    ------
    InputError
        When one of the objects is no number.

    Examples
    --------
    >>> as_floats(np.array([[1, 2.5]], dtype=object))
    array([[1. , 2.5]])
    """
    return as_numbers("X", X, np) if X.dtype.kind == "O" else X


def check_finite(X: Any, estimator: Any) -> None:
    """Refuse NaN and infinity as scikit-learn does, in its words, and dates.

    Its own check of a whole array takes masks as long as the array where the sum overflows, as it
    does in float16, and a copy where a float32 array lies in columns.
    """
    data = X.data if is_sparse(X) else X
    if data.dtype.kind in "mM":  # whose numbers depend on their unit
        raise InputError(
            f"X holds dates or times ({X.dtype}); convert them to numbers of days, say"
        )
    if data.dtype.kind != "f" or (data.size <= FEW and np.isfinite(data).all()):
        return
    if get_config()["assume_finite"]:
        return
    if data.ndim == 2 and data.flags.f_contiguous:
        data = data.T  # blocks that lie together
    per_block = max(1, BLOCK_BYTES // max(1, data[:1].nbytes))
    name = type(estimator).__name__
    with np.errstate(invalid="ignore"), in_one_line():  # of its sum, where +inf meets -inf
        for start in range(0, len(data), per_block):
            block = data[start : start + per_block]
            assert_all_finite(block, estimator_name=name, input_name="X")


def check_targets(y: Any, check: Callable[[Any], Any]) -> None:
    """Call `check` on blocks of the rows of `y`, and on all of it only to say what is wrong."""
    try:
        for start in range(0, len(y), BLOCK_ROWS):
            check(y[start : start + BLOCK_ROWS])
    except InputError:
        check(y)  # the row that a message names is counted from the first


def plain_labels(y: Any) -> Any:
    """Return the sorted labels of a `y` (N,) of whole numbers, or None: ask scikit-learn.

    It looks at every label four times, and in ways that take longer than a small fit. What it has
    a word about is left to it: fractions, infinite numbers, texts, nearly as many labels as rows.

    Examples
    --------
    >>> plain_labels(np.array([2, 1, 2, 1])), plain_labels(np.array([0.5, 1.0]))
    (array([1, 2]), None)
    """
    if y.ndim != 1 or y.dtype.kind not in "iubf":
        return None
    labels = np.unique(y)
    # beyond LARGEST not every integer is a float; scikit-learn looks at them as integers
    whole = y.dtype.kind != "f" or ((np.trunc(labels) == labels) & (abs(labels) < LARGEST)).all()
    return labels if whole and 2 * len(labels) <= len(y) else None


def smallest_codes(classes: Any, y: Any) -> Any:
    """Return where each label of `y` (N,) stands in `classes`, in few bytes.

    Examples
    --------
    >>> smallest_codes(np.array(["a", "c", "b"]), np.array(["b", "a", "b"]))
    array([2, 0, 2], dtype=int8)
    """
    # signed, so that 2 c − 1 and comparisons are what they seem
    kind = next(k for k in ("i1", "i2", "i4") if len(classes) <= np.iinfo(k).max)
    codes, order = np.empty(len(y), dtype=kind), np.argsort(classes)
    for start in range(0, len(y), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        codes[block] = order[np.searchsorted(classes, y[block], sorter=order)]
    return codes


def check_labels(y: Any) -> None:
    """Refuse what are no labels, as scikit-learn does, and labels that cannot be sorted."""
    with in_one_line():
        try:
            check_classification_targets(y)
        except (TypeError, ValueError) as error:
            kinds = _types(y)
            absent = next((kind for kind in ("NoneType", "NAType", "NaTType") if kind in kinds), "")
            if absent:
                what = absent.removesuffix("Type")
                raise InputError(f"y has rows without a label ({what}); leave them out") from None
            if len(kinds) > 1 or isinstance(error, TypeError):
                raise _wrong_types("y", kinds, error) from None
            raise


def _types(y: Any) -> list[str]:
    y = np.asarray(y)
    if y.dtype.kind == "S":
        return ["bytes"]
    return sorted({type(label).__name__ for label in y.ravel()} if y.dtype == "O" else ())


def _wrong_types(name: str, kinds: list[str], error: Exception) -> InputError:
    if kinds == ["bytes"]:
        return InputError(f"{name} holds bytes; decode them: [b.decode() for b in {name}]")
    told = ", ".join(kinds) or error
    return InputError(f"{name} holds labels of different types: {told}; give one")


def labels_in(y: Any, name: str) -> Any:
    """Return the sorted labels in `y`."""
    with in_one_line():
        try:
            return unique_labels(y)
        except TypeError as error:
            raise _wrong_types(name, _types(y), error) from None


def r_squared(y: Any, predicted: Any, weights: Any = None) -> float:
    """Return R² as scikit-learn does, of numbers whose squares leave the range of floats, too.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 3.0])
    >>> [round(r_squared(y * size, (y + 0.5) * size), 12) for size in (1e300, 1, 1e-300)]
    [0.625, 0.625, 0.625]
    """
    from sklearn.metrics import r2_score

    y, predicted = np.asarray(y), np.asarray(predicted)
    if np.iscomplexobj(y) or y.dtype.kind == "O":
        return float(r2_score(y, predicted, sample_weight=weights))
    unit = power_of_two_near(y, predicted)
    if not ((unit > 1e-12) & (unit < 1e12)).all():
        y, predicted = y / unit, predicted / unit
    if weights is not None:
        weights = weights / power_of_two_near(weights)
    with np.errstate(over="ignore"):  # −∞, of predictions beyond 1e154 times the spread of y
        return float(r2_score(y, predicted, sample_weight=weights))
