"""What the command line prints: messages, and words while a slow library loads."""

from __future__ import annotations

import codecs
import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console

from backpass.cli.tables import PLAIN
from backpass.tabular.formatting import one_line

__all__ = ["Messages", "PatientConsole", "patient_output", "tolerate_encodings"]

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


class Messages:
    """Warnings, kept until they are wanted and said once each.

    Parameters
    ----------
    stream : file, optional
        Standard error.
    """

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


class PatientConsole(Console):
    """Goes on in silence where nothing can be written, and fails when it is asked to.

    The reader may have gone (``| head``) or the disk be full: a training is worth more than what
    is told of it.
    """

    failure: OSError | None = None

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, unless that has failed before."""
        if self.failure is not None:
            return
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.failure = error

    def on_broken_pipe(self) -> None:
        """Tell of a reader that has gone as of any other failure."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def fail_if_it_failed(self, what_is_there: str) -> None:
        """Raise the first failure, saying what there is all the same."""
        if self.failure is not None:
            why = f"{self.failure.strerror}; {what_is_there}"
            raise OSError(self.failure.errno, why) from self.failure


def patient_output() -> PatientConsole:
    """Return standard output, as `backpass.cli.tables.output` does."""
    return PatientConsole(**PLAIN)
