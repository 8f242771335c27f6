"""Tables read piece by piece: a file, many of them, a folder or a lazy frame, never whole."""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import lzma
import os
import platform
import re
import warnings
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from operator import add
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from backpass.errors import InputError, TableError
from backpass.storage.atomic_write import shown_path
from backpass.tabular.csv_header import find_header
from backpass.tabular.csv_lines import Lines
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.file_formats import damage_named
from backpass.tabular.frames import check_not_forked
from backpass.tabular.raw_table import RawTable
from backpass.tabular.rows import refuse_patterns

if TYPE_CHECKING:
    import polars as pl

PIECE = 1 << 22  # cells of a piece: 32 MB of numbers, and some times that while they are encoded
BLOCK = 1 << 24  # bytes of text that are parsed at a time: about as many cells
LONGEST = 4 * BLOCK  # bytes in which a row must end: a quote that is never closed is told by then
SPREAD = 16  # bytes of memory that a fit there takes for one of a file, all bins of numbers counted
USUAL = 1 << 34  # bytes of memory where the system does not tell them to Python: Windows
_TABLES = {".parquet", ".pq", ".csv", ".tsv", ".tab", ".txt", ".arrow", ".feather", ".ipc"}
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


def is_several(label: str) -> bool:
    """Return whether a name means many files: a pattern, or a folder."""
    path = Path(label)
    # not pathlib's: a name may be one that no file can have
    return os.path.isdir(path) or (bool(re.search(r"[*?\[]", label)) and not os.path.exists(path))  # noqa: PTH110, PTH112


def too_large(table: Any) -> Source | None:
    """Return the source of a table that a fit in memory has no room for; None of any other.

    Of a lazy frame only reading it would tell: it counts as such.
    """
    if not isinstance(table, str | Path):
        return Source.of(table) if hasattr(table, "collect_batches") else None
    if not (is_several(str(table)) or os.path.isfile(table)):  # noqa: PTH113 (as above)
        return None
    source = Source.of(table)
    return source if sum(f.stat().st_size for f in source.files) * SPREAD > _memory() else None


def _memory() -> int:
    """Return the bytes of memory that the process may have, in a container, too."""
    if not hasattr(os, "sysconf"):
        return USUAL
    with suppress(OSError, ValueError):  # no such file, or "max"
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Source:
    """A table that is read piece by piece, as often as it takes, in the same order."""

    label: str  # what to call it in messages
    files: tuple[Path, ...]  # in the order in which they are read; none of a lazy frame
    told: dict[str, str]  # what identifies it: of each file its size and when it was changed
    lazy: pl.LazyFrame | None = None

    @classmethod
    def of(cls, table: Any) -> Source:
        """Return the source that a name or a lazy frame means; a `TableError` where none is."""
        check_not_forked()
        if not isinstance(table, str | Path):
            plan = hashlib.sha256(table.explain(optimized=False).encode()).hexdigest()
            return cls("the lazy frame", (), {"the lazy frame": plan}, table)
        path = Path(table)
        if path.is_dir():
            inside = (p for p in path.rglob("*") if {*map(str.lower, p.suffixes)} & _TABLES)
            found = [p for p in inside if not re.search(r"(^|/)[._]", str(p.relative_to(path)))]
        elif path.is_file():
            found = [path]
        else:
            found = [Path(p) for p in glob.glob(str(table), recursive=True)]  # noqa: PTH207 (from / on, too)
        files = tuple(sorted(p for p in found if p.is_file()))
        if not files:
            none = "a directory without a table in it" if path.is_dir() else "no such file"
            raise TableError(f"{shown_path(table)}: {none}; check the path")
        return cls(str(table), files, {str(file): _identity(file) for file in files})

    def absolute(self) -> Source:
        """Return it with names that hold in another working directory, too."""
        told = {str(Path(name).absolute()): told for name, told in self.told.items()}
        files = tuple(file.absolute() for file in self.files)
        return replace(self, files=files, told=told if files else self.told)

    def check_seen(self) -> None:
        """Refuse a machine that does not see the files as they were; an `InputError`."""
        for file in self.files:
            found, told = _identity(file), self.told[str(file)]
            if found != told:
                raise InputError(
                    f"{file}: {found} on {platform.node()}, but {told} where the fit was started;"
                    " put the table, or its --cache, where all machines see it"
                )

    def whole(self) -> RawTable:
        """Return the table in memory."""
        import polars as pl

        pieces = [*self.pieces()]
        frame = pl.concat([piece.frame for piece in pieces], how="diagonal_relaxed")
        begins = list(accumulate((piece.frame.height for piece in pieces), initial=0))

        def line_of(row: int) -> Any:
            i = bisect(begins, row) - 1
            return pieces[i].named_line(row - begins[i])

        return RawTable(frame, self.label, pieces[0].separator, line_of)

    def pieces(self) -> Iterator[RawTable]:
        """Yield the rows piece by piece, in order, each with its file as label.

        A `TableError` where a file is damaged, vanishes, changes, or has other columns.
        """
        first = None
        for piece in self._pieces():
            first = first or piece
            _refuse_other_columns(first, piece)
            yield piece
        if first is None:
            raise TableError(f"{self.label}: no rows below the header; give a table with rows")

    def _pieces(self) -> Iterator[RawTable]:
        if self.lazy is not None:
            yield from _batches(self.lazy, self.label, "lazy frame")
        for file in self.files:
            folders = [part.partition("=") for part in file.parts[:-1] if "=" in part]
            try:
                for piece in _pieces_of(file):
                    yield _with_partitions(piece, folders)
            finally:  # whatever went wrong, this would be the cause
                if _identity(file) != self.told[str(file)]:
                    raise TableError(
                        f"{shown_path(file)}: changed or removed while the table was read; put it"
                        " back, or start again with the files as they are"
                    )


def _identity(file: Path) -> str:
    try:
        return f"{file.stat().st_size} bytes of {file.stat().st_mtime_ns}"
    except OSError:
        return "gone"


def _pieces_of(file: Path) -> Iterator[RawTable]:
    """Yield the pieces of a file of Parquet, Arrow or text."""
    import polars as pl

    with file.open("rb") as opened:
        head = opened.read(6)
    if head.startswith(b"PAR1"):
        yield from _batches(
            pl.scan_parquet(file, hive_partitioning=False), str(file), "Parquet file"
        )
    elif head == b"ARROW1":
        yield from _batches(pl.scan_ipc(file), str(file), "Arrow file")
    else:
        opener = next((o for magic, o in _OPENERS.items() if head.startswith(magic)), open)
        with opener(file, "rb") as opened:
            yield from _text_pieces(opened, str(file))


def _batches(lazy: pl.LazyFrame, label: str, kind: str) -> Iterator[RawTable]:
    with damage_named(label, kind):
        columns = lazy.collect_schema().names()
        batches = lazy.collect_batches(chunk_size=max(1, PIECE // len(columns)))
    refuse_patterns(columns, label)
    before = 0
    while True:
        with damage_named(label, kind):
            frame = next(batches, None)
        if frame is None:
            return
        if frame.height:
            yield RawTable(frame, label, line_of=partial(add, before + 1))
            before += frame.height


def _text_pieces(file: IO[bytes], label: str) -> Iterator[RawTable]:
    """Yield delimited text block by block, each read as a file with the same header would be."""
    tabs = bool({".tsv", ".tab"} & {*Path(label.lower()).suffixes})
    head, rest, line, block = b"", b"", 0, b"."  # line: how many came before
    while block:
        with damage_named(label, "compressed file"):
            block = file.read(BLOCK)
        data = rest + block
        end = _end_of_rows(data, label) if block else len(data)
        rest, data = data[end:], _as_text(data[:end], label)
        if not head and data:
            lines = Lines.of(data, label)
            end = int(lines.ends[find_header(lines, "\t" if tabs else None).record])
            head, data = data[:end], data[end:]
            line = head.count(b"\n")
        if data.strip():
            yield _parsed(head, data, label, line - head.count(b"\n"), tabs)
        line += data.count(b"\n")


def _parsed(head: bytes, data: bytes, label: str, before: int, tabs: bool) -> RawTable:
    """Return the rows of a block, before which so many lines were left out."""
    try:
        with warnings.catch_warnings():
            if before:  # the first block has told
                warnings.simplefilter("ignore")
            split = split_delimited(head + data, label, tabs=tabs)
    except TableError as error:
        line = re.sub(
            r", line (\d+)", lambda m: f", line {int(m[1]) + before}", str(error), count=1
        )
        raise TableError(line) from None
    refuse_patterns(split.frame.columns, label)
    return RawTable(split.frame, label, split.separator, lambda row: split.line_of(row) + before)


def _end_of_rows(data: bytes, label: str) -> int:
    """Return where the last row ends: at a newline with an even number of quotes before it."""
    end = data.rfind(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    if not end and len(data) > LONGEST:
        raise TableError(
            f"{label}: no row ends within {len(data)} bytes; close the quote that may be open, and"
            " end lines in a newline"
        )
    return end


def _as_text(data: bytes, label: str) -> bytes:
    try:
        if b"\0" not in data.removeprefix(b"\xef\xbb\xbf") and data.decode() is not None:
            return data.removeprefix(b"\xef\xbb\xbf")
    except UnicodeDecodeError:
        pass
    raise TableError(
        f"{label}: no Parquet, no Arrow and no text in UTF-8, which is what is read in pieces; save"
        " it so, as with 'iconv -f WINDOWS-1252 -t UTF-8'"
    )


def _with_partitions(piece: RawTable, folders: list[tuple[str, str, str]]) -> RawTable:
    """Return a piece with the columns that its folders name, as in ``year=2024/a.parquet``."""
    import polars as pl

    columns = [pl.lit(value).alias(name) for name, _, value in folders]
    return replace(piece, frame=piece.frame.with_columns(columns)) if columns else piece


def _refuse_other_columns(first: RawTable, piece: RawTable) -> None:
    """Refuse a file whose columns are not those of the first, or hold text where they did not."""
    import polars as pl

    there, here = first.frame.schema, piece.frame.schema
    for name in [*there, *here]:
        one, other = there.get(name, "no such column"), here.get(name, "no such column")
        numeric = all(isinstance(d, pl.DataType) and d.is_numeric() for d in (one, other))
        if one != other and not numeric and pl.Null not in (one, other):
            raise TableError(
                f"{piece.label}: column {name!r}: {other}, where {first.label} has {one}; mend"
                " that file, or leave it out"
            )
