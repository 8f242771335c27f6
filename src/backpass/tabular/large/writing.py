"""A table that is written piece by piece, as predictions come."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backpass.errors import InputError
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.tabular.files import check_table_suffix, table_bytes

if TYPE_CHECKING:
    import polars as pl

READ = 1 << 24  # bytes that are copied at a time


def csv_in_pieces(frames: Iterator[pl.DataFrame], suffix: str = ".csv") -> Iterator[bytes]:
    """Yield the bytes of a file of delimited text, its header first."""
    for number, frame in enumerate(frames):
        data = table_bytes(frame, suffix)
        yield data if number == 0 else data.split(b"\n", 1)[1]


def write_in_pieces(frames: Iterator[pl.DataFrame], path: str | Path) -> None:
    """Write a table so that the file is all there, or as it was before.

    Raises
    ------
    InputError
        When the suffix is unknown or the file cannot be written.
    """
    import polars as pl

    suffix = check_table_suffix(path)
    if suffix not in (".parquet", ".pq"):
        chunks = csv_in_pieces(frames, suffix)
        if Path(path).suffix.lower() == ".gz":  # several such files in a row are one
            chunks = (gzip.compress(chunk, mtime=0) for chunk in chunks)
        return durable_write(path, chunks)
    try:
        with tempfile.TemporaryDirectory(dir=Path(path).resolve().parent) as folder:
            for number, frame in enumerate(frames):
                frame.write_parquet(Path(folder, f"{number:09}.parquet"))
            whole = Path(folder, "whole")
            pl.scan_parquet(Path(folder, "*.parquet")).sink_parquet(whole)
            with whole.open("rb") as file:
                durable_write(path, iter(lambda: file.read(READ), b""))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown_path(path)}: cannot be written: {reason}; free space") from None
    return None
