"""One worker writes the checkpoints, and all go on from them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from backpass.engines import Problem
from backpass.errors import InputError
from backpass.scaling.groups import Group
from backpass.training.checkpoints import Checkpoints
from backpass.training.snapshots import (
    TrainingState,
    generator_state,
    restore,
    set_generator_state,
    snapshot,
)


def shared_checkpoints(group: Group, folder: str | None, every: float | None = None) -> Checkpoints:
    """Return :class:`SharedCheckpoints`, which the trainer uses as it does its own."""
    return cast(Checkpoints, SharedCheckpoints(group, folder, every))


class SharedCheckpoints:
    """The checkpoints of a group: those of rank 0, read and written by it alone.

    Parameters
    ----------
    group : Group
    folder : str or None
        None: nothing is written, and all workers draw the same random numbers all the same.
    every : float, optional
        Seconds between two checkpoints.

    Raises
    ------
    InputError
        For every worker, when rank 0 cannot use the folder.
    """

    def __init__(self, group: Group, folder: str | None, every: float | None = None) -> None:
        self.group = group
        self.curves: dict[str, list[float]] = {}
        self.data = ""  # what identifies the rows, as of Checkpoints
        self._own: Checkpoints | None = None
        with self._together():
            if folder is not None and group.rank == 0:
                self._own = Checkpoints(folder, resume=True, every=every)
                self._own.curves = self.curves

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Raise what rank 0 raises: the others would wait for it in vain."""
        why = None
        try:
            yield
        except InputError as error:
            why = error
        if told := self.group.objects(why)[0]:
            raise told

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._own is not None and self._own.due

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was heard."""
        return self._own is not None and self._own.interrupted

    @property
    def seconds(self) -> float:
        """That training took before the checkpoint it goes on from."""
        return 0.0 if self._own is None else self._own.seconds

    @property
    def origin(self) -> str:
        """Where training went on from, in words."""
        return "" if self._own is None else self._own.origin

    def start(self, rng: Any, seed: Any) -> None:
        """Set the random generator of every worker to that of rank 0, at the start or resumed."""
        if self._own is not None:
            self._own.data = self.data
            self._own.start(rng, seed)
        set_generator_state(rng, self.group.objects(generator_state(rng))[0])

    def note(self, **values: Any) -> None:
        """Note what else the result depends on."""
        if self._own is not None:
            self._own.note(**values)

    def open(self, state: TrainingState, problem: Problem, engine: str) -> bool:
        """Set `state` to rank 0's newest checkpoint; return whether there is one."""
        told = None
        with self._together():
            if self._own is not None and self._own.open(state, problem, engine):
                told = *snapshot(state, state.history.stop_reason), self.curves
        told = self.group.objects(told)[0]
        if told is not None and self.group.rank > 0:
            json, arrays, curves = told
            restore(state, problem.optimizer.slots, json, arrays)
            for name, curve in curves.items():
                self.curves[name][:] = curve
        return told is not None

    def held(self) -> Any:
        """Keep the folder to this run."""
        return nullcontext() if self._own is None else self._own.held()

    def deferring_interrupts(self) -> Any:
        """Let Ctrl-C wait for the end of a step."""
        return nullcontext() if self._own is None else self._own.deferring_interrupts()

    def save(self, state: TrainingState, stop: str = "") -> None:
        """Write a checkpoint."""
        if self._own is not None:
            self._own.save(state, stop)
