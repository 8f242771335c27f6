"""Worksheets and their solutions as files: HTML, LaTeX or PDF."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from backpass.errors import InputError
from backpass.storage.atomic_write import durable_write, shown_path

SUFFIXES = (".html", ".htm", ".tex", ".pdf")
SECONDS = 120  # more than pdflatex takes


def check_format(path: str | Path) -> None:
    """Refuse a file of another kind, or a PDF where there is no pdflatex."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{shown_path(path)}: the name must end in .html, .tex or .pdf")
    if suffix == ".pdf" and shutil.which("pdflatex") is None:
        raise InputError(
            f"{shown_path(path)}: a PDF needs pdflatex, which is not there; install TeX "
            "(Debian: apt install texlive-latex-base), or write .tex or .html"
        )


def write_page(page: Any, path: str | Path) -> None:
    """Write whatever has ``to_html`` and ``to_latex`` in the format of the suffix."""
    check_format(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".pdf":
        durable_write(path, [pdf_of(page.to_latex())])
        return
    durable_write(path, [(page.to_latex() if suffix == ".tex" else page.to_html()).encode()])


def pdf_of(latex: str) -> bytes:
    """Return a document as PDF.

    Raises
    ------
    InputError
        When pdflatex fails, as where amsmath is not installed.
    """
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    # a PDF holds the date of its making; with this one the same text gives the same bytes
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "sheet.tex")
        source.write_text(latex, encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, source.name], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(f"pdflatex did not end within {SECONDS} s; write .tex") from None
        if done.returncode:
            told = done.stdout.decode(errors="replace").splitlines()
            why = next((line for line in told if line.startswith("!")), f"exit {done.returncode}")
            raise InputError(f"pdflatex failed ({why}); write .tex, and see what it lacks")
        return source.with_suffix(".pdf").read_bytes()
