"""Interrupt fits and commands at random instants, as Ctrl-C does, and count what that breaks.

``python -m reliability.interrupts --times 200`` does so with SIGINT to fits in a process of their
own, and with Ctrl-C typed into a terminal, or SIGINT, to ``backpass fit``; every fifth interrupt
comes twice in quick succession. Afterwards the estimator must predict, be fitted again to the bytes
of a fresh one, and leave handlers, threads and files as they were; the terminal must be in order.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import ctypes
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from reliability._fits import INTERRUPTIBLE, write_table
from reliability._interrupted import SENT, fits_to_interrupt
from reliability._terminal import faults_of, in_terminal, kind_of
from reliability.report import arguments, program

from backpass.engines.extension import missing

EARLY = 0.003  # seconds: every fifth interrupt of a fit comes in its first moments
TWICE = (0.0005, 0.01, 0.1)  # seconds between two in quick succession, at most
TIMEOUT = 120.0  # seconds after which a fit or a command is called hung
AFTER_ITS_TABLE = 0.7  # the part of a command's interrupts that do not meet it while it is loaded
SHOWN = b"network"  # what it has shown when training begins
COMMAND = ["-m", "backpass", "fit", "table.csv", "--target", "y"]
COMMAND += ["--epochs", "60", "--hidden", "64,64"]
OUTPUTS = ["--model", "m.backpass", "--json", "m.json", "--report", "m.html"]
CHECKPOINTS = ["--checkpoint", "run", "--checkpoint-every", "0"]


@dataclass
class Counts:
    """What was seen: endings by their kind, and faults."""

    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, what: str, kind: str, faults: list[str], told: str = "") -> None:
        """Count an ending; a fault is said at once, with what was shown."""
        self.kinds[kind] += 1
        self.faults += [f"{what}: {fault}" for fault in faults]
        for fault in faults:
            sys.stdout.write(f"{what}: {fault}\n{told}")
        sys.stdout.flush()


def instants(rng: random.Random, longest: float, earliest: float, number: int) -> list[float]:
    """Return when to interrupt: once, or every fifth time twice."""
    first = rng.uniform(0, earliest if number % 5 == 1 else longest)
    again = first + rng.uniform(0, rng.choice(TWICE))
    return [first, again] if number % 5 == 2 else [first]


# --- fits in Python --------------------------------------------------------------------------


def send(child: Any, board: Any, when: list[float], ready: float) -> None:
    """Interrupt a child at the given seconds after it has said that it is ready."""
    while board[0] < ready:
        time.sleep(0.0001)
    started = time.monotonic()
    for instant in when:
        time.sleep(max(0.0, started + instant - time.monotonic()))
        os.kill(child.pid, signal.SIGINT)
        board[SENT] += 1


def interrupt_fits(times: int, rng: random.Random) -> Counts:
    """Interrupt so many fits, of every kind in turn, at instants that `rng` draws."""
    counts, context = Counts(), multiprocessing.get_context("spawn")
    board = context.RawArray(ctypes.c_double, 2)
    ours, theirs = context.Pipe()
    names = [name for name in INTERRUPTIBLE if not missing() or "thread" not in name]
    names = rng.sample(names, min(times, len(names)))
    child = context.Process(target=fits_to_interrupt, args=(theirs, board, names), daemon=True)
    child.start()
    theirs.close()
    shared, seconds = np.frombuffer(board), ours.recv()
    for number in range(times):
        name = names[number % len(names)]
        when = instants(rng, 1.05 * seconds[name], EARLY, number + number // len(names))
        ours.send((name, len(when)))
        send(child, shared, when, number + 1)
        if not ours.poll(TIMEOUT):
            counts.add(name, "hung", ["it hung"])
            break
        kind, faults = ours.recv()
        if kind in ("interrupt lost", "interrupted after its end, unheard"):
            faults.append(kind)
        counts.add(f"{name}, {when}", kind, faults)
    else:
        ours.send(None)
        child.join(TIMEOUT)
    child.kill()
    return counts


# --- the command in a terminal ---------------------------------------------------------------


def interrupt_commands(times: int, rng: random.Random) -> Counts:
    """Interrupt so many ``backpass fit``, half of them by a key, half by a signal."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_table(place / "table.csv")
        model, command = place / "m.backpass", [sys.executable, *COMMAND, *OUTPUTS]
        longest = left_alone(command, place)
        earlier = model.read_bytes()
        for number in range(times):
            clear(place)
            old = earlier if number % 4 else None
            if old is not None:
                model.write_bytes(old)
            more = CHECKPOINTS if number % 3 == 1 else []
            late = rng.random() < AFTER_ITS_TABLE
            when = instants(rng, longest[late], longest[late] / 20, number)
            after, typed = SHOWN if late else b"", rng.random() < 0.5
            ending = in_terminal([*command, *more], place, when, after=after, typed=typed)
            shown = "\n".join(ending.lines[-20:])
            found = faults_of(ending, place, model, old)
            counts.add(f"{when}, {ending.seconds:.2f} s", kind_of(ending), found, f"{shown}\n")
    return counts


def left_alone(command: list[str], place: Path) -> tuple[float, float]:
    """Return how many seconds a command takes, and how many after it has shown the network."""
    started = time.monotonic()
    ending = in_terminal(command, place, [], after=SHOWN)
    if ending.code != 0:
        raise SystemExit("\n".join(["left alone, it fails:", *ending.lines]))
    return time.monotonic() - started, ending.seconds


def clear(place: Path) -> None:
    """Remove what a command has written."""
    shutil.rmtree(place / "run", ignore_errors=True)
    for path in place.iterdir():
        if path.name != "table.csv":
            path.unlink()


# --- both ------------------------------------------------------------------------------------


def figures(fits: Counts, commands: Counts) -> dict[str, Any]:
    """Return the counts as the page names them."""
    unusable = "faults: not usable, other bytes when fitted again, something left behind"
    untidy = "faults: traceback, exit code, cursor, settings, half a line, half a file"
    return {
        "fits in Python that were interrupted": fits.kinds.total(),
        **{f"· {kind}": count for kind, count in sorted(fits.kinds.items())},
        unusable: len(fits.faults),
        "`backpass fit` in a terminal, interrupted": commands.kinds.total(),
        **{f"· {kind} ": count for kind, count in sorted(commands.kinds.items())},
        untidy: len(commands.faults),
    }


def counted(asked: Any) -> tuple[dict[str, Any], list[str]]:
    """Interrupt both; return what that came to, and the faults."""
    fits = interrupt_fits(asked.times, random.Random(asked.seed))
    commands = interrupt_commands(asked.times, random.Random(asked.seed))
    return figures(fits, commands), fits.faults + commands.faults


if __name__ == "__main__":
    options = {"times": (200, "of each kind"), "seed": (0, "of the instants")}
    command = "python -m reliability.interrupts --times {times} --seed {seed}"
    asked = arguments(__doc__, **options).parse_args()
    program(asked, "Ctrl-C at random instants", command, counted)
