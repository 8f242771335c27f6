"""One call of native code, and what it must not do."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from reliability._native_arrays import Output

REFUSED = (ValueError, TypeError, MemoryError)


class Broken(Exception):  # noqa: N818 (what is looked for, not what went wrong here)
    """Something that the engine must not do."""


class Caller:
    """Makes calls, counts them, and holds them to their promises."""

    def __init__(self, counts: Any) -> None:
        self.counts = counts  # of calls made, refused and accepted, and of results compared
        self.together = False  # whether another thread calls as well

    def call(
        self,
        name: str,
        function: Callable[[], Any],
        right: bool | None,
        reads: Sequence[Any] = (),
        writes: Sequence[Output | None] = (),
    ) -> bool:
        """Make a call and hold it to its promises; return whether it was accepted.

        What is right must be accepted, what is not refused; None may be either.
        """
        before = [x.tobytes() for x in reads if isinstance(x, np.ndarray)]
        places = [output for output in writes if output is not None]
        untouched = [output.room.tobytes() for output in places]
        try:
            function()
            accepted = True
        except REFUSED as error:
            accepted = False
            if right and not self.together:
                raise Broken(f"{name}: what is right is refused: {error!r}") from error
        except Exception as error:
            raise Broken(f"{name}: an undocumented {error!r}") from error
        self.counts[0] += 1
        self.counts[2 if accepted else 1] += 1
        if accepted and right is False and not self.together:
            raise Broken(f"{name}: what is wrong is accepted: {[_about(x) for x in reads]}")
        if before != [x.tobytes() for x in reads if isinstance(x, np.ndarray)]:
            raise Broken(f"{name}: an input was changed")
        if not all(output.intact() for output in places):
            raise Broken(f"{name}: something was written beside an output")
        if not accepted and untouched != [output.room.tobytes() for output in places]:
            raise Broken(f"{name}: a refused call wrote to its output")
        return accepted


def _about(x: Any) -> str:
    """Return what an argument is, in a few words."""
    if not isinstance(x, np.ndarray):
        return f"a {type(x).__name__}"
    return f"{x.dtype} {x.shape} {x.strides} {x.flags.num} {x.reshape(-1)[:9].tolist()}"
