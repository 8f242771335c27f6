"""A process whose fits are interrupted, and its look at what is left of them."""

import gc
import signal
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from reliability._fits import INTERRUPTIBLE, Fit, fingerprint
from reliability._growth import files, threads
from sklearn.exceptions import NotFittedError

from backpass.errors import InputError

READY, SENT = range(2)  # places on the board: interrupts wanted so far, and sent so far


def surroundings() -> dict[str, Any]:
    """Return what a fit must leave as it was."""
    gc.collect()
    return {
        "the handler of SIGINT": signal.getsignal(signal.SIGINT),
        "threads": (threads(), threading.active_count()),
        "open files": files(),
        "NumPy's handling of errors": np.geterr(),
        "threads of BLAS": [found["num_threads"] for found in threadpoolctl.threadpool_info()],
    }


def interrupted(fit: Fit, board: Any, presses: int) -> str:
    """Run a fit that the parent interrupts so many times; return how that ended it."""
    wanted, ended, sent = board[SENT] + presses, False, False
    try:
        board[READY] += 1
        fit.start()
        sent = board[SENT] >= wanted
        ended = True
        if fit.history().stop_reason == "interrupted":
            return _after_the_rest(board, wanted, "ended early, with what it had")
        _wait(board, wanted)
    except KeyboardInterrupt:
        how = "left by KeyboardInterrupt" if not ended else "interrupted after its end"
        return _after_the_rest(board, wanted, how)
    return "interrupt lost" if sent else "interrupted after its end, unheard"


def _after_the_rest(board: Any, wanted: float, how: str) -> str:
    """Return `how` once all interrupts have come."""
    while True:
        try:
            _wait(board, wanted)
        except KeyboardInterrupt:
            continue
        return how


def _wait(board: Any, wanted: float) -> None:
    """Wait until all interrupts were sent and have arrived."""
    while board[SENT] < wanted:
        time.sleep(0.0005)
    time.sleep(0.005)


def faults_of(fit: Fit, how: str, before: dict[str, Any], want: str, folder: Path) -> list[str]:
    """Return what is not in order after an interrupt, nothing if all is."""
    now = surroundings()
    faults = [
        f"{name}: {now[name]} in place of {before[name]}"
        for name in before
        if now[name] != before[name]
    ]
    faults += [f"{path.name} is left" for path in folder.rglob("*.tmp")]
    try:
        if not np.isfinite(fit.predict()).all():
            faults.append("predictions are not finite")
    except (NotFittedError, InputError) as error:
        if how != "left by KeyboardInterrupt":
            faults.append(f"not usable: {error}")
    except Exception as error:  # whatever it is, it is not the named error of an unfitted model
        faults.append(f"prediction failed: {type(error).__name__}: {error}")
    try:
        if fit.answer() != want:
            faults.append("fitted again, it is not what a fresh fit gives")
    except Exception as error:
        faults.append(f"cannot be fitted again: {type(error).__name__}: {error}")
    return faults


def fits_to_interrupt(connection: Any, board: Any, names: list[str]) -> None:
    """Serve a parent: it names a case and a number of interrupts, and is told how it ended.

    First it is sent the seconds that each case takes; it counts on the board what it has sent.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    want, seconds = {}, {}
    for name in (names[0], *names):  # the first imports what all need
        with tempfile.TemporaryDirectory() as folder:
            fit = INTERRUPTIBLE[name](Path(folder) / "whole")
            started = time.monotonic()
            fit.start()
            seconds[name] = time.monotonic() - started
            want[name] = fingerprint(fit.network(), fit.history(), fit.predict())
    connection.send(seconds)
    board = np.frombuffer(board)
    while (order := connection.recv()) is not None:
        name, presses = order
        before = surroundings()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            fit = INTERRUPTIBLE[name](place / "run")
            how = interrupted(fit, board, presses)
            connection.send((how, faults_of(fit, how, before, want[name], place)))
