"""Delimited text (CSV, TSV) becomes a polars frame of texts, with every doubt named by its line.

polars alone fills short rows with nulls, and cannot say on which line a row is too long. So a text
without quotes is parsed first, and its separators are counted after; where they are not as many as
the rows need, and in a text with quotes, NumPy finds where each row begins and how many fields it
has before polars parses what is known to be regular.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backpass.errors import TableError, TableWarning, warn_caller
from backpass.tabular.conventions import without_missing
from backpass.tabular.csv_header import HEAD, SEPARATORS, Header, find_header
from backpass.tabular.csv_lines import Lines
from backpass.tabular.number_candidates import CODE, plain_candidates

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

_LARGE, _EARLY = 1 << 25, 2000  # bytes from which numbers are read at once, told by so many rows
_ESCAPED = re.compile(rb'\\"[^,;\t|\r\n"]')  # as MySQL writes quotes; C:\ may end a text


class Delimited(NamedTuple):
    """What a delimited text holds, before anything is read into it."""

    frame: pl.DataFrame  # of texts, and of numbers that were read at once
    separator: str
    line_of: Callable[[int], int]  # from a row, from 0, to its line in the text, from 1


def split_delimited(
    data: bytes, label: str, *, tabs: bool = False, as_text: Collection[str] | None = None
) -> Delimited:
    r"""Split delimited text in UTF-8 into columns of texts.

    Lines of comments (``#``) or a title above the header are left out, and so is a column without
    a name that only names the rows, each with a remark.

    Parameters
    ----------
    data : bytes
        The text, header first; lines end in LF or CRLF.
    label : str
        What to call the text in messages, as a rule the file's name.
    tabs : bool
        Whether tabs separate the fields; otherwise the separator is told from the first lines, or
        by a first line such as ``sep=;``.
    as_text : collection of str, optional
        Columns that stay text. Given, numbers of other columns that are written as Python does are
        read at once in a large text, which takes less memory.

    Raises
    ------
    TableError
        When a row has more or fewer fields than the header, a name is missing or appears twice, or
        a quote is never closed.

    Examples
    --------
    >>> split_delimited(b"size;price\n1;2,5\n?;3\n", "flats.csv").frame.rows()
    [('1', '2,5'), ('?', '3')]
    """
    plain = b'"' not in data
    lines = Lines.of(_beginning(data) if plain else data, label)
    header = find_header(lines, "\t" if tabs else None)
    begin = int(lines.ends[header.record])
    frame = _parse_plain(data, begin, header, as_text) if plain else None
    if frame is not None:
        above = lines.line(header.record) + 1
        return Delimited(_named(frame, header.names, label), header.separator, above.__add__)
    lines = Lines.of(data, label) if plain else lines
    if escaped := _ESCAPED.search(data):
        line = data.count(b"\n", 0, escaped.start()) + 1
        raise TableError(
            f"{label}, line {line}: a backslash stands before a quote; write such quotes twice, and"
            " the text in quotes"
        )
    regular = lines.quoting_is_regular(header.separator)
    if regular and lines.inside is not None and lines.inside[-1]:
        raise _unclosed(lines.where(len(lines) - 1))
    parse = _parse_regular if regular else _parse_irregular
    frame, line_of = parse(lines, header)
    names = header.names
    if frame.width == len(names) + 1 and not _is_empty(frame.to_series(-1)):
        names = ["", *names]  # as R writes the names of rows
    return Delimited(_named(frame, names, label), header.separator, line_of)


# --- names ---------------------------------------------------------------------------------


def _named(frame: pl.DataFrame, names: list[str], label: str) -> pl.DataFrame:
    """Return the columns with their names, without those that have none and hold nothing."""
    import polars as pl

    named = dict[str, "pl.Series"]()
    for number, (name, column) in enumerate(zip(names, frame, strict=False), start=1):
        if name:
            if name in named:
                above = "" if name[0].isalpha() else ", or put a line of names above the rows"
                raise TableError(
                    f"{label}: column names appear twice: {name!r}; rename them{above}"
                )
            named[name] = column.alias(name)
        elif number == 1 and not _is_empty(column) and _names_rows(column):
            warn_caller(
                f"{label}: column 1 has no name and only names or counts the rows; it is left out",
                TableWarning,
            )
        elif not _is_empty(column):
            raise TableError(
                f"{label}: column {number} of {len(names)} has no name in the header; name it,"
                " or leave it out if it only counts the rows"
            )
    return pl.DataFrame(list(named.values()))


def _is_empty(column: pl.Series) -> bool:
    return without_missing(column).null_count() == column.len()


def _names_rows(column: pl.Series) -> bool:
    """Return whether a column without a name holds whole numbers, or no value twice."""
    return bool(column.str.contains("^ *[0-9]+ *$").all()) or column.n_unique() == column.len()


# --- rows ----------------------------------------------------------------------------------


def _ragged(where: str, found: int, expected: int, separator: str) -> TableError:
    return TableError(
        f"{where}: {found} field{'s' * (found != 1)} where the header has {expected}; quote"
        f" values that contain {SEPARATORS[separator]}, or mend the line"
    )


def _unclosed(where: str) -> TableError:
    return TableError(f"{where}: a quote opened here is never closed; close it, or remove it")


def _width(counts: NDArray[np.int64], header: Header, row: str) -> int:
    """Return how many fields a row has: as the header, or all of them one more or less.

    One more is nothing behind a separator that ends each row, or the quoted name of the row in
    front, as R writes it; `row` is the first.
    """
    names = header.names
    width = int(counts[0]) if len(counts) and (counts == counts[0]).all() else len(names)
    ended = len(names) > 1 and row.rstrip("\r\n").endswith(header.separator)
    more = ended or (header.quoted and row.startswith('"'))
    if (width == len(names) + 1 and more) or (width == len(names) - 1 and not names[-1]):
        return width
    return len(names)


def _beginning(data: bytes, lines: int = 2 * HEAD) -> bytes:
    """Return the first lines of a text without quotes."""
    end = 0
    for _ in range(lines):
        end = data.find(b"\n", end) + 1
        if not end:
            return data
    return data[:end]


def _parse_plain(
    data: bytes, begin: int, header: Header, as_text: Collection[str] | None
) -> pl.DataFrame | None:
    """Parse the common case at once: no quotes, no blank lines, as many fields in each row.

    polars refuses a row that is too long, so that none is too short where there are as many
    separators as rows need; None where that is not so.
    """
    import polars as pl

    width = len(header.names)
    body = data[begin:]
    if not body or width < 2:
        return None
    names = [f"{i}" for i in range(width)]
    schema = dict.fromkeys(names, pl.String)
    options: dict[str, Any] = {"has_header": False, "quote_char": None, "schema": schema}
    options["separator"] = header.separator
    numbers = []
    if as_text is not None and len(body) >= _LARGE:
        kept = [n for n, given in zip(names, header.names, strict=True) if given in as_text]
        numbers = _early_numbers(pl.read_csv(_beginning(body, _EARLY), **options), kept)
    frame = None
    if numbers:  # unless a later cell is no number
        with contextlib.suppress(pl.exceptions.PolarsError):
            lines = pl.scan_csv(io.BytesIO(body), **options).with_columns(numbers)
            frame = lines.collect(engine="streaming")
    if frame is None:
        try:
            frame = pl.read_csv(body, **options)
        except pl.exceptions.PolarsError:  # a row is too long
            return None
    separators = sum(
        np.count_nonzero(np.frombuffer(body[i : i + _LARGE], np.uint8) == ord(header.separator))
        for i in range(0, len(body), _LARGE)
    )
    return frame if separators == frame.height * (width - 1) > 0 else None


def _early_numbers(head: pl.DataFrame, kept: Collection[str]) -> list[pl.Expr]:
    """Return how to read the columns that are numbers in the first rows, whatever decimal mark is.

    A later cell that is no number, or a code such as 007, is an error.
    """
    import polars as pl

    columns = []
    for name, texts, _, _, ways, telling, values in plain_candidates(head.drop(kept)):
        if values is None or (len(ways) > 1 and telling):
            continue  # 1.234 may be a thousand
        cell, known = pl.col(name), texts.raw.drop_nulls().unique()
        marks = known.filter(known.cast(pl.Float64, strict=False).is_null())
        other = pl.when(~cell.is_in(marks.implode())).then(cell) if marks.len() else cell
        is_code = cell.str.contains(CODE)
        number = pl.when(is_code).then(pl.lit("code")).otherwise(other).cast(values.dtype)
        columns.append((number.fill_nan(None) if values.dtype.is_float() else number).alias(name))
    return columns


def _parse_regular(lines: Lines, header: Header) -> tuple[pl.DataFrame, Callable[[int], int]]:
    """Parse with polars, after the fields of every record have been counted."""
    import polars as pl

    separator, first = header.separator, header.record
    counts = lines.fields(separator)
    # in a table of one column a blank line has as many fields as any other
    doubtful = np.flatnonzero((counts != len(header.names)) | (counts == 1))
    doubtful = doubtful[doubtful > first]
    blank = [i for i in doubtful.tolist() if not lines[i].strip(b" \r\n")]
    rows = np.ones(len(lines), bool)
    rows[: first + 1] = False
    rows[blank] = False
    records = np.flatnonzero(rows)
    width = _width(counts[rows], header, lines[records[0]].decode() if len(records) else "")
    comments = []
    for record in doubtful[rows[doubtful]].tolist():
        if counts[record] != width:
            if not lines[record].startswith(b"#"):
                found = int(counts[record])
                raise _ragged(lines.where(record), found, len(header.names), separator)
            comments.append(record)
    _tell_comments(lines, comments)
    rows[comments] = False
    records = np.flatnonzero(rows)
    cut = sorted([first, *blank, *comments])
    begins = lines.ends[cut]
    ends = np.append(lines.begins[cut[1:]], len(lines.data))
    body = b"".join(lines.data[i:j] for i, j in zip(begins, ends, strict=True))
    schema = {f"{i}": pl.String for i in range(width)}
    if not body:
        return pl.DataFrame(schema=schema), lines.line
    quote = '"' if lines.inside is not None else None
    frame = pl.read_csv(
        body, has_header=False, schema=schema, separator=separator, quote_char=quote
    )
    return frame, lambda row: lines.line(int(records[row]))


def _tell_comments(lines: Lines, comments: list[int]) -> None:
    if comments:
        warn_caller(
            f"{lines.where(comments[0])}: {len(comments)} line(s) of comments between the rows are"
            " left out",
            TableWarning,
        )


def _parse_irregular(lines: Lines, header: Header) -> tuple[pl.DataFrame, Callable[[int], int]]:
    """Parse with :mod:`csv`, which takes a quote within a value as it stands."""
    import polars as pl

    begins = lines.line(header.record)
    found = [(n, row) for n, row in _csv_rows(lines, header.separator) if n > begins]
    ended = header.separator if found and not found[0][1][-1] else ""
    width = _width(np.array([len(row) for _, row in found]), header, ended)
    for number, row in found:
        if len(row) != width:
            where = f"{lines.label}, line {number}"
            raise _ragged(where, len(row), len(header.names), header.separator)
    # such a quote swallows even the newline that ends the text
    if found and found[-1][1][-1].endswith("\n") and not lines.data.rstrip().endswith(b'"'):
        raise _unclosed(f"{lines.label}, line {found[-1][0]}")
    columns = zip(*(row for _, row in found), strict=True) if found else [()] * width
    schema = {f"{i}": pl.String for i in range(width)}
    frame = pl.DataFrame(dict(zip(schema, columns, strict=True)), schema)
    return frame, lambda row: found[row][0]


def _csv_rows(lines: Lines, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of its first line."""
    text = io.StringIO(lines.data.decode(), newline="")
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error:  # a field of more than 128 KiB
            raise _unclosed(f"{lines.label}, line {number}") from None
        if row is None:
            return
        if "".join(row).strip() or len(row) > 1:
            yield number, row
