"""The cache of a table: its rows encoded once, scattered, in files that training maps to memory.

A folder holds ``X`` and ``y``, and a manifest: what they are of, how far the encoding has come and
in the end their checksums. A row's part depends on its number alone, and the rows of a part follow
each other: so after a crash those since the last note are written once more, to the same places.
"""

from __future__ import annotations

import mmap
import os
import shutil
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError, ModelFileError
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.storage.folder_lock import folder_lock
from backpass.storage.strict_json import canonical_json, parse_json
from backpass.tabular.large.learning import COARSEST, PARTS, Survey, part_of, survey
from backpass.tabular.large.source import Source
from backpass.tabular.preparation import Encoded
from backpass.tabular.question import Question
from backpass.training.batches import BLOCK
from backpass.training.run_identity import differences

if TYPE_CHECKING:
    import polars as pl

MANIFEST, VERSION = "manifest.json", "1"
EVERY = 10.0  # seconds between two notes of how far it has come: that much is done again
CHECKED = 1 << 24  # bytes of a file that are read, or written, at a time

OnProgress = Callable[[str, int, int], object]
"""Called with what is being done, how many rows are, and of how many (0: not known)."""


@dataclass
class Cache:
    """The encoded rows of a table, those to train on first and those to test on last."""

    folder: Path
    source: Source
    survey: Survey  # what was learnt of the table
    sums: list[int] = field(default_factory=list)  # of the files: training depends on them

    @classmethod
    def of(cls, folder: Path, source: Source, question: Question, on_progress: OnProgress) -> Cache:
        """Return the finished cache of a table: made, gone on with, or found and checked.

        An `InputError` where the folder holds that of another table or question, or a damaged one,
        or there is no room; a `TableError` as of the survey.
        """
        told = _read(folder)
        on_progress("reading", 0, 0)
        cache = cls(folder, source, survey(source, question))
        cache._complete(told, on_progress)
        return cache

    def _complete(self, told: dict[str, Any], on_progress: OnProgress) -> None:
        """Encode what the manifest in the folder does not tell of, and check all of it."""
        identity = self._identity()
        if not told:
            told = {"identity": identity, "rows": 0, "filled": [0] * self.parts, "sums": []}
            _write(self.folder / MANIFEST, told)
        elif different := differences(told["identity"], identity):
            first, more, _ = different.partition("; ")
            raise InputError(
                f"{shown_path(self.folder)}: the cache is of another table or question: {first}"
                f"{' and more' * bool(more)}; remove it, or give another folder with --cache"
            )
        if not told["sums"]:
            self._make_room()
            self._encode(told, on_progress)
        sums = self._checksums()
        if any(known not in ([], sums) for known in (told["sums"], self.sums)):
            raise _damaged(self.folder)
        self.sums = sums
        _write(self.folder / MANIFEST, {**told, "sums": sums})

    def found_again(self) -> None:
        """Find the cache on another machine; where that sees none, encode the table there, too.

        An `InputError` where the files of the table are not seen or are others, and as of `of`.
        """
        if _read(self.folder).get("sums") == self.sums:
            if self._checksums() != self.sums:
                raise _damaged(self.folder)
            return
        self.source.check_seen()
        check_place(self.folder)
        with folder_lock(self.folder, wait=True):  # of several workers here one encodes
            self._complete(_read(self.folder), lambda *told: None)

    @cached_property
    def parts(self) -> int:
        """How many parts of all keys the rows are scattered to: each a block, of large tables."""
        blocks = self.rows * self.width * 4 // BLOCK
        return min(PARTS, max(COARSEST, 1 << blocks.bit_length()))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.survey.parts.sum())

    @property
    def width(self) -> int:
        """How many inputs a row has."""
        return self.survey.learnt.encoder.width

    def encoded(self, rows: slice) -> Encoded:
        """Return rows as arrays in the files, of which the system reads what is looked at."""
        X, y = self._arrays("r")
        return Encoded(X[rows], y[rows], None)

    def _arrays(self, mode: Any) -> list[np.memmap[Any, Any]]:
        shapes = {"X": (self.rows, self.width), "y": (self.rows,)}
        kinds = {"X": np.float32, "y": np.int32 if self.survey.learnt.classes else np.float64}
        return [np.memmap(self.folder / n, kinds[n], mode, shape=shapes[n]) for n in shapes]

    def _checksums(self) -> list[int]:
        found = []
        for values in self._arrays("r"):
            total, flat = 0, values.reshape(-1).view(np.uint8)
            for begin in range(0, len(flat), CHECKED):
                total = zlib.crc32(flat[begin : begin + CHECKED].data, total)
            found.append(total)
        return found

    def _make_room(self) -> None:
        """Make the files as large as they will be: a disk that is too small is told now."""
        sizes = {"X": 4 * self.width, "y": 4 if self.survey.learnt.classes else 8}
        try:
            for name, size in sizes.items():
                with (self.folder / name).open("ab") as file:
                    # a map of a file with holes would end the process where the disk is full
                    if hasattr(os, "posix_fallocate"):
                        os.posix_fallocate(file.fileno(), 0, self.rows * size)
                    else:
                        while (rest := self.rows * size - file.tell()) > 0:
                            file.write(bytes(min(rest, CHECKED)))
        except OSError as error:
            for name in sizes:
                (self.folder / name).unlink(missing_ok=True)
            need = self.rows * sum(sizes.values()) / 1e9
            raise InputError(
                f"{shown_path(self.folder)}: no room for the cache, {need:.2g} GB:"
                f" {error.strerror}; free some, or give a folder on another disk with --cache"
            ) from None

    def _encode(self, told: dict[str, Any], on_progress: OnProgress) -> None:
        X, y = self._arrays("r+")
        if hasattr(mmap, "MADV_RANDOM"):  # else the system reads 32 pages for each that is written
            X._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]
        counts = self.survey.parts.reshape(self.parts, -1).sum(axis=1)[::-1]
        begins, filled = np.cumsum(counts) - counts, np.array(told["filled"])
        learnt, noted = self.survey.learnt, time.monotonic()

        def look(frame: pl.DataFrame, keys: NDArray[np.uint64], last: int) -> None:
            nonlocal noted
            on_progress("encoding", last, self.survey.rows)
            part = self.parts - 1 - part_of(keys, self.parts)
            order, own = np.argsort(part, kind="stable"), np.bincount(part, minlength=self.parts)
            within = np.arange(len(part)) - np.repeat(np.cumsum(own) - own, own)
            places = np.repeat(begins + filled, own) + within
            X[places] = learnt.encoder.encode(frame)[order]
            y[places] = learnt.target.encode(frame[learnt.target.name])[order]
            filled[...] += own
            if time.monotonic() - noted > EVERY:
                X.flush()
                y.flush()
                _write(self.folder / MANIFEST, {**told, "rows": last, "filled": filled.tolist()})
                noted = time.monotonic()

        with learnt.encoder.telling_once():
            self.survey.look_at(self.source, look, told["rows"])

    def _identity(self) -> dict[str, str]:
        """Return what the cache is of, in texts that are compared one by one."""
        names = ["target", "task", "categorical", "drop", "test_fraction", "seed", "convention"]
        asked = {name: str(getattr(self.survey.question, name)) for name in names}
        learnt = self.survey.learnt
        state = canonical_json([learnt.encoder.to_state(), learnt.target.state()])
        return {"version": VERSION, **asked, **self.source.told, "encoding": f"{_crc(state):08x}"}


def check_place(folder: Path) -> None:
    """Make the folder of a cache; an `InputError` where that fails, or it holds something else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise InputError(
            f"{shown_path(folder)}: no cache can be made there: {error.strerror}; give another "
            "folder with --cache"
        ) from None
    if others and MANIFEST not in others:
        raise InputError(
            f"{shown_path(folder)}: holds other files and no cache of a table; give another folder"
        )


def remove(folder: Path) -> None:
    """Remove the folder of a cache, as far as it can be."""
    with suppress(OSError):
        shutil.rmtree(folder)


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())


def _write(path: Path, told: dict[str, Any]) -> None:
    text = canonical_json(told)
    durable_write(path, [canonical_json([text, _crc(text)]).encode()])


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        return {}
    with suppress(OSError, ValueError, TypeError, AttributeError):
        text, total = parse_json(path.read_text())
        if _crc(text) == total:
            told: dict[str, Any] = parse_json(text)
            return told
    raise _damaged(folder)


def _damaged(folder: Path) -> InputError:
    return ModelFileError(
        f"{shown_path(folder)}: the cache is damaged; remove the folder, and it is made anew"
    )
