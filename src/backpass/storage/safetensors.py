"""The safetensors layout: header and places of the tensors, read without trust.

A file is the length of the header (8 bytes, little-endian), the header, and the bytes of the
tensors one after the other. The header is a JSON object with an entry for each tensor (dtype,
shape, first and last byte) and one object of texts, ``__metadata__``.
"""

import io
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backpass.errors import ModelFileError
from backpass.storage.schema import Int, ListOf, OneOf, check
from backpass.storage.strict_json import canonical_json, parse_json, quoted

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

_METADATA = "__metadata__"
_LONGEST_HEADER = 100_000_000  # bytes; the safetensors package has the same limit
_DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "|u1", "BOOL": "|b1"}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_ENTRY = {
    "dtype": OneOf(*_DTYPES),
    "shape": ListOf(Int(min=0), longest=32),
    "data_offsets": ListOf(Int(min=0), shortest=2, longest=2),
}
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")  # printable on every terminal


def storable(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in C order and little-endian, the same one where it is so already."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == _METADATA:
        raise ModelFileError(f"the tensor name {quoted(str(name))} is not allowed")
    if not isinstance(array, np.ndarray):
        raise ModelFileError(f"tensor {name} is not a NumPy array but a {type(array).__name__}")
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _CODES:
        allowed = "float64, float32, int64, uint8 or bool"
        raise ModelFileError(f"tensor {name} has dtype {array.dtype}; convert it to {allowed}")
    stored: NDArray[Any] = np.asarray(array, dtype=dtype, order="C")
    check_booleans(name, stored)
    return stored


def dtype_code(array: NDArray[Any]) -> str:
    """Return what safetensors calls the dtype of a storable array."""
    return _CODES[array.dtype.newbyteorder("<").str]


def file_order(arrays: Arrays) -> list[str]:
    """Return the names, widest items first, so that each tensor starts at an aligned byte."""
    return sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))


def encode_header(metadata: Mapping[str, str], arrays: Arrays) -> bytes:
    """Return the length and the header of a file with these texts and `storable` arrays."""
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    place = 0
    for name in file_order(arrays):
        array = arrays[name]
        end = place + array.nbytes
        entry = {"dtype": dtype_code(array), "shape": list(array.shape)}
        header[name] = entry | {"data_offsets": [place, end]}
        place = end
    text = canonical_json(header)
    check_entries(parse_header(text)[1], place)  # what we could not read must not be written
    text += " " * (-len(text) % 8)  # so that the tensors start at a multiple of 8 bytes
    if len(text) > _LONGEST_HEADER:
        raise ModelFileError(f"the JSON part has {len(text)} bytes, more than {_LONGEST_HEADER}")
    return len(text).to_bytes(8, "little") + text.encode("ascii")


def read_header(file: io.BufferedReader, size: int) -> tuple[int, str]:
    """Return where the tensors start and the text of the header."""
    if size < 8:
        raise ModelFileError(f"it has {size} bytes, too few for a model file")
    length = int.from_bytes(file.read(8), "little")
    if length > _LONGEST_HEADER:
        raise ModelFileError("not a file that backpass wrote")
    if 8 + length > size:
        raise ModelFileError(
            f"it is cut short: the header needs {8 + length} bytes, the file has {size}"
        )
    try:
        return 8 + length, file.read(length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"its header is not UTF-8 at byte {8 + error.start}") from error


def parse_header(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `__metadata__`, empty without one, and the entries of the tensors, unchecked."""
    header = parse_json(text)
    if not isinstance(header, dict):
        raise ModelFileError("its header is no JSON object")
    metadata = header.pop(_METADATA, {})
    return (metadata if isinstance(metadata, dict) else {}), header


def check_entries(entries: Mapping[str, Any], space: int) -> None:
    """Check names, dtypes and shapes, which fill `space` bytes without gap or overlap."""
    for name, entry in entries.items():
        if not _NAME.fullmatch(name):
            raise ModelFileError(f"the tensor name {quoted(name)} is not allowed")
        check(entry, _ENTRY, name)
    place = 0
    for name in sorted(entries, key=lambda name: entries[name]["data_offsets"]):
        begin, end = entries[name]["data_offsets"]
        shape, dtype = entries[name]["shape"], np.dtype(_DTYPES[entries[name]["dtype"]])
        if begin != place or end - begin != math.prod(shape) * dtype.itemsize:
            raise ModelFileError(
                f"tensor {name}: the bytes {begin} to {end} do not fit its shape or do not follow"
                f" the tensor before, which ends at {place}"
            )
        # An empty array may still have sides that overflow NumPy's arithmetic.
        if math.prod(side or 1 for side in shape) * dtype.itemsize >= 2**63:
            raise ModelFileError(f"tensor {name}: its shape is too large")
        place = end
    if place != space:
        problem = "cut short" if place > space else "too long"
        raise ModelFileError(
            f"it is {problem}: the tensors need {place} bytes, the file has {space}"
        )


def read_array(file: io.BufferedReader, entry: Mapping[str, Any]) -> NDArray[Any]:
    """Read one tensor, whose entry was checked, from where the file stands."""
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    array: NDArray[Any] = np.empty(entry["shape"], dtype)
    if array.size and file.readinto(raw_bytes(array)) != array.nbytes:
        raise ModelFileError("it became shorter while it was read")
    return array.astype(dtype.newbyteorder("="), copy=False)


def raw_bytes(array: NDArray[Any]) -> memoryview:
    """Return the memory of a C-contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def check_booleans(name: str, array: NDArray[Any]) -> None:
    """Refuse a boolean whose byte is neither 0 nor 1: NumPy computes nonsense with it."""
    if array.dtype == np.bool_ and array.size and array.reshape(-1).view(np.uint8).max() > 1:
        raise ModelFileError(f"tensor {name}: a boolean is neither 0 nor 1")
