"""How many threads are used: by NumPy's matrix products, and by a run of the native engine.

BLAS libraries start a thread a core for products of a few microseconds too, and their threads spin
while they wait for one another: on a machine with other work to do, a small network then trains
ten times slower than with one thread.

A run's own threads are found by measuring, since the results are the same for any number. A second
thread halves the time of a step where a processor is free for it and the step is long; it
multiplies the time where another program has that processor, or where the two threads spend a
short step on handing each other their results.
"""

import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

SMALL_PRODUCT = 1 << 27
"""Multiplications in a matrix product below which one thread is used (some milliseconds)."""


def available_threads() -> int:
    """Return how many processors this process may use: by affinity, and by a container's quota."""
    allowed = _allowed_processors()
    return 1 if allowed == 1 else _within_quota(allowed)


def _allowed_processors() -> int:
    """Return how many processors this process may use by affinity."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return affinity or 1


@functools.cache
def _within_quota(allowed: int) -> int:
    """Return joblib's count, which knows quotas; asked once, since it reads files."""
    from joblib import cpu_count

    return min(int(cpu_count()), allowed)


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


FLOPS_WORTH_A_THREAD = 400_000
"""Floating-point operations of a step for each thread that is worth trying.

They take some 5 µs, about what the two barriers of a step and the cache lines that threads hand
each other cost.
"""
FLOPS_TO_PREDICT = 50_000_000
"""Floating-point operations of a prediction for each of its threads.

They take some 500 µs. A prediction is over before threads could be measured, as those of a step
are; and where another program has the second core, they wait for each other some 4 ms, which made a
prediction of 10⁶ operations take 100 times as long.
"""
FLOPS_OF_A_LONG_STEP = 1_000_000_000
"""Above it one thread is not tried: a step takes tens of milliseconds, on one of many seconds."""


def threads_for(n_parameters: int, rows: int, asked: int | None) -> list[int]:
    """Return the numbers of threads that a step is worth trying with, most first.

    Parameters
    ----------
    n_parameters : int
        Of the network.
    rows : int
        Of a mini-batch.
    asked : int or None
        A number that the user asked for is taken.

    Examples
    --------
    >>> threads_for(5_000, 20, None), threads_for(5_000, 200, 3)
    ([1], [3])
    """
    if asked is not None:
        return [int(asked)]
    flops = 6 * rows * n_parameters  # two for each product forward, four backward
    worth = flops // FLOPS_WORTH_A_THREAD
    most = min(available_threads(), worth) if worth > 1 else 1
    half = (most + 1) // 2
    return sorted({most, half, half if flops > FLOPS_OF_A_LONG_STEP else 1}, reverse=True)


def threads_to_predict(n_parameters: int, rows: int, asked: int | None) -> int:
    """Return with how many threads to predict some rows; arguments as of `threads_for`.

    Examples
    --------
    >>> threads_to_predict(5_000, 20, None), threads_to_predict(5_000, 200, 3)
    (1, 3)
    """
    flops = 2 * rows * n_parameters
    if asked is not None or flops < 2 * FLOPS_TO_PREDICT:
        return int(asked or 1)
    # to ask for a quota loads joblib, which takes longer than so much work
    brief = flops < FLOPS_OF_A_LONG_STEP
    most = _allowed_processors() if brief else available_threads()
    return min(most, flops // FLOPS_TO_PREDICT)


SAMPLE = 0.002
"""Seconds that a number of threads is measured for."""
TRIALS = 0.03
"""Share of the time that is spent on measuring again what was slower before."""


@dataclass
class _Record:
    """What is known of a number of threads: seconds of a mini-batch, and of all measuring."""

    guess: float | None = None  # from the first mini-batch, which starts threads and fills caches
    each: float = math.inf
    measured: float = 0.0


class ThreadChoice:
    """Chooses how many threads take the next steps, from how long those before took.

    Parameters
    ----------
    candidates : list of int
        Numbers of threads to choose from.
    clock : callable
        Returns seconds.

    Examples
    --------
    A machine on which two threads take turns on one processor:

    >>> seconds = [0.0]
    >>> choice = ThreadChoice([2, 1], clock=lambda: seconds[0])
    >>> def work(threads, batches):
    ...     seconds[0] += batches * (0.001 if threads == 1 else 0.003)
    ...     print(f"{batches} x {threads}", end="  ")
    ...     return batches
    >>> choice.share_out(100, work)  # warm up, measure 2; warm up, measure 1; then the better
    1 x 2  1 x 2  1 x 1  2 x 1  95 x 1  100
    """

    def __init__(
        self, candidates: list[int], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock, self._since_trial = clock, 0.0
        self._records = {threads: _Record() for threads in candidates}

    def share_out(self, batches: int, work: Callable[[int, int], int]) -> int:
        """Have ``work(threads, n)`` take n of the `batches` at a time; return how many were tried.

        `work` returns how many it tried; less than it was asked to ends it all.
        """
        if len(self._records) == 1:  # nothing to choose, and a small step is over in microseconds
            return work(next(iter(self._records)), batches)
        done = 0
        while done < batches:
            threads, n = self._next(batches - done)
            start = self._clock()
            tried = work(threads, n)
            self._note(threads, n, self._clock() - start)
            done += tried
            if tried < n:
                break
        return done

    def _next(self, left: int) -> tuple[int, int]:
        """Return how many threads to use for how many mini-batches."""
        for threads, record in self._records.items():
            if record.guess is None:
                return threads, 1
            if record.measured < SAMPLE:
                return threads, _batches_of(SAMPLE - record.measured, record.guess, left)
        best, second, *_ = sorted(self._records, key=lambda n: self._records[n].each)
        if self._since_trial * TRIALS > max(SAMPLE, self._records[second].each):
            self._since_trial = 0.0
            return second, _batches_of(SAMPLE, self._records[second].each, left)
        return best, left

    def _note(self, threads: int, batches: int, taken: float) -> None:
        """Remember how long a mini-batch took; at first the fastest of several measurements."""
        record, each = self._records[threads], taken / batches
        self._since_trial += taken
        if record.guess is None:
            record.guess = each
            return
        record.each = min(record.each, each) if record.measured < SAMPLE else each
        record.measured += taken


def _batches_of(seconds: float, each: float, left: int) -> int:
    """Return how many of the mini-batches that are left take so many seconds; one at least."""
    return max(1, min(left, int(seconds / each))) if each > 0 else 1
