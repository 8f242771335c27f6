"""The exceptions and warnings of backpass, each saying what, where and how to mend it.

Every exception is a :class:`BackpassError`; the ones about wrong input are also a
:class:`ValueError`, so that code written for scikit-learn catches them as before.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Number
from typing import Any


class BackpassError(Exception):
    """Base class of every exception that backpass raises on purpose."""


class InputError(BackpassError, ValueError):
    """An argument cannot be used; the message says which, why, and how to mend it."""


class NonFiniteError(BackpassError, ValueError):
    """A loss, gradient or parameter became NaN or infinite; training stopped at once."""


class TableError(InputError):
    """A table cannot be used; the message names the file and the line or column."""


class ModelFileError(InputError):
    """A model file is damaged, hostile or too new, or a file cannot be written; it says where."""


class TableWarning(UserWarning):
    """Something about a table is untidy or suspicious; training goes on."""


class DeadUnitsWarning(UserWarning):
    """Most ReLU units of a layer output 0 for every sample, so they no longer learn."""


class VersionWarning(UserWarning):
    """A pickle was written by another version of backpass, and may be read as something else."""


class PrivateMethodWarning(UserWarning):
    """A subclass has a private method of scikit-learn's, or a parameter, that ours does not use."""


_REWORDINGS: ContextVar[tuple[Callable[[str], str], ...]] = ContextVar("rewordings", default=())


@contextmanager
def rewording(change: Callable[[str], str]) -> Iterator[None]:
    """Have every `TableWarning` of this thread told as `change` words it; inner ones come first.

    A variable of the context, and no list of warnings that is caught and told again: filters of
    warnings belong to all threads, and a server predicts in several.
    """
    token = _REWORDINGS.set((*_REWORDINGS.get(), change))
    try:
        yield
    finally:
        _REWORDINGS.reset(token)


def warn_caller(message: str, category: type[Warning], module: str = "") -> None:
    """Warn of the line of the user's that called, past those of backpass and scikit-learn.

    Parameters
    ----------
    module : str, optional
        What filters take for the module that warns; the caller's by default.
    """
    if issubclass(category, TableWarning):
        for change in reversed(_REWORDINGS.get()):
            message = change(message)
    frame = sys._getframe(1)
    between = ("backpass", "sklearn", "contextlib")
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in between:
        frame = frame.f_back
    told = frame.f_globals
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module or told["__name__"],
        told.setdefault("__warningregistry__", {}),
    )


def brief(value: Any) -> str:
    """Return a value as a message shows it: a short one as Python writes it, else its type.

    What people hand over may be a whole table, whose data belong in no message.

    Examples
    --------
    >>> brief("adam"), brief([3, 0, 1]), brief(range(10**6)), brief({"x": [1, 2]})
    ("'adam'", '[3, 0, 1]', 'a range', 'a dict')
    """
    if isinstance(value, str) and len(value) > 60:
        return repr(f"{value[:60]}…")
    if type(value).__module__ == "numpy" and getattr(value, "size", 9) <= 6:
        return brief(value.tolist())
    parts = [*value, *value.values()] if isinstance(value, Mapping) else value
    if not isinstance(value, list | tuple | dict):
        parts = [value]
    if len(parts) <= 12 and all(isinstance(x, Number | str | type | None) for x in parts):
        return repr(value)
    name = type(value).__name__
    return f"a{'n' * (name[0] in 'aeiouAEIOU')} {name}"
