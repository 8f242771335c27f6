"""Reading a table: a file, standard input or an example becomes a polars frame.

What is harmless is dealt with silently: a byte-order mark, CRLF, blank lines, spaces around
names and values, the usual spellings of a missing value. What would change the data's meaning
is a :class:`~backpass.errors.TableError` of one line: what, in which file, on which line.
"""

from __future__ import annotations

import difflib
import gzip
import io
import re
import sys
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backpass.errors import InputError, TableError
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.tabular.csv_text import parse_delimited
from backpass.tabular.frames import check_not_forked

if TYPE_CHECKING:
    import polars as pl


def read_table(source: str | Path, *, as_text: Collection[str] = ()) -> pl.DataFrame:
    """Read a table of named columns.

    Parameters
    ----------
    source : str or Path
        A CSV, TSV or Parquet file, gzipped or not; ``-`` for standard input; or
        ``example:NAME`` for a table that comes with scikit-learn (see :func:`example_names`).
        What a file holds is told from its first bytes, then from its extension; the
        separator of a CSV file (comma, semicolon, tab or bar) from its first lines.
    as_text : collection of str
        Columns kept as text, whatever they look like: at prediction time these are the
        categories seen in training, so that the level ``007`` stays ``007``.

    Returns
    -------
    polars.DataFrame
        Whole numbers, numbers, booleans, dates and times where *every* value of a column is
        one; text otherwise. Missing values are null.

    Raises
    ------
    TableError
        If there is no such file, it is damaged or empty, a row has more or fewer fields than
        the header, a column name is missing or appears twice, or a byte is not UTF-8.
    InputError
        In a process that was forked from one that had used tables.

    Examples
    --------
    >>> read_table("example:iris").shape
    (150, 5)
    """
    check_not_forked()
    label = "standard input" if str(source) == "-" else str(source)
    if not label:
        raise TableError("the name of the table is empty; give a file, - or example:NAME")
    if label.startswith("example:"):
        return _example(label)
    data = _load(label)
    suffixes = Path(label).suffixes
    if data.startswith(b"PAR1"):
        frame = _parquet(data, label)
    elif {".parquet", ".pq"} & set(suffixes):
        raise TableError(
            f"{label}: not a Parquet file: it does not begin with 'PAR1'; call it .csv if it is "
            "text"
        )
    else:
        tabs = bool({".tsv", ".tab"} & set(suffixes))
        frame = parse_delimited(_as_utf8(data, label), label, tabs=tabs, as_text=as_text)
    if frame.height == 0:
        raise TableError(f"{label}: no rows below the header; give a table with rows")
    return frame


# --- from a name to bytes --------------------------------------------------------------------


def _load(label: str) -> bytes:
    """Return the file's bytes, decompressed."""
    data = sys.stdin.buffer.read() if label == "standard input" else _file_bytes(Path(label))
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise TableError(f"{label}: damaged gzip file: {error}; get another copy") from None
    return data


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if re.match(r"[a-z]+:/", str(path)):
            raise TableError(
                f"{path}: addresses are not read; download the file, or pipe it in as -"
            ) from None
        raise TableError(f"{path}: no such file{_nearby(path)}") from None
    except IsADirectoryError:
        raise TableError(f"{path}: a directory, not a table; name a file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{path}: cannot be read: {reason}; check the path") from None


def _nearby(path: Path) -> str:
    """Return ``"; did you mean 'a.csv'?"`` when the folder holds a similar name."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"; the folder {str(path.parent)!r} does not exist or cannot be opened"
    # a name given without its extension is the most common slip, and difflib rates it low
    close = [name for name in names if name.split(".")[0] == path.name]
    close += difflib.get_close_matches(path.name, names)
    hint = " or ".join(repr(str(path.parent / name)) for name in dict.fromkeys(close))
    return f"; did you mean {hint}?" if hint else "; check the path"


def _as_utf8(data: bytes, label: str) -> bytes:
    """Return text as UTF-8 bytes without byte-order mark, one newline character per line."""
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise TableError(f"{label}: an Excel workbook or ZIP archive; export the sheet as CSV")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise TableError(
                f"{label}: begins as UTF-16 text and is none; save the file with the encoding UTF-8"
            ) from None
    if b"\0" in data:  # asked before UTF-8: a picture is no text in another encoding
        raise TableError(
            f"{label}: holds NUL bytes, so it is not a text table (nor Parquet); export it as CSV "
            "with the encoding UTF-8"
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode("utf-8")  # only to find out whether it is
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"{label}, line {line}: byte 0x{data[error.start]:02X} is not UTF-8; save the file"
            " with the encoding UTF-8 (it may be Windows-1252 or Latin-1)"
        ) from None
    if not data.strip():
        raise TableError(f"{label}: the file is empty")
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _parquet(data: bytes, label: str) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = next((line for line in str(error).splitlines() if line), type(error).__name__)
        reason = reason if reason.isprintable() else repr(reason)
        raise TableError(f"{label}: damaged Parquet file: {reason}; get another copy") from None
    except pl.exceptions.PanicException:  # no Exception; it says where in polars, not what is wrong
        raise TableError(f"{label}: damaged Parquet file; get another copy") from None


# --- examples --------------------------------------------------------------------------------


class _Example(NamedTuple):
    """How scikit-learn loads an example, and what its target is called here."""

    loader: str
    target: str
    options: dict[str, bool] = {}  # noqa: RUF012 (never changed)


_EXAMPLES = {
    "breast_cancer": _Example("load_breast_cancer", "diagnosis"),
    # the raw columns: ages and blood pressures rather than numbers scaled by someone else
    "diabetes": _Example("load_diabetes", "progression", {"scaled": False}),
    "digits": _Example("load_digits", "digit"),
    "iris": _Example("load_iris", "species"),
    "wine": _Example("load_wine", "cultivar"),
}


def example_names() -> list[str]:
    """Return the names that ``example:NAME`` takes.

    Examples
    --------
    >>> example_names()
    ['breast_cancer', 'diabetes', 'digits', 'iris', 'wine']
    """
    return list(_EXAMPLES)


def example_target(source: str | Path) -> str | None:
    """Return the target column of ``example:NAME``, or None for any other source.

    Examples
    --------
    >>> example_target("example:iris")
    'species'
    >>> example_target("iris.csv") is None
    True
    """
    label = str(source)
    return _example_record(label).target if label.startswith("example:") else None


def _example_record(label: str) -> _Example:
    name = label.removeprefix("example:")
    if name not in _EXAMPLES:
        known = ", ".join(f"example:{known}" for known in _EXAMPLES)
        raise TableError(f"{label}: no such example; there are {known}")
    return _EXAMPLES[name]


def _example(label: str) -> pl.DataFrame:
    """Return an example as a frame whose last column is the target, labels as text."""
    import polars as pl
    import sklearn.datasets

    record = _example_record(label)
    bunch: Any = getattr(sklearn.datasets, record.loader)(**record.options)
    target = bunch.target
    if "target_names" in bunch:
        target = [str(name) for name in bunch.target_names[target]]
    columns = {str(name): bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    return pl.DataFrame({**columns, record.target: target})


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
