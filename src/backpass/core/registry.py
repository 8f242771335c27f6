"""Named records: one place to look an activation, loss, optimiser or schedule up by its name.

A record is a frozen dataclass with a ``name`` and the ``numbers`` it was made with. The registry
keeps a *maker* for each name, so that ``"huber"``, ``"huber:delta=1.35"`` and ``huber(delta=1.35)``
are the same record; the second form is what the command line takes and model files keep. Since a
maker returns the same object for the same numbers, any other record is somebody's own.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from math import isfinite
from typing import Any, Generic, Self, TypeVar
from weakref import WeakValueDictionary

from backpass.core.hints import hint
from backpass.errors import InputError, brief


class Record:
    """What every registered record has: a name and the numbers it was made with.

    It never changes, so that it is its own copy.
    """

    name: str
    numbers: Mapping[str, float]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


R = TypeVar("R", bound=Record)


class Registry(Mapping[str, Callable[..., R]], Generic[R]):
    """Makers of records by name; iterating gives the names in the order of registration.

    Parameters
    ----------
    kind : str
        What the records are, for messages: ``"activation"``, ``"loss"``.

    Examples
    --------
    >>> from backpass.core.losses import LOSSES
    >>> LOSSES.get_record("huber:delta=2").numbers
    {'delta': 2.0}
    >>> LOSSES.spec(LOSSES.get_record("huber:delta=2"))
    'huber:delta=2.0'
    >>> LOSSES.get_record("huber:delta=2") is LOSSES["huber"](2.0)
    True
    >>> LOSSES.get_record("hubert")
    Traceback (most recent call last):
    backpass.errors.InputError: unknown loss 'hubert'; did you mean 'huber'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._makers: dict[str, Callable[..., R]] = {}
        self._parameters: dict[str, list[str]] = {}  # of each maker
        self._ours: WeakValueDictionary[int, R] = WeakValueDictionary()

    def __getitem__(self, name: str) -> Callable[..., R]:
        return self._makers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def register(self, maker: Callable[..., R]) -> Callable[..., R]:
        """Add `maker`, a function of keyword numbers with defaults; usable as a decorator.

        Returns
        -------
        callable
            `maker`, which now returns the same record for the same numbers.

        Raises
        ------
        InputError
            When the name is taken, or a number has no default.
        """
        signature = inspect.signature(maker)
        defaults = {p.name: p.default for p in signature.parameters.values()}
        for name, default in defaults.items():
            if default is inspect.Parameter.empty:
                raise InputError(f"{self.kind} {maker.__name__!r}: give {name!r} a default")
        name = maker().name
        if name in self._makers:
            raise InputError(f"{self.kind} {name!r} is registered already; choose another name")
        # as long as somebody holds a record: searches over numbers leave nothing behind
        made: WeakValueDictionary[Any, R] = WeakValueDictionary()

        @wraps(maker)
        def make(*values: float, **numbers: float) -> R:
            told = signature.bind(*values, **numbers).arguments if values or numbers else numbers
            key = tuple({**defaults, **told}.values())
            record = made.get(key)
            if record is None:
                record = made[key] = maker(*values, **numbers)
                if maker.__module__.startswith("backpass."):
                    self._ours[id(record)] = record
            return record

        self._makers[name], self._parameters[name] = make, list(defaults)
        return make

    def is_ours(self, record: R) -> bool:
        """Return whether a record is what this package makes of its name and numbers.

        Native code knows a record by those two alone: a copy with another function is someone's
        own.
        """
        return self._ours.get(id(record)) is record

    def unregister(self, name: str) -> None:
        """Forget a maker, so that the name is free again.

        Raises
        ------
        InputError
            When there is none of that name.
        """
        if name not in self._makers:
            raise InputError(f"unknown {self.kind} {name!r}; {hint(name, self)}")
        del self._makers[name], self._parameters[name]

    def get_record(self, spec: "str | R") -> R:
        """Return the record that `spec` names, or `spec` itself when it is a record.

        Parameters
        ----------
        spec : str or record
            ``"name"``, ``"name:number=value,…"`` or a record.

        Raises
        ------
        InputError
            When the name or one of its numbers is unknown or out of range.
        """
        if not isinstance(spec, str):
            if not isinstance(spec, self._record_type()):
                raise InputError(
                    f"{self.kind} must be a name or a record, not {brief(spec)}; "
                    f"known names: {', '.join(self)}"
                )
            return spec
        name, _, rest = spec.strip().partition(":")
        if name not in self._makers:
            raise InputError(f"unknown {self.kind} {name!r}; {hint(name, self)}")
        maker = self._makers[name]
        numbers = self._parse_numbers(name, rest)
        record = maker(**numbers)  # first: it says what range a number must be in
        for key, value in numbers.items():
            require(isfinite(value), f"{self.kind} {name!r}: {key} must be finite", value)
        return record

    def _parse_numbers(self, name: str, text: str) -> dict[str, float]:
        allowed, numbers = self._parameters[name], dict[str, float]()
        for part in filter(None, (p.strip() for p in text.split(","))):
            key, _, value = (p.strip() for p in part.partition("="))
            if key not in allowed:
                takes = ", ".join(allowed) or "no numbers"
                raise InputError(f"{self.kind} {name!r} does not take {key!r}; it takes {takes}")
            try:
                numbers[key] = float(value)
            except ValueError:
                raise InputError(
                    f"{self.kind} {name!r}: {key} must be a number, not {value!r}"
                ) from None
        return numbers

    def spec(self, record: R) -> str:
        """Return the text that `get_record` turns back into `record`.

        Raises
        ------
        InputError
            When no record of that name is registered, so that its text could not be read back.
        """
        if record.name not in self._makers:
            raise InputError(
                f"{self.kind} {record.name!r} is not registered: register it, so that a network "
                "that uses it can be saved and copied to other processes"
            )
        return shown(record)

    def _record_type(self) -> type:
        """Return the class of this registry's records."""
        return type(next(iter(self._makers.values()))()) if self._makers else object

    def records(self) -> list[R]:
        """Return every registered record, made with its default numbers."""
        return [maker() for maker in self._makers.values()]


def shown(record: Record) -> str:
    """Return a record as text, its name and numbers: ``"huber:delta=2.0"``."""
    numbers = ",".join(f"{key}={float(value)!r}" for key, value in record.numbers.items())
    return f"{record.name}:{numbers}" if numbers else record.name


def require(condition: bool, what: str, value: Any) -> None:
    """Raise an :class:`InputError` saying `what` is needed and which `value` was given.

    Examples
    --------
    >>> require(False, "huber: delta must be positive", -1.0)
    Traceback (most recent call last):
    backpass.errors.InputError: huber: delta must be positive, not -1.0
    """
    if not condition:
        raise InputError(f"{what}, not {brief(value)}")
