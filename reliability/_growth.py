"""What a process holds: memory, threads and open files, and whether they grow."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PROC = Path("/proc/self")


def threads() -> int:
    """Return how many threads the system knows of; where it does not say, Python's own."""
    task = PROC / "task"
    return sum(1 for _ in task.iterdir()) if task.is_dir() else threading.active_count()


def files() -> int:
    """Return how many files, pipes and sockets are open; 0 where the system does not say."""
    opened = PROC / "fd"
    return sum(1 for _ in opened.iterdir()) if opened.is_dir() else 0


def memory() -> int:
    """Return the bytes of anonymous memory that are resident."""
    lines = (PROC / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the slope of a line through values that are 1 apart, and its standard error.

    Examples
    --------
    >>> slope([1.0, 3.0, 5.0, 7.0])
    (2.0, 0.0)
    """
    x = np.arange(len(values), dtype=float)
    x -= x.mean()
    y = np.asarray(values, dtype=float)
    along = float(x @ y / (x @ x))
    residuals = y - y.mean() - along * x
    error = np.sqrt(residuals @ residuals / max(1, len(values) - 2) / (x @ x))
    return along, float(error)
