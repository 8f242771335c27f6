"""Training while somebody looks on: a thread that takes epochs, and copies to be drawn."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.parameters import Parameters
from backpass.derivatives.batch import subject
from backpass.derivatives.tracing.recording import record
from backpass.derivatives.tracing.steps import SATURATED
from backpass.errors import BackpassError
from backpass.network.network import Network
from backpass.page.course import Course

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_SECONDS = 0.08
"""Between two copies: twelve frames a second look like motion, and more cost training time."""

MOST_EPOCHS = 20_000
"""After which a training that nobody stops stops itself; curves of more show nothing new."""

FEW_ROWS = 256
"""Of which the gradients' norms and the units are looked at, as ``train`` does."""

PACES = {"full": 0.0, "20": 1 / 20, "4": 1 / 4}
"""Seconds an epoch takes at least."""


@dataclass(frozen=True)
class Frame:
    """A copy of a training at a moment; the curves' first entries never change."""

    course: Course
    update: int
    flat: NDArray[Any]

    @property
    def epoch(self) -> int:
        """Epochs that were over."""
        return self.update // self.course.per_epoch

    def network(self) -> Network:
        """Return the network as it was."""
        model = self.course.network.model
        return Network.from_model(
            model.with_parameters(Parameters(model.parameters.sizes, self.flat))
        )


class Training:
    """Runs a course in a thread of its own until it is paused."""

    def __init__(self, course: Course) -> None:
        self.course, self.error = course, None
        self._halt, self._thread = threading.Event(), None
        self._pace, self._copied = 0.0, 0.0
        self._copy()

    error: BackpassError | None
    _thread: threading.Thread | None

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, pace: str = "full") -> None:
        """Train on, at a pace of :data:`PACES`."""
        self.pause()
        self._pace, self.error = PACES[pace], None
        self._halt.clear()
        # a daemon: Ctrl-C ends the program without waiting for it
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def pause(self) -> bool:
        """End the thread's work, within a chunk of it; return whether there was any."""
        self._halt.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        return thread is not None

    def _work(self) -> None:
        course = self.course
        try:
            while not self._halt.is_set() and course.epoch < MOST_EPOCHS:
                course.advance(course.per_epoch - course.update % course.per_epoch, self._heard)
                self._halt.wait(self._pace) if self._pace else None
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
        flat = self.course.network.parameters.flat.copy()
        self.frame, self._copied = Frame(self.course, self.course.update, flat), time.monotonic()


@dataclass(frozen=True)
class LayerHealth:
    """How a layer does: its gradient's norm, and which part of its units is dead or saturated."""

    layer: int
    norm: float
    dead: float
    saturated: float


def layers_health(frame: Frame) -> tuple[list[LayerHealth], float]:
    """Return how every layer does at a moment, and the noise of a mini-batch's gradient.

    On the first rows that train. The noise is that of one sample, mean ‖g_n − ḡ‖², over the rows of
    a mini-batch.
    """
    course, network = frame.course, frame.network()
    X, y = course.rows.X[:FEW_ROWS], course.y[:FEW_ROWS]
    known = record(subject(network, X, y)).arrays
    layers = []
    for layer in range(1, len(network.sizes)):
        slopes = (
            np.abs(known["dphi", layer]).max(axis=0) if ("dphi", layer) in known else np.ones(1)
        )
        norm = np.linalg.norm(np.append(known["dW", layer], known["db", layer]))
        saturated = (slopes > 0) & (slopes < SATURATED)
        shares = float(np.mean(slopes == 0)), float(np.mean(saturated))
        layers.append(LayerHealth(layer, float(norm), *shares))
    noise = network.gradient_noise(X, y).noise / course.problem.batch_size
    return layers, noise
