"""Writing a table: CSV, TSV or Parquet by the suffix of the file, gzipped or not."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import TYPE_CHECKING

from backpass.errors import InputError
from backpass.storage.atomic_write import durable_write, shown_path

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_table_suffix", "table_bytes", "write_table"]

_FORMATS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".parquet": "", ".pq": ""}


def check_table_suffix(path: str | Path) -> str:
    """Return the suffix that says how a table is to be written, without ``.gz``.

    Raises
    ------
    InputError
        When it is none that we know.

    Examples
    --------
    >>> check_table_suffix("out.csv.gz")
    '.csv'
    """
    suffixes = Path(path).suffixes
    if suffixes and suffixes[-1].lower() == ".gz":
        suffixes.pop()
    if not suffixes or suffixes[-1].lower() not in _FORMATS:
        raise InputError(
            f"{shown_path(path)}: the name must end in .csv, .tsv or .parquet (and .gz, to "
            "compress), which says what to write"
        )
    return suffixes[-1].lower()


def table_bytes(frame: pl.DataFrame, suffix: str = ".csv") -> bytes:
    r"""Return a table as the bytes of a file.

    Examples
    --------
    >>> import polars
    >>> table_bytes(polars.DataFrame({"a": [1, 2], "b": ["x", "y, z"]}))
    b'a,b\n1,x\n2,"y, z"\n'
    """
    buffer = io.BytesIO()
    separator = _FORMATS[suffix]
    if separator:
        frame.write_csv(buffer, separator=separator)
    else:
        frame.write_parquet(buffer)
    return buffer.getvalue()


def write_table(frame: pl.DataFrame, path: str | Path) -> None:
    """Write a table so that the file is all there, or as it was before.

    Raises
    ------
    InputError
        When the suffix is unknown or the file cannot be written.
    """
    data = table_bytes(frame, check_table_suffix(path))
    if Path(path).suffix.lower() == ".gz":
        data = gzip.compress(data, mtime=0)
    durable_write(path, [data])
