"""Every kind of file that is read gives the same table; every other kind names itself."""

import bz2
import gzip
import io
import lzma
import pickle
import random
import sqlite3
import sys
import tarfile
import zipfile

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.errors import TableError, TableWarning
from backpass.tabular.files import open_table, read_table
from tables import FRAME, SHEET, XLS, ZSTANDARD, open_document, read, written

# --- what is read ----------------------------------------------------------------------------

KINDS = {
    "Parquet": written("parquet"),
    "Arrow": written("ipc"),
    "Arrow, compressed": written("ipc", compression="zstd"),
    "Arrow stream": written("ipc_stream"),
    "Excel": SHEET,
    "JSON lines": written("ndjson"),
    "JSON list": written("json"),
    "CSV": written("csv"),
}


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", ["table.csv", "table", "table.xlsx"])
def test_a_table_is_the_same_in_every_format_whatever_its_name(tmp_path, data, name):
    if name == "table.xlsx" and data[:1] in b"n{[":
        with pytest.raises(TableError, match=r"not a spreadsheet file: .*call it \.csv"):
            read(tmp_path, data, name)
    else:
        assert read(tmp_path, data, name).equals(FRAME)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("kind", ["Parquet", "Excel", "JSON lines", "CSV"])
def test_compressed(tmp_path, compress, kind):
    data = compress(KINDS[kind])
    assert read(tmp_path, data).equals(FRAME)
    with pytest.raises(TableError, match=r"damaged (gzip|bz2|xz) file: "):
        read(tmp_path, data[:-9])


def test_zstandard(tmp_path):
    assert read(tmp_path, ZSTANDARD, "t.csv.zst").rows() == [(1, "Köln"), (2, "Oslo")]
    for damaged in (ZSTANDARD[:-3], ZSTANDARD[:9] + b"\xff\xff" + ZSTANDARD[11:]):
        with pytest.raises(TableError, match="damaged Zstandard file, or not of UTF-8 text: "):
            read(tmp_path, damaged)


@pytest.mark.parametrize("kind", KINDS)
def test_standard_input(monkeypatch, kind):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(KINDS[kind])))
    assert read_table("-").equals(FRAME)


values = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=4, max_size=4),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])), min_size=4, max_size=4
    ),
    st.lists(st.booleans() | st.none(), min_size=4, max_size=4),
)


def opened(folder, data):
    (folder / "t").write_bytes(data)
    return open_table(folder / "t").frame


@settings(deadline=None, max_examples=40)
@given(columns=st.lists(values, min_size=1, max_size=4))
def test_random_frames_come_back(tmp_path_factory, columns):
    frame = pl.DataFrame({f"c{i}": column for i, column in enumerate(columns)})
    folder = tmp_path_factory.mktemp("t")
    for method in ("parquet", "ipc", "ipc_stream"):
        assert opened(folder, written(method, frame)).equals(frame)
    for method in ("ndjson", "json"):
        found = opened(folder, written(method, frame))
        assert found.to_dict(as_series=False) == frame.to_dict(as_series=False)


# --- encodings -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_encodings_that_can_be_told(tmp_path, encoding):
    frame = read(tmp_path, "size,city\n1,Köln\n2,Łódź\n".encode(encoding))
    assert frame.rows() == [(1, "Köln"), (2, "Łódź")]


def test_windows_1252_is_read_with_a_warning(tmp_path):
    with pytest.warns(TableWarning, match=r"line 3: not UTF-8, so read as .* makes 'Köln' of it"):
        frame = read(tmp_path, "a,b\n1,x\n2,zu Köln\n3,“€”\n".encode("cp1252"))
    assert frame["b"].to_list() == ["x", "zu Köln", "“€”"]


FOREIGN = {
    "mixed": ("a\né\n".encode() + b"\xe9\n", "line 3: byte 0xE9 is not UTF-8, though line 2 is"),
    "no such letter": (b"a\n\x81\n", "line 2: byte 0x81 is not UTF-8; save"),
    "Cyrillic": ("a\nпривет\n".encode("cp1251"), "line 2: byte 0xEF is not UTF-8; save"),
}


@pytest.mark.parametrize(("data", "message"), FOREIGN.values(), ids=FOREIGN)
def test_no_mojibake_is_made(tmp_path, data, message):
    with pytest.raises(TableError, match=message):
        read(tmp_path, data)


# --- what is not read ------------------------------------------------------------------------


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x.csv"))
    return buffer.getvalue()


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("x.csv", "a,b\n1,2\n")
    return buffer.getvalue()


def database():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (a)")
        return connection.serialize()


UNREAD = {
    "npz": (npz(), "a NumPy .npz archive"),
    "npy": (npy(), "a NumPy .npy array"),
    "zip": (archive(), "a ZIP archive; unpack it"),
    "tar": (tar(), "a tar archive"),
    "tar.gz": (gzip.compress(tar()), "a tar archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
    "RAR": (b"Rar!\x1a\x07\1\0", "a RAR archive"),
    "LZ4": (b"\x04\x22\x4d\x18\0", "an LZ4-compressed file"),
    "SQLite": (database(), "an SQLite database"),
    "DuckDB": (b"\0" * 8 + b"DUCK\x40\0\0\0", "a DuckDB database"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "MAT": (b"MATLAB 5.0 MAT-file, ", "MAT"),
    "NetCDF": (b"CDF\1\0\0", "NetCDF"),
    "pickle": (pickle.dumps([1]), "a pickle"),
    "RDS": (gzip.compress(b"X\n\0\0\0\3"), "an R file"),
    "RData": (bz2.compress(b"RDX3\nX\n\0\0\0\3"), "an R file"),
    "Stata": (b"<stata_dta><header>", "a Stata file"),
    "old Stata": (b"\x72\2\1\0", "a Stata file"),
    "SPSS": (b"$FL2@(#) SPSS", "an SPSS file"),
    "SAS": (b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14", "a SAS file"),
    "SAS transport": (b"HEADER RECORD*******LIBRARY HEADER", "a SAS file"),
    "ORC": (b"ORC\x0a\x0b\0", "an ORC file"),
    "Feather 1": (b"FEA1\0\0", "a Feather file of version 1"),
    "Avro": (written("avro", FRAME.select("n")), "an Avro file"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "a picture"),
    "JPEG": (b"\xff\xd8\xff\xe0\0", "a picture"),
    "GIF": (b"GIF89a\0", "a picture"),
    "ELF": (b"\x7fELF\2\1", "a program"),
    "HTML": (b"\n<!-- x -->\n<!DOCTYPE html>\n<html>", "an HTML page"),
    "HTML in UTF-16": ("<html><body>".encode("utf-16"), "an HTML page"),
    "XML": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<a/>', "an XML file"),
    "ARFF": (b"% x\n\n@RELATION iris\n@attribute", "an ARFF file"),
    "LibSVM": (b"1 3:0.5 7:1\n-1 2:1\n", "a LibSVM file"),
    "binary": (b"a,b\n1,\0\n", "holds NUL bytes"),
}


@pytest.mark.parametrize(("data", "kind"), UNREAD.values(), ids=UNREAD)
def test_what_is_not_read_says_what_it_is(tmp_path, data, kind):
    with pytest.raises(TableError) as caught:
        read(tmp_path, data)
    assert str(caught.value).startswith(f"{tmp_path / 'table.csv'}: ")
    assert kind in str(caught.value)
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


LIKE_OTHERS = ["ORC,b", "MZ,b", "<5,b", "<b>,x", "A,b", "X,b", "PK,b", "DUCK,b", "CDF,b", "BZh9,b"]


@pytest.mark.parametrize("header", LIKE_OTHERS)
def test_text_that_begins_like_another_kind_is_read(tmp_path, header):
    frame = read(tmp_path, f"{header}\n1,2\n".encode())
    assert frame.columns == header.split(",")


# --- damage ----------------------------------------------------------------------------------

DAMAGED = {
    "Arrow": (KINDS["Arrow"], 150),
    "Arrow, compressed": (KINDS["Arrow, compressed"], 4),  # another process reads it first
    "Arrow stream": (KINDS["Arrow stream"], 150),
    "Excel": (SHEET, 100),
    "old Excel": (XLS, 12),
    "OpenDocument": (open_document([("office:value-type='string'", "a")] * 2), 100),
    "JSON": (KINDS["JSON lines"], 100),
    "Zstandard": (ZSTANDARD, 100),
    "bzip2": (bz2.compress(KINDS["CSV"]), 100),
    "xz": (lzma.compress(KINDS["CSV"]), 100),
    "gzip": (gzip.compress(KINDS["CSV"]), 100),
}


@pytest.mark.filterwarnings("ignore::backpass.errors.TableWarning")
@pytest.mark.parametrize(("data", "times"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_told_in_one_line(tmp_path, data, times):
    draw = random.Random(0)
    refused = 0
    for _ in range(times):
        damaged = bytearray(data)
        if draw.random() < 0.3:
            del damaged[draw.randrange(9, len(data)) :]
        for _ in range(draw.choice([0, 1, 2, 5])):  # but not in what tells the format
            damaged[draw.randrange(8, len(damaged))] = draw.choice([0, 255, draw.randrange(256)])
        message = f"{tmp_path}"
        try:
            read(tmp_path, bytes(damaged))
        except TableError as error:
            refused += 1
            message = str(error)
        assert message.startswith(str(tmp_path))
        assert "\n" not in message
    assert refused > 0
