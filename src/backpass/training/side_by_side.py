"""Many trainings at once, each on one thread: networks side by side need no barrier.

A network's bytes do not depend on what trains beside it: each has its own generator and its own
rows, and the native engine gives the same for any number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
HEARD = 0.1  # seconds after which Ctrl-C is heard, and progress is told


class Halt:
    """A word to all trainings that they end after their epoch, as Ctrl-C ends a single one."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def called(self) -> bool:
        """Whether it was said."""
        return self._event.is_set()

    def call(self) -> None:
        """Say it."""
        self._event.set()


def side_by_side(
    jobs: Sequence[Callable[[], Result]],
    n_threads: int,
    halt: Halt,
    while_waiting: Callable[[], object] = lambda: None,
) -> list[Result | None]:
    """Return what each of the jobs returns, in their order; None where it was not begun.

    Parameters
    ----------
    jobs : sequence of callable
        They end early where `halt` is called.
    n_threads : int
        How many run at once.
    halt : Halt
        Called by Ctrl-C, which is not raised then: what has been begun is finished and returned.
        The second Ctrl-C is raised.
    while_waiting : callable
        Called ten times a second, in the thread of the caller.

    Raises
    ------
    Exception
        The first that a job raises, after the others have ended.

    Examples
    --------
    >>> side_by_side([lambda: "a", lambda: "b"], 2, Halt())
    ['a', 'b']
    """

    def run(job: Callable[[], Result]) -> Result | None:
        return None if halt.called else job()

    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        left = set(futures)
        try:
            while left:
                try:
                    done, left = wait(left, HEARD, FIRST_COMPLETED)
                    if any(future.exception() for future in done):
                        halt.call()
                    while_waiting()
                except KeyboardInterrupt:
                    if halt.called:
                        raise
                    halt.call()
        except BaseException:
            halt.call()  # the pool waits for what has been begun
            raise
    return [future.result() for future in futures]
