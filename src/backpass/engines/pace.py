"""How many threads a run uses: found by measuring, since the results are the same for any number.

A second thread halves the time of a step where a processor is free for it, and multiplies it where
another program has that processor: both threads then wait for each other at every step.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Pace"]

TRIAL = 32
"""One in so many calls tries another number of threads."""
FORGET = 0.5
"""Weight of the newest measurement in a running mean."""


class Pace:
    """Chooses the number of threads of the next call from the times of those before.

    Parameters
    ----------
    candidates : list of int
        Numbers of threads to choose from, the most promising first.
    clock : callable
        Returns seconds.

    Examples
    --------
    A machine on which two threads take turns on one processor:

    >>> seconds = [0.0]
    >>> pace = Pace([2, 1], clock=lambda: seconds[0])
    >>> for _ in range(5):
    ...     with pace.call(rows=100) as threads:
    ...         seconds[0] += 1.0 if threads == 1 else 3.0
    ...     print(threads, end=" ")
    2 1 1 1 1
    """

    def __init__(
        self, candidates: list[int], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._seconds = dict.fromkeys(candidates, math.nan)
        self._clock, self._calls = clock, 0

    def threads(self) -> int:
        """Return the number of threads of the next call."""
        untried = [n for n, seconds in self._seconds.items() if math.isnan(seconds)]
        if untried:
            return untried[0]
        ranking = sorted(self._seconds, key=lambda n: self._seconds[n])
        trial = self._calls % TRIAL == 0 and len(ranking) > 1
        return ranking[1 if trial else 0]

    @contextmanager
    def call(self, rows: int) -> Iterator[int]:
        """Time a call that computes so many rows; yields how many threads it should use."""
        n, start = self.threads(), self._clock()
        yield n
        taken = (self._clock() - start) / max(rows, 1)
        before = self._seconds[n]
        known = not math.isnan(before)
        self._seconds[n] = FORGET * taken + (1 - FORGET) * before if known else taken
        self._calls += 1
