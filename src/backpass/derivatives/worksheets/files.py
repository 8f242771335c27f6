"""Writing worksheets and their solutions as HTML, LaTeX or PDF."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backpass.errors import InputError
from backpass.storage.atomic_write import durable_write, shown_path

SUFFIXES = (".html", ".htm", ".tex", ".pdf")
SECONDS = 120


def write_pages(pages: Mapping[str | Path, Any]) -> None:
    """Write each page to its path, in the format of its suffix, once all of them are made.

    Parameters
    ----------
    pages : mapping
        From path to a worksheet or a trace, whatever has ``to_html`` and ``to_latex``.

    Raises
    ------
    InputError
        When a suffix is another, or a PDF is asked for and there is no pdflatex.
    """
    check_formats(pages)
    made = {path: _bytes(page, Path(path).suffix.lower()) for path, page in pages.items()}
    for path, data in made.items():
        durable_write(path, [data])


def check_formats(paths: Any) -> None:
    """Refuse a file that could not be written, before there is any work."""
    for path in paths:
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{shown_path(path)}: the name must end in .html, .tex or .pdf")
        if suffix == ".pdf" and shutil.which("pdflatex") is None:
            raise InputError(
                f"{shown_path(path)}: a PDF needs pdflatex, which is not there; install TeX "
                "(Debian: apt install texlive-latex-recommended), or write .tex or .html"
            )


def _bytes(page: Any, suffix: str) -> bytes:
    if suffix == ".pdf":
        return pdf_of(page.to_latex())
    text = page.to_latex() if suffix == ".tex" else page.to_html()
    return bytes(text, "utf-8")


def pdf_of(latex: str) -> bytes:
    """Return a document as PDF, the same bytes for the same text.

    Raises
    ------
    InputError
        When pdflatex fails, as where amsmath is not installed.
    """
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    # dates of a PDF are those of its making; this one is the epoch's
    dateless = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sheet.tex").write_text(latex, encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, "sheet.tex"],
                cwd=folder,
                env={**os.environ, **dateless},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"pdflatex did not end within {SECONDS} s; write .tex") from None
        if done.returncode:
            told = done.stdout.decode(errors="replace").splitlines()
            why = next((line for line in told if line.startswith("!")), f"exit {done.returncode}")
            raise InputError(f"pdflatex failed ({why}); write .tex, and see what it lacks")
        return Path(folder, "sheet.pdf").read_bytes()
