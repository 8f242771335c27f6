"""Damage files of every kind at every place, and count what is loaded all the same.

``python -m reliability.damage`` cuts each small file of ``tests/fixtures`` at every byte, flips
each of its bits, and has every call of the system fail that saving it makes. A damaged file must
be refused with a `ModelFileError`, or mean what it meant; a failing save must leave the old file.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import errno
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from reliability.report import arguments, count, figures, program

from backpass import Network, TabularModel
from backpass.errors import ModelFileError
from backpass.storage.container import read_container, write_container
from backpass.training.checkpoints import KIND
from backpass.training.snapshots import SNAPSHOT_SCHEMA

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
CALLS = ("open", "write", "fsync", "close", "replace")
FAULTS = ("ENOSPC", "EIO", "short")  # a full disk, a broken one, half of a write and then no more
OLD = b"the old file"


class Checkpoint:
    """What a checkpoint file holds, with the two methods that the other kinds have."""

    def __init__(self, told: dict[str, Any], arrays: dict[str, Any]) -> None:
        self.told, self.arrays = told, arrays

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read it as training does that goes on."""
        return cls(*read_container(path, KIND, SNAPSHOT_SCHEMA))

    def save(self, path: Path) -> None:
        """Write it as training does."""
        write_container(path, KIND, self.told, self.arrays)


KINDS: dict[str, Any] = {"network": Network, "model": TabularModel, "checkpoint": Checkpoint}
"""What loads the files of ``tests/fixtures``, by the first word of their names."""


@dataclass
class Counts:
    """What was seen; `messages` is what the errors said."""

    files: int = count("small files: networks, models, checkpoints")
    cut: int = count("files cut at a byte")
    flipped: int = count("files with one bit flipped")
    refused: int = count("refused with one line that says what and where")
    same: int = count("loaded, meaning what they meant")
    wrong: int = count("loaded, meaning something else")
    crashed: int = count("other exceptions, or other messages")
    slowest: float = count("seconds at most that reading one took")
    failed: int = count("saves in which a call of the system failed")
    lost: int = count("saves after which the old file was not whole, or a temporary one left")
    messages: set[str] = field(default_factory=set)


# --- damaged files -------------------------------------------------------------------------------


def meaning(thing: Any, path: Path) -> bytes:
    """Return the bytes that saving it again gives: equal things, equal files."""
    thing.save(path)
    return path.read_bytes()


def judge(load: Callable[[Path], Any], path: Path, wanted: bytes, counts: Counts) -> None:
    """Load a damaged file, and count what came of it."""
    started = time.monotonic()
    try:
        thing = load(path)
    except ModelFileError as error:
        message = str(error)
        counts.messages.add(message)
        good = message.startswith(f"{path}: ") and message.isprintable()
        counts.refused += good
        counts.crashed += not good
    except Exception as error:
        counts.messages.add(repr(error))
        counts.crashed += 1
    else:
        same = meaning(thing, path.with_suffix(".again")) == wanted
        counts.same += same
        counts.wrong += not same
    counts.slowest = max(counts.slowest, time.monotonic() - started)


def cut(kind: Any, source: Path, place: Path, counts: Counts) -> None:
    """Read a whole file cut at every byte, and with one byte too many, in a folder."""
    whole, path = source.read_bytes(), place / "damaged.backpass"
    wanted = meaning(kind.load(source), path)
    for damaged in [*(whole[:length] for length in range(len(whole))), whole + b"\0"]:
        path.write_bytes(damaged)
        counts.cut += 1
        judge(kind.load, path, wanted, counts)


def flip(kind: Any, source: Path, place: Path, counts: Counts, bits: Iterable[int]) -> None:
    """Read a file with one bit flipped, for each of `bits`; bit 9 is the second of byte 1."""
    whole, path = source.read_bytes(), place / "damaged.backpass"
    wanted = meaning(kind.load(source), path)
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        counts.flipped += 1
        judge(kind.load, path, wanted, counts)


# --- saves that fail -----------------------------------------------------------------------------


class Faults:
    """The system's calls, of which number `at`, from 1 on, fails with one of `FAULTS`.

    After a short write the disk is full.
    """

    def __init__(self, fault: str, at: int) -> None:
        self.fault, self.at, self.full = fault, at, False
        self.made: list[str] = []
        self.message = ""  # what saving said, "" where it came to its end

    @contextmanager
    def injected(self) -> Iterator[None]:
        """Put the failing calls in the place of the system's."""
        counted = {name: self._counted(name, getattr(os, name)) for name in CALLS}
        with mock.patch.multiple(os, **counted):
            yield

    @property
    def struck(self) -> bool:
        """Whether there was a call of that number."""
        return len(self.made) >= self.at

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.made.append(name)
            if name == "write" and self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if len(self.made) != self.at:
                return real(*args, **kwargs)
            if self.fault == "short":
                if name == "write":
                    self.full = True
                    return real(args[0], bytes(args[1])[: len(args[1]) // 2])
                return real(*args, **kwargs)
            if name == "close":
                real(*args)  # as network file systems do: closed, but not all of it kept
            code = getattr(errno, self.fault)
            raise OSError(code, os.strerror(code))

        return call


def fail_saving(thing: Any, path: Path, fault: str, old: bool, counts: Counts) -> list[Faults]:
    """Save over an old file or none, each time with the next call of the system failing.

    The path is in a folder of its own. In the last one of what is returned nothing was left to
    fail.
    """
    thing.save(path)
    new, tried = path.read_bytes(), []
    while not tried or tried[-1].struck:
        path.unlink(missing_ok=True)
        if old:
            path.write_bytes(OLD)
        tried.append(faults := Faults(fault, len(tried) + 1))
        with faults.injected():
            try:
                thing.save(path)
            except ModelFileError as error:
                faults.message = str(error)
        counts.failed += faults.struck
        counts.lost += not _state_as_said(path, faults.message, OLD if old else None, new)
    return tried


def _state_as_said(path: Path, message: str, old: bytes | None, new: bytes) -> bool:
    """Whether the folder holds what the error, "" for none, says, and nothing else."""
    found = path.read_bytes() if path.exists() else None
    if [entry for entry in path.parent.iterdir() if entry != path]:
        return False  # a temporary file
    if not message or "was written, but its folder" in message:
        return found == new
    said = "the old file is untouched" if old is not None else "nothing was written"
    return found == old and said in message


# --- the program ---------------------------------------------------------------------------------


def damage(_: Any) -> tuple[dict[str, Any], int]:
    """Do everything to every file; return what that came to, and how much was broken."""
    counts = Counts()
    for source in sorted(FIXTURES.glob("*.backpass")):
        counts.files += 1
        kind = KINDS[source.name.partition("-")[0]]
        with tempfile.TemporaryDirectory() as folder:
            cut(kind, source, Path(folder), counts)
            flip(kind, source, Path(folder), counts, range(8 * source.stat().st_size))
        for fault in FAULTS:
            for old in (True, False):
                with tempfile.TemporaryDirectory() as folder:
                    fail_saving(kind.load(source), Path(folder) / "s.backpass", fault, old, counts)
        sys.stdout.write(f"{source.name}: {counts.flipped} bits so far\n")
        sys.stdout.flush()
    counts.slowest = round(counts.slowest, 3)
    return figures(counts), counts.wrong + counts.crashed + counts.lost


if __name__ == "__main__":
    asked = arguments(__doc__).parse_args()
    program(asked, "Damaged files, and saves that fail", "python -m reliability.damage", damage)
