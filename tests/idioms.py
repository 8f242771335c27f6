"""The table of idioms: short scripts of public code, each run with the two classes it is given.

An idiom prints what it finds; numbers are rounded so that equal algorithms print equal text.
"""

import functools
import io
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine, make_moons
from sklearn.preprocessing import StandardScaler

IDIOMS: dict[str, Callable[[Any, Any], None]] = {}

SMALL: dict[str, Any] = {"hidden_layer_sizes": (5,), "max_iter": 10, "random_state": 0}
QUICK: dict[str, Any] = {**SMALL, "learning_rate_init": 0.05}


def idiom(function: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Add a script to the table, under its name."""
    known = IDIOMS.setdefault(function.__name__, function)
    # a file of them is loaded twice where pytest looks into it for doctests
    assert _file_of(known) == _file_of(function), f"two idioms are called {function.__name__}"
    return function


def _file_of(function: Any) -> str:
    return str(getattr(function, "func", function).__code__.co_filename)


def idioms_for(**variants: dict[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a script to the table once for each variant of its keyword arguments."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        for name, arguments in variants.items():
            one = functools.partial(function, **arguments)
            one.__name__ = f"{function.__name__}_{name}"  # type: ignore[attr-defined]
            idiom(one)
        return function

    return add


@dataclass
class Outcome:
    """What a script printed, how it ended, and the warnings it gave."""

    text: str
    error: Exception | None
    warnings: list[str]


def run(name: str, classifier: Any, regressor: Any) -> Outcome:
    """Run an idiom; what it raises is the last line of its text."""
    out, error = io.StringIO(), None
    np.random.seed(0)
    with warnings.catch_warnings(record=True) as told, redirect_stdout(out):
        warnings.simplefilter("always")
        try:
            IDIOMS[name](classifier, regressor)
        except Exception as raised:
            error = raised
            print("".join(traceback.format_exception_only(raised)).strip())
    return Outcome(out.getvalue(), error, [str(w.message) for w in told])


def rounded(x: Any, digits: int = 4) -> Any:
    """Return numbers with few digits, as Python's, and no minus before a zero."""
    return (np.round(np.asarray(x, dtype=float), digits) + 0.0).tolist()


def sums(arrays: Any) -> Any:
    """Return one number for each array, which tells one from another."""
    return [rounded((np.asarray(a) * np.cos(np.arange(a.size)).reshape(a.shape)).sum())
            for a in arrays]  # fmt: skip


@functools.cache
def _scaled(load: Callable[..., Any], rows: int | None) -> tuple[Any, Any]:
    X, y = load(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(X))[:rows]
    return StandardScaler().fit_transform(X[order]), y[order]


def iris() -> tuple[Any, Any]:
    """Return 150 rows of 4 features and 3 classes, scaled, in mixed order."""
    X, y = _scaled(load_iris, None)
    return X.copy(), y.copy()


def wine() -> tuple[Any, Any]:
    """Return 178 rows of 13 features and 3 classes, scaled, in mixed order."""
    X, y = _scaled(load_wine, None)
    return X.copy(), y.copy()


def diabetes() -> tuple[Any, Any]:
    """Return 200 rows of 10 features and a number, both scaled."""
    X, y = _scaled(load_diabetes, 200)
    return X.copy(), (y - y.mean()) / y.std()


def digits() -> tuple[Any, Any]:
    """Return 300 images of 64 pixels between 0 and 1, and their digits."""
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def moons() -> tuple[Any, Any]:
    """Return 100 points of two classes."""
    X, y = make_moons(100, noise=0.2, random_state=0)
    return X, y
