"""Model files: one safetensors file that holds arrays and JSON and is checked to the last bit.

The layout is that of safetensors; see `backpass.storage.safetensors`. Its ``__metadata__`` holds
six texts of ours::

    format            "backpass"
    format_version    "1", or "2" for what older versions of backpass cannot read: a pack
    backpass_version  which backpass wrote the file
    kind              what the file holds: "model", "network", …
    meta              everything that is not an array, as canonical JSON
    sha256            over the other five and the name, dtype, shape and bytes of each tensor

Any safetensors reader opens such a file. We read and write the layout ourselves because the
safetensors package has no checksum, takes repeated keys and booleans that are neither 0 nor
1, and orders the metadata anew each time, so that equal models would not be equal files.
Nothing in a file is ever executed, and no array is allocated before the JSON was checked against
its schema and the size of the array against the size of the file.
"""

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from importlib import metadata as distribution
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from backpass.errors import ModelFileError
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.storage.safetensors import (
    Arrays,
    check_booleans,
    check_entries,
    dtype_code,
    encode_header,
    file_order,
    parse_header,
    raw_bytes,
    read_array,
    read_header,
    storable,
)
from backpass.storage.schema import Schema, Text, check
from backpass.storage.strict_json import canonical_json, parse_json, quoted

FORMAT_VERSION = 2  # the highest that is read; each file has the lowest that says it all

_FORMAT = "backpass"
_DAMAGED = "the file is damaged or no model file; get another copy or train again"
_ALTERED = "the file is damaged, altered or of another backpass; get another copy or train again"
_READERS = {
    "model": "TabularModel.load and the command line read it",
    "network": "Network.load reads it",
    "checkpoint": "training with resume=True and its folder reads it",
}
_METADATA = dict.fromkeys(
    ["format", "format_version", "backpass_version", "kind", "meta", "sha256"], Text()
)


def write_container(
    path: str | os.PathLike[str],
    kind: str,
    meta: Mapping[str, Any],
    tensors: Arrays,
    *,
    version: int = 1,
) -> None:
    """Write arrays and JSON to one file, durably.

    Equal content gives equal files, byte for byte. The old file stays as it was if anything
    fails.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write.
    kind : str
        What the file holds; `read_container` asks for the same kind.
    meta : mapping
        JSON values: dict with text keys, list, str, int, float (finite), bool, None.
    tensors : mapping of str to ndarray
        Arrays of dtype float64, float32, int64, uint8 or bool. Any byte order and memory
        order is taken; they are read back in C order.
    version : int
        The lowest format version whose readers understand it.

    Raises
    ------
    ModelFileError
        Something cannot be stored, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from backpass.storage.schema import Int, ListOf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "net.bp")
    ...     write_container(path, "network", {"sizes": [2, 1]}, {"W_1": np.ones((2, 1))})
    ...     read_container(path, "network", {"sizes": ListOf(Int(min=1))})
    ({'sizes': [2, 1]}, {'W_1': array([[1.], [1.]])})
    """
    try:
        arrays = {name: storable(name, array) for name, array in tensors.items()}
        metadata = {
            "format": _FORMAT,
            "format_version": str(version),
            "backpass_version": version_of("backpass"),
            "kind": kind,
            "meta": canonical_json(dict(meta)),
        }
        header = encode_header(metadata | {"sha256": _digest(metadata, arrays)}, arrays)
    except ModelFileError as error:
        message = f"{shown_path(path)}: cannot be written: {error}; nothing was written"
        raise ModelFileError(message) from error
    durable_write(path, [header, *(raw_bytes(arrays[name]) for name in file_order(arrays))])


def read_container(
    path: str | os.PathLike[str], kind: str, schema: Schema
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_container` wrote, and nothing else.

    Parameters
    ----------
    path : str or os.PathLike
        The file to read.
    kind : str
        The kind the file must be of.
    schema : Schema
        What the JSON part must look like; see `backpass.storage.schema`.

    Returns
    -------
    meta : dict
        The JSON part, which fits `schema`.
    tensors : dict of str to ndarray
        The arrays, by name in order: writable, C-contiguous, native byte order.

    Raises
    ------
    ModelFileError
        The file is missing, damaged, too new, of another kind or not ours. One line says
        which file, what is wrong and what to do.
    """
    with _opened(path) as (file, size):
        metadata, entries, start = _read_header(file, size)
        with _advise(_DAMAGED):
            check_entries(entries, size - start)
            meta = parse_json(metadata["meta"])
        if (found := metadata["kind"]) != kind:
            advice = _READERS.get(found, "give the right file")
            raise ModelFileError(f"it holds a {quoted(found)}, not a {quoted(kind)}; {advice}")
        with _advise(_ALTERED):
            check(meta, schema)
        with _advise(_DAMAGED):  # last: nothing is allocated for a file whose JSON does not fit
            arrays = {}
            for name in sorted(entries):
                file.seek(start + entries[name]["data_offsets"][0])
                arrays[name] = read_array(file, entries[name])
            if metadata["sha256"] != _digest(metadata, arrays):
                raise ModelFileError("its SHA-256 does not match its content")
            for name, array in arrays.items():
                check_booleans(name, array)
        return meta, arrays


def container_kind(path: str | os.PathLike[str]) -> str:
    """Return what a file holds, "model", "network" or another, by its header alone.

    Raises
    ------
    ModelFileError
        As of `read_container`; nothing but the header has been checked.
    """
    with _opened(path) as (file, size):
        metadata, _, _ = _read_header(file, size)
        return str(metadata["kind"])


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[io.BufferedReader, int]]:
    """Open a file for a ``with`` block whose errors then name it, and tell its size."""
    try:
        place = Path(path)
        if not place.is_file():  # opening a pipe would wait for ever
            reason = "it is not a file" if place.exists() else "there is no such file"
            raise ModelFileError(f"cannot be read: {reason}; check the path")
        with place.open("rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except ModelFileError as error:
        raise ModelFileError(f"{shown_path(path)}: {error}") from error
    except OSError as error:
        message = f"{shown_path(path)}: cannot be read: {error.strerror or error}; check the path"
        raise ModelFileError(message) from error
    except MemoryError as error:
        message = f"{shown_path(path)}: does not fit into the memory; use a larger machine"
        raise ModelFileError(message) from error


@contextlib.contextmanager
def _advise(advice: str) -> Iterator[None]:
    """Add what to do to an error that says what is wrong and where."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{error}; {advice}") from error


def _read_header(file: io.BufferedReader, size: int) -> tuple[dict[str, str], dict[str, Any], int]:
    """Return our texts, the entries of the tensors, and where their bytes begin."""
    with _advise(_DAMAGED):
        start, text = read_header(file, size)
        metadata, entries = parse_header(text)
    _check_version(metadata)  # first: a newer version may have entries we do not know
    with _advise(_DAMAGED):
        check(metadata, _METADATA, "__metadata__")
    return metadata, entries, start


def _check_version(metadata: Mapping[str, Any]) -> None:
    if metadata.get("format") != _FORMAT:
        raise ModelFileError("backpass did not write it; give a file that backpass has written")
    version = metadata.get("format_version")
    if not isinstance(version, str) or not re.fullmatch("[1-9][0-9]{0,5}", version):
        raise ModelFileError(f"__metadata__.format_version is no number; {_DAMAGED}")
    if int(version) > FORMAT_VERSION:
        writer = str(metadata.get("backpass_version", "unknown"))
        mend = f"install backpass {quoted(writer)}, which wrote it, or a later one"
        raise ModelFileError(
            f"it needs a backpass that reads format version {version}, this one reads up to"
            f" {FORMAT_VERSION}; {'install a later one' if writer == 'unknown' else mend}"
        )


def version_of(package: str) -> str:
    """Return the version of an installed package, ``"unknown"`` where it runs uninstalled."""
    try:
        return distribution.version(package)
    except distribution.PackageNotFoundError:
        return "unknown"


def _digest(metadata: Mapping[str, str], arrays: Arrays) -> str:
    """Return the SHA-256 of everything the file means, apart from the digest itself.

    Each tensor is announced by one line of JSON that fixes the number of its bytes, so two
    different contents never give the same input.
    """
    texts = {name: text for name, text in metadata.items() if name != "sha256"}
    digest = hashlib.sha256(canonical_json(texts).encode("ascii"))
    for name in sorted(arrays):
        array = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        line = canonical_json([name, dtype_code(array), list(array.shape)])
        digest.update(f"\n{line}\n".encode())
        digest.update(raw_bytes(array))
    return digest.hexdigest()
