"""The cache of a table: its rows encoded once, scattered, in files that training maps to memory.

A folder holds ``X``, ``y`` and maybe ``weights``; ``manifest.json`` says what the table is and what
was learnt of it, ``progress.json`` how far its encoding has come and the checksums of the finished
files. A row's part depends on its number alone, and rows of a part follow each other: so after a
crash the rows since the last note are written once more, to the same places.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError, ModelFileError
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.storage.strict_json import canonical_json, parse_json
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.large.learning import COARSEST, PARTS, Survey, numbered, survey
from backpass.tabular.large.source import Source
from backpass.tabular.preparation import Encoded, LearntColumns
from backpass.tabular.question import Question
from backpass.tabular.raw_table import RawTable
from backpass.tabular.scaled_columns import Remarks
from backpass.tabular.selection import checked_weights, original_rows, usable_part
from backpass.tabular.targets import target_from_state
from backpass.training.batches import BLOCK
from backpass.training.run_identity import differences

MANIFEST, PROGRESS = "manifest.json", "progress.json"
VERSION = "1"
EVERY = 10.0  # seconds between two notes of how far it has come: that much is done again
CHECKED = 1 << 24  # bytes whose checksum is taken at a time

OnProgress = Callable[[str, int, int], object]
"""Called with what is being done, how many rows are, and of how many (0: not known)."""


@dataclass
class Cache:
    """The encoded rows of a table, those to train on first and those to test on last.

    Parameters
    ----------
    folder : Path
    survey : Survey
        What was learnt of the table.
    """

    folder: Path
    survey: Survey

    @classmethod
    def of(cls, folder: Path, source: Source, question: Question, on_progress: OnProgress) -> Cache:
        """Return the finished cache of a table: made, gone on with, or found and checked.

        Raises
        ------
        InputError
            When the folder holds something else, or the cache of another table or question, or a
            damaged one, or there is no room; the message says which.
        TableError
            As :func:`~backpass.tabular.large.learning.survey`.
        """
        identity = _identity(source, question)
        if (folder / MANIFEST).exists():
            cache = cls(folder, _found(folder, identity, question))
        else:
            on_progress("reading", 0, 0)
            found = survey(source, question)
            _write(folder / MANIFEST, {"identity": identity, **_state_of(found)})
            cache = cls(folder, found)
        progress = _read(folder / PROGRESS) if (folder / PROGRESS).exists() else None
        if progress is None:
            cache._make_room()
            progress = {"rows": 0, "filled": [0] * len(cache.starts), "sums": {}}
        if not progress["sums"]:
            cache._encode(source, progress, on_progress)
            progress["sums"] = cache._sums(on_progress)
            cache._note(progress)
        elif cache._sums(on_progress) != progress["sums"]:
            raise InputError(
                f"{shown_path(folder)}: the cache is damaged: its checksum differs; remove the "
                "folder, and it is made anew"
            )
        return cache

    # --- where rows stand ------------------------------------------------------------------------

    @cached_property
    def parts(self) -> int:
        """How many parts of all keys the rows are scattered to: each a block, of large tables."""
        size = self.rows * self.width * 4 / BLOCK
        return min(PARTS, max(COARSEST, 1 << max(0, int(size) - 1).bit_length()))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where the rows of each part begin: the lowest keys, which are tested on, come last."""
        counts = self.survey.parts.reshape(self.parts, -1).sum(axis=1)[::-1]
        starts: NDArray[np.int64] = np.cumsum(counts) - counts
        return starts

    def border(self, share: float) -> int:
        """Return the place near that share of the rows to train on where a part begins."""
        places = np.append(self.starts, self.rows)
        return int(places[np.abs(places - share * self.survey.n_train).argmin()])

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.survey.parts.sum())

    @property
    def width(self) -> int:
        """How many inputs a row has."""
        return self.survey.learnt.encoder.width

    @property
    def identity(self) -> str:
        """What training on it depends on: the checksums of its files."""
        return canonical_json(_read(self.folder / PROGRESS)["sums"])

    def encoded(self, begin: int, end: int) -> Encoded:
        """Return rows as arrays in the files, of which the system reads what is looked at."""
        X, y = (self._array(name, "r")[begin:end] for name in ("X", "y"))
        weighted = self.survey.learnt.sample_weight is not None
        return Encoded(X, y, self._array("weights", "r")[begin:end] if weighted else None)

    def _array(self, name: str, mode: Any) -> np.memmap[Any, Any]:
        learnt = self.survey.learnt
        shape = (self.rows, self.width) if name == "X" else (self.rows,)
        kind = {"X": learnt.encoder.dtype, "y": "int32" if learnt.classes else "float64"}
        return np.memmap(self.folder / name, kind.get(name, "float64"), mode, shape=shape)

    # --- encoding --------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """Make the files as large as they will be: a disk that is too small is told now."""
        learnt = self.survey.learnt
        weighted = learnt.sample_weight is not None
        sizes = {"X": self.width * 4, "y": 4 if learnt.classes else 8, "weights": 8 * weighted}
        for name, size in sizes.items():
            if not size:
                continue
            try:
                with (self.folder / name).open("wb") as file:
                    # a map of a file with holes would end the process where the disk is full
                    os.posix_fallocate(file.fileno(), 0, max(1, self.rows * size))
            except OSError as error:
                need = self.rows * sum(sizes.values()) / 2**30
                raise InputError(
                    f"{shown_path(self.folder)}: no room for the cache, which takes {need:.3g} GB:"
                    f" {error.strerror}; free some, or give a folder on another disk with --cache"
                ) from None

    def _encode(self, source: Source, progress: dict[str, Any], on_progress: OnProgress) -> None:
        filled = np.array(progress["filled"])
        X, y = self._array("X", "r+"), self._array("y", "r+")
        weighted = self.survey.learnt.sample_weight is not None
        weights = self._array("weights", "r+") if weighted else None
        shift, noted = np.uint64(64 - self.parts.bit_length() + 1), time.monotonic()
        rows = progress["rows"]
        for piece, keys in numbered(source, self.survey.question.seed, rows):
            on_progress("encoding", rows, self.survey.rows)
            kept, found = self._encoded_piece(piece)
            part = self.parts - 1 - (keys[kept] >> shift).astype(np.int64)
            order = np.argsort(part, kind="stable")
            counts = np.bincount(part, minlength=self.parts)
            within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
            places = np.repeat(self.starts + filled, counts) + within
            X[places], y[places] = found.X[order], found.y[order]
            if weights is not None and found.sample_weight is not None:
                weights[places] = found.sample_weight[order]
            filled += counts
            rows += len(keys)
            if time.monotonic() - noted > EVERY:
                for array in (X, y, weights):
                    if array is not None:
                        array.flush()
                self._note({"rows": rows, "filled": filled.tolist(), "sums": {}})
                noted = time.monotonic()

    def _encoded_piece(self, piece: RawTable) -> tuple[NDArray[np.intp], Encoded]:
        """Return which rows of a piece are usable, and these as a network takes them."""
        found = self.survey
        learnt, name = found.learnt, found.learnt.sample_weight
        with original_rows(range(piece.frame.height), piece.label, piece.line_of):
            frame = learnt.encoder.understood(learnt.read(piece).frame)
            kept = np.flatnonzero(usable_part(frame, learnt.target.name, name)[1])
            part = frame[kept]
            with original_rows(kept):
                # rows to test on may be odd; how often, a prediction of them tells
                (X,) = learnt.encoder.encode_in_parts(part, max(1, len(kept)), remarks=Remarks())
                y = learnt.target.encode(part[learnt.target.name])
                s = None if name is None else checked_weights(part, name)
        if s is not None:
            s = s * (found.n_train / found.total_weight)
        return kept, Encoded(X, y, s)

    def _sums(self, on_progress: OnProgress) -> dict[str, int]:
        """Return the checksums of the files."""
        sums = {}
        for name in ("X", "y", "weights"):
            if not (self.folder / name).exists():
                continue
            total, values = 0, self._array(name, "r").reshape(-1).view(np.uint8)
            for begin in range(0, len(values), CHECKED):
                total = zlib.crc32(values[begin : begin + CHECKED].data, total)
                on_progress("checking", begin, len(values))
            sums[name] = total
        return sums

    def _note(self, progress: dict[str, Any]) -> None:
        _write(self.folder / PROGRESS, progress)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        remove(self.folder)


def remove(folder: Path) -> None:
    """Remove a folder that held a cache, as far as it can be."""
    with suppress(OSError):
        shutil.rmtree(folder)


# --- what is written down ------------------------------------------------------------------------


def check_place(folder: Path) -> None:
    """Make the folder of a cache, or refuse one that holds something else.

    Raises
    ------
    InputError
        When it cannot be made, or is no folder of a cache.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in folder.iterdir() if path.name != ".lock"]
    except OSError as error:
        raise InputError(
            f"{shown_path(folder)}: no cache can be made there: {error.strerror}; give another "
            "folder with --cache"
        ) from None
    if others and MANIFEST not in others:
        raise InputError(
            f"{shown_path(folder)}: holds other files and no cache of a table; give another folder"
        )


def _identity(source: Source, question: Question) -> dict[str, str]:
    names = "target task sample_weight categorical drop test_fraction seed costs convention"
    told = {name: str(getattr(question, name)) for name in names.split()}
    return {"version": VERSION, **told, "bins in use": str(question.recipe.bins), **source.told}


def _found(folder: Path, identity: dict[str, str], question: Question) -> Survey:
    told = _read(folder / MANIFEST)
    if different := differences(told["identity"], identity):
        first, more, _ = different.partition("; ")
        first += " and more" * bool(more)
        raise InputError(
            f"{shown_path(folder)}: the cache is of another table or question: {first}; give "
            "another folder with --cache, or remove this one"
        )
    encoder = TableEncoding.from_state(told["encoder"])
    learnt = LearntColumns(target_from_state(told["target"]), encoder, told["weight"])
    rest = {**told["survey"], "parts": np.array(told["survey"]["parts"])}
    return Survey(learnt, question.named(told["columns"]), **rest)


def _state_of(found: Survey) -> dict[str, Any]:
    learnt, rest = found.learnt, dict(vars(found))
    del rest["learnt"], rest["question"]
    return {
        "encoder": learnt.encoder.to_state(),
        "target": learnt.target.state(),
        "weight": learnt.sample_weight,
        "columns": [column.name for column in learnt.encoder.columns_],
        "survey": {**rest, "parts": found.parts.tolist()},
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    text = canonical_json(value)
    durable_write(path, [canonical_json([text, zlib.crc32(text.encode())]).encode()])


def _read(path: Path) -> Any:
    try:
        text, total = parse_json(path.read_text())
        if zlib.crc32(text.encode()) == total:
            return parse_json(text)
    except (OSError, ValueError, TypeError, AttributeError, ModelFileError):
        pass
    raise InputError(
        f"{shown_path(path)}: damaged; remove the folder of this cache, and it is made anew"
    )
