"""A folder for one program at a time."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from backpass.errors import InputError
from backpass.storage.atomic_write import shown_path

__all__ = ["folder_lock"]

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder, so that whoever else asks for it is refused.

    The lock is on the folder itself: it leaves no file, and goes with the process that held it,
    however that ended. Windows and some network file systems have no such locks; nothing is held
    there.

    Parameters
    ----------
    folder : Path
        It exists.

    Raises
    ------
    InputError
        When another run, of this program or another, holds it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, folder_lock(Path(name)):
    ...     with folder_lock(Path(name)):
    ...         pass
    Traceback (most recent call last):
    backpass.errors.InputError: ...: another training run is using it; wait for its end, or give
    another folder
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Return an open descriptor that holds the folder, None where folders cannot be held."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # one that may be written and not be read
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _TAKEN:
            return None
        raise InputError(
            f"{shown_path(folder)}: another training run is using it; wait for its end, or give "
            "another folder"
        ) from error
    return descriptor
