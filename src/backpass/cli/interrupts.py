"""Ctrl-C on the command line: pressed twice it is heard once, and never while the bar is drawn.

Python raises KeyboardInterrupt between any two instructions: also while the cursor is hidden or
shown again, while an earlier one is being cleaned up after, and while the interpreter ends.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

INTERRUPTED = 130  # the exit code after Ctrl-C: 128 and the number of the signal
ONE_PRESS = 0.5  # seconds within which another Ctrl-C is taken for the same one


class CtrlC:
    """What Ctrl-C does while a command runs: KeyboardInterrupt, at the right moments.

    Parameters
    ----------
    clock : callable
        Returns seconds.

    Attributes
    ----------
    heard : int
        How many were, those of one press counted once.

    Examples
    --------
    >>> handler = CtrlC(clock=lambda: 0.0)
    >>> try:
    ...     with handler.waiting():
    ...         handler(2, None)  # what the signal does
    ...         print("the line is drawn to its end")
    ... except KeyboardInterrupt:
    ...     print("then training ends")
    the line is drawn to its end
    then training ends
    >>> handler(2, None), handler.heard  # at the same moment: the same press
    (None, 1)
    """

    raises_keyboard_interrupt = True  # as Python's own handler, which checkpoints look for

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.heard = 0
        self._clock, self._last, self._held = clock, -math.inf, 0
        self._pending, self._over = False, False
        self._last_duties: list[Callable[[], object]] = []

    def __call__(self, number: int, frame: object) -> None:
        """Raise KeyboardInterrupt, now or at the end of :meth:`waiting`."""
        if self._over or self.just_heard:
            return
        self._last = self._clock()
        self.heard += 1
        if self._held:
            self._pending = True
        else:
            raise KeyboardInterrupt

    def listen(self) -> bool:
        """Take over from Python's own handler; where another one is at work, leave it there."""
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return False
        signal.signal(signal.SIGINT, self)
        return True

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let Ctrl-C wait for the end of a ``with`` block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending and not self._held:
            self._pending = False
            raise KeyboardInterrupt

    @property
    def just_heard(self) -> bool:
        """Whether one came a moment ago.

        An error right after Ctrl-C is what a library has made of it: while NumPy reads the layout
        of an array, for instance, KeyboardInterrupt becomes a ValueError.
        """
        return self._clock() - self._last < ONE_PRESS

    def before_the_end(self, duty: Callable[[], object]) -> None:
        """Have something done before the program ends, whenever Ctrl-C came.

        It does no harm where it was done before.
        """
        self._last_duties.append(duty)

    def end(self, code: int) -> int:
        """Return the exit code; from here on, Ctrl-C changes nothing.

        A process that has heard one ends here. Python would send itself SIGINT if the interrupt
        came while a library ran ``exec``, as many do while they are imported: the exit code that
        is documented would be lost.
        """
        self._over = True
        for duty in self._last_duties:
            duty()
        if self.heard:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)
        return code


ctrl_c = CtrlC()
"""The one of this process."""
