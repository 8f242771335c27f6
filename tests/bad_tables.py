"""Wrong tables for ``backpass fit``: files, what is typed, what the one line must say.

`test_bad_inputs.py` types them. The folder holds, beside what a case brings: ``m.backpass`` (from
``age, city, height, code`` to ``old``), ``q.backpass`` (from ``age, city`` to ``income``, with
weights ``w``), ``n.backpass`` (a network without a table), ``run`` (checkpoints of a fit of
``t.csv``), ``people.csv``, ``notes`` and old outputs.
"""

import gzip
import io
from typing import Any, NamedTuple

import numpy as np
import polars as pl

__all__ = ["FIT", "GOOD", "TABLES", "Command", "npy", "npz", "parquet", "table"]

FAST = ["--epochs", "2", "--hidden", "4"]
HEADER = b"age,city,old\n"
CITIES, ANSWERS = [b"Bonn", b"Oslo"], [b"no", b"yes"]
GOOD = HEADER + b"".join(b"%d,%s,%s\n" % (20 + i, CITIES[i % 2], ANSWERS[i % 2]) for i in range(30))
FIT = ["fit", "t.csv", "--target", "old", *FAST]
FIT_Y = ["fit", "t.csv", "-t", "y", *FAST]


class Command(NamedTuple):
    """A wrong command line.

    Parameters
    ----------
    files : dict
        What lies in the folder, by name: bytes, the name of another file to copy, or such a name
        and what is done to its bytes.
    arguments : list of str
    words : str
        What the one line must say, separated by spaces.
    stdin : bytes or None
        What standard input holds.
    begun : bool
        Whether the table is described before the mistake can be found.
    """

    files: dict[str, Any]
    arguments: list[str]
    words: str
    stdin: bytes | None = None
    begun: bool = False


def table(data: bytes | None, arguments: list[str], words: str) -> Command:
    """Return a case that brings one table, ``t.csv``, or none."""
    return Command({} if data is None else {"t.csv": data}, arguments, words)


def column(values: Any, name: bytes = b"y") -> bytes:
    """Return a table of a counter ``x`` and one more column, as CSV."""
    rows = b"".join(b"%d,%s\n" % (i, value) for i, value in enumerate(values))
    return b"x,%s\n%s" % (name, rows)


def parquet(**columns: Any) -> bytes:
    """Return columns as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    """Return an array as the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    """Return arrays as the bytes of an ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


# --- fit: the file ---------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
PARQUET = parquet(x=range(30), y=["no", "yes"] * 15)

FILES = {
    "missing file": table(None, FIT, "t.csv no such file"),
    "file name misspelt": table(GOOD, ["fit", "t.cvs", "-t", "old"], "t.cvs did you mean 't.csv'"),
    "extension left out": table(GOOD, ["fit", "t", "-t", "old"], "t: no such file 't.csv'"),
    "folder missing": table(None, ["fit", "no/t.csv", "-t", "old"], "no/t.csv folder 'no'"),
    "address": table(None, ["fit", "https://x.org/t.csv", "-t", "y"], "https:/ download pipe"),
    "name of nothing": table(None, ["fit", "", "-t", "y"], "name of the table is empty example:"),
    "name with NUL": table(None, ["fit", "a\0b.csv", "-t", "y"], "a\\x00b null byte"),
    "name with escape": table(None, ["fit", "a\x1b[31m\nb.csv", "-t", "y"], "\\x1b no such file"),
    "table name too long": table(None, ["fit", "x" * 300, "-t", "y"], "too long"),
    "a pattern of none": table(None, ["fit", "no/*.csv", "-t", "y"], "no/*.csv no such file"),
    "a file as folder": table(None, ["fit", "notes/t.csv", "-t", "y"], "notes/t.csv"),
    "missing example": table(None, ["fit", "example:nope"], "nope no such example example:iris"),
    "empty file": table(b"", FIT, "t.csv empty"),
    "blank file": table(b"\n\n", FIT, "t.csv empty"),
    "byte-order mark alone": table(b"\xef\xbb\xbf", FIT, "t.csv empty"),
    "header only": table(HEADER, FIT, "t.csv no rows"),
    "header and blank lines": table(HEADER + b"\n \n\n", FIT, "t.csv"),
    "short row": table(GOOD + b"1,Bonn\n", FIT, "t.csv line 32 2 fields 3 mend"),
    "long row": table(HEADER + b"1,2,3,4\n" + GOOD[13:], FIT, "t.csv line 2 4 fields 3"),
    "short row after a mark": table(b"\xef\xbb\xbf" + GOOD + b"1\n", FIT, "t.csv line 32 1 field"),
    "short row after CRLF": table(
        GOOD.replace(b"\n", b"\r\n") + b"1,2\r\n", FIT, "t.csv line 32 2 fields"
    ),
    "short row after line breaks in quotes": table(
        HEADER + b'1,"Bonn\nam\nRhein",no\n2,Oslo\n', FIT, "t.csv line 5 2 fields"
    ),
    "decimal commas between commas": table(
        column([b"1,5", b"2,5"] * 9), FIT_Y, "t.csv line 2 3 fields 2 commas"
    ),
    "two separators": table(
        GOOD.replace(b",", b";") + b"1;2;3;4\n", FIT, "t.csv line 32 4 fields 3 semicolons"
    ),
    "separated by spaces": table(GOOD.replace(b",", b" "), FIT, "t.csv single column spaces"),
    "one column": table(b"old\n" + b"yes\nno\n" * 9, FIT, "no columns 'old'"),
    "same names": table(b"a,b,a\n1,2,3\n", FIT, "t.csv 'a' twice rename"),
    "same names but for spaces": table(b"a,b, a \n1,2,3\n", FIT, "t.csv 'a' twice rename"),
    "no name": table(b"a,,b\n1,2,3\n", FIT, "t.csv column 2 no name"),
    "open quote": table(HEADER + b'1,"Bonn,no\n', FIT, "t.csv line 2 quote never closed"),
    "open quote in the header": table(b'"age,city\n1,2\n', FIT, "t.csv line 1 quote"),
    "endless field": table(
        HEADER + b'1,5" x,no\n2,"' + b"x" * 140_000 + b"\n", FIT, "t.csv line 3 quote never closed"
    ),
    "latin-2": table(GOOD + b"1,K\x90ln,no\n", FIT, "t.csv line 32 0x90 UTF-8 Latin-2"),
    "half a UTF-16 character": table(
        b"\xff\xfe" + GOOD.decode().encode("utf-16-le") + b"\n", FIT, "t.csv UTF-16 save UTF-8"
    ),
    "UTF-32 without a mark": table(
        GOOD.decode().encode("utf-32-le"), FIT, "t.csv NUL export CSV UTF-8"
    ),
    "archive": table(b"PK\x03\x04rest", FIT, "t.csv ZIP unpack"),
    "old workbook": table(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", FIT, "t.csv damaged spreadsheet"
    ),
    "a picture": table(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FIT, "t.csv a picture CSV"),
    "a model as table": table(
        None, ["fit", "m.backpass", "-t", "y"], "m.backpass not a text table"
    ),
    "damaged gzip": table(b"\x1f\x8bnope", FIT, "t.csv gzip"),
    "truncated gzip": table(gzip.compress(GOOD)[:-20], FIT, "t.csv gzip"),
    "gzip with a wrong sum": table(gzip.compress(GOOD)[:-8] + b"\0" * 8, FIT, "t.csv gzip"),
    "gzip with an altered middle": table(
        gzip.compress(GOOD)[:40] + b"\xff" * 9 + gzip.compress(GOOD)[49:], FIT, "t.csv gzip"
    ),
    "gzip of nothing": table(gzip.compress(b""), FIT, "t.csv empty"),
    "damaged parquet": table(b"PAR1nope", FIT, "t.csv Parquet"),
    "truncated parquet": table(PARQUET[:-9], FIT_Y, "t.csv damaged Parquet"),
    "parquet without its middle": table(
        PARQUET[:4] + b"\0" * 60 + PARQUET[64:], FIT_Y, "t.csv damaged Parquet"
    ),
    "text called parquet": Command(
        {"t.parquet": GOOD}, ["fit", "t.parquet", "-t", "y"], "t.parquet not a Parquet file PAR1"
    ),
    "parquet without rows": table(parquet(x=[], y=[]), FIT_Y, "t.csv no rows"),
    "parquet without columns": table(parquet(), FIT_Y, "t.csv no rows"),
    "parquet with lists": table(
        parquet(x=[[1, 2]] * 30, y=["no", "yes"] * 15), FIT_Y, "t.csv 'x' lists leave"
    ),
    "parquet with lists as target": table(
        parquet(x=range(30), y=[[1], [2]] * 15), FIT_Y, "t.csv 'y' lists choose"
    ),
    "parquet with records": table(
        parquet(x=[{"a": 1}] * 30, y=["no", "yes"] * 15), FIT_Y, "t.csv 'x' records leave"
    ),
    "parquet with bytes": table(
        parquet(x=[b"ab", b"cd"] * 15, y=["no", "yes"] * 15), FIT_Y, "t.csv 'x' bytes leave"
    ),
    "parquet with NaN as target": table(
        parquet(x=range(30), y=[NAN] * 30), FIT_Y, "t.csv 'y' no values"
    ),
    "parquet with infinity": table(
        parquet(x=[1.0, INF] * 15, y=["no", "yes"] * 15), FIT_Y, "t.csv 'x' row 2 infinite"
    ),
    "empty standard input": Command({}, ["fit", "-", "-t", "y"], "standard input empty", b""),
    "ragged standard input": Command(
        {}, ["fit", "-", "-t", "y"], "standard input line 3 1 field", b"x,y\n1,2\n3\n"
    ),
}

# --- fit: target, columns, rows --------------------------------------------------------------

COLUMNS = {
    "no target said": table(GOOD, ["fit", "t.csv"], "t.csv --target age, city, old"),
    "target of no name": table(GOOD, ["fit", "t.csv", "-t", ""], "t.csv --target age, city, old"),
    "missing target": table(GOOD, ["fit", "t.csv", "-t", "odl"], "t.csv 'odl' mean 'old'"),
    "target in capitals": table(GOOD, ["fit", "t.csv", "-t", "OLD"], "t.csv 'OLD' mean 'old'"),
    "target nothing like it": table(GOOD, ["fit", "t.csv", "-t", "zzz"], "t.csv 'zzz' 'age'"),
    "one class": table(GOOD.replace(b"yes", b"no"), FIT, "t.csv 'old' one class 'no'"),
    "one class, asked for": table(
        column([b"5"] * 30), [*FIT_Y, "--task", "classification"], "t.csv 'y' one class '5'"
    ),
    "constant target": table(
        column([b"5"] * 30), [*FIT_Y, "--task", "regression"], "t.csv 'y' 5 every row"
    ),
    "empty target": table(column([b""] * 30), FIT_Y, "t.csv 'y' no values"),
    "target of spellings of nothing": table(
        column([b"NA", b"null", b"?"] * 10), FIT_Y, "t.csv 'y' no values"
    ),
    "text target as number": table(GOOD, [*FIT, "--task", "regression"], "t.csv 'old' line 2 'no'"),
    "one text in a numeric target": table(
        column([b"%d.5" % i if i != 7 else b"ten" for i in range(30)]),
        [*FIT_Y, "--task", "regression"],
        "t.csv 'y' 29 of 30 line 9 'ten' mend",
    ),
    "date target": table(
        column([b"2020-01-%02d" % (i + 1) for i in range(30)]), FIT_Y, "t.csv 'y' dates"
    ),
    "date target as class": table(
        column([b"2020-01-%02d" % (i + 1) for i in range(30)]),
        [*FIT_Y, "--task", "classification"],
        "t.csv class of their own another target",
    ),
    "names as target": table(
        column([b"n%d" % i for i in range(30)]), FIT_Y, "t.csv class of their own another target"
    ),
    "infinite target": table(
        column([b"inf" if i == 4 else b"%d.5" % i for i in range(30)]),
        FIT_Y,
        "t.csv 'y' line 6 infinite",
    ),
    "target beyond numbers": table(
        column([b"1e999" if i == 4 else b"%d.5" % i for i in range(30)]),
        FIT_Y,
        "t.csv 'y' line 6 infinite",
    ),
    "target dropped": table(GOOD, [*FIT, "--drop", "age,old"], "t.csv 'old' target dropped"),
    "missing drop": table(GOOD, [*FIT, "--drop", "agee"], "t.csv 'agee' drop mean 'age'"),
    "missing category": table(GOOD, [*FIT, "--categorical", "x"], "t.csv 'x' category"),
    "target a category": table(GOOD, [*FIT, "--categorical", "old"], "'old' target classification"),
    "dropped category": table(
        GOOD, [*FIT, "--categorical", "age", "--drop", "age"], "t.csv 'age' dropped category"
    ),
    "weights a category": table(
        GOOD,
        [*FIT, "--categorical", "age", "--sample-weight", "age"],
        "t.csv 'age' weights category",
    ),
    "all dropped": table(GOOD, [*FIT, "--drop", "age,city"], "t.csv no columns 'old' drop fewer"),
    "all dropped or weights": table(
        GOOD, [*FIT, "--drop", "city", "--sample-weight", "age"], "t.csv no columns 'old'"
    ),
    "constant columns": table(
        b"x,y\n" + b"".join(b"1,%d\n" % (i % 2) for i in range(40)),
        FIT_Y,
        "t.csv no column tells anything 'x' constant",
    ),
    "empty columns": table(
        b"x,y\n" + b"".join(b",%d\n" % (i % 2) for i in range(40)), FIT_Y, "'x' no value at all"
    ),
    "names as only column": table(
        b"x,y\n" + b"".join(b"n%d,%d\n" % (i, i % 2) for i in range(40)), FIT_Y, "'x' value differs"
    ),
    "infinite value": table(
        GOOD.replace(b"26,", b"inf,"), FIT, "t.csv 'age' line 8 infinite correct"
    ),
    "huge value": table(
        GOOD.replace(b"26,", b"1e305,"), FIT, "t.csv 'age' line 8 1e+305 too large"
    ),
    "one row": table(b"x,y\n1,a\n", FIT_Y, "t.csv 'y' one class"),
    "too few rows": table(b"x,y\n1,a\n2,b\n", FIT_Y, "t.csv 2 row too few give more"),
    "missing weights": table(GOOD, [*FIT, "--sample-weight", "w"], "t.csv 'w' weights"),
    "negative weight": table(
        GOOD.replace(b"22,", b"-2,"),
        [*FIT, "--sample-weight", "age"],
        "t.csv 'age' line 4 -2 at least 0",
    ),
    "infinite weight": table(
        GOOD.replace(b"22,", b"inf,"), [*FIT, "--sample-weight", "age"], "t.csv 'age' line 4"
    ),
    "no weight": table(
        GOOD.replace(b"22,", b","), [*FIT, "--sample-weight", "age"], "t.csv 'age' line 4 missing"
    ),
    "all weights 0": table(
        column([b"0"] * 30, b"w").replace(b"x,", b"y,"),
        [*FIT_Y, "--sample-weight", "w"],
        "t.csv 'w' all weights are 0",
    ),
    "text weights": table(
        GOOD, [*FIT, "--sample-weight", "city"], "t.csv 'city' line 2 'Bonn' number"
    ),
    "target as weights": table(
        GOOD, [*FIT, "--sample-weight", "old"], "t.csv 'old' target weights"
    ),
}

TABLES = {**FILES, **COLUMNS}
