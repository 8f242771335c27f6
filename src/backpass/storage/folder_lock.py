"""A folder for one program at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from backpass.errors import InputError
from backpass.storage.atomic_write import shown_path

LOCK = ".lock"  # the file in the folder that is held; it is empty and stays


@contextlib.contextmanager
def folder_lock(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder, so that whoever else asks for it is refused, or waits.

    The system keeps the lock, on an empty file in the folder: it goes with the process that held
    it, however that ended. Where files cannot be locked, as on some network file systems, or none
    can be made, nothing is held.

    Parameters
    ----------
    folder : Path
        It exists.
    wait : bool
        Whether to wait for another run that holds it.

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
    from filelock import FileLock, Timeout  # not before somebody trains with checkpoints

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        raise InputError(
            f"{shown_path(folder)}: another training run is using it; wait for its end, or give "
            "another folder"
        ) from error
    except (OSError, NotImplementedError):  # which it is differs between versions of filelock
        pass
    try:
        yield
    finally:
        lock.release()
