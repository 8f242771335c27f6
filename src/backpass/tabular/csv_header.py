"""The header of delimited text: what separates the fields, and where the names stand."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import NamedTuple

from backpass.errors import TableError, TableWarning, warn_caller
from backpass.tabular.csv_lines import Lines

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
HEAD = 40  # records that tell the separator, titles and the header
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,:/ -]*")
_NUMERIC = re.compile(r"[^A-Za-z0-9]*[0-9]")  # begins with one, but for a mark
_FRACTION = re.compile(r"[+-]?[0-9]*[.,][0-9]+")
_YEAR = re.compile("(19|20)[0-9]{2}")  # numbers that columns are called by


class Header(NamedTuple):
    """What separates the fields, and the names of the columns in one record."""

    separator: str
    record: int
    names: list[str]
    quoted: bool  # whether the first name is


def split_line(line: str, separator: str) -> list[str]:
    """Return the fields of a line."""
    # csv refuses fields beyond 128 KiB, which a quote that is never closed makes
    text = io.StringIO(line[:100_000], newline="")
    return next(csv.reader(text, delimiter=separator, skipinitialspace=True), [])


def find_header(lines: Lines, separator: str | None) -> Header:
    """Return the record with the names, below a line ``sep=;``, comments and titles."""
    filled = (i for i in range(len(lines)) if lines[i].strip())
    records = [i for i, _ in zip(filled, range(HEAD), strict=False)]
    texts = {i: lines[i].decode() for i in records}
    if match := re.fullmatch(r'"?sep=(.)"?\s*', texts[records[0]], re.IGNORECASE):
        separator = match[1]
        if separator not in SEPARATORS:
            raise TableError(
                f"{lines.label}, line 1: separated by {separator!r}; separate the fields by commas"
            )
        records = records[1:]
    comments = 0
    while comments < len(records) - 1 and texts[records[comments]].startswith("#"):
        comments += 1
    head = [texts[i] for i in records[comments:]]
    if not head:
        raise TableError(f"{lines.label}: the file is empty")
    separator = separator or _sniff(head)
    title = _titles(head, separator)
    if comments and title == 0 and _is_commented_header(texts, records[comments - 1 :], separator):
        comments -= 1  # "#id,name" above the rows
    left_out = comments + title
    record = records[left_out]
    if left_out:
        first, last = (lines.line(records[i]) for i in (0, left_out - 1))
        which = f"line {first} is" if first == last else f"lines {first} to {last} are"
        warn_caller(
            f"{lines.label}: {which} taken for a title or comment; the header is"
            f" line {lines.line(record)}",
            TableWarning,
        )
    names = [name.strip() for name in split_line(texts[record].lstrip("#"), separator)]
    if len(names) == 1:
        _check_one_column(head[:2], lines.label)
    values = [name for name in names if _FRACTION.fullmatch(name)]
    if values:
        warn_caller(
            f"{lines.label}, line {lines.line(record)}: {values[0]!r} is taken for the name of a"
            " column; if names are missing, put a line of them first",
            TableWarning,
        )
    return Header(separator, record, names, texts[record].startswith('"'))


def _titles(head: list[str], separator: str) -> int:
    """Return how many lines stand above the header and are none of the table."""
    counts = _counts(head, separator)
    width = max(counts, key=lambda count: (counts[1:].count(count), count))
    # spreadsheets fill a title up with empty fields
    fields = [[bool(cell.strip()) for cell in split_line(line, separator)] for line in head]
    filled = [max((i for i, cell in enumerate(row, 1) if cell), default=0) for row in fields]
    first = next((i for i, count in enumerate(filled) if count >= width), 0)
    names = [name.strip() for name in split_line(head[first], separator)]
    below = [split_line(line, separator) for line in head[first + 1 :]]
    columns = list(zip(names, *(row for row in below if len(row) >= len(names)), strict=False))
    plausible = (
        all(2 * count <= width for count in filled[:first])
        and names.count("") <= (width > 2)
        and not any(_NUMBER.fullmatch(name) and not _YEAR.fullmatch(name) for name in names)
        and any(_is_above_numbers(name, cells) for name, *cells in columns)
    )
    return first if plausible else 0


def _counts(head: list[str], separator: str) -> list[int]:
    """Return how many fields lines have, but for an empty one behind a separator at their ends."""
    counts = [len(split_line(line, separator)) for line in head]
    ended = [line.rstrip("\r\n").endswith(separator) for line in head]
    if 2 * sum(ended[1:]) >= len(head[1:]) > 0:
        counts = [count - end for count, end in zip(counts, ended, strict=True)]
    return counts


def _is_above_numbers(name: str, cells: list[str]) -> bool:
    """Return whether a name that is no number stands above some."""
    known = [cell for cell in cells if cell.strip()]
    numbers = sum(bool(_NUMERIC.match(cell)) for cell in known)
    return 2 * numbers > len(known) and not _NUMERIC.match(name)


def _is_commented_header(texts: dict[int, str], records: list[int], separator: str) -> bool:
    """Return whether the last comment has the names of the rows below it."""
    above, below = (split_line(texts[i], separator) for i in records[:2])
    return len(above) == len(below) and any(_NUMBER.fullmatch(cell.strip()) for cell in below)


def _sniff(head: list[str]) -> str:
    """Return the separator that cuts most of the first records alike, and into most fields."""

    def evidence(separator: str) -> tuple[bool, int, int]:
        counts = _counts(head, separator)
        width, rows = Counter(counts).most_common(1)[0]
        two_alike = len(counts) < 2 or counts[0] == counts[1]
        return width > 1 and (two_alike or rows > 1), width > 1 and rows, width

    return max(SEPARATORS, key=evidence)  # the first of equals


def _check_one_column(head: list[str], label: str) -> None:
    """Refuse a table of one column that another separator would cut into several."""
    cuts = {words: [len(split_line(line, by)) for line in head] for by, words in SEPARATORS.items()}
    cuts["spaces"] = [len(line.split()) for line in head]
    for words, counts in cuts.items():
        if len(counts) == 2 and counts[0] == counts[1] > 1:
            raise TableError(
                f"{label}: read as a single column, but {words} seem to separate {counts[0]};"
                " separate them by commas and call the file .csv"
            )
    inner = [(split_line(line, ",") or [""])[0] for line in head]
    for by, words in SEPARATORS.items():
        cut = [split_line(line, by) for line in inner]
        alike = len(cut) == 2 and len(cut[0]) == len(cut[1])
        if alike and (len(cut[0]) > 2 or (len(cut[0]) > 1 and _are_numbers(cut[1]))):
            raise TableError(
                f"{label}: read as a single column, since each line is quoted as a whole, with"
                f" {words} inside; take the quotes around the lines away"
            )


def _are_numbers(cells: list[str]) -> bool:
    return all(_NUMBER.fullmatch(cell.strip()) for cell in cells)
