"""Tables as the bytes of files, for the tests of reading."""

import base64
import datetime as dt
import io
import zipfile
import zlib

import polars as pl
import xlsxwriter

from backpass.tabular.files import read_table

FRAME = pl.DataFrame(
    {
        "n": [1, None, 3],
        "x": [0.1, 2.0, None],
        "ok": [True, False, None],
        "city": ["Köln", None, "a,b\n;c"],
        "day": [dt.date(2020, 1, 2), None, dt.date(2021, 3, 4)],
    }
)


def written(method, frame=FRAME, **options):
    buffer = io.BytesIO()
    getattr(frame, f"write_{method}")(buffer, **options)
    return buffer.getvalue()


def workbook(**sheets):
    """Return a workbook; each sheet is a list of rows, hidden if its name begins with hidden."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        formats = {
            dt.date: "yyyy-mm-dd",
            dt.datetime: "yyyy-mm-dd hh:mm:ss",
            dt.time: "hh:mm",
            dt.timedelta: "[h]:mm",
        }
        formats = {kind: book.add_format({"num_format": f}) for kind, f in formats.items()}
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            if name.startswith("hidden"):
                sheet.hide()
            for i, row in enumerate(rows):
                for j, cell in enumerate(row):
                    if isinstance(cell, str) and cell.startswith("="):
                        sheet.write_formula(i, j, cell, None, "#N/A" if "NA" in cell else "#DIV/0!")
                    elif isinstance(cell, str):
                        sheet.write_string(i, j, cell)
                    elif cell is not None:
                        sheet.write(i, j, cell, formats.get(type(cell)))
    return buffer.getvalue()


def open_document(*rows):
    """Return an .ods file; a cell is (attributes, what is shown)."""
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f"<table:table-cell {attributes}><text:p>{shown}</text:p></table:table-cell>"
            for attributes, shown in row
        )
        + "</table:table-row>"
        for row in rows
    )
    content = (
        f"<office:document-content{spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="one">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<m:manifest xmlns:m="{manifest}"><m:file-entry m:full-path="/"'
            f' m:media-type="{kind}"/></m:manifest>',
        )
    return buffer.getvalue()


SHEET = workbook(data=[FRAME.columns, *FRAME.rows()])
# two sheets: a, b, d of two rows each, and another
XLS = zlib.decompress(
    base64.b85decode(
        "c-rk)O=uHA6#izi`6a(K6&j(0f>mpK5HDWZRY7~QR4<AMnz#X_HqnrS^`O<7qab)vycFs|kg6Ad(1YGQ2o*gDf|A"
        "se^dwmD&}Mz}b`#T>LIWCz?6<r(GjHb0yv&=w-FFMI((L0z84VbL3l-B3Pn}JW_^X8|sNOVHwwn4#Oa~nWzmEdxa"
        "pOhktyjfR#k&lNN7`%Bz#_>BoX1!$n@P42``L$-P(BO`jpm-jU6L?**sm_ur&(`e{gB(fWWARyH&_o-+mbkr1$}H"
        "_k3El%$v&<NlNNZ&oKI}og>Jl2^Z3e5VYPK*U;b?BT!&TkYC+6_LOPnsX7Z{W!94_kDZ<d?<d9*M5T|g@VcARqKd"
        "S5cRnoDy*DgTzpKI;jb?iP0Vx#?*)PQN2r-Yi!MFf%1RE-8BRY(;Pf{%A`H*$qDnfwaTJ@!hcIg=tulNclyNxqR>"
        "2&kQ&cZTSiogu{QB}m#pg!3_8HBoYG<^K2ghtlKvNw!S$X<(fhTa|+_aaA#h9OfEVO%E_*C+lnct6MmqU>zsNDeW"
        "KcwlfE3xXpF0?WcZrGd}3s>hjwuUtBu;the}8-$D8L(ekDE{6~EjeRPHy#8=M@2F0Mbb6erLUQLC)yL@Kd^T$r(l"
        "Tq7u(>@p@SXFC_5MynX)aZy>N!nwj*rI`bSq9h^<55=a1+&%YSap(o`tm?BTQ*@!W-qxcwiOx8W=m!-5_?2;;fZQ"
        "WJLGS)Bigc7->K0SO{49ui>O#PqCD<sHtr4_IB?*=fddEahOqBuE`DJE-)Gc~#cO}pStY4BpGp2(96^qr0=*L+K$"
        "g-xrdpamo8cDK-x3?-RKFK09Hrj#m_VBSm}q(a(%oIu|DO#LqknG+wc3BB6+i!R|GxlMC<Es"
    )
)
# size,city / 1,Köln / 2,Oslo
ZSTANDARD = base64.b85decode("D77#BBpJy70CQ=2Wh`T9ba@IfEK9?-Y;FoNEKhT6Zwfm>WK{")


def read(tmp_path, data, name="table.csv", **options):
    path = tmp_path / name
    path.write_bytes(data)
    return read_table(path, **options)
