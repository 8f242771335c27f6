"""From a file to a frame, where the format knows types, or else to UTF-8 text.

What a file holds is told from its first bytes; its name only decides where they leave a doubt.
A file of a kind that is not read says what it is, and how it becomes one that is.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.errors import TableError, TableWarning, warn_caller
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.json_records import parse_json
from backpass.tabular.unread_formats import refuse_unread

if TYPE_CHECKING:
    import polars as pl


def read_content(label: str) -> pl.DataFrame | bytes:
    r"""Read a file whose values have types, or the text of any other.

    Parameters
    ----------
    label : str
        The path of the file, or ``standard input``.

    Returns
    -------
    polars.DataFrame or bytes
        A frame for Parquet, Arrow, a spreadsheet and JSON. For anything else text in UTF-8,
        without byte-order mark and with a newline character at the end of each line.

    Raises
    ------
    TableError
        If there is no such file, or it is empty, damaged or of a kind that is not read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "table.csv")
    ...     _ = path.write_text("size,city\n1,Köln\n", encoding="utf-16")
    ...     read_content(str(path)).decode()
    'size,city\n1,Köln\n'
    """
    data = sys.stdin.buffer.read() if label == "standard input" else _file_bytes(Path(label))
    data = _decompress(data, label)
    if data.startswith(b"PAR1"):
        import polars as pl

        with damage_named(label, "Parquet file"):
            return pl.read_parquet(io.BytesIO(data))
    if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")):
        return _arrow(data, label)
    if data.startswith(_OLE) or (
        data.startswith(b"PK\3\4") and (b"xl/workbook." in data or _ODS in data[:100])
    ):
        return _spreadsheet(data, label)
    refuse_unread(data, label)
    for suffix in Path(label.lower()).suffixes:
        if suffix in _PROMISES and data.strip():
            kind, begin = _PROMISES[suffix]
            raise TableError(
                f"{label}: not {kind} file: it does not begin with {begin}; call it .csv if it is "
                "text"
            )
    text = _as_utf8(data, label)
    refuse_unread(text, label)  # again, since it may have been UTF-16
    frame = parse_json(text, label)
    return text if frame is None else frame


_OLE = b"\xd0\xcf\x11\xe0"
_ODS = b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"
_PROMISES = (
    dict.fromkeys((".parquet", ".pq"), ("a Parquet", "'PAR1'"))
    | dict.fromkeys((".feather", ".arrow", ".arrows", ".ipc"), ("an Arrow", "'ARROW1'"))
    | dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".ods"), ("a spreadsheet", "'PK'"))
    | {".xls": ("an Excel", "the bytes D0 CF 11 E0")}
)


# --- from a name to bytes --------------------------------------------------------------------


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
    import difflib

    # a name given without its extension is the most common slip, and difflib rates it low
    close = [name for name in names if name.split(".")[0] == path.name]
    close += difflib.get_close_matches(path.name, names)
    hint = " or ".join(repr(str(path.parent / name)) for name in dict.fromkeys(close))
    return f"; did you mean {hint}?" if hint else "; check the path"


_COMPRESSED = (
    (rb"\x1f\x8b", "gzip"),
    (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "bz2"),
    (rb"\xfd7zXZ\0", "lzma"),
)


def _decompress(data: bytes, label: str) -> bytes:
    for magic, name in _COMPRESSED:
        if re.match(magic, data):
            with damage_named(label, f"{name.replace('lzma', 'xz')} file"):
                plain: bytes = importlib.import_module(name).decompress(data)
            return plain
    return _zstandard(data, label) if data.startswith(b"\x28\xb5\x2f\xfd") else data


def _zstandard(data: bytes, label: str) -> bytes:
    """Decompress text with polars, as a single cell: it has no name for the plain function.

    The cell ends at a character that no text holds, so that it is all there, with its newlines.
    """
    import polars as pl

    try:
        cells = pl.read_csv(
            io.BytesIO(data),
            has_header=False,
            schema={"text": pl.String},
            separator="\1",
            eol_char="\2",
            quote_char=None,
        )
        return "".join(cells["text"].drop_nulls()).encode() if cells.height < 2 else b"\0"
    except pl.exceptions.NoDataError:
        return b""
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise TableError(
            f"{label}: damaged Zstandard file, or not of UTF-8 text: {_reason(error)}; unpack it "
            "with 'zstd -d' first, which will tell"
        ) from None


# --- formats with types ----------------------------------------------------------------------


@contextlib.contextmanager
def damage_named(label: str, kind: str) -> Iterator[None]:
    """Turn whatever a reader of bytes raises into one line.

    A panic in a library written in Rust is no :class:`Exception`, and each library has its own.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        # a panic says where in the library, not what is wrong
        reason = f": {_reason(error)}" if isinstance(error, Exception) else ""
        raise TableError(f"{label}: damaged {kind}{reason}; get another copy") from None


def _reason(error: BaseException) -> str:
    line = next((line for line in str(error).splitlines() if line), type(error).__name__)[:120]
    return line if line.isprintable() else repr(line)


def _survives(code: str, data: bytes) -> bool:
    """Return whether another process lives through reading the data with some code.

    Where a damaged file names a huge size, allocating it ends a process: nothing can be caught.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return True  # there is no Python to start
    import subprocess

    child = subprocess.run(
        [sys.executable, "-P", "-c", f"import io, sys; data = sys.stdin.buffer.read(); {code}"],
        input=data,
        capture_output=True,
        check=False,
    )
    return child.returncode in (0, 1)  # 1: an exception, which comes here as well


def _arrow(data: bytes, label: str) -> pl.DataFrame:
    import polars as pl

    name = "read_ipc" if data.startswith(b"ARROW1") else "read_ipc_stream"
    compressed = b"\x28\xb5\x2f\xfd" in data or b"\x04\x22\x4d\x18" in data
    if compressed and not _survives(f"import polars; polars.{name}(io.BytesIO(data))", data):
        raise TableError(f"{label}: damaged Arrow file: impossible sizes; get another copy")
    with damage_named(label, "Arrow file"):
        frame: pl.DataFrame = getattr(pl, name)(io.BytesIO(data))
        return frame


_SHEET: dict[str, Any] = {"header_row": None, "dtypes": "string"}


def _spreadsheet(data: bytes, label: str) -> pl.DataFrame:
    """Return the first sheet with rows, as if it had been saved as CSV.

    fastexcel guesses types from the first 1000 rows and makes the others null, renames columns
    and fills names in; as text, its cells are exact (1, 2.5, true, and null for an error) but for
    their tenth decimal.
    """
    import polars as pl

    try:
        import fastexcel
    except ImportError:
        raise TableError(
            f"{label} is an Excel workbook; pip install 'backpass[excel]', or save the sheet as CSV"
        ) from None
    code = f"import fastexcel as f; b = f.read_excel(data); [b.load_sheet(n, **{_SHEET})"
    if data.startswith(_OLE) and not _survives(f"{code} for n in b.sheet_names]", data):
        raise TableError(f"{label}: damaged Excel workbook: impossible sizes; get another copy")
    sheets = {}
    with damage_named(label, "spreadsheet, or protected by a password"):
        book = fastexcel.read_excel(_times_as_text(data) if _ODS in data[:100] else data)
        for name in book.sheet_names:
            try:
                sheet = book.load_sheet(name, **_SHEET)
            except fastexcel.FastExcelError as error:
                if "not a valid worksheet" in str(error):  # a chart: fastexcel before 0.13
                    continue
                raise
            cells = sheet.to_polars().with_columns(pl.col(pl.String).str.strip_chars())
            cells = cells.with_columns(pl.all().replace(_ERRORS, None))
            if sheet.visible != "visible" or not cells.width:
                continue
            rows = cells.select(~pl.all_horizontal(pl.all().is_null())).to_series()
            if rows.any():
                sheets[name] = cells, rows
        full = [name for name, (_, rows) in sheets.items() if rows.sum() > 1] or list(sheets)
        if full:
            floats = book.load_sheet(full[0], **_SHEET | {"dtypes": "float"}).to_polars()
            cells, rows = sheets[full[0]]
            cells = _unrounded(cells, floats).filter(rows)
    if not full:
        raise TableError(f"{label}: no sheet holds a table; give one with a header and rows")
    if len(full) > 1:
        others = ", ".join(map(repr, full[1:4])) + ", …" * (len(full) > 4)
        warn_caller(
            f"{label}: only the sheet {full[0]!r} was read; there are rows in {others}, too: to "
            "read them, save them as CSV",
            TableWarning,
        )
    cells = cells[[column.name for column in cells if column.null_count() < column.len()]]
    cells = cells.with_columns(pl.all().map_batches(_short_dates, pl.String))
    buffer = io.BytesIO()
    # separators in names, such as "size; m", would be taken for the table's
    tabs = bool(re.search(r"[;|]", "".join(filter(None, cells.row(0)))))
    cells.write_csv(
        buffer, include_header=False, quote_style="always", separator="\t" if tabs else ","
    )
    frame = split_delimited(buffer.getvalue(), label, tabs=tabs).frame
    # hours beyond a day, which Excel counts from the end of 1899
    hours = [c for c in frame if c.count() and c.drop_nulls().str.contains(_HOURS).all()]
    return frame.with_columns(
        c.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False) - datetime(1899, 12, 31)
        for c in hours
    )


_HOURS = r"^(1899-12|1900-0[12])-\d\d \d\d:\d\d:\d\d"
#: Empty, and what OpenDocument has for an error in a formula.
_ERRORS = ["", "#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"]
_MOMENT = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$"
_CLOCK = r"^(?:1899-12-3[01]|1904-01-01) (\d\d:\d\d:\d\d)"


def _unrounded(cells: pl.DataFrame, floats: pl.DataFrame) -> pl.DataFrame:
    """Return cells with their numbers in full, of which fastexcel's texts have nine decimals."""
    import polars as pl

    columns = []
    for text, exact in zip(cells, floats, strict=True):
        if text.dtype == pl.String and exact.dtype.is_float():
            shown = text.cast(pl.Float64, strict=False)
            rounded = (shown != exact).fill_null(False)
            spelled = pl.Series([repr(number) for number in exact.filter(rounded)], dtype=pl.String)
            text = text.scatter(rounded.arg_true(), spelled)
        columns.append(text)
    return pl.DataFrame(columns)


def _short_dates(cells: pl.Series) -> pl.Series:
    """Return dates without midnight and times without a day, which fastexcel adds."""
    cells = cells.str.replace(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(\.\d+)?)$", "$1 $2")
    moments = cells.filter(cells.str.contains(_MOMENT))
    if moments.len() == 0:
        return cells
    if moments.str.contains(_CLOCK).all():
        return cells.str.replace(_CLOCK, "$1")
    if moments.str.ends_with(" 00:00:00").all():
        return cells.str.replace(" 00:00:00$", "")
    return cells.str.replace(r"^(\d{4}-\d\d-\d\d)$", "$1 00:00:00")  # OpenDocument cuts it off


def _times_as_text(data: bytes) -> bytes:
    """Return an OpenDocument sheet with its times as they are shown: fastexcel makes them null."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            part = source.read(name).replace(
                b'type="time" office:time-value', b'type="string" office:was'
            )
            target.writestr(name, part)
    return buffer.getvalue()


# --- text ------------------------------------------------------------------------------------


def _as_utf8(data: bytes, label: str) -> bytes:
    """Return text as UTF-8 bytes without byte-order mark, one newline character per line."""
    wide = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else _wide_order(data)
    if wide:
        try:
            data = data.decode(wide).encode()
        except UnicodeDecodeError:
            raise TableError(
                f"{label}: begins as UTF-16 text and is none; save the file with the encoding UTF-8"
            ) from None
    if b"\0" in data:  # asked before UTF-8: a picture is no text in another encoding
        raise TableError(
            f"{label}: holds NUL bytes, so it is not a text table (nor Parquet, Arrow or Excel); "
            "export it as CSV with the encoding UTF-8"
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.isascii():
        try:
            data.decode("utf-8")  # only to find out whether it is
        except UnicodeDecodeError as error:
            data = _western(data, label, error.start)
    if not data[:100].strip() and not data.strip():
        raise TableError(f"{label}: the file is empty")
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _wide_order(data: bytes) -> str:
    """Return the encoding of UTF-16 text without byte-order mark, or nothing."""
    head = data[:2000]
    zeros = [head[i::2].count(0) for i in (0, 1)]
    most = 0.35 * len(head)  # of the half that text in Western letters leaves zero
    if len(data) % 2 or not (zeros[0] == 0 < most < zeros[1] or zeros[1] == 0 < most < zeros[0]):
        return ""
    return "utf-16-le" if zeros[1] else "utf-16-be"


_TWO_BYTES = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"


def _western(data: bytes, label: str, at: int) -> bytes:
    """Return Windows-1252 as UTF-8, or refuse what may be anything else.

    No Western word has four letters in a row with accents; one in another alphabet has.
    """
    line = data.count(b"\n", 0, at) + 1
    mixed = re.search(_TWO_BYTES, data)
    if mixed or re.search(rb"[\x81\x8d\x8f\x90\x9d]|[\x80-\xff]{4}", data):
        also = data.count(b"\n", 0, mixed.start()) + 1 if mixed else 0
        why = f"though line {also} is: two encodings are mixed, or a byte is damaged; "
        raise TableError(
            f"{label}, line {line}: byte 0x{data[at]:02X} is not UTF-8"
            + (f", {why}mend it, and" if mixed else ";")
            + " save the file with the encoding UTF-8"
            + (" (it may be Latin-2, Cyrillic or Asian)" if not mixed else "")
        )
    text = data.decode("cp1252")
    # bytes and characters are one to one; the word around the place, or what there is of it
    before, after = re.split(r"[\s,;|\"]", text[max(at - 12, 0) : at]), text[at : at + 12]
    word = before[-1] + re.split(r"[\s,;|\"]", after)[0]
    warn_caller(
        f"{label}, line {line}: not UTF-8, so read as Windows-1252, which makes {word!r} of it "
        "there; if that is wrong, save the file with the encoding UTF-8",
        TableWarning,
    )
    return text.encode()
