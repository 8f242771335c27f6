"""The records of delimited text: where each begins, and how many fields it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWLINE, QUOTE = b'\n"'


@dataclass(frozen=True)
class Lines:
    """The records of delimited text, blank ones included: where each begins and ends.

    ``inside[i]`` is 1 where byte ``i`` lies within quotes; a newline there ends no record.
    """

    data: bytes
    label: str
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    inside: NDArray[np.uint8] | None

    @classmethod
    def of(cls, data: bytes, label: str) -> Lines:
        """Find the records of a text."""
        if not data.endswith(b"\n"):
            data += b"\n"
        codes = np.frombuffer(data, np.uint8)
        newline = codes == NEWLINE
        inside = None
        if b'"' in data:
            inside = np.bitwise_xor.accumulate((codes == QUOTE).view(np.uint8))
            newline &= inside == 0
            newline[-1] = True  # a quote that is never closed is reported later
        ends = np.flatnonzero(newline) + 1
        return cls(data, label, np.append(0, ends[:-1]), ends, inside)

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, record: int) -> bytes:
        return self.data[self.begins[record] : self.ends[record]]

    def line(self, record: int) -> int:
        """Return the number, from 1, of the line on which a record begins."""
        return self.data.count(b"\n", 0, self.begins[record]) + 1

    def where(self, record: int) -> str:
        """Return the label and the line on which a record begins."""
        return f"{self.label}, line {self.line(record)}"

    def fields(self, separator: str) -> NDArray[np.int64]:
        """Return the number of fields of every record."""
        cut = np.frombuffer(self.data, np.uint8) == ord(separator)
        if self.inside is not None:
            cut &= self.inside == 0
        before = np.searchsorted(np.flatnonzero(cut), np.append(self.begins, len(self.data)))
        return np.diff(before) + 1

    def quoting_is_regular(self, separator: str) -> bool:
        """Return whether quotes only open and close whole fields, as in ``"a ""b"" c"``.

        In ``5" pipe`` the quote is part of the value. Counting quotes then misleads, and the
        slower :mod:`csv` reader takes over.
        """
        if self.inside is None:
            return True
        codes = np.frombuffer(b"\n" + self.data.replace(b"\r\n", b"\n\n"), np.uint8)
        at = np.flatnonzero(codes == QUOTE)
        opens = self.inside[at - 1] == 1
        borders = np.array([ord(separator), NEWLINE, QUOTE], np.uint8)
        before, after = codes[at[opens] - 1], codes[at[~opens] + 1]
        return bool(np.isin(before, borders).all() and np.isin(after, borders).all())
