"""What a thing that is fuzzed has to say of itself, and what counts as a finding."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from backpass.errors import InputError

LONGEST_MESSAGE = 1500  # characters: more is no line that a person reads
Input = tuple[str, bytes]  # suffix of the file, and what is in it


class Found(Exception):  # noqa: N818 (what is looked for, not what went wrong here)
    """Something that the code promises not to do."""


class Target:
    """One thing to fuzz.

    A subclass has `load`, which the promised exceptions may leave, and `use`, which none may.
    """

    name = ""
    title = ""  # on the page
    layers: tuple[str, ...] = ()
    refusals: type[Exception] | tuple[type[Exception], ...] = InputError
    warned: tuple[type[Warning], ...] = (UserWarning,)
    bytes_allowed = 32, 64 << 20  # memory that an input may take: so often its size, and so much
    traced = False  # whether Python's own memory is looked at, too
    whole_is_accepted = True  # whether nothing is wrong with the seeds

    def seeds(self, folder: Path) -> list[Input]:
        """Return undamaged inputs."""
        raise NotImplementedError

    def mutate(self, rng: Random, corpus: list[Input]) -> Input:
        """Return a new input."""
        raise NotImplementedError

    def load(self, path: Path) -> Any:
        """Read the file."""
        raise NotImplementedError

    def use(self, loaded: Any, path: Path) -> None:
        """Hold what was read to what it must be."""
        raise NotImplementedError

    def layer_of(self, message: str, functions: set[str]) -> int:
        """Return which layer refused: its place in `layers`."""
        raise NotImplementedError

    def judge(self, path: Path) -> tuple[int, str]:
        """Read one file and hold the result to all promises; return its layer and its message.

        They are those of the refusal; the number of layers and "" where the file was accepted.
        """
        depth, message = len(self.layers), ""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                loaded = self.load(path)
            except self.refusals as error:
                message = one_line(str(error), path)
                depth = self.layer_of(message, _functions(error))
            else:
                self.use(loaded, path)
        for warning in told:
            if not issubclass(warning.category, self.warned):
                raise Found(f"an undocumented {warning.category.__name__}: {warning.message}")
            one_line(str(warning.message), path)
        return depth, message


def one_line(message: str, path: Path) -> str:
    """Return a message without the path, after a check that it is one line of text."""
    message = message.replace(str(path), "FILE")
    if not message.isprintable() or not message:
        raise Found(f"a message that is no line of text: {message!r}")
    if len(message) > LONGEST_MESSAGE:
        raise Found(f"a message of {len(message)} characters: {message[:200]}")
    return message


def _functions(error: BaseException | None) -> set[str]:
    """Return the names of the functions that an error went through, with all it was raised for."""
    names = set()
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            names.add(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return names


@contextmanager
def never(what: str) -> Iterator[None]:
    """Make any exception a finding, which says what has not been kept."""
    try:
        yield
    except Found:
        raise
    except Exception as error:
        raise Found(f"{what}: {type(error).__name__}: {error}") from error
