"""Starting processes that may die or hang, and telling what one was at."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

EXECUTIONS, BUSY, MESSAGES, DEPTHS, PLACES = 0, 1, 2, 3, 16  # DEPTHS: one for each layer
HUNG = 20.0  # seconds for one input, on a machine with other work to do
LIVES = 50  # times that a process is started again
ROOT = Path(__file__).parent.parent


def start(*arguments: str, folder: Path = ROOT, **environment: str) -> "subprocess.Popen[str]":
    """Start Python in a folder, where it finds the programs, and in a session of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: "subprocess.Popen[str]", seconds: float | None = None) -> str | None:
    """Return what a process writes, or None where it takes longer: it is killed then."""
    try:
        told, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, process.args))} failed: {told}{errors}")
    return told


def board_in(folder: Path) -> Any:
    """Return the numbers that worker and starter share."""
    path = folder / "board"
    if not path.exists():
        path.write_bytes(bytes(8 * PLACES))
    return np.memmap(path, np.float64, "r+", shape=(PLACES,))


def supervise(
    command: Callable[[int, float], Sequence[str]],
    folder: Path,
    seconds: float,
    seed: int,
    hung: float = HUNG,
) -> list[tuple[str, Path]]:
    """Run a worker for so long, again where it dies or hangs; return why it did, and at what.

    The worker's command line comes from a seed and the seconds left; it writes when it began what
    it is at to the board in the folder, which may take `hung` seconds.
    """
    board, end, deaths = board_in(folder), time.monotonic() + seconds, []
    errors = folder / "stderr"
    while (left := end - time.monotonic()) > 0 and len(deaths) < LIVES:
        board[BUSY] = 0
        with errors.open("w") as file:
            worker = subprocess.Popen(command(seed + len(deaths), left), stderr=file)
            why = _watch(worker, board, hung)
        if why:
            inputs = sorted(folder.glob("*-input.*"), key=lambda path: path.stat().st_mtime_ns)
            at = folder / f"death-{len(deaths)}{inputs[-1].suffix if inputs else ''}"
            at.write_bytes(inputs[-1].read_bytes() if inputs else b"")
            deaths.append((f"{why}\n{errors.read_text(errors='replace')[-8000:]}", at))
        elif worker.returncode:
            raise SystemExit(f"the fuzzer itself failed:\n{errors.read_text(errors='replace')}")
        else:
            break
    return deaths


def _watch(worker: Any, board: Any, hung: float) -> str:
    """Wait until a worker ends, or is killed for hanging; return why it died, "" if it did not."""
    while True:
        try:
            worker.wait(0.2)
        except subprocess.TimeoutExpired:
            began = float(board[BUSY])
            if began and time.monotonic() - began > hung:
                worker.kill()
                worker.wait()
                return f"hung for more than {hung:.0f} s"
        else:
            died = worker.returncode < 0 or (worker.returncode and float(board[BUSY]))
            return f"died with exit status {worker.returncode}" if died else ""
