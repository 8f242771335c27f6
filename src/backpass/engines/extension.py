"""The compiled extension: whether it is there, and which instruction set it uses."""

import functools
import importlib
import os
import warnings
from types import ModuleType
from typing import Any

from backpass.errors import InputError

MEND = (
    "install a C++17 compiler (g++ or clang), then install backpass again with pip's options "
    "--force-reinstall --no-deps --no-cache-dir"
)


@functools.cache
def _imported() -> tuple[ModuleType | None, str]:
    """Return the extension and "", or None and why there is none."""
    try:
        return importlib.import_module("backpass._native"), ""
    except ModuleNotFoundError:
        return None, "the native engine was not built when backpass was installed"
    except ImportError as error:
        return None, f"the native engine cannot be loaded ({error})"


def missing() -> str | None:
    """Return why there is no native engine here and how to mend it, or None where there is one."""
    module, why = _imported()
    return None if module else f"{why}: {MEND}"


def extension() -> Any:
    """Return the extension module.

    Raises
    ------
    InputError
        When it was not built.
    """
    why = missing()
    if why:
        raise InputError(why)
    return _imported()[0]


@functools.cache
def warn_once_if_missing() -> None:
    """Say once in a process that training runs on the reference engine, and how to mend that."""
    why = missing()
    if why:
        warnings.warn(
            "training runs on the slower reference engine (engine='reference' chooses it without "
            f"this warning): {why}",
            stacklevel=3,
        )


def instruction_set() -> str:
    """Return the instruction set in use: the best of this machine, or ``BACKPASS_FORCE_ISA``.

    Raises
    ------
    InputError
        When the forced one is not among those that this machine can run.
    """
    available: list[str] = extension().isas()
    forced = os.environ.get("BACKPASS_FORCE_ISA")
    if not forced:
        return available[0]
    if forced not in available:
        raise InputError(
            f"BACKPASS_FORCE_ISA={forced!r} is not available here; one of {', '.join(available)}"
        )
    return forced
