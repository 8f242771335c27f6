"""The course of a training, update by update, forward and back, always the same."""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.schedules import Clock
from backpass.engines import Problem, Run, choose
from backpass.page.data import Rows
from backpass.page.setup import Setup
from backpass.training.batches import Sampler
from backpass.training.divergence import check_costs, check_parameters
from backpass.training.history import epoch_losses
from backpass.training.snapshots import generator_state, set_generator_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT_BYTES, MOST_MOMENTS = 200_000_000, 1000
"""Of all moments together; between them updates are taken again."""

CHUNK_SECONDS = 0.02
"""An engine is asked for about this much work at a time: a pause is heard that soon."""


@dataclass(frozen=True)
class Moment:
    """All that the rest of a training depends on, between two updates."""

    update: int
    flat: NDArray[Any]
    slots: dict[str, NDArray[Any]]
    order: NDArray[Any]
    generator: dict[str, Any]
    costs: list[Any]


class Course:
    """A training that can be followed update by update; it gives ``train``'s bytes.

    Examples
    --------
    >>> from backpass.page.data import example_rows
    >>> course = Course(Setup(), example_rows("xor"))
    >>> before = course.digest
    >>> course.advance(5)
    >>> course.rewind(0)
    >>> course.digest == before
    True
    """

    def __init__(self, setup: Setup, rows: Rows) -> None:
        self.setup, self.rows = setup, rows
        self.network = setup.network(rows)
        _, encoded = rows.targets(setup.loss, setup.output)
        self.y = encoded(rows.y)
        self.problem = Problem(self.network.model, rows.X, self.y, None, setup.settings())
        places, rng = np.arange(len(rows.X)), np.random.default_rng(setup.seed)
        self.sampler = Sampler(places, self.problem.batch_size, "shuffle", rng)
        self.update, self.costs, self.judged = 0, list[float](), list[float]()
        self._chunk, self._epoch_costs = 1, list[Any]()
        self._judging = None if rows.judged is None else (rows.judged[0], encoded(rows.judged[1]))
        self._order = self.sampler.epoch()
        self._start(None)
        self.moments = [self._moment()]
        size = places.nbytes + self.moments[0].flat.nbytes * (1 + len(self.moments[0].slots))
        self._most = max(2, min(MOST_MOMENTS, KEPT_BYTES // size))

    def _start(self, slots: dict[str, Any] | None) -> None:
        """Have the engine go on from the network's parameters and the optimiser's state."""
        self.run: Run = choose("auto", self.problem).start(self.problem, slots, self.update)
        self._evaluate = self._judging and self.run.evaluator(*self._judging, None, None)

    @property
    def per_epoch(self) -> int:
        """Updates in an epoch."""
        return len(self.sampler)

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.update // self.per_epoch

    @property
    def sample_gradients(self) -> int:
        """Gradients of single samples that the updates so far have taken (note 4's table)."""
        in_epoch = self.update % self.per_epoch * self.problem.batch_size
        return self.epoch * len(self.rows.X) + in_epoch

    @property
    def digest(self) -> str:
        """What tells these parameters from all others: the same for the same bytes."""
        return hashlib.sha256(self.network.parameters.flat.tobytes()).hexdigest()[:12]

    def next_rows(self) -> NDArray[Any]:
        """Return the rows of the mini-batch that comes next."""
        start = self.update % self.per_epoch * self.problem.batch_size
        rows: NDArray[Any] = self._order[start : start + self.problem.batch_size]
        return rows

    def keep(self) -> None:
        """Keep the present moment; where all take too much room, let go of every second one."""
        at = self._nearest(self.update)
        if self.moments[at].update != self.update:
            self.moments.insert(at + 1, self._moment())
        if len(self.moments) > self._most:
            del self.moments[1::2]

    def _nearest(self, update: int) -> int:
        """Return which moment is the last one before an update, or there."""
        return bisect_right(self.moments, update, key=lambda moment: moment.update) - 1

    def advance(self, updates: int, heard: Callable[[], object] = lambda: None) -> None:
        """Take updates; `heard` is called now and then, and ends it by a true result."""
        last, before = self.update + updates, self._nearest(self.update)
        try:
            while self.update < last and not heard():
                self._take(min(self._chunk, last - self.update))
            self.run.publish()
            flat, rate = self.network.parameters.flat, self.setup.learning_rate
            check_parameters(flat, self.epoch, self.update, rate)
        except Exception:
            self._return_to(self.moments[before])
            raise

    def _take(self, updates: int) -> None:
        """Take some updates, no more than the epoch has left."""
        M, started = self.problem.batch_size, time.monotonic()
        done = self.update % self.per_epoch
        updates = min(updates, self.per_epoch - done)
        rates = [self.setup.learning_rate] * updates
        costs = self.run.advance(self._order[done * M : (done + updates) * M], rates)
        clock = Clock(step=self.update, samples=self.sample_gradients)
        check_costs(costs, clock, self.epoch + 1, rates)
        self._epoch_costs.append(costs)
        self.update += updates
        if time.monotonic() - started < CHUNK_SECONDS / 2:
            self._chunk *= 2
        if self.update % self.per_epoch == 0:
            self._end_epoch()

    def _end_epoch(self) -> None:
        """Note the epoch's costs, unless it was reached before, and draw the next one's order."""
        if len(self.costs) < self.epoch:
            costs, k = np.concatenate(self._epoch_costs), self.network.sizes[-1]
            mean, _ = epoch_losses(costs, self.problem.batch_size, len(self.rows.X), k)
            self.costs.append(mean)
            if self._evaluate:
                self.judged.append(self._evaluate()[1])
        self._epoch_costs, self._order = [], self.sampler.epoch()
        if self.epoch % self._every() == 0:
            self.run.publish()
            self.keep()

    def _every(self) -> int:
        """Return how many epochs lie between two moments that are kept."""
        last = [0, 0, *(moment.update for moment in self.moments[-2:])]
        return max(1, (last[-1] - last[-2]) // self.per_epoch)

    def rewind(self, update: int, heard: Callable[[], object] = lambda: None) -> None:
        """Go to the moment after so many updates, from the nearest one before it that was kept."""
        self._return_to(self.moments[self._nearest(update)])
        self.advance(update - self.update, heard)

    def _moment(self) -> Moment:
        slots = {name: np.array(values) for name, values in self.run.state.items()}
        flat, rng = self.network.parameters.flat.copy(), generator_state(self.sampler.rng)
        order = self.sampler.order  # each epoch has a new one
        return Moment(self.update, flat, slots, order, rng, [*self._epoch_costs])

    def _return_to(self, moment: Moment) -> None:
        self.update, self._epoch_costs = moment.update, [*moment.costs]
        self.network.parameters.flat[...] = moment.flat
        self.sampler.order = moment.order
        set_generator_state(self.sampler.rng, moment.generator)
        self._order = self.sampler.again()
        self._start({name: values.copy() for name, values in moment.slots.items()})
