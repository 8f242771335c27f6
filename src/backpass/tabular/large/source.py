"""Tables read piece by piece: a file, many of them, a folder or a lazy frame, never whole."""

from __future__ import annotations

import bz2
import contextlib
import glob
import gzip
import hashlib
import lzma
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from backpass.errors import TableError
from backpass.storage.atomic_write import shown_path
from backpass.tabular.csv_header import find_header
from backpass.tabular.csv_lines import Lines
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.file_formats import damage_named, read_content
from backpass.tabular.frames import check_not_forked
from backpass.tabular.raw_table import RawTable
from backpass.tabular.rows import refuse_patterns

if TYPE_CHECKING:
    import polars as pl

PIECE_CELLS = 1 << 22  # of a piece: 32 MB of numbers, and some times that while they are encoded
BLOCK = 1 << 24  # bytes of text that are parsed at a time: about as many cells
LONGEST = 4 * BLOCK  # bytes in which a row must end: a quote that is never closed is told by then
CELL = 128  # bytes that a fit in memory takes for a cell: a float64, 24 bins of float32, a copy
_PATTERN = re.compile(r"[*?\[]")
_TABLES = (".parquet", ".pq", ".csv", ".tsv", ".tab", ".txt", ".arrow", ".feather", ".ipc")
_COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


def is_several(label: str) -> bool:
    """Return whether a name means many files: a pattern, or a folder."""
    try:
        path = Path(label)
        return path.is_dir() or (bool(_PATTERN.search(label)) and not path.exists())
    except (OSError, ValueError):  # a name that no file can have
        return False


@dataclass(frozen=True)
class Source:
    """A table that is read piece by piece, as often as it takes, in the same order.

    Parameters
    ----------
    label : str
        What to call it in messages.
    files : tuple of Path
        In the order in which they are read; none of a lazy frame.
    lazy : polars.LazyFrame, optional
    told : dict of str to str
        What identifies it: of each file its size and when it was changed.
    """

    label: str
    files: tuple[Path, ...] = ()
    lazy: pl.LazyFrame | None = None
    told: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Any) -> Source:
        """Return the source that a name or a lazy frame means.

        Raises
        ------
        TableError
            When no file matches.
        """
        check_not_forked()
        if not isinstance(table, str | Path):
            plan = hashlib.sha256(table.explain(optimized=False).encode()).hexdigest()
            return cls("the lazy frame", lazy=table, told={"the lazy frame": plan})
        label, path = str(table), Path(table)
        if path.is_dir():
            found = [p for p in path.rglob("*") if p.is_file() and _is_table(p.relative_to(path))]
        else:
            found = [Path(p) for p in glob.glob(label, recursive=True) if Path(p).is_file()]  # noqa: PTH207 (which takes none from /)
            found = [path] if path.is_file() else found
        if not found:
            none = "a directory without a table in it" if path.is_dir() else "no such file"
            raise TableError(f"{shown_path(label)}: {none}; check the path")
        files = tuple(sorted(found))
        return cls(label, files, told={str(file): _identity(file) for file in files})

    @property
    def cells(self) -> int:
        """About how many cells there are: exactly of Parquet, else as its files' first rows say."""
        return sum(map(_cells_of, self.files))

    def whole(self) -> RawTable:
        """Return the table in memory, of texts where its files hold texts."""
        import polars as pl

        pieces = [*self.pieces()]
        frame = pl.concat([piece.frame for piece in pieces], how="diagonal_relaxed")
        return RawTable(frame, self.label, pieces[0].separator)

    def pieces(self, skip: int = 0) -> Iterator[RawTable]:
        """Yield the rows piece by piece, in order, each with its file as label.

        Parameters
        ----------
        skip : int
            Rows that are left out at the beginning.

        Raises
        ------
        TableError
            When a file is damaged, vanishes, changes, or has other columns than the first.
        """
        first: RawTable | None = None
        for piece in self._all_pieces():
            first = first or piece
            if piece is not first:
                _refuse_other_columns(first, piece)
            height = piece.frame.height
            if skip < height:
                yield _without_first(piece, skip) if skip else piece
            skip = max(0, skip - height)
        if first is None:
            raise TableError(f"{self.label}: no rows below the header; give a table with rows")

    def _all_pieces(self) -> Iterator[RawTable]:
        if self.lazy is not None:
            yield from _batches(self.lazy, self.label)
        for file in self.files:
            self._refuse_changed(file)
            pieces = _pieces_of(file, str(file))
            while True:
                try:
                    piece = next(pieces, None)
                except (TableError, OSError):
                    self._refuse_changed(file)  # which would be the cause
                    raise
                if piece is None:
                    break
                yield _with_partitions(piece, file)
            self._refuse_changed(file)

    def _refuse_changed(self, file: Path) -> None:
        if _identity(file) != self.told[str(file)]:
            raise TableError(
                f"{shown_path(file)}: it was changed or removed while the table was read; put it "
                "back, or start again with the files as they are"
            )


def _without_first(piece: RawTable, rows: int) -> RawTable:
    line_of = piece.line_of

    def line(row: int) -> int:
        assert line_of is not None  # else nobody asks
        return line_of(row + rows)

    return replace(piece, frame=piece.frame.slice(rows), line_of=line if line_of else None)


def _is_table(path: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and any(suffix in _TABLES for suffix in map(str.lower, path.suffixes))


def _identity(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return "gone"
    return f"{found.st_size} bytes of {found.st_mtime_ns}"


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(6)
    except OSError as error:
        raise TableError(
            f"{shown_path(file)}: cannot be read: {error.strerror}; check the path"
        ) from None


def _cells_of(file: Path) -> int:
    import polars as pl

    if _head(file).startswith(b"PAR1"):
        with damage_named(str(file), "Parquet file"):
            lazy = pl.scan_parquet(file, hive_partitioning=False)
            return len(lazy.collect_schema()) * int(lazy.select(pl.len()).collect().item())
    return file.stat().st_size // 6  # bytes of a usual cell of text, with its separator


def _pieces_of(file: Path, label: str) -> Iterator[RawTable]:
    """Yield the pieces of a file: of Parquet, Arrow or text; any other is read whole."""
    import polars as pl

    head = _head(file)
    if head.startswith(b"PAR1"):
        yield from _batches(pl.scan_parquet(file, hive_partitioning=False), label, "Parquet file")
    elif head == b"ARROW1":
        yield from _batches(pl.scan_ipc(file), label, "Arrow file")
    elif {".csv", ".tsv", ".tab", ".txt"} & {suffix.lower() for suffix in file.suffixes}:
        opener = next((o for magic, o in _COMPRESSED.items() if head.startswith(magic)), open)
        with opener(file, "rb") as opened:
            yield from _text_pieces(opened, label, tabs=bool({".tsv", ".tab"} & {*file.suffixes}))
    else:
        content = read_content(label)
        if isinstance(content, bytes):
            raise TableError(
                f"{label}: no kind of table is told by its name; call it .csv if it is"
            )
        yield RawTable(content, label)


def _batches(lazy: pl.LazyFrame, label: str, kind: str = "lazy frame") -> Iterator[RawTable]:
    with damage_named(label, kind):
        columns = lazy.collect_schema().names()
        refuse_patterns(columns, label)
        batches = lazy.collect_batches(
            chunk_size=max(1, PIECE_CELLS // max(1, len(columns))), maintain_order=True
        )
    while True:
        with damage_named(label, kind):
            frame = next(batches, None)
        if frame is None:
            return
        if frame.height:
            yield RawTable(frame, label)


# --- text --------------------------------------------------------------------------------------


def _text_pieces(file: IO[bytes], label: str, *, tabs: bool) -> Iterator[RawTable]:
    """Yield delimited text block by block, each read as a file with the same header would be."""
    head, rest, lines_before, ended = b"", b"", 0, False
    while not ended:
        with damage_named(label, "compressed file"):
            block = file.read(BLOCK)
        ended = not block
        data = rest + block
        cut = len(data) if ended else _end_of_rows(data, label)
        rest, data = data[cut:], data[:cut]
        if not head and data:
            data = _checked_text(data, label).removeprefix(b"\xef\xbb\xbf")
            lines = Lines.of(data, label)
            end = int(lines.ends[find_header(lines, "\t" if tabs else None).record])
            head, data = data[:end], data[end:]
            lines_before = head.count(b"\n")
        if not data.strip():
            continue
        yield _parsed(head, _checked_text(data, label), label, lines_before, tabs=tabs)
        lines_before += data.count(b"\n")


def _parsed(head: bytes, data: bytes, label: str, before: int, *, tabs: bool) -> RawTable:
    """Return the rows of a block, whose lines are counted from the beginning of the file."""
    offset = before - head.count(b"\n")
    try:
        with warnings.catch_warnings():
            if offset:  # the first block has told
                warnings.simplefilter("ignore")
            split = split_delimited(head + data, label, tabs=tabs)
    except TableError as error:
        told = re.sub(
            r", line (\d+)", lambda m: f", line {int(m[1]) + offset}", str(error), count=1
        )
        raise TableError(told) from None
    refuse_patterns(split.frame.columns, label)
    return RawTable(split.frame, label, split.separator, lambda row: split.line_of(row) + offset)


def _end_of_rows(data: bytes, label: str) -> int:
    """Return where the last row ends: at a newline with an even number of quotes before it."""
    end = data.rfind(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    if not end and len(data) > LONGEST:
        raise TableError(
            f"{label}: no row ends within {len(data)} bytes; a quote may be open, which must be "
            "closed, or lines may not end in a newline"
        )
    return end


def _checked_text(data: bytes, label: str) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise TableError(
            f"{label}: not UTF-8, which a table must be that is read in pieces; save it so, as "
            "with 'iconv -f WINDOWS-1252 -t UTF-8'"
        ) from None
    if b"\0" in data:
        raise TableError(f"{label}: holds NUL bytes, so it is no text table; export it as CSV")
    return data


# --- many files --------------------------------------------------------------------------------


def _with_partitions(piece: RawTable, file: Path) -> RawTable:
    """Return a piece with the columns that its folders name, as in ``year=2024/a.parquet``."""
    import polars as pl

    parts = [part.partition("=") for part in file.parts[:-1] if "=" in part]
    columns = [pl.lit(value).alias(name) for name, _, value in parts]
    return replace(piece, frame=piece.frame.with_columns(columns)) if columns else piece


def _refuse_other_columns(first: RawTable, piece: RawTable) -> None:
    """Refuse a file whose columns are not those of the first, or hold text where they did not."""
    there, here = first.frame.schema, piece.frame.schema
    for name in [*here, *there]:
        if (name in there) != (name in here):
            has, lacks = (piece, first) if name in here else (first, piece)
            raise TableError(
                f"{piece.label}: its columns are not those of {first.label}: {has.label} has "
                f"{name!r}, which {lacks.label} has not; give files of one kind"
            )
        if not _alike(there[name], here[name]):
            raise TableError(
                f"{piece.label}: column {name!r} holds {here[name]} where {first.label} has "
                f"{there[name]}; mend that file, or leave the column out of all"
            )


def _alike(one: pl.DataType, other: pl.DataType) -> bool:
    import polars as pl

    empty = pl.Null in (one, other)
    return empty or one == other or (one.is_numeric() and other.is_numeric())


# --- which tables are too large ------------------------------------------------------------------


def too_large(table: Any) -> Source | None:
    """Return the source of a table that a fit in memory has no room for, None of any other.

    Lazy frames count as such, since only reading them would tell.
    """
    if hasattr(table, "collect_schema") and hasattr(table, "explain"):
        return Source.of(table)
    named = isinstance(table, str | Path) and str(table)
    if not named or not (is_several(str(table)) or _is_file(Path(table))):
        return None
    source = Source.of(table)
    return source if source.cells * CELL > _available_memory() else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > LONGEST  # of less nobody need ask
    except (OSError, ValueError):
        return False


def _available_memory() -> float:
    """Return the bytes that may still be used: of the machine, or of this process's group."""
    limits = [float("inf")]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        told = next(line for line in lines if line.startswith("MemAvailable"))
        limits.append(int(told.split()[1]) * 1024)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            limits.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(limits)
