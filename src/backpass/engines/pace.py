"""How many threads a run uses: found by measuring, since the results are the same for any number.

A second thread halves the time of a step where a processor is free for it, and multiplies it where
another program has that processor: both threads then wait for each other at every step.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Pace"]

TRIALS = 0.02
"""Share of the time that is spent on trying what was slower before."""
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
        self._seconds = dict.fromkeys(candidates, 0.0)
        self._untried, self._clock, self._since_trial = list(candidates), clock, 0.0

    def threads(self, rows: int) -> int:
        """Return the number of threads for a call that computes so many rows."""
        ranking = sorted(self._seconds, key=lambda n: self._seconds[n])
        if self._untried:
            return self._untried[0]
        if len(ranking) > 1 and self._seconds[ranking[1]] * rows < TRIALS * self._since_trial:
            self._since_trial = 0.0
            return ranking[1]
        return ranking[0]

    @contextmanager
    def call(self, rows: int) -> Iterator[int]:
        """Time a call that computes so many rows; yields how many threads it should use."""
        n, start = self.threads(rows), self._clock()
        yield n
        seconds = self._clock() - start
        self._since_trial += seconds
        taken, before = seconds / max(rows, 1), self._seconds[n]
        if n in self._untried:
            self._untried.remove(n)
            before = taken
        self._seconds[n] = FORGET * taken + (1 - FORGET) * before
