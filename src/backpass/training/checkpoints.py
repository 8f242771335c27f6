"""Checkpoints: after a crash, training goes on from the last one and ends with the same bytes.

A checkpoint is one file, written durably; the two newest are kept, so that a damaged one costs one
interval more, not the training. Writing takes at most 1 % of the time at the default interval.
"""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from backpass.engines import Problem
from backpass.errors import InputError, ModelFileError, brief
from backpass.storage.atomic_write import shown_path
from backpass.storage.container import read_container, write_container
from backpass.storage.folder_lock import LOCK, folder_lock
from backpass.training.run_identity import array_text, differences, model_texts, settings_texts
from backpass.training.snapshots import (
    SNAPSHOT_SCHEMA,
    TrainingState,
    generator_state,
    restore,
    set_generator_state,
    snapshot,
)

KIND = "checkpoint"
NAME = re.compile(r"checkpoint-([0-9]{12,})\.backpass")
PART = "network-"  # begins the names of the folders of several trainings
EVERY = 60.0  # seconds between two checkpoints, where nothing else is asked for …
SHARE = 0.01  # … or longer, so that writing takes no more than this part of the time


class Checkpoints:
    """The checkpoints of one training run, in a folder of their own.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing.
    resume : bool
        Whether training goes on from the newest checkpoint there; without one it starts.
    every : float, optional
        Seconds between two checkpoints, 0 for one at every opportunity (about 100 ms apart). By
        default 60, or 100 times as long as writing one takes, if that is more.

    Raises
    ------
    InputError
        When the folder cannot be used, is in use, holds checkpoints without ``resume``, or only
        damaged ones.

    Examples
    --------
    >>> import tempfile
    >>> from backpass import Network, train
    >>> X, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = train(Network([1, 1], seed=0), X, y, seed=0, epochs=3, checkpoint=folder)
    ...     again = train(
    ...         Network([1, 1], seed=0), X, y, seed=0, epochs=3, checkpoint=folder, resume=True
    ...     )
    >>> first.loss_curve == again.loss_curve
    True
    """

    def __init__(
        self, folder: str | Path, *, resume: bool = False, every: float | None = None
    ) -> None:
        if not str(folder):
            raise InputError("checkpoint needs the name of a folder, not an empty one")
        self.folder, self.every = Path(folder), _checked_interval(every)
        _check_folder(self.folder)
        self._seen = paths = _paths_at_rest(self.folder)
        self._resume, parts = resume, parts_in(self.folder)
        if (paths or parts) and not resume:
            raise InputError(
                f"{shown_path(folder)}: it holds checkpoints of a training run; go on with it "
                "(resume=True, or --resume), or give another folder"
            )
        self.origin = f"no checkpoint in {shown_path(folder)} yet: started anew" if resume else ""
        """Where training went on from, in words, known when it begins; "" without `resume`."""
        self.curves: dict[str, list[float]] = {}  # more numbers an epoch, saved with the history
        self.data = ""  # what identifies the rows, where to read them all would take long
        self.interrupted = self._failed = False
        self.seconds = 0.0  # that training took before the checkpoint it goes on from
        self._run: dict[str, str] = {}
        self._found = _newest(paths) if paths else None
        self._kept = [self._found[0]] if self._found else []
        self._start: dict[str, Any] = {}
        self._last, self._cost = time.monotonic(), 0.0
        self._opened = self._last

    @classmethod
    def of(cls, folder: str | Path | None, resume: bool, every: float | None) -> Checkpoints | None:
        """Return the checkpoints that three arguments ask for, None where they ask for none."""
        if folder is not None:
            return cls(folder, resume=bool(resume), every=every)
        if resume or every is not None:
            name = "resume" if resume else "checkpoint_every"
            raise InputError(
                f"{name} needs the folder of the checkpoints: give checkpoint=FOLDER "
                "(--checkpoint FOLDER)"
            )
        return None

    # --- before training -----------------------------------------------------------------------

    def part(self, name: str) -> Checkpoints:
        """Return the checkpoints of one of several trainings, in a folder in this one.

        Parameters
        ----------
        name : str
            Of letters, digits and hyphens.

        Raises
        ------
        InputError
            When this folder holds those of a single training.
        """
        if self._seen:
            raise InputError(
                f"{shown_path(self.folder)}: it holds checkpoints of a single network, and this is"
                " a pack of several; give another folder"
            )
        part = Checkpoints(self.folder / f"{PART}{name}", resume=self._resume, every=self.every)
        part.data = self.data
        return part

    def note(self, **values: Any) -> None:
        """Note what else the result depends on: arrays by their hash, other values by their text.

        Parameters
        ----------
        **values
            A checkpoint where one of them differs is refused.
        """
        for name, value in values.items():
            is_array = value is None or hasattr(value, "shape")
            self._run[name] = array_text(value) if is_array else str(value)

    def start(self, rng: Any, seed: Any) -> None:
        """Note the random generator, or set it to where it stood when training began.

        Parameters
        ----------
        rng : Generator or RandomState
            Nothing that training depends on has been drawn from it yet.
        seed : object
            What the user asked for: an integer, None, or a generator.
        """
        self._run["random seed"] = (
            f"a {type(seed).__name__}" if hasattr(seed, "random") else str(seed)
        )
        if self._found is not None:
            with _naming(self._found[0]):
                set_generator_state(rng, self._found[1]["generator_at_start"])
        self._start = generator_state(rng)

    def open(self, state: TrainingState, problem: Problem, engine: str) -> bool:
        """Set `state` to the newest checkpoint; return whether there is one.

        Parameters
        ----------
        state : TrainingState
            Of a run that has not begun.
        problem : Problem
        engine : str
            The name of the engine that trains.

        Raises
        ------
        InputError
            When the checkpoint is of other data or other settings; it says what differs.
        """
        if parts_in(self.folder):
            raise InputError(
                f"{shown_path(self.folder)}: it holds checkpoints of a pack, and this is a single"
                " network; give another folder"
            )
        if not isinstance(state.parameters, np.ndarray):
            raise InputError("checkpoint=… needs a network whose parameters are NumPy arrays")
        if self.data:
            self.note(data=self.data)
        else:
            self.note(X=problem.X, y=problem.y, sample_weight=problem.sample_weight)
        self.note(**{"the rows to train on": state.sampler.rows}, engine=engine)
        self._opened = time.monotonic()
        self._run |= model_texts(problem.model) | settings_texts(problem.settings)
        if self._found is None:
            self._make_folder()
            return False
        (path, told, arrays), self._found = self._found, None
        self.seconds = told["seconds"]
        with _naming(path):
            if different := differences(told["run"], self._run):
                raise InputError(
                    f"it is of another training run: {different}; give what that run was given, "
                    "or another folder"
                )
            restore(state, problem.optimizer.slots, told, arrays)
            self._restore_curves(arrays, state.history.epochs)
        where = "where training had ended" if told["stop"] else "in the midst of training"
        epochs = f"epoch {state.history.epochs + 1 - bool(told['stop'])}"
        self.origin = f"went on from {shown_path(path)}: {epochs}, {where}"
        return True

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.folder, error.strerror or str(error)) from error

    def _restore_curves(self, arrays: dict[str, Any], epochs: int) -> None:
        for name, curve in self.curves.items():
            if f"own.{name}" not in arrays:
                raise ModelFileError(f"tensor own.{name} is missing; train again")
            curve[:] = arrays[f"own.{name}"].tolist()

    # --- during training -----------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder to this run until the end of the ``with``.

        Raises
        ------
        InputError
            When another run is using it, or has written there since this one looked.
        """
        with folder_lock(self.folder):
            if set(checkpoints_in(self.folder)) - set(self._seen):
                raise InputError(
                    f"{shown_path(self.folder)}: another training run has written there meanwhile; "
                    "start again to go on from where it ended, or give another folder"
                )
            self._tidy()
            yield
            self._seen = checkpoints_in(self.folder)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        wait = max(EVERY, self._cost / SHARE) if self.every is None else self.every
        return time.monotonic() - self._last >= wait

    def save(self, state: TrainingState, stop: str = "") -> None:
        """Write a checkpoint; where that fails, training goes on and a warning says why.

        Parameters
        ----------
        state : TrainingState
            With the optimiser's state.
        stop : str
            Why training has ended, "" where it has not.
        """
        started = time.monotonic()
        told, arrays = snapshot(state, stop)
        told |= {"run": self._run, "generator_at_start": self._start}
        told["seconds"] = self.seconds + started - self._opened
        arrays |= {f"own.{name}": np.array(curve) for name, curve in self.curves.items()}
        path = self.folder / f"checkpoint-{state.history.clock.step:012d}.backpass"
        try:
            write_container(path, KIND, told, arrays)
        except ModelFileError as error:
            if not self._failed:  # once, until one can be written again
                warnings.warn(
                    f"no checkpoint could be written, training goes on: {error}", stacklevel=2
                )
            self._failed = True
        else:
            self._failed = False
            self._kept = [*(old for old in self._kept[-2:] if old != path), path][-2:]
            self._tidy()
        self._last, self._cost = started, time.monotonic() - started

    def _tidy(self) -> None:
        """Remove all but the two newest, and what a crash has left half-written."""
        if not self._kept:
            return
        kept = {path.name for path in self._kept}
        old = [path for path in checkpoints_in(self.folder) if path.name not in kept]
        if len(self._kept) < 2:  # a run that goes on keeps what it has until there are two again
            old = []
        for path in [*old, *self.folder.glob(".backpass-*.tmp")]:
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def deferring_interrupts(self) -> Iterator[None]:
        """Let Ctrl-C wait for the end of a step, where a checkpoint can be written.

        The second Ctrl-C interrupts at once. Elsewhere than in the main thread, and where the
        program handles Ctrl-C in its own way, nothing changes.
        """
        self.interrupted = False
        usual = signal.getsignal(signal.SIGINT)
        raises = usual is signal.default_int_handler
        raises = raises or getattr(usual, "raises_keyboard_interrupt", False)  # the command line's
        if threading.current_thread() is not threading.main_thread() or not raises:
            yield
            return

        def note(number: int, frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)
        if self.interrupted:  # after the last place where it is heard
            raise KeyboardInterrupt


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the newest last."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.split("-")[1].split(".")[0]))


def parts_in(folder: Path) -> list[Path]:
    """Return the folders of the single trainings of a pack, in a folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.startswith(PART))


def _paths_at_rest(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder that no other run is using."""
    if not (folder / LOCK).exists():  # whoever uses it has made that: nothing is made to look
        return checkpoints_in(folder)
    with folder_lock(folder):
        return checkpoints_in(folder)


def _newest(paths: list[Path]) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Return the newest checkpoint that can be read, with its JSON and its arrays."""
    problems: list[str] = []
    for path in reversed(paths):
        try:
            told, arrays = read_container(path, KIND, SNAPSHOT_SCHEMA)
        except ModelFileError as error:
            problems.append(str(error).partition(";")[0])
            continue
        if problems:
            warnings.warn(
                f"{'; '.join(problems)}: training goes on from the checkpoint before, {path.name}",
                stacklevel=4,
            )
        return path, told, arrays
    raise InputError(
        f"{'; '.join(problems)}: no checkpoint can be read, so training cannot go on; to train "
        "from the start, give another folder or remove these files"
    )


def _checked_interval(every: float | None) -> float | None:
    if every is None:
        return None
    if not isinstance(every, Real) or isinstance(every, bool) or not 0 <= every < math.inf:
        raise InputError(f"checkpoint_every must be seconds, at least 0, not {brief(every)}")
    return float(every)


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which nothing can be written, before anything is done."""
    if "\0" in str(folder):
        raise _unusable(folder, "a path cannot hold a null character")
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise _unusable(folder, f"{place.name} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unusable(folder, "nothing may be written there")


def _unusable(folder: Path, why: str) -> InputError:
    return InputError(
        f"{shown_path(folder)}: checkpoints cannot be written there: {why}; give another folder"
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the checkpoint's name in front of an error."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{shown_path(path)}: {error}") from error
