"""Damage to files: bytes, JSON values, and model files whose checksum is made right again.

A file with a byte flipped fails at its SHA-256 and shows little of the loader. So a model file is
also taken apart, changed inside, and put together by a writer of its own, with the right sum.
"""

import copy
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

NUMBERS = [
    0, 1, -1, 2, 3, 255, 2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**39,
    10**41, 0.5, -0.0, 1e-320, 5e-324, 1e-300, 1e300, 1.7e308, -1e308, math.nan, math.inf,
]  # fmt: skip
TEXTS = [
    "", " ", "x", "\0", "\n", "\r\n", "\x1b[2J", "\ud800", "\u202e", "\u2028", "é", "٣", "007", "1",
    "true", "a" * 300, "__metadata__", "W_1", "network.flat", "../x", "<b>",
]  # fmt: skip
SPECIAL = [0.0, -0.0, 1.0, 5e-324, 1e-310, 1e300, -1e308, math.nan, math.inf, -math.inf]
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "|u1", "BOOL": "|b1"}


# --- bytes -----------------------------------------------------------------------------------


def damaged(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """Return `data` after some changes: flipped bits, cuts, repeats, parts of another file."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(found) + 1)
        size = min(int(2 ** rng.uniform(0, 8)), len(found) - at)
        match rng.randrange(7):
            case 0 if at < len(found):
                found[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(found):
                found[at] = rng.choice((0, 1, 9, 10, 13, 34, 44, 127, 128, 255))
            case 2:
                del found[at : at + size]
            case 3:
                found[at:at] = found[at : at + size]
            case 4:
                found[at:at] = rng.randbytes(1 + size % 8)
            case 5 if other:
                begin = rng.randrange(len(other))
                found[at : at + size] = other[begin : begin + size]
            case _:
                word = rng.choice((0, 1, 2**31 - 1, 2**32, 2**63 - 1, 2**64 - 1, len(found)))
                found[at : at + 8] = word.to_bytes(8, rng.choice(("little", "big")))
    return bytes(found)


# --- JSON ------------------------------------------------------------------------------------


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (list or dict, key) in a JSON value."""
    found = []
    keys: Any = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


def _other_value(rng: Random, old: Any, words: Sequence[str]) -> Any:
    kind = rng.randrange(6)  # most often a value of the same kind: others end at the schema
    if isinstance(old, bool) and kind:
        return not old
    if kind < 5 and isinstance(old, int | float):
        near = [old + 1, old - 1, -old, old * 2, rng.choice(NUMBERS)]
        return rng.choice(near)
    if kind < 5 and isinstance(old, str):
        at = rng.randrange(len(old) + 1)
        near = [old[:at] + rng.choice(TEXTS) + old[at:], old[:at], rng.choice(words), old.upper()]
        return rng.choice(near)
    if kind < 4 and isinstance(old, list):
        return rng.choice([old * 2, old[:-1], old[1:], [*old, rng.choice(NUMBERS)], old[::-1]])
    simple = [None, True, False, {}, [], rng.choice(NUMBERS), rng.choice(TEXTS), rng.choice(words)]
    return [[simple[0]]] if kind == 5 and rng.random() < 0.2 else rng.choice(simple)


def edited(rng: Random, value: Any, words: Sequence[str]) -> Any:
    """Return a JSON value after an edit or two: other values, keys gone, moved or new.

    The words are texts that mean something where they may come to stand.
    """
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2))):
        places = _places(value)
        if not places:
            return value
        inside, key = rng.choice(places)
        match rng.randrange(8):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, dict):
                inside[rng.choice([*TEXTS, *words])] = inside[key]
            case 2:
                donor, other = rng.choice(places)
                inside[key] = copy.deepcopy(donor[other])
            case _:
                inside[key] = _other_value(rng, inside[key], words)
    return value


# --- model files -----------------------------------------------------------------------------


@dataclass
class Parts:
    """What a model file is made of."""

    texts: dict[str, Any]  # the metadata, without ``meta`` and ``sha256``
    meta: Any  # the JSON part
    tensors: dict[str, tuple[str, list[int], bytes]]  # dtype, shape and bytes by name


def taken_apart(data: bytes) -> Parts:
    """Return the parts of an undamaged file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    texts = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"no dtype of ours: {entry['dtype']}")
        tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
    meta = json.loads(texts.pop("meta"))
    del texts["sha256"]
    return Parts(texts, meta, tensors)


def put_together(parts: Parts, change: Any = None) -> bytes:
    """Return a file of these parts with the right SHA-256, written from the format's description.

    With `change`, the header is changed after the sum was taken.
    """
    texts = parts.texts | {"meta": json.dumps(parts.meta, sort_keys=True, separators=(",", ":"))}
    summed = json.dumps(texts, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(summed.encode("ascii"))
    header, body = {}, b""
    for name in sorted(parts.tensors):
        dtype, shape, content = parts.tensors[name]
        digest.update(f"\n{json.dumps([name, dtype, shape], separators=(',', ':'))}\n".encode())
        digest.update(content)
        offsets = [len(body), len(body) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        body += content
    header["__metadata__"] = texts | {"sha256": digest.hexdigest()}
    if change is not None:
        header = change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + body


def _other_tensor(rng: Random, dtype: str, shape: list[int], content: bytes) -> Any:
    """Return a tensor with other numbers, of another shape or dtype; its size fits its shape."""
    whole = len(content) // np.dtype(DTYPES[dtype]).itemsize
    array = np.frombuffer(content, DTYPES[dtype], whole).copy()
    match rng.randrange(6):
        case 0 | 1 if array.size:
            for _ in range(rng.choice((1, 1, 3))):
                value = rng.choice(SPECIAL if dtype[0] == "F" else [0, 1, 2, 255])
                if dtype == "I64":
                    value = rng.choice([0, 1, -1, 2**31, 2**63 - 1, -(2**63), rng.randrange(64)])
                with np.errstate(over="ignore"):
                    array[rng.randrange(array.size)] = value
        case 2 if array.size:
            with np.errstate(over="ignore"):
                array = array * rng.choice([2, 0] if dtype[0] != "F" else [-1, 1e30, 1e-30])
                array = array.astype(DTYPES[dtype])
        case 3:
            shape = rng.choice([[array.size], [1, array.size], [array.size, 1], [array.size, 0]])
            array = array if shape[-1] or not array.size else array[:0]
        case 4:
            dtype = rng.choice(list(DTYPES))
            with np.errstate(invalid="ignore", over="ignore"):
                array = np.nan_to_num(array).astype(DTYPES[dtype])
        case _:
            size = rng.choice([0, 1, array.size + 1, max(0, array.size - 1), 2 * array.size])
            shape, array = [size], np.resize(array, size)
    return dtype, shape, array.tobytes()


def _other_tensors(rng: Random, parts: Parts, donor: Parts) -> None:
    names = list(parts.tensors)
    if not names:
        return
    name = rng.choice(names)
    match rng.randrange(8):
        case 0:
            del parts.tensors[name]
        case 1:
            new = rng.choice([*donor.tensors, *names, "x", "own.x", f"{name}.x"])
            parts.tensors[new] = parts.tensors[name]
        case 2 if donor.tensors:
            parts.tensors[name] = rng.choice(list(donor.tensors.values()))
        case _:
            parts.tensors[name] = _other_tensor(rng, *parts.tensors[name])


def damaged_container(rng: Random, data: bytes, other: bytes, words: Sequence[str]) -> bytes:
    """Return what becomes of two model files: wrong somewhere, mostly behind a right checksum."""
    try:
        parts, donor = taken_apart(data), taken_apart(other)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return damaged(rng, data, other)
    if rng.random() < 0.1:
        return damaged(rng, data, other)
    kind = rng.random()
    if kind < 0.65 and isinstance(parts.meta, dict):
        if rng.random() < 0.15:
            parts.meta = donor.meta
        parts.meta = edited(rng, parts.meta, words)
    if kind > 0.5:
        _other_tensors(rng, parts, donor)
    if rng.random() < 0.03:
        parts.texts = edited(rng, parts.texts, words)
    change = (lambda header: edited(rng, header, words)) if rng.random() < 0.06 else None
    try:
        return put_together(parts, change)
    except (ValueError, RecursionError):  # an edit that has no JSON, or no place in ASCII
        return damaged(rng, data, other)
