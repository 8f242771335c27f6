"""A training run that is killed again and again, and what it tells before it dies.

It writes into memory that the killer shares when it was last between two steps and when each of its
last checkpoints was taken, so that what a kill cost can be told to the millisecond.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from reliability._fits import fingerprint, rows

from backpass.core.settings import Settings
from backpass.network.network import Network
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import Validation
from backpass.training.trainer import Trainer

SIZES, ROWS, HELD_OUT = (20, 64, 64, 1), 4000, 500
BEGAN, BOUNDARY, LONGEST, WRITTEN = range(4)  # seconds, seconds, seconds, checkpoints
SLOTS = 8  # of the last checkpoints: step and time each, from place 4 on


class Telling(Checkpoints):
    """Checkpoints that tell the killer, on a board, when training could have been written down."""

    def __init__(self, folder: Path, board: Any, every: float) -> None:
        super().__init__(folder, resume=True, every=every)
        self.board = board

    def open(self, *arguments: Any) -> Any:
        """Take over the checkpoint; from here on a kill costs something."""
        found = super().open(*arguments)
        self.board[BOUNDARY] = self.board[BEGAN] = time.monotonic()
        return found

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint; asked between any two calls of the engine."""
        now = time.monotonic()
        self.board[LONGEST] = max(self.board[LONGEST], now - self.board[BOUNDARY])
        self.board[BOUNDARY] = now
        return super().due

    def save(self, state: Any, stop: str = "") -> None:
        """Write a checkpoint, and tell which one and when."""
        place = 4 + 2 * (int(self.board[WRITTEN]) % SLOTS)
        self.board[place : place + 2] = [state.history.clock.step, time.monotonic()]
        self.board[WRITTEN] += 1
        super().save(state, stop)


def train(optimizer: str, epochs: int, threads: int, checkpoints: Checkpoints | None) -> str:
    """Train, and return a hash of parameters, optimiser state and history."""
    X, y, _ = rows(ROWS, SIZES[0], np.float32)
    rng = np.random.default_rng(0)
    network = Network(SIZES, "relu", seed=1, dtype="float32")
    training, judged = np.split(np.arange(ROWS), [ROWS - HELD_OUT])
    settings = Settings(
        optimizer=optimizer, schedule="cosine:warmup=0.1", batch_size=25, epochs=epochs,
        dropout=0.1, clip_norm=1.0, early_stopping=True, patience=epochs, n_threads=threads,
    )  # fmt: skip
    if checkpoints is not None:
        checkpoints.start(rng, 0)
    trainer = Trainer(
        network, X, y, settings=settings, rows=training, rng=rng,
        validation=Validation(X, y, rows=judged), checkpoints=checkpoints,
    )  # fmt: skip
    history, state = trainer.train(), trainer.state.optimizer
    return fingerprint(network, history, *(state[name] for name in sorted(state)))


def victim(
    folder: Path, board: Any, answer: Path, optimizer: str, epochs: int, threads: int, every: float
) -> None:
    """Train with checkpoints, going on where there are some, and write the hash to `answer`."""
    checkpoints = Telling(folder, np.frombuffer(board), every)
    answer.write_text(train(optimizer, epochs, threads, checkpoints))
