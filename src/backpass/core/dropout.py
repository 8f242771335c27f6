r"""Dropout masks from a counter-based generator.

Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a counter
and a key into four random words, without any state. With the counter (unit / 4, row, layer, step)
and the seed as the key, a mask depends on (seed, step, layer, row, unit) and on nothing else: not
on the order of evaluation, the number of threads, or what was drawn before.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox_4x32(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> Words:
    """Return four random 32-bit words for each counter, in a new last axis.

    Parameters
    ----------
    counter : tuple of four uint64 arrays
        The 32-bit words of the counter, broadcast against each other.
    key : tuple of two int
        The 32-bit words of the key.

    Examples
    --------
    >>> zero = np.zeros(1, np.uint64)
    >>> [f"{word:08x}" for word in philox_4x32((zero, zero, zero, zero), (0, 0))[0].tolist()]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*counter)
    k0, k1 = key
    for _ in range(10):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _HALF) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1)


def dropout_mask(
    seed: int, step: int, layer: int, rows: int, units: int, rate: float, first: int = 0
) -> NDArray[np.bool_]:
    """Return which units are kept, (rows, units): each independently with probability 1 − `rate`.

    Parameters
    ----------
    seed : int
        64 bits are used.
    step, layer : int
        Training step and layer.
    rows, units : int
        Rows of the mini-batch and units of the layer.
    rate : float
        Probability of dropping a unit, in [0, 1).
    first : int
        Where the rows begin in their mini-batch.

    Examples
    --------
    >>> mask = dropout_mask(seed=1, step=7, layer=1, rows=2000, units=10, rate=0.25)
    >>> float(mask.mean().round(2))
    0.75
    >>> bool((dropout_mask(1, 7, 1, 5, 3, 0.25) == mask[:5, :3]).all())
    True
    >>> bool((dropout_mask(1, 7, 1, 3, 10, 0.25, first=2) == mask[2:5]).all())
    True
    """
    blocks = np.arange((units + 3) // 4, dtype=np.uint64)[None, :]
    row = np.arange(first, first + rows, dtype=np.uint64)[:, None]
    fixed = [np.full((1, 1), word & 0xFFFFFFFF, dtype=np.uint64) for word in (layer, step)]
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    words = philox_4x32((blocks, row, fixed[0], fixed[1]), key)
    threshold = np.uint64(round(rate * 2**32))
    kept: NDArray[np.bool_] = words.reshape(rows, -1)[:, :units] >= threshold
    return kept
