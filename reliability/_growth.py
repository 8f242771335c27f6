"""What a process holds: memory, threads and open files."""

import threading
from pathlib import Path

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
