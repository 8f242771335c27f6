"""How many threads NumPy's matrix products may use.

BLAS libraries start a thread a core for products of a few microseconds too, and their threads spin
while they wait for one another: on a machine with other work to do, a small network then trains
ten times slower than with one thread.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

__all__ = ["available_threads", "blas_threads", "threads_worth_using"]

SMALL_PRODUCT = 1 << 27
"""Multiplications in a matrix product below which one thread is used (some milliseconds)."""


def available_threads() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_worth_using(sizes: Sequence[int], rows: int) -> int | None:
    """Return 1 where every matrix product of a step is small, else None for as many as there are.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first.
    rows : int
        Rows of a mini-batch.

    Examples
    --------
    >>> threads_worth_using([64, 128, 10], 200), threads_worth_using([784, 2048, 10], 512)
    (1, None)
    """
    largest = max(n_in * n_out for n_in, n_out in pairwise(sizes))
    return 1 if rows * largest < SMALL_PRODUCT else None


@functools.cache
def _controller() -> Any:
    """Return threadpoolctl's controller, made once: finding the libraries takes milliseconds."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


@contextmanager
def blas_threads(limit: int | None, *, openmp: bool = False) -> Iterator[None]:
    """Limit BLAS to `limit` threads inside a ``with`` block; None changes nothing.

    Parameters
    ----------
    limit : int or None
    openmp : bool
        Whether OpenMP, which scikit-learn's trees use, is limited too.

    Examples
    --------
    >>> with blas_threads(1):
    ...     pass
    """
    if limit is None:
        yield
        return
    with _controller().limit(limits=limit, user_api=None if openmp else "blas"):
        yield
