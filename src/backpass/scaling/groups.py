"""Workers that compute one training together, and what they tell each other."""

from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backpass.engines.extension import extension, instruction_set
from backpass.errors import InputError


class Group(Protocol):
    """The workers of a training; every one calls the same methods in the same order."""

    rank: int
    size: int

    def gather(self, part: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return the parts of all workers by rank; all have the same shape.

        They may be written over by the next call: new memory each time costs as much as they do.
        """
        ...

    def sum(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return `x`, now the sum over all workers, the same bytes for each."""
        ...

    def objects(self, value: Any) -> list[Any]:
        """Return the values of all workers by rank."""
        ...


class Alone:
    """The group of a single worker: what a machine without others computes with."""

    rank, size = 0, 1

    def gather(self, part: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return its own part."""
        return [part]

    def sum(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return it as it is."""
        return x

    def objects(self, value: Any) -> list[Any]:
        """Return its own value."""
        return [value]


class Gloo:
    """The group of ``torch.distributed``, whose processes gloo connects over TCP.

    Ray Train and ``torchrun`` start such processes; the process group is there when this is made.
    """

    def __init__(self) -> None:
        import torch
        import torch.distributed

        self._torch, self._group = torch, torch.distributed
        self.rank, self.size = self._group.get_rank(), self._group.get_world_size()
        self._rooms: dict[tuple[int, ...], list[NDArray[np.uint8]]] = {}

    def gather(self, part: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return the parts of all workers by rank."""
        if part.shape not in self._rooms:
            self._rooms[part.shape] = [np.empty_like(part) for _ in range(self.size)]
        parts, as_tensor = self._rooms[part.shape], self._torch.from_numpy
        self._group.all_gather([as_tensor(x) for x in parts], as_tensor(part))
        return parts

    def sum(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all workers."""
        self._group.all_reduce(self._torch.from_numpy(x))
        return x

    def objects(self, value: Any) -> list[Any]:
        """Return the values of all workers by rank."""
        values: list[Any] = [None] * self.size
        self._group.all_gather_object(values, value)
        return values


def agree(group: Group) -> None:
    """Refuse workers whose bytes would differ.

    Raises
    ------
    InputError
        When they have other versions, or compute with other instruction sets.
    """
    versions = f"backpass {version('backpass')}, NumPy {np.__version__}"
    told = group.objects((versions, instruction_set()))
    able = group.objects(extension().isas())
    if len(found := {versions for versions, _ in told}) > 1:
        raise InputError(f"the workers run different versions: {'; '.join(sorted(found))}")
    sets = {isa for _, isa in told}
    if len(sets) > 1:
        common = [isa for isa in able[0] if all(isa in isas for isas in able)]
        raise InputError(
            f"the workers compute with different instruction sets ({', '.join(sorted(sets))}), and"
            f" so with other bytes: set BACKPASS_FORCE_ISA={common[0]} for all of them"
        )
