"""Training while somebody looks on: a thread that takes epochs, and copies to be drawn."""

from __future__ import annotations

import threading
import time

import numpy as np

from backpass.derivatives.batch import subject
from backpass.derivatives.tracing.recording import record
from backpass.derivatives.tracing.steps import SATURATED
from backpass.errors import BackpassError
from backpass.network.network import Network
from backpass.page.course import Course

FRAME_SECONDS = 0.09
"""Between two copies: eleven frames a second look like motion, and more cost training time."""

MOST_EPOCHS = 100_000
"""After which a training that nobody stops stops itself; curves of more show nothing new."""

FEW_ROWS = 256
"""Of which the gradients' norms and the units are looked at, as ``train`` does."""

PACES = {"full": 0.0, "20": 1 / 20, "4": 1 / 4}
"""Seconds an epoch takes at least."""


class Training:
    """Runs a course in a thread of its own until it is paused."""

    def __init__(self, course: Course) -> None:
        self.course, self._halt, self._pace = course, threading.Event(), 0.0
        self._last = MOST_EPOCHS
        self.error: BackpassError | None = None
        self._thread: threading.Thread | None = None
        self._copy()

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, pace: str = "full", epochs: int = MOST_EPOCHS) -> None:
        """Train on for so many epochs at most, at a pace of :data:`PACES`."""
        self.pause()
        self._pace, self.error = PACES[pace], None
        self._last = min(MOST_EPOCHS, self.course.epoch + epochs)
        self._halt.clear()
        # a daemon: Ctrl-C ends the program without waiting for it
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """Have the thread end its work within a chunk of it."""
        self._halt.set()

    def pause(self) -> bool:
        """Wait for the end of the thread's work; return whether there was any."""
        self.halt()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        return thread is not None

    def _work(self) -> None:
        course = self.course
        try:
            while not self._halt.is_set() and course.epoch < self._last:
                left = self._last * course.per_epoch - course.update
                epoch = course.per_epoch - course.update % course.per_epoch
                course.advance(epoch if self._pace else left, self._heard)
                self._halt.wait(self._pace)
        except BackpassError as error:
            self.error = error
        self._copy()

    def _heard(self) -> bool:
        """Copy if it is time to, and return whether a pause was asked for."""
        if time.monotonic() - self._copied > FRAME_SECONDS:
            self.course.run.publish()
            self._copy()
        return self._halt.is_set()

    def _copy(self) -> None:
        self.frame = self.course.update, self.course.network.copy()  # older ones are never drawn
        self._copied = time.monotonic()


def layers_health(
    course: Course, network: Network
) -> tuple[list[tuple[float, float, float]], float]:
    """Return how every layer does on the first rows that train, and a mini-batch's noise.

    Of a layer: its gradient's norm, the shares of its units that are dead or saturated. The noise
    is that of one sample, mean ‖g_n − ḡ‖², over the rows of a mini-batch.
    """
    X, y = course.rows.X[:FEW_ROWS], course.y[:FEW_ROWS]
    known = record(subject(network, X, y)).arrays
    layers = []
    for layer in range(1, len(network.sizes)):
        slopes = np.abs(known.get(("dphi", layer), np.ones((1, 1)))).max(axis=0)
        norm = np.linalg.norm(np.append(known["dW", layer], known["db", layer]))
        saturated = (slopes > 0) & (slopes < SATURATED)
        layers.append((float(norm), float(np.mean(slopes == 0)), float(np.mean(saturated))))
    noise = network.gradient_noise(X, y).noise / course.problem.batch_size
    return layers, noise
