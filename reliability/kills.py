"""Kill training that writes checkpoints at random instants, and count what that breaks.

``python -m reliability.kills --times 1000 --commands 100`` starts a run, sends it SIGKILL after a
random time, starts it again with ``resume=True``, kills it again, until it has come to its end;
then the next run, with the next optimiser. After every kill every checkpoint in the folder is read,
and the time between the newest one and the kill is compared with the interval. At the end the bytes
of a run are compared with those of a run that was left alone. Then the same is done to ``backpass
fit``, typed again and again with ``--checkpoint`` and ``--resume``: most kills meet it while it
trains, some while it is loaded, and some after it has written its model.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import ctypes
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reliability._fits import write_table
from reliability._supervised import start
from reliability._victim import BEGAN, BOUNDARY, LONGEST, SLOTS, train, victim
from reliability.report import arguments, count, figures, program

from backpass.core.optimizers import OPTIMIZERS
from backpass.errors import ModelFileError
from backpass.storage.container import read_container
from backpass.tabular.model import TabularModel
from backpass.tabular.model_file import KIND as MODEL
from backpass.tabular.model_file import MODEL_SCHEMA
from backpass.training.checkpoints import KIND, checkpoints_in
from backpass.training.snapshots import SNAPSHOT_SCHEMA

EVERY = 0.05  # seconds between two checkpoints: short, so that many kills meet a write
LONGEST_LIFE = 0.5  # seconds of training before a kill
TIMEOUT = 300.0  # seconds after which a run that neither ends nor dies is called hung


@dataclass
class Training:
    """What was seen of runs in Python; what is lost is counted from the newest checkpoint on."""

    kills: int = count("SIGKILLs")
    half_written: int = count("of them in the middle of writing a checkpoint")
    runs: int = count("training runs that went on after them, to their end")
    unreadable: int = count("checkpoints that could not be read")
    lost: int = count(
        "kills that cost more than the interval, one call of the engine and one write"
    )
    longest_lost: float = count("seconds at most that a kill cost")
    bound: float = count("seconds that it was allowed to")
    unequal: int = count("runs that ended with other bytes than one left alone")
    hung: int = count("runs that hung")


@dataclass
class Commands:
    """What was seen of ``backpass fit``."""

    kills: int = count("`backpass fit` that SIGKILL has ended")
    before: int = count("of them before the first checkpoint")
    training: int = count("with a checkpoint and without a model")
    after: int = count("with a model already")
    fits: int = count("fits that went on after them, to their end")
    unreadable: int = count("checkpoints and model files that could not be read")
    failed: int = count("processes that failed by themselves")
    unequal: int = count("fits that ended with another model than one left alone")


def read(path: Path, counts: Training | Commands, reader: Callable[[Path], Any]) -> Any:
    """Return what a file that a kill has left holds; None, and counted, where it is unreadable."""
    try:
        return reader(path)
    except ModelFileError as error:
        counts.unreadable += 1
        sys.stdout.write(f"unreadable: {error}\n")


def read_checkpoint(path: Path) -> Any:
    """Return JSON and arrays of a checkpoint."""
    return read_container(path, KIND, SNAPSHOT_SCHEMA)


# --- runs in Python ------------------------------------------------------------------------------


def judge_kill(folder: Path, board: Any, killed: float, counts: Training) -> None:
    """Count what a kill has cost."""
    counts.kills += 1
    counts.half_written += bool(list(folder.glob(".backpass-*.tmp")))
    taken = {board[4 + 2 * i]: board[5 + 2 * i] for i in range(SLOTS) if board[5 + 2 * i]}
    found = [read(path, counts, read_checkpoint) for path in checkpoints_in(folder)]
    steps = [told["clock"]["step"] for told, _ in filter(None, found)]
    # where the newest checkpoint is of an earlier life, nothing has been written in this one
    lost = killed - taken.get(max(steps, default=-1), board[BEGAN])
    bound = EVERY + board[LONGEST] + killed - board[BOUNDARY]
    counts.lost += int(lost > bound)
    if lost > counts.longest_lost:
        counts.longest_lost, counts.bound = float(lost), float(bound)


def one_life(context: Any, life: float | None, place: Path, options: Any, counts: Training) -> bool:
    """Start a run, kill it after `life` seconds; return whether it had come to its end."""
    shared = context.RawArray(ctypes.c_double, 4 + 2 * SLOTS)
    board, folder = np.frombuffer(shared), place / "checkpoints"
    process = context.Process(target=victim, args=(folder, shared, place / "answer", *options))
    process.start()
    while not board[BEGAN] and process.is_alive():
        time.sleep(0.001)
    process.join(life)
    killed = time.monotonic()
    process.kill()
    process.join(TIMEOUT)
    if process.exitcode == 0:
        return True
    if process.exitcode is None:
        counts.hung += 1
    elif process.exitcode > 0:
        raise SystemExit(f"a run failed by itself, with exit code {process.exitcode}")
    judge_kill(folder, board, killed, counts)
    return False


def kill_training(times: int, epochs: int, seed: int) -> Training:
    """Kill runs so many times, at instants from a seed; the last run is left to its end."""
    context, counts = multiprocessing.get_context("forkserver"), Training()
    context.set_forkserver_preload(["reliability._victim"])
    rng, names = random.Random(seed), list(OPTIMIZERS)
    while counts.kills < times:
        optimizer, ended = names[counts.runs % len(names)], False
        with tempfile.TemporaryDirectory() as folder:
            while not ended:
                options = optimizer, epochs, rng.choice((1, 2, 3)), EVERY
                life = rng.uniform(0, LONGEST_LIFE) if counts.kills < times else None
                ended = one_life(context, life, Path(folder), options, counts)
            counts.runs += 1
            whole = train(optimizer, epochs, 1, None)
            counts.unequal += Path(folder, "answer").read_text() != whole
        sys.stdout.write(f"{optimizer:9} {counts}\n")
        sys.stdout.flush()
    return counts


# --- the command ---------------------------------------------------------------------------------

LINE = ["-m", "backpass", "fit", "table.csv", "--target", "y", "--epochs", "60", "--seed", "0"]
LINE += ["--checkpoint", "run", "--resume", "--checkpoint-every", str(EVERY), "--model", "m"]
WHILE_TRAINING = 0.8  # the part of the kills that are drawn from the training time
PART = 1 / 3  # of it, after which a kill comes at the latest, so that a fit meets several


@dataclass
class Times:
    """Seconds to the first checkpoint, from there to the model, and from there to the end."""

    loading: float
    training: float
    after: float


def wait(
    process: Any, until: Callable[[], bool] = lambda: False, seconds: float = TIMEOUT
) -> float:
    """Wait until something is so, or the process has ended; return the seconds that took."""
    began = time.monotonic()
    while process.poll() is None and not until() and time.monotonic() - began < seconds:
        time.sleep(0.001)
    return time.monotonic() - began


def left_alone(place: Path) -> Times:
    """Return the times of a command that comes to its end."""
    write_table(place / "table.csv")
    with start(*LINE, folder=place) as process:
        loading = wait(process, lambda: bool(checkpoints_in(place / "run")))
        training = wait(process, (place / "m").exists)
        times = Times(loading, training, wait(process))
        if process.wait(TIMEOUT):
            raise SystemExit(f"a fit failed: {process.communicate()[1]}")
    return times


def live(process: Any, place: Path, times: Times, rng: random.Random) -> None:
    """Let a command live until a random instant: in its training, or at any other time."""
    if rng.random() < WHILE_TRAINING:
        before = checkpoints_in(place / "run")
        wait(process, lambda: checkpoints_in(place / "run") != before)
        wait(process, seconds=rng.uniform(0, PART * times.training))
    elif rng.random() < times.loading / (times.loading + times.after):
        wait(process, seconds=rng.uniform(0, times.loading))
    else:
        wait(process, (place / "m").exists)
        wait(process, seconds=rng.uniform(0, times.after))


def content(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what a model file holds but for the seconds that training took."""
    told, arrays = read_container(path, MODEL, MODEL_SCHEMA)
    told["history"].pop("seconds")
    return told, {name: array.tobytes() for name, array in arrays.items()}


def judge_command(place: Path, counts: Commands) -> None:
    """Read every file that a killed command has left."""
    checkpoints, model = checkpoints_in(place / "run"), place / "m"
    counts.kills += 1
    counts.after += model.exists()
    counts.training += bool(checkpoints) and not model.exists()
    counts.before += not checkpoints and not model.exists()
    for path in checkpoints:
        read(path, counts, read_checkpoint)
    if model.exists():
        read(model, counts, TabularModel.load)


def kill_commands(number: int, seed: int) -> Commands:
    """Kill so many commands, at instants from a seed; the last fit is left to its end."""
    rng, counts = random.Random(seed), Commands()
    if not number:
        return counts
    with tempfile.TemporaryDirectory() as folder:
        times, wanted = left_alone(Path(folder)), content(Path(folder, "m"))
    while counts.kills < number:
        with tempfile.TemporaryDirectory() as folder:
            place, code = Path(folder), -1
            write_table(place / "table.csv")
            while code < 0:
                with start(*LINE, folder=place) as process:
                    if counts.kills < number:
                        live(process, place, times, rng)
                        process.kill()  # nothing happens to one that has ended
                    told, code = process.communicate(timeout=TIMEOUT)[1], process.returncode
                if code < 0:
                    judge_command(place, counts)
            counts.failed += code > 0
            sys.stdout.write(told if code else "")
            if code == 0:
                counts.fits += 1
                counts.unequal += content(place / "m") != wanted
        sys.stdout.write(f"{counts}\n")
        sys.stdout.flush()
    return counts


def counted(asked: Any) -> tuple[dict[str, Any], int]:
    """Kill both; return what that came to, and how much it broke."""
    t = kill_training(asked.times, asked.epochs, asked.seed)
    c = kill_commands(asked.commands, asked.seed)
    broken = t.unreadable + t.lost + t.unequal + t.hung + c.unreadable + c.failed + c.unequal
    return figures(t) | figures(c), broken


if __name__ == "__main__":
    asked = arguments(
        __doc__,
        times=(1000, "kills of runs in Python"),
        commands=(100, "kills of `backpass fit`"),
        epochs=(60, "of a run in Python"),
        seed=(0, "of the instants"),
    ).parse_args()
    command = "python -m reliability.kills --times {times} --commands {commands} --seed {seed}"
    program(asked, "Killed while it trains", command, counted)
