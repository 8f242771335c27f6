"""Writing a file so that a crash, a full disk or a power cut leaves the old or the new one."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from backpass.errors import ModelFileError

_REMEDIES = {
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "give a path whose folders are folders",
    errno.EISDIR: "give the name of a file",
    errno.ENOSPC: "free some space or choose another disk",
    errno.EDQUOT: "free some space or choose another disk",
    errno.EACCES: "choose a place where you may write",
    errno.EPERM: "choose a place where you may write",
    errno.EROFS: "choose a place where you may write",
    errno.ENAMETOOLONG: "choose a shorter name",
}
# Some file systems and Windows cannot flush a folder; there is nothing to mend then.
_FOLDER_CANNOT_BE_FLUSHED = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def durable_write(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file that replaces the one at `path` only when all of it is on the disk.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take
    the place of the old file in one step. If anything fails before that step, the temporary
    file is removed and the old file stays as it was. The permission bits of the old file are
    kept; a symbolic link stays a link and the file it names is replaced.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write.
    chunks : iterable of bytes-like
        What to write, in order.

    Raises
    ------
    ModelFileError
        The file cannot be written; one line says why and whether the old file is untouched.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     durable_write(Path(folder, "report.html"), [b"<p>", b"hello"])
    ...     Path(folder, "report.html").read_bytes()
    b'<p>hello'
    """
    if "\0" in os.fspath(path):
        raise ModelFileError(f"{shown_path(path)}: a path cannot hold a null character; remove it")
    target = Path(os.path.realpath(path))
    try:
        _write_and_replace(target, _permissions(target), chunks)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "mend that, then try again")
        reason = error.strerror or str(error)
        message = f"{shown_path(path)}: cannot be written: {reason}; {_state(target)}; {remedy}"
        raise ModelFileError(message) from error
    try:
        _flush_folder(target.parent)
    except OSError as error:
        message = (
            f"{shown_path(path)}: was written, but its folder cannot be flushed to the disk:"
            f" {error.strerror or error}; a power cut may bring the old file back; write it again"
        )
        raise ModelFileError(message) from error


def shown_path(path: str | os.PathLike[str]) -> str:
    r"""Return a path for a message, always on one line.

    Examples
    --------
    >>> print(shown_path("my model.bp"), shown_path("odd\nname"))
    my model.bp 'odd\nname'
    """
    text = os.fspath(path)
    return text if text and text.isprintable() else repr(text)


def _permissions(target: Path) -> int | None:
    """Return the permission bits of the old file, None without one, or refuse the target."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        # Replacing /dev/null or a pipe by a file would break other programs.
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    if not os.access(target, os.W_OK):
        # The folder would let us replace it, but someone protected this file on purpose.
        raise PermissionError(errno.EACCES, "it is write-protected")
    return stat.S_IMODE(mode) & 0o777


def _state(target: Path) -> str:
    with contextlib.suppress(OSError):  # a name too long, a folder that may not be read
        if target.is_file():
            return "the old file is untouched"
    return "nothing was written"


def _write_and_replace(
    target: Path, mode: int | None, chunks: Iterable[bytes | memoryview]
) -> None:
    temp = target.with_name(f".backpass-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # The system takes the umask off 0o666; a private old file is never public in between.
    descriptor = os.open(temp, flags, 0o666 if mode is None else mode)
    try:
        try:
            for chunk in chunks:
                rest = memoryview(chunk).cast("B")
                while rest:  # the system may take only a part
                    rest = rest[os.write(descriptor, rest) :]
            if mode is not None:
                temp.chmod(mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temp.replace(target)
    except BaseException:  # Ctrl-C too must not leave the temporary file behind
        with contextlib.suppress(OSError):
            temp.unlink()
        raise


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _FOLDER_CANNOT_BE_FLUSHED:
            raise
    finally:
        os.close(descriptor)
