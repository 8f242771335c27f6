"""Standard output for a command that has more to do than to be read."""

from __future__ import annotations

import errno
import os
from typing import Any

from rich.console import Console

from backpass.cli.tables import PLAIN

__all__ = ["PatientConsole", "patient_output"]


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
