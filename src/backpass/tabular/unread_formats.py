"""The kinds of files that are not read: what each is, and how it becomes one that is."""

from __future__ import annotations

import re

from backpass.errors import TableError

_UNPACK = "unpack it, and name the table in it"
_EXPORT = "export the table as CSV"
_TEXT = "save the table itself as CSV"


def _by_pandas(reader: str) -> str:
    return f"write it as CSV: pandas.{reader}(FILE).to_csv('table.csv', index=False)"


#: What a file begins with, what it then is, and what to do.
_OTHER_KINDS = (
    (rb"PK\x03\x04.*?\.npy", "a NumPy .npz archive", "write one of its arrays as CSV"),
    (rb"PK[\x03\x05]", "a ZIP archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (rb"Rar!\x1a", "a RAR archive", _UNPACK),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (rb"\x04\x22\x4d\x18", "an LZ4-compressed file", "unpack it with 'unlz4'"),
    (rb"SQLite format 3\0", "an SQLite database", _EXPORT),
    (rb".{8}DUCK[^\n]{4}", "a DuckDB database", _EXPORT),
    (rb"\x89HDF\r\n|MATLAB 5\.0 MAT|CDF[\x01\x02\x05]", "an HDF5, MAT or NetCDF file", _EXPORT),
    (rb"\x93NUMPY", "a NumPy .npy array", "write it as CSV: numpy.savetxt, with a header"),
    (rb"\x80[\x02-\x05]", "a pickle, which is not opened as it may run code", _EXPORT),
    (rb"RD[AX][23]\n|[XA]\n(\0\0\0|[23]\n)", "an R file (RData or RDS)", "use write.csv in R"),
    (rb"<stata_dta>|[\x69-\x73][\x01\x02]\x01\0", "a Stata file", _by_pandas("read_stata")),
    (rb"\$FL[23]", "an SPSS file", _by_pandas("read_spss")),
    (rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*+LIB", "a SAS file", _by_pandas("read_sas")),
    (rb"ORC.*\0", "an ORC file", _by_pandas("read_orc")),
    (rb"FEA1", "a Feather file of version 1", _by_pandas("read_feather")),
    (rb"Obj\x01", "an Avro file", "write it as CSV: polars.read_avro(FILE).write_csv('t.csv')"),
    (rb"%PDF-", "a PDF document", _TEXT),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "a picture (PNG, JPEG or GIF)", _TEXT),
    (rb"\x7fELF|MZ.*\0", "a program", "name the table"),
    (
        rb"(?i)\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body|script|table|div)\b",
        "an HTML page, perhaps one that asks to log in",
        "download the table itself as CSV",
    ),
    (rb"\s*<\?xml|\s*<[A-Za-z][\w:.-]*( [^\n<>]*)?>\s*<", "an XML file", _EXPORT),
    (
        rb"(?i)\s*((%[^\n]*)?\n\s*)*@relation\b",
        "an ARFF file",
        "save it as CSV from Weka, or leave only the lines below @data, with a header",
    ),
    (
        rb"[-+]?[\d.]+([ ]\d+:[-+\d.eE]+)+[ \r]*(\n|$)",
        "a LibSVM file, which has no column names",
        "write it as CSV: sklearn.datasets.load_svmlight_file reads it",
    ),
)


def refuse_unread(data: bytes, label: str) -> None:
    r"""Refuse a file of a kind that is not read.

    Parameters
    ----------
    data : bytes
        What the file holds, decompressed.
    label : str
        What to call the file in messages.

    Raises
    ------
    TableError
        If it is of such a kind.

    Examples
    --------
    >>> refuse_unread(b"@relation iris\n", "iris.arff")
    Traceback (most recent call last):
    ...
    backpass.errors.TableError: iris.arff: an ARFF file; save it as CSV from Weka, or ...
    """
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    for pattern, kind, remedy in _OTHER_KINDS:
        if re.match(pattern, head, re.DOTALL):
            raise TableError(f"{label}: {kind}; {remedy}")
