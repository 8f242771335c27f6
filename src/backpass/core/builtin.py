"""Whether a record is this package's own: native code knows records by their names and numbers."""

from collections.abc import Mapping
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, NamedTuple

from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES, Fused
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.registry import Record, Registry

__all__ = ["is_ours"]

FIELDS: dict[str, tuple[Registry[Any], tuple[str, ...]]] = {
    "activation": (ACTIVATIONS, ("value", "derivative", "elementwise", "numbers")),
    "loss": (LOSSES, ("terms", "derivative", "encode", "fused", "outputs", "numbers")),
    "optimizer": (OPTIMIZERS, ("step", "slots", "numbers")),
}
"""What native code takes for granted about a record whose name it knows."""


class _Itself(NamedTuple):
    """A record as a key: equal to itself only."""

    record: Any

    def __hash__(self) -> int:
        return id(self.record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.record is other.record


def is_ours(kind: str, record: Record) -> bool:
    """Return whether a record is what this package makes of its name and numbers.

    Native code knows a record by those two alone: a copy with another function is someone's own.
    """
    return _found_ours(kind, _Itself(record))


@lru_cache(maxsize=256)
def _found_ours(kind: str, key: _Itself) -> bool:
    registry, fields = FIELDS[kind]
    maker = registry.get(key.record.name)
    if not (getattr(maker, "__module__", None) or "").startswith("backpass."):
        return False
    try:
        ours = maker(**key.record.numbers)  # type: ignore[misc]
    except (TypeError, ValueError):  # numbers that it does not take
        return False
    return all(_is_same(getattr(key.record, f), getattr(ours, f)) for f in fields)


def _is_same(x: Any, y: Any) -> bool:
    """Return whether two values are equal; functions are where their code and closures are."""
    if type(x) is not type(y):
        return False
    if isinstance(x, FunctionType):
        same = x.__code__ == y.__code__ and x.__globals__ is y.__globals__
        cells = zip(x.__closure__ or (), y.__closure__ or (), strict=True)
        return same and all(_is_same(a.cell_contents, b.cell_contents) for a, b in cells)
    if isinstance(x, partial):
        return _is_same((x.func, x.args, x.keywords), (y.func, y.args, y.keywords))
    if isinstance(x, Fused):
        return _is_same((x.terms, x.delta), (y.terms, y.delta))
    if isinstance(x, Mapping):
        return x.keys() == y.keys() and all(_is_same(x[key], y[key]) for key in x)
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(_is_same, x, y))
    return bool(x == y)
