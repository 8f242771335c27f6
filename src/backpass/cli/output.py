"""Messages and warnings in the terminal, in whatever encoding it has."""

from __future__ import annotations

import codecs
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from backpass.tabular.formatting import one_line

# what we print beyond ASCII, as terminals without it show it; the widths stay the same
_ASCII = str.maketrans("²·–−×→≤≥…ﬁ█▏▎▍▌▋▊▉━╸╺", "2.--x><>.f###########")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_ASCII)
    return "".join(c if ord(c) < 128 else "?" for c in text), error.end


def tolerate_encodings() -> None:
    """Let standard output and error replace what their encoding does not have."""
    codecs.register_error("backpass", _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backpass")


def write_found(found: Any, json: str | None, page: str | None, **origin: Any) -> None:
    """Write what was found as JSON, with where it comes from, and as a page, where asked for."""
    if json is not None:
        from backpass.tabular.report.as_json import write_json  # loads what writes reports

        write_json(origin | found.to_dict(), json)
    if page is not None:
        from backpass.storage.atomic_write import durable_write

        durable_write(page, [found.to_html().encode()])


class Messages:
    """Warnings, kept until they are wanted and said once each, on standard error by default."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.waiting: list[str] = []
        self.said: set[str] = set()

    def add(self, text: object) -> None:
        """Keep a warning for :meth:`flush`."""
        self.waiting.append(one_line(text))

    def flush(self) -> None:
        """Write the waiting warnings, a line each."""
        for text in self.waiting:
            if text not in self.said:
                self.said.add(text)
                self.stream.write(f"warning: {text}\n")
        self.waiting.clear()
        self.stream.flush()

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Catch Python's warnings; an error on the way leaves them unsaid, being one line."""

        def show(message: Warning | str, *rest: object, **options: object) -> None:
            self.add(message)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries say to programmers
            for category in (UserWarning, RuntimeWarning):
                warnings.simplefilter("always", category)
            warnings.showwarning = show
            yield
        self.flush()
