"""Fit thousands of times in one process, in processes beside it and below it, and count.

``python -m reliability.endurance`` does ten thousand tiny fits in a row: estimators, networks and
tables, both engines, one to eight threads, some of which fail or are interrupted. Memory, threads
and open files are noted after every hundred; a line through the memory after a warm-up says what a
fit leaves behind. Then two processes fit at once and save to the same file, and workers of joblib
and of pools that were forked, spawned or asked of a server fit after their parent has.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import gc
import json
import random
import signal
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reliability._growth import files, memory, threads
from reliability._parallel import beside_another
from reliability._row_of_fits import KINDS
from reliability._supervised import ended, start
from reliability.report import arguments, count, figures, program
from scipy.stats import linregress

EVERY = 100  # fits between two looks
WARM_UP = 0.3  # the part of the fits in which caches fill and the heap finds its size
ALLOWED = 100.0  # bytes a fit, above the error of the slope: the smallest network has 600
SAVES = 200  # by each of two processes to one path
TIMEOUT = 300.0  # seconds after which processes are called hung
METHODS = ("fork", "spawn", "forkserver")
BACKENDS = ("multiprocessing", "loky", "threading")
FITTING = ("-m", "reliability._parallel")  # the processes


@dataclass
class Row:
    """What was seen of the fits in a row, at the start and after every `EVERY`."""

    fits: int = 0
    memory: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Note what the process holds."""
        gc.collect()
        self.memory.append(memory())
        self.threads.append(threads())
        self.files.append(files())

    @property
    def warm(self) -> int:
        """The first look after the warm-up."""
        return int(WARM_UP * len(self.memory))

    @property
    def bytes_a_fit(self) -> tuple[float, float]:
        """The slope of the memory after the warm-up, and its standard error."""
        after = self.memory[self.warm :]
        line = linregress(range(len(after)), after)
        return line.slope / EVERY, line.stderr / EVERY

    def growth(self) -> list[str]:
        """Return what has grown, nothing if nothing has."""
        along, error = self.bytes_a_fit
        found = [f"memory: {along:.0f} bytes a fit"] if along - 2 * error > ALLOWED else []
        for name, counts in (("threads", self.threads), ("open files", self.files)):
            if max(counts[self.warm :]) > counts[0]:
                found.append(f"{name}: {counts[0]} grew to {max(counts)}")
        return found


def in_a_row(times: int, seed: int) -> Row:
    """Fit so many times, in a shuffled order, after one of each kind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")  # of two epochs: none converges
    works = [work for often, work in KINDS.values() for _ in range(often)]
    rng, row = random.Random(seed), Row()
    with tempfile.TemporaryDirectory() as folder:
        for _, work in KINDS.values():
            work(Path(folder), -1)
        row.look()
        while row.fits < times:
            rng.shuffle(works)
            for work in works:
                work(Path(folder), row.fits)
                row.fits += 1
            row.look()
    return row


@dataclass
class Others:
    """What was seen of other processes; `refused` found the folder of their checkpoints in use."""

    beside: int = count("fits in two processes at once")
    beside_unequal: int = count("with other bytes than alone")
    saves: int = count("models that both saved to one path, each loaded whole")
    fits: int = count("fits in workers (fork, spawn, forkserver; joblib, pools)")
    unequal: int = count("with other bytes than the parent's")
    hung: int = count("processes that hung")
    refused: int = 0


def in_workers(methods: Sequence[str], backends: Sequence[str], counts: Others) -> None:
    """Have workers of joblib and of pools fit after a parent that has threads."""
    for method in methods:
        process = start(*FITTING, "workers", method, *backends, JOBLIB_START_METHOD=method)
        told = ended(process, TIMEOUT)
        if told is None:
            counts.hung += 1
            continue
        found = json.loads(told)
        counts.fits += found["fits"]
        counts.unequal += found["unequal"]


def two_at_once(saves: int, counts: Others) -> None:
    """Have two processes fit at once; then this one, alone, says what should have come out."""
    with tempfile.TemporaryDirectory() as folder:
        both = [start(*FITTING, "beside", folder, seed, str(saves)) for seed in ("1", "2")]
        told = [ended(process, TIMEOUT) for process in both]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        answers = beside_another(Path(folder), 1, 1)["answers"]
    for text in told:
        if text is None:
            counts.hung += 1
            continue
        found = json.loads(text)
        counts.saves += saves
        counts.beside += len(found["answers"])
        counts.refused += found["refused"]
        counts.beside_unequal += sum(answers[k] != v for k, v in found["answers"].items())


def in_figures(row: Row, others: Others) -> dict[str, Any]:
    """Return the counts as the page names them."""
    along, error = row.bytes_a_fit
    mib = [f"{row.memory[at] / 2**20:.1f}" for at in (row.warm, -1)]
    told = {
        "fits in a row, in one process": row.fits,
        "memory that a fit leaves behind, by regression after the warm-up": f"{along:.0f} bytes, "
        f"standard error {error:.0f}",
        "memory after the warm-up, and at the end": f"{mib[0]}, {mib[1]} MiB",
    }
    for name, seen in (("threads", row.threads), ("open files", row.files)):
        told[f"{name} at first, most, at the end"] = f"{seen[0]}, {max(seen)}, {seen[-1]}"
    return told | figures(others)


def counted(asked: Any) -> tuple[dict[str, Any], int]:
    """Fit in all these ways; return what that came to, and how much has grown or differs."""
    row, others = in_a_row(asked.times, asked.seed), Others()
    two_at_once(SAVES, others)
    in_workers(METHODS, BACKENDS, others)
    grown = row.growth()
    sys.stdout.write("".join(f"grown: {what}\n" for what in grown))
    broken = len(grown) + others.unequal + others.hung + others.beside_unequal
    return in_figures(row, others), broken


if __name__ == "__main__":
    asked = arguments(
        __doc__, times=(10_000, "fits in a row"), seed=(0, "of their order")
    ).parse_args()
    command = "python -m reliability.endurance --times {times} --seed {seed}"
    program(asked, "Ten thousand fits in a row", command, counted)
