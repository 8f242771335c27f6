"""What a trace holds: the recording of a run, and the steps that are shown of it."""

from dataclasses import dataclass
from typing import Any

from backpass.core.registry import shown
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.layout import Limits
from backpass.derivatives.tracing.recording import Recording
from backpass.derivatives.tracing.steps import Section
from backpass.errors import InputError
from backpass.network.network import Network

__all__ = ["Traced"]

SHOWN_NAMES = 12
"""The most names of inputs or outputs that are listed."""


@dataclass(frozen=True)
class Traced:
    """What an observer of the two passes saw, and the steps to show of it.

    Indexing gives the numbers themselves: ``trace["delta", 2]`` is the error signal of layer 2 in
    our layout, (N, n_2); layers are 1 … L, ``trace["a", 0]`` is X, ``trace["J"]`` the cost.

    Parameters
    ----------
    network : Network
        As it was.
    notation : Notation
    form : str
    recording : Recording
        Of the whole batch.
    sections : tuple of Section
        The steps to show.
    limits : Limits
    batch : bool
        Whether formulas are written for a batch.
    input_names, output_names : tuple of str
        What the units of the first and of the last layer stand for, where that is known.
    """

    network: Network
    notation: Notation
    form: str
    recording: Recording
    sections: tuple[Section, ...]
    limits: Limits
    batch: bool
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()

    def __getitem__(self, key: str | tuple[str, int]) -> Any:
        name, layer = (key, None) if isinstance(key, str) else key
        if (name, layer) not in self.recording.arrays:
            known = sorted({k if where is None else f"{k}, layer" for k, where in self._keys()})
            raise InputError(f"this trace has no {key!r}; it has: {'; '.join(known)}")
        return self.recording.arrays[name, layer]

    def _keys(self) -> list[tuple[str, int | None]]:
        return list(self.recording.arrays)

    @property
    def last(self) -> int:
        """The number of the output layer."""
        return len(self.network.sizes) - 1

    def heading(self) -> list[str]:
        """Return what is traced, in some lines: network, notation, form, names of the units."""
        model, notation = self.network.model, self.notation
        layers = ", ".join(shown(phi) for phi in model.activations)
        whose = f"note {notation.note}, {notation.title}" if notation.note else notation.title
        n = len(self["s"])
        lines = [
            f"network {'-'.join(map(str, self.network.sizes))}: {layers}; loss {shown(model.loss)}",
            f"notation {notation.name} ({whose}); form {self.form}; {n} row{'s' * (n > 1)}",
        ]
        first = 1 - notation.from_zero
        for what, names in (("inputs", self.input_names), ("outputs", self.output_names)):
            told = [f"{i} {name}" for i, name in enumerate(names[:SHOWN_NAMES], start=first)]
            left = len(names) - len(told)
            told += [f"… ({left} more)"] * (left > 0)
            lines += [f"{what}: {', '.join(told)}"] * bool(names)
        return lines
