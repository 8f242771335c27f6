"""Arrays for the native engine, most of them wrong: layouts, dtypes, CSR triples that lie."""

from random import Random
from typing import Any

import numpy as np

DTYPES = ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
FOREIGN = ["f2", ">f4", ">i8", "c16", "M8[s]", "U3", "O", "g", "V4"]
OTHER = ["i2", "i4", "i8", "u4", "f4", ">i4"]
SPECIAL = [np.nan, np.inf, -np.inf, 5e-324, 1e-310, 1e-45, 3e38, 1.7e308, -0.0]
MARGIN = 64  # bytes of canary on each side
CANARY = 0xA5


def filled(rng: Random, shape: tuple[int, ...], dtype: Any, wild: float = 0.0) -> Any:
    """Return an array of small numbers, a share `wild` of them NaN, infinite, tiny or huge."""
    draw = np.random.default_rng(rng.getrandbits(63))
    x = draw.normal(size=shape)
    if wild:
        x = np.where(draw.random(shape) < wild, draw.choice(SPECIAL, shape), x)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        bound = min(100, np.iinfo(dtype).max)
        return draw.integers(0, bound, shape).astype(dtype)
    with np.errstate(all="ignore"):
        return (x > 0) if dtype.kind == "b" else x.astype(dtype)


def laid_out(rng: Random, x: Any) -> Any:
    """Return an array of the same shape in some layout; its numbers may overlap or repeat."""
    match rng.randrange(12):
        case 0:
            return np.asfortranarray(x)
        case 1:
            return np.repeat(x, 2, axis=0)[::2]
        case 2:
            return x[::-1]
        case 3 if x.ndim == 2:
            return np.repeat(x, 3, axis=1)[:, ::-3]
        case 4 if len(x):
            return np.broadcast_to(x[:1], x.shape)
        case 5 if x.ndim == 2 and x.shape[0] and x.shape[1] > 1:  # a row begins in the last one
            flat = np.ascontiguousarray(x).reshape(-1)
            steps = (x.itemsize, x.itemsize)
            return np.lib.stride_tricks.as_strided(flat[: sum(x.shape)], x.shape, steps)
        case 6:
            room = np.zeros(x.nbytes + 1, np.uint8)
            view = np.ndarray(x.shape, x.dtype, room.data, offset=1)
            view[...] = x
            return view
        case 7:
            y = x.copy()
            y.flags.writeable = False
            return y
        case 8 if x.ndim == 2:
            fields = np.zeros(x.shape, [("pad", "u1"), ("x", x.dtype)])
            fields["x"] = x
            return fields["x"]
        case _:
            return x.copy()


def is_vector(x: Any, dtype: Any, size: int, writeable: bool = False) -> bool:
    """Return whether the engine is to take an array as a vector of so many numbers."""
    return (
        isinstance(x, np.ndarray)
        and x.dtype == np.dtype(dtype)
        and x.shape == (size,)
        and x.flags.c_contiguous
        and x.flags.aligned
        and (x.flags.writeable or not writeable)
    )


def vector(rng: Random, x: Any) -> Any:
    """Return a vector as it is, as a rule; or with other dtype, size, axes or layout."""
    if rng.random() < 0.7:
        return x
    with np.errstate(all="ignore"):
        match rng.randrange(7):
            case 0:
                return x.astype(rng.choice([*DTYPES, *FOREIGN[:3]]))
            case 1:
                return np.resize(x, max(0, x.size + rng.choice((-1, 1, 7, -x.size))))
            case 2:
                return x[None] if rng.random() < 0.5 else x[:, None]
            case 3:
                return rng.choice([None, 3, "abc", x.tolist(), b"abcd", (x, x, x)])
            case _:
                return laid_out(rng, x)


def csr(rng: Random, n: int, width: int, dtype: Any, lie: bool) -> tuple[Any, ...]:
    """Return (data, indices, indptr) of a CSR matrix; where they lie, wrong in some way."""
    draw = np.random.default_rng(rng.getrandbits(63))
    dense = draw.random((n, width)) < rng.choice((0.0, 0.02, 0.3, 1.0))
    index = rng.choice((np.int32, np.int64))
    starts = np.append(0, dense.sum(axis=1).cumsum()).astype(index)
    columns = np.nonzero(dense)[1].astype(index)
    data = filled(rng, (len(columns),), dtype)
    if not lie:
        return data, columns, starts
    parts = [data, columns, starts]
    extremes = [-1, width, width + 1, 2**31 - 1, -(2**31), 0, len(columns), len(columns) + 1]
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(3)
        match rng.randrange(6):
            case 0 | 1 if place and parts[place].size:
                parts[place] = parts[place].copy()
                odd = np.asarray(rng.choice(extremes)).astype(parts[place].dtype)
                parts[place][rng.randrange(parts[place].size)] = odd
            case 2 if place:
                parts[place] = parts[place][::-1].copy()
            case 3:
                parts[place] = parts[place].astype(rng.choice(OTHER))
            case 4:
                parts[place] = laid_out(rng, parts[place])
            case _:
                size = max(0, parts[place].size + rng.choice((-1, 1, 2)))
                parts[place] = np.resize(parts[place], size)
    return tuple(parts)


class Output:
    """A writable array between canaries."""

    def __init__(self, size: int, dtype: Any) -> None:
        dtype = np.dtype(dtype)
        self.room = np.full(size * dtype.itemsize + 2 * MARGIN, CANARY, np.uint8)
        self.view = np.ndarray((size,), dtype, self.room.data, offset=MARGIN)

    def intact(self) -> bool:
        """Return whether nothing was written beside it."""
        sides = self.room[:MARGIN], self.room[self.room.size - MARGIN :]
        return all(bool((side == CANARY).all()) for side in sides)


def view_of(output: Output | None) -> Any:
    """Return the array of an output, None of none."""
    return None if output is None else output.view


def is_for(output: Output | None, size: int) -> bool:
    """Return whether so many numbers fit an output, if there is one."""
    return output is None or output.view.size == size
