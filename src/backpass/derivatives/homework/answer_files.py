"""Reading an answer from a file: .npy, .npz, .csv or .json, none of which can run code."""

import io
import math
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.errors import InputError, ModelFileError
from backpass.storage.atomic_write import shown_path
from backpass.storage.strict_json import parse_json

LARGEST = 1 << 28  # bytes of a file, and of what an .npz unpacks to


def read_answer(path: str | Path) -> Any:
    r"""Return what a file holds, for :func:`backpass.explain_mismatch`.

    Parameters
    ----------
    path : str or Path
        ``.npy``: one array; ``.npz``: arrays named W1, b1, …; ``.csv``: one matrix, numbers only;
        ``.json``: ``{"W1": [[…]], "b1": […]}`` or one matrix.

    Raises
    ------
    InputError
        When it cannot be read; the message says why, and on which line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "dW.csv"
    ...     _ = path.write_text("0.5,-1\n2,3e-2\n")
    ...     read_answer(path)
    array([[ 0.5 , -1.  ],
           [ 2.  ,  0.03]])
    """
    path = Path(path)
    try:
        if path.suffix.lower() not in READERS:
            raise InputError(f"an answer is a {', '.join(READERS)} file")
        if not path.is_file():
            what = "is no file" if path.exists() else "there is no such file; check the path"
            raise InputError(what)
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"{size >> 20} MiB; answers of at most {LARGEST >> 20} MiB are read")
        if size == 0:
            raise InputError("the file is empty")
        return READERS[path.suffix.lower()](path.read_bytes())
    except OSError as error:
        raise InputError(f"{shown_path(path)}: cannot be read: {error.strerror}") from None
    except (InputError, ModelFileError) as error:
        raise InputError(f"{shown_path(path)}: {error}") from None


def _npy(data: bytes) -> Array:
    """Read one array, after its header has been held to the size of the file."""
    file = io.BytesIO(data)
    try:
        major, minor = np.lib.format.read_magic(file)
        header = getattr(np.lib.format, f"read_array_header_{major}_{minor}")
        with warnings.catch_warnings():  # of Python's parser, which reads the header
            warnings.simplefilter("ignore")
            shape, _, dtype = header(file)
    except Exception:  # NumPy parses the header as Python, and every error of that comes out
        raise InputError("not an .npy file, or a damaged one") from None
    if dtype.hasobject:
        raise InputError("holds Python objects, which are not read; save an array of numbers")
    if math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise InputError(f"damaged: its header says {shape} of {dtype}, which it does not hold")
    file.seek(0)
    return np.load(file, allow_pickle=False)


def _npz(data: bytes) -> dict[str, Array]:
    """Read named arrays, after the sizes they unpack to have been added up."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > LARGEST:
                raise InputError(f"unpacks to more than {LARGEST >> 20} MiB")
            return {
                member.filename.removesuffix(".npy"): _npy(archive.read(member))
                for member in members
            }
    except InputError:
        raise
    except Exception:  # zipfile and what it unpacks with raise a dozen kinds, and document one
        raise InputError("not an .npz file, or a damaged one") from None


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start} is not UTF-8; save it with that encoding") from None


def _csv(data: bytes) -> Array:
    """Read a matrix with commas, semicolons, tabs or spaces between its numbers."""
    rows: list[list[float]] = []
    lines = enumerate(map(str.strip, _text(data).splitlines()), start=1)
    for number, line in ((number, line) for number, line in lines if line):
        separator = next((s for s in ";,\t" if s in line), None)
        row = [_number(field.strip(), number) for field in line.split(separator)]
        if rows and len(row) != len(rows[0]):
            raise InputError(f"line {number} has {len(row)} numbers, the first has {len(rows[0])}")
        rows.append(row)
    if not rows:
        raise InputError("has no numbers in it")
    return np.array(rows)


def _number(text: str, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        hint = "; write 0.5, not 0,5" if "," in text else "; give numbers only, no names"
        raise InputError(f"line {line}: {text[:40]!r} is not a number{hint}") from None


def _json(data: bytes) -> Any:
    found = parse_json(_text(data))
    named = isinstance(found, dict)
    return {k: _matrix(x, k) for k, x in found.items()} if named else _matrix(found, "the answer")


def _matrix(value: Any, name: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{name}: its rows have different lengths") from None
    if array.dtype.kind not in "fiu" or array.ndim > 2:
        raise InputError(f"{name}: not a number, a vector or a matrix of numbers")
    return array


READERS: dict[str, Callable[[bytes], Any]] = {
    ".npy": _npy, ".npz": _npz, ".csv": _csv, ".json": _json,
}  # fmt: skip
"""What reads the bytes of an answer, by the suffix of its file."""
