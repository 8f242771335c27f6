"""The exceptions and warnings of backpass, each saying what, where and how to mend it.

Every exception is a :class:`BackpassError`; the ones about wrong input are also a
:class:`ValueError`, so that code written for scikit-learn catches them as before.
"""

import sys
import warnings


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
    """A subclass overrides a private method of scikit-learn's MLP, which backpass has not."""


def warn_caller(message: str, category: type[Warning], module: str = "") -> None:
    """Warn of the line of the user's that called, past those of backpass and scikit-learn.

    Parameters
    ----------
    module : str, optional
        What filters take for the module that warns; the caller's by default.
    """
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
