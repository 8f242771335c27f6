"""Reading a table: a file, standard input or an example becomes a polars frame.

What is harmless is dealt with silently: a byte-order mark, CRLF, blank lines, spaces around
names and values, the usual spellings of a missing value. What would change the data's meaning
is a :class:`~backpass.errors.TableError` of one line: what, in which file, on which line.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backpass.errors import InputError, TableError, TableWarning, warn_caller
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.tabular.column_values import as_levels
from backpass.tabular.conventions import Convention, as_convention
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.file_formats import read_content
from backpass.tabular.frames import as_frame, check_not_forked
from backpass.tabular.rows import refuse_patterns
from backpass.tabular.text_columns import Understood, row_number, understand

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RawTable:
    """A table before its texts are understood."""

    frame: pl.DataFrame  # columns of texts, and of types where the file has some
    label: str = ""  # what to call it in messages
    separator: str | None = None  # what separates the fields, of a text file
    # from the number of a row, from 0, to its line in the file, from 1, where it has one
    line_of: Callable[[int], int] | None = None
    written: pl.DataFrame | None = None  # as it was, where targets and weights have been read

    def understand(
        self, wish: Convention | None = None, as_text: Collection[str] = ()
    ) -> Understood:
        """Return the table with its texts as what they mean."""
        line_of = self.line_of
        place = (lambda row: f"line {line_of(row)}") if line_of else row_number
        return understand(self.frame, wish, as_text=as_text, separator=self.separator, place=place)

    def as_written(self, name: str, told: Understood) -> pl.Series:
        """Return a column of classes that predictions can be given back as it was.

        That is as text where it was text in memory, or where a class is spelled otherwise than its
        value would be: ``TRUE``, ``1.0``.
        """
        import polars as pl

        column, written = told.frame[name], self.frame[name]
        if written.dtype != pl.String or column.dtype == pl.String:
            return column
        text, levels = written.str.strip_chars(), as_levels(column)
        text = text.set(levels.is_null(), None)
        spelled = text.n_unique() == levels.n_unique()  # as many as there are values
        keep = spelled and (self.separator is None or (text != levels).any())
        return text if keep else column


def raw_table(table: Any, as_text: Collection[str] | None = None) -> RawTable:
    """Return a table of another library, or of a file whose name is given.

    Parameters
    ----------
    table : RawTable, str, Path, DataFrame or mapping of columns
    as_text : collection of str, optional
        As in `open_table`.
    """
    if isinstance(table, RawTable):
        return table
    if isinstance(table, str | Path):
        return open_table(table, as_text)
    return RawTable(as_frame(table))


def read_table(
    source: str | Path, *, as_text: Collection[str] = (), convention: Convention | None = None
) -> pl.DataFrame:
    """Read a table of named columns.

    Parameters
    ----------
    source : str or Path
        As in :func:`open_table`.
    as_text : collection of str
        Columns kept as text, whatever they look like.
    convention : Convention, optional
        How numbers, dates and missing values are written; what is None in it is told from the
        cells of the whole table.

    Returns
    -------
    polars.DataFrame
        Whole numbers, numbers, booleans, dates and times where *every* value of a column is
        one; text otherwise. Missing values are null.

    Raises
    ------
    TableError
        As :func:`open_table`.
    InputError
        In a process that was forked from one that had used tables.

    Warns
    -----
    TableWarning
        Of a column that stays text though most of it are numbers or dates, or though it may hold
        some and nothing in the table decides which; the option that settles it is named.

    Examples
    --------
    >>> read_table("example:iris").shape
    (150, 5)
    """
    early = as_text if as_convention(convention).allows_points() else None
    told = open_table(source, early).understand(convention, as_text)
    for name, reason in told.reasons.items():
        warn_caller(f"column {name!r} is {reason}", TableWarning)
    return told.frame


def open_table(source: str | Path, as_text: Collection[str] | None = None) -> RawTable:
    """Open a table of named columns, whose texts are left as they are.

    Parameters
    ----------
    source : str or Path
        A file of delimited text (CSV, TSV), JSON (one record a line, or a list of records),
        Parquet, Arrow (Feather) or a spreadsheet (Excel, ODS), also compressed by gzip, bzip2,
        xz or Zstandard; ``-`` for standard input; or ``example:NAME`` for a table that comes
        with scikit-learn (see :func:`example_names`).
        What a file holds is told from its first bytes, then from its extension; the
        separator of a CSV file (comma, semicolon, tab or bar) from its first lines.
    as_text : collection of str, optional
        Columns that stay text. Given, the others may be read at once where they are numbers
        written as Python does, which a large file is worth.

    Raises
    ------
    TableError
        If there is no such file, it is damaged or empty, a row has more or fewer fields than
        the header, a column name is missing or appears twice, or the encoding is none of
        UTF-8, UTF-16 and Windows-1252.
    InputError
        In a process that was forked from one that had used tables.

    Examples
    --------
    >>> open_table("example:iris").frame.shape
    (150, 5)
    """
    check_not_forked()
    label = "standard input" if str(source) == "-" else str(source)
    if not label:
        raise TableError("the name of the table is empty; give a file, - or example:NAME")
    if label.startswith("example:"):
        return RawTable(_example(label), label)
    content = read_content(label)
    if isinstance(content, bytes):
        tabs = bool({".tsv", ".tab"} & set(Path(label.lower()).suffixes))
        split = split_delimited(content, label, tabs=tabs, as_text=as_text)
        raw = RawTable(split.frame, label, split.separator, split.line_of)
    else:
        raw = RawTable(content, label)
    refuse_patterns(raw.frame.columns, label)
    if raw.frame.height == 0:
        raise TableError(f"{label}: no rows below the header; give a table with rows")
    return raw


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
        target = bunch.target_names[target].tolist()
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
