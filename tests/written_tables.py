"""Random tables of known values as files in random conventions, and how a reader did on them.

``drawn(rng)`` writes a table, ``judge(written, folder)`` reads it back, and ``shrunk`` finds the
smallest table that fails alike. Common conventions are common. What no careful reader could tell
from the file is either not drawn or marked as not `told`.
"""

import csv
import datetime as dt
import io
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backpass import read_table
from backpass.errors import TableError, TableWarning
from written_columns import (
    WEIGHTS,
    Convention,
    Plan,
    dots_mislead,
    marks_are_told,
    order_is_told,
    written_column,
)

NBSP, NARROW = "\u00a0", "\u202f"
NAMES = ["size", "price", "city", "Tag", "x1", "Größe", "max. temp", "weight (kg)", "unit price"]
NAMES += ["share %", "opened", "note", "a", "b", "2019", "size, mm", "x;y"]
MISSING = {"": 12, "NA": 4, "NaN": 2, "null": 1, "None": 1, "N/A": 1, "?": 1, "-": 1, "--": 0.5}
MISSING |= {".": 0.5, "n.a.": 0.5, "(null)": 0.3, "\\N": 0.5, "<NA>": 0.5, "#N/A": 1, "#NA": 0.3}
MISSING |= dict.fromkeys(("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"), 0.2)


@dataclass(frozen=True)
class Layout:
    """How a file is laid out around the cells."""

    separator: str = ","
    quoting: str = "minimal"  # all, nonnumeric
    newline: str = "\n"
    last_newline: bool = True
    encoding: str = "utf-8"
    suffix: str = ".csv"
    index: tuple[int, ...] = ()  # the numbers of pandas' column without a name
    trailing: str = ""  # separators at the end of all lines, or of the rows
    first: str = ""  # a sep= line, a comment, a title
    blank_lines: bool = False
    padding: str = ""  # blanks after a separator, or so many that the columns align


@dataclass(frozen=True)
class Written:
    """A table as the bytes of a file, and what it means."""

    data: bytes
    suffix: str
    columns: tuple[Any, ...]
    convention: Convention
    layout: Layout
    told: bool  # whether the file itself shows its convention


# --- writing -------------------------------------------------------------------------------------


def _quoted(text, layout):
    unsafe = {layout.separator, '"', "\n", "\r"} & {*text}
    if layout.quoting == "nonnumeric" and not unsafe:
        try:
            float(text)
        except ValueError:
            unsafe = {text}
    if unsafe or layout.quoting == "all":
        return '"' + text.replace('"', '""') + '"'
    return text


def rendered(columns, layout):
    """Return the bytes of a file."""
    body = [[c.name, *c.texts] for c in columns]
    if layout.index:
        body.insert(0, ["", *map(str, layout.index)])
    cells = [[_quoted(text, layout) for text in column] for column in body]
    if layout.padding == "aligned":
        cells = [[text.rjust(max(map(len, column))) for text in column] for column in cells]
    by = layout.separator + " " * (layout.padding == "blank")
    lines = [by.join(row) for row in zip(*cells, strict=True)]
    ends = {"": (), "all": (0, len(lines)), "rows": (1, len(lines))}[layout.trailing]
    for i in range(*ends) if ends else ():
        lines[i] += layout.separator
    if layout.blank_lines:
        lines = [line + layout.newline * (i % 4 == 3) for i, line in enumerate(lines)]
    if layout.first:
        lines = [*layout.first.split("\n"), *lines]
    text = layout.newline.join(lines) + layout.newline * layout.last_newline
    return text.encode(layout.encoding)


def _cut_otherwise(rows, layout):
    """Whether another separator would cut every line into as many fields, more than one."""
    for other in {*",;\t|"} - {layout.separator}:
        if any(other in name for name in rows[0]):
            lines = (layout.separator.join(_quoted(t, layout) for t in row) for row in rows)
            text = io.StringIO("\n".join(lines), newline="")
            if len({len(cut) for cut in csv.reader(text, delimiter=other)}) == 1:
                return True
    return False


def readable(columns, layout):
    """Whether every line has something on it, and no other separator or encoding fits as well."""
    rows = list(zip(*(c.texts for c in columns), strict=True))
    if any(not "".join(row) for row in rows):
        return False
    if _cut_otherwise([[c.name for c in columns], *rows], layout):
        return False
    if layout.encoding != "cp1252":
        return True
    try:
        data = rendered(columns, layout)
        return data.decode("utf-8") == data.decode("cp1252")
    except UnicodeEncodeError:
        return False
    except UnicodeDecodeError:
        return True


def written(columns, by, layout):
    """Return a table as a file, or None where no careful reader could read it as it was meant."""
    columns = tuple(column.settled() for column in columns)
    # 23.815 as a thousand, without anything against a decimal mark, is a decimal by the rule
    if not readable(columns, layout) or dots_mislead(columns, by):
        return None
    told = marks_are_told(columns) and order_is_told(columns)
    return Written(rendered(columns, layout), layout.suffix, columns, by, layout, told)


# --- drawing -------------------------------------------------------------------------------------


def weighted(rng, weights):
    """Return one of the keys."""
    return rng.choices(list(weights), list(weights.values()))[0]


def drawn_convention(rng):
    """Return a convention and the separator it goes with: of a country, or anything at all."""
    markers = tuple(weighted(rng, MISSING) for _ in range(rng.choice((1, 1, 1, 2))))
    markers = tuple(_cased(rng, marker) for marker in markers)
    decimal, thousands, day_first, separators = weighted(
        rng,
        {
            (".", "", True, ",,,\t;|"): 30,
            (".", "", False, ",,,\t"): 12,
            (".", ",", False, ",,\t;"): 12,  # American
            (".", ",", True, ",,\t;"): 6,  # British
            (",", "", True, ";;;\t,"): 12,
            (",", ".", True, ";;;;\t,"): 10,  # German
            (",", NARROW, True, ";\t"): 3,  # French
            (",", NBSP, True, ";\t"): 3,
            (",", " ", True, ";\t"): 3,
            (".", "'", True, ";,\t"): 4,  # Swiss
            (".", " ", True, ",;\t"): 3,
            None: 8,
        },
    ) or (*rng.choice((".,", ",.", ". ", ", ", ".'", ",'")), rng.random() < 0.5, ",;\t|")
    return Convention(decimal, thousands, day_first, markers), rng.choice(separators)


def _cased(rng, marker):
    if rng.random() < 0.2 and marker[:1] not in ("#", "\\"):
        return rng.choice((marker.lower(), marker.upper(), marker.title()))
    return marker


def drawn_layout(rng, separator, rows, columns):
    """Return a layout; most files have little out of the ordinary."""
    first = ""
    if rng.random() < 0.15:
        comments = ("# made by hand", "# source: a, b\n# 2021-03-04")
        titles = ("Report", "Sales in Oslo\n", "Report 2020, all shops")
        first = rng.choice((f"sep={separator}", rng.choice(comments), rng.choice(titles)))
        if columns < 4 and first in titles:  # of which the last could be the header
            first = titles[0]
        first = "" if columns == 1 and first[0] != "#" else first
    index = range(rows) if rng.random() < 0.08 else ()
    if index and rng.random() < 0.2:
        index = sorted(rng.sample(range(3 * rows), rows))
    trailing = "" if index or columns == 1 or rng.random() < 0.95 else rng.choice(("all", "rows"))
    padding = rng.choice(("blank", "aligned")) if rng.random() < 0.06 else ""
    return Layout(
        separator,
        weighted(rng, {"minimal": 6, "all": 1, "nonnumeric": 1}),
        rng.choice(("\n", "\n", "\r\n")),
        rng.random() < 0.85,
        weighted(rng, {"utf-8": 70, "utf-8-sig": 12, "utf-16": 5, "cp1252": 13}),
        weighted(rng, {".tsv": 6, ".csv": 2, ".txt": 2} if separator == "\t" else {".csv": 1}),
        tuple(index),
        trailing,
        first,
        columns > 1 and rng.random() < 0.06,
        "" if separator == "\t" and padding == "aligned" else padding,
    )


def drawn_plans(rng, columns):
    """Return what the columns of a table are to be."""
    names = rng.sample(NAMES if columns > 1 else NAMES[:5], columns)
    kinds = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=columns)
    shares = (0, 0, 0, 0.02, 0.1, 0.4)
    return [
        Plan(name, kind, rng.getrandbits(40), rng.choice(shares))
        for name, kind in zip(names, kinds, strict=True)
    ]


def drawn_rows(rng):
    """Return a number of rows: few, some, now and then many."""
    return weighted(rng, {rng.randint(1, 6): 12, rng.randint(7, 60): 86, 200: 2})


def columns_of(plans, by, rows):
    """Return the columns of a table, with something in every row."""
    if len(plans) == 1:
        by = replace(by, missing=tuple(marker or "NA" for marker in by.missing))
    columns = [written_column(plan, by, rows) for plan in plans]
    first = columns[0]
    others = list(zip(*(c.texts for c in columns), strict=True))
    filled = tuple("NA" if not "".join(row) else row[0] for row in others)
    return [replace(first, texts=filled), *columns[1:]]


def drawn(rng, most=1000):
    """Return a table of at most so many rows."""
    while True:
        by, separator = drawn_convention(rng)
        rows = min(most, drawn_rows(rng))
        plans = drawn_plans(rng, rng.randint(1, 7))
        separator = separator if len(plans) > 1 else ","
        layout = drawn_layout(rng, separator, rows, len(plans))
        table = written(columns_of(plans, by, rows), by, layout)
        if table is not None:
            return table


# --- judging -------------------------------------------------------------------------------------

OUTCOMES = EQUAL, DOUBT, MISREAD, SILENT, CRASH = (
    "read as written",
    "doubt named",
    "read otherwise, though named",
    "silent difference",
    "another exception",
)
"""From good to bad; the last three are faults."""


@dataclass(frozen=True)
class Verdict:
    """What came of reading a table: by column, of the whole, and what differed."""

    columns: dict[str, str]
    outcome: str
    why: str = ""
    sort: str = ""  # what findings of one cause have in common


def same(read, truth):
    """Whether a value that was read is the one that was meant."""
    if isinstance(truth, bool) or isinstance(read, bool) or read is None or truth is None:
        return read is truth
    if isinstance(truth, dt.datetime) and isinstance(read, dt.datetime):
        return (read.tzinfo is None) == (truth.tzinfo is None) and read == truth
    if isinstance(truth, int | float):
        return isinstance(read, int | float) and read == truth
    return type(read) is type(truth) and read == truth


def judge(table, folder):
    """Read a table that is written into a folder, and say what came of it."""
    path = Path(folder, f"table{table.suffix}")
    path.write_bytes(table.data)
    names = [c.name for c in table.columns]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = read_table(path)
        except TableError as error:
            bad = "\n" in str(error) or not str(error)
            outcome, why = (CRASH, f"no line: {error!r}") if bad else (DOUBT, f"refused: {error}")
            return Verdict(dict.fromkeys(names, outcome), outcome, why, "refused")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return Verdict(dict.fromkeys(names, CRASH), CRASH, repr(error), type(error).__name__)
    said = [str(w.message) for w in caught if issubclass(w.category, TableWarning)]
    others = [w for w in caught if not issubclass(w.category, TableWarning)]
    if others:
        return Verdict(
            dict.fromkeys(names, CRASH), CRASH, f"a warning: {others[0].message}", "warning"
        )
    return _compared(table, frame, said)


_INDEX = "(?i)index|unnamed|no name|without a name|counts the rows"


def _compared(table, frame, said):
    height = len(table.columns[0].texts)
    names = {c.name: DOUBT for c in table.columns}
    if frame.height != height:
        return Verdict(names, SILENT, f"{frame.height} of {height} rows", "rows")
    extra = [name for name in frame.columns if name not in names]
    if any(not any(repr(name) in line for line in said) for name in extra):
        return Verdict(names, SILENT, f"a column {extra[0]!r} that is none", "column")
    if table.layout.index and not any(map(re.compile(_INDEX).search, said)):
        return Verdict(names, SILENT, "the index is gone without a word", "index")
    found = {c.name: _column(c, frame, said) for c in table.columns}
    worst = max(found.values(), key=lambda told: OUTCOMES.index(told[0]))
    return Verdict({name: told[0] for name, told in found.items()}, *worst)


def _column(column, frame, said):
    """Return what came of one column, and what differed."""
    named = any(repr(column.name) in line for line in said)
    if column.name not in frame.columns:
        why = f"{column.kind}: {column.name!r} is gone"
        return (MISREAD if named else SILENT), why, f"{column.kind} is gone"
    read = frame[column.name].to_list()
    cells = list(zip(read, column.truths, column.texts, strict=True))
    wrong = [cell for cell in cells if not same(cell[0], cell[1])]
    if not wrong:
        return EQUAL, "", ""
    got, truth, text = wrong[0]
    why = f"{column.kind}: {text!r} is {truth!r}, read as {got!r} in {column.name!r}"
    sort = f"{column.kind}, {type(truth).__name__} read as {type(got).__name__}"
    kept = all(got == text.strip() or (got is truth is None) for got, truth, text in cells)
    return (SILENT if not named else DOUBT if kept else MISREAD), why, sort


# --- the smallest table that fails alike ---------------------------------------------------------


def shrunk(table, fails):
    """Return the smallest table found for which `fails` is true, as it is of the given one."""
    smaller = table
    while smaller is not None:
        table = smaller
        smaller = next((t for t in _simpler(table) if t is not None and fails(t)), None)
    return table


def _simpler(table):
    columns, by, layout = table.columns, table.convention, table.layout
    for i in range(len(columns) if len(columns) > 1 and len(columns) != 2 else 0):
        yield written([*columns[:i], *columns[i + 1 :]], by, layout)
    rows = len(columns[0].texts)
    size = rows // 2
    while size:
        for at in range(0, rows, size):
            kept = [i for i in range(rows) if not at <= i < at + size]
            if kept:
                index = tuple(layout.index[i] for i in kept) if layout.index else ()
                yield written([c.rows(kept) for c in columns], by, replace(layout, index=index))
        size //= 2
    for name, value in vars(Layout(separator=layout.separator, suffix=layout.suffix)).items():
        if getattr(layout, name) != value:
            yield written(columns, by, replace(layout, **{name: value}))
    for i, column in enumerate(columns):
        if column.kind != "constant_text" and len(columns) > 1:
            texts = ("red",) * rows
            other = replace(column, kind="constant_text", texts=texts, truths=texts)
            yield written([*columns[:i], other, *columns[i + 1 :]], by, layout)
