"""Kill a checkpointing training run at random instants, and count what that breaks.

``python -m reliability.kills --times 1000`` starts a run, sends it SIGKILL after a random time,
starts it again with ``resume=True``, kills it again, until it has come to its end; then the next
run, with the next optimiser. After every kill every checkpoint in the folder is read, and the time
between the newest one and the kill is compared with the interval. At the end the bytes of a run
are compared with those of a run that was left alone.

With ``--json FILE`` the counts go to a file, from which ``python -m reliability.report`` writes the
page.
"""

import argparse
import ctypes
import multiprocessing
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reliability._victim import BEGAN, BOUNDARY, LONGEST, SLOTS, train, victim
from reliability.report import here, write_result

from backpass.core.optimizers import OPTIMIZERS
from backpass.errors import ModelFileError
from backpass.storage.container import read_container
from backpass.training.checkpoints import KIND, checkpoints_in
from backpass.training.snapshots import SNAPSHOT_SCHEMA

EVERY = 0.05  # seconds between two checkpoints: short, so that many kills meet a write
LONGEST_LIFE = 0.5  # seconds of training before a kill
TIMEOUT = 300.0  # seconds after which a run that neither ends nor dies is called hung


@dataclass
class Counts:
    """What was seen.

    Parameters
    ----------
    kills : int
        SIGKILLs that met a training run.
    half_written : int
        Kills in the middle of writing a checkpoint: they left its temporary file.
    runs : int
        Runs that came to their end.
    unreadable : int
        Checkpoints that could not be read after a kill.
    lost : int
        Kills after which more was lost than the interval, the longest time between two places
        where a checkpoint can be taken, and the time since the last of them.
    longest_lost, bound : float
        The most seconds that a kill cost, and how many it was allowed to.
    unequal : int
        Runs whose final bytes differ from those of a run that was left alone.
    hung : int
        Runs that neither ended nor could be killed.
    """

    kills: int = 0
    half_written: int = 0
    runs: int = 0
    unreadable: int = 0
    lost: int = 0
    longest_lost: float = 0.0
    bound: float = 0.0
    unequal: int = 0
    hung: int = 0


def newest_step(folder: Path, counts: Counts) -> int:
    """Read every checkpoint; return the newest one's step, -1 where there is none."""
    step = -1
    for path in checkpoints_in(folder):
        try:
            told, _ = read_container(path, KIND, SNAPSHOT_SCHEMA)
        except ModelFileError as error:
            counts.unreadable += 1
            sys.stdout.write(f"unreadable: {error}\n")
        else:
            step = told["clock"]["step"]
    return step


def judge_kill(folder: Path, board: Any, killed: float, counts: Counts) -> None:
    """Count what a kill has cost."""
    counts.kills += 1
    counts.half_written += bool(list(folder.glob(".backpass-*.tmp")))
    taken = {board[4 + 2 * i]: board[5 + 2 * i] for i in range(SLOTS) if board[5 + 2 * i]}
    # where the newest checkpoint is of an earlier life, nothing has been written in this one
    lost = killed - taken.get(newest_step(folder, counts), board[BEGAN])
    bound = EVERY + board[LONGEST] + killed - board[BOUNDARY]
    counts.lost += int(lost > bound)
    if lost > counts.longest_lost:
        counts.longest_lost, counts.bound = float(lost), float(bound)


def one_life(context: Any, rng: random.Random, place: Path, options: Any, counts: Counts) -> bool:
    """Start a run, kill it after a random time; return whether it had come to its end."""
    shared = context.RawArray(ctypes.c_double, 4 + 2 * SLOTS)
    board, answer = np.frombuffer(shared), place / "answer"
    threads, folder = rng.choice((1, 2, 3)), place / "checkpoints"
    process = context.Process(target=victim, args=(folder, shared, answer, *options(threads)))
    process.start()
    while not board[BEGAN] and process.is_alive():
        time.sleep(0.001)
    process.join(rng.uniform(0, LONGEST_LIFE))
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


def kill(times: int, epochs: int, seed: int) -> Counts:
    """Kill runs so many times; the last run is then left to come to its end.

    Parameters
    ----------
    times, epochs : int
    seed : int
        Of the instants.
    """
    context, counts = multiprocessing.get_context("forkserver"), Counts()
    context.set_forkserver_preload(["reliability._victim"])
    rng, started = random.Random(seed), time.monotonic()
    names = list(OPTIMIZERS)
    while counts.kills < times:
        optimizer = names[counts.runs % len(names)]
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)

            def options(threads: int, optimizer: str = optimizer) -> tuple[Any, ...]:
                return optimizer, epochs, threads, EVERY

            while counts.kills < times and not one_life(context, rng, place, options, counts):
                pass
            if not (place / "answer").exists():
                shared = context.RawArray(ctypes.c_double, 4 + 2 * SLOTS)
                arguments = (place / "checkpoints", shared, place / "answer", *options(2))
                last = context.Process(target=victim, args=arguments)
                last.start()
                last.join()
            counts.runs += 1
            whole = train(optimizer, epochs, 1, None)
            counts.unequal += (place / "answer").read_text() != whole
        seconds = time.monotonic() - started
        sys.stdout.write(f"{seconds:6.0f} s  {optimizer:9} {counts}\n")
        sys.stdout.flush()
    return counts


def figures(counts: Counts, epochs: int) -> dict[str, Any]:
    """Return the counts as the page names them."""
    c = counts
    return {
        "SIGKILLs": c.kills,
        "of them in the middle of writing a checkpoint": c.half_written,
        "training runs that went on after them, to their end": c.runs,
        "checkpoints that could not be read": c.unreadable,
        "kills that cost more than the interval, one call of the engine and one write": c.lost,
        "most that a kill cost": f"{c.longest_lost * 1000:.0f} ms, of {c.bound * 1000:.0f} allowed",
        "runs that ended with other bytes than one left alone": c.unequal,
        "runs that hung": c.hung,
        "interval between checkpoints": f"{EVERY * 1000:.0f} ms",
        "epochs of a run": epochs,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=1000, metavar="N", help="kills")
    parser.add_argument("--epochs", type=int, default=60, metavar="N", help="of a run")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the counts go")
    told = parser.parse_args()
    machine = here()
    counts = kill(told.times, told.epochs, told.seed)
    if told.json is not None:
        write_result(
            told.json,
            "Killed while it trains",
            f"python -m reliability.kills --times {told.times} --seed {told.seed}",
            machine,
            figures(counts, told.epochs),
        )
    broken = counts.unreadable + counts.lost + counts.unequal + counts.hung
    raise SystemExit(f"broken: {asdict(counts)}" if broken else 0)


if __name__ == "__main__":
    main()
