"""A small schema language for JSON values.

A schema is a rule (:class:`Int`, :class:`Text`, :class:`ListOf`, …) or a dict from key to
schema, which stands for an object with exactly these keys. A value that does not fit raises
:class:`~backpass.errors.ModelFileError` naming its place: ``network.sizes[2]: expected …``.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from backpass.errors import ModelFileError
from backpass.storage.strict_json import quoted


class Rule(ABC):
    """What one JSON value must be; the subclasses say what."""

    @abstractmethod
    def require(self, value: object, where: str) -> None:
        """Raise `ModelFileError` naming `where` unless `value` fits."""


Schema: TypeAlias = "Rule | Mapping[str, Schema]"


def check(value: object, schema: Schema, where: str = "") -> None:
    """Raise `ModelFileError` unless `value` fits `schema`.

    Parameters
    ----------
    value : object
        A JSON value as Python holds it: dict, list, str, int, float, bool or None.
    schema : Schema
        A rule, or a dict from key to schema. Unknown keys are refused; a missing key is
        refused unless its rule is `Optional`.
    where : str, default ""
        The place of `value`, put in front of the places inside it.

    Examples
    --------
    >>> schema = {"sizes": ListOf(Int(min=1)), "scale": Optional(Number())}
    >>> check({"sizes": [30, 64, 2]}, schema, "network")
    >>> check({"sizes": [30, 64, "x"]}, schema, "network")
    Traceback (most recent call last):
    backpass.errors.ModelFileError: network.sizes[2]: expected an integer of at least 1, found "x"
    """
    if isinstance(schema, Rule):
        schema.require(value, where)
        return
    if not isinstance(value, dict):
        _refuse(where, "an object", value)
    for key in value:
        if key not in schema:
            known = ", ".join(schema) or "none"
            raise ModelFileError(f"{_below(where, key)}: unknown key; the known ones are {known}")
    for key, rule in schema.items():
        if key in value:  # a schema's keys are plain words
            check(value[key], rule, f"{where}.{key}" if where else key)
        elif not isinstance(rule, Optional):
            raise ModelFileError(f"{_below(where, key)}: missing")


@dataclass(frozen=True)
class Int(Rule):
    """An integer from `min` to `max`; true and false are none."""

    min: int | None = None
    max: int | None = None

    def require(self, value: object, where: str) -> None:  # noqa: D102 - see Rule
        fits = isinstance(value, int) and not isinstance(value, bool)
        if not fits or not _within(value, self.min, self.max):
            _refuse(where, "an integer" + _bounds(self.min, self.max), value)


@dataclass(frozen=True)
class Number(Rule):
    """An integer or a float from `min` to `max`, not NaN or infinite unless `finite=False`."""

    min: float | None = None
    max: float | None = None
    finite: bool = True

    def require(self, value: object, where: str) -> None:  # noqa: D102
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, float) and self.finite and not math.isfinite(value):
            fits = False
        if not fits or not _within(value, self.min, self.max):
            _refuse(where, "a number" + _bounds(self.min, self.max), value)


@dataclass(frozen=True)
class Text(Rule):
    """A string, of at most `longest` characters."""

    longest: int | None = None

    def require(self, value: object, where: str) -> None:  # noqa: D102
        if not isinstance(value, str):
            _refuse(where, "a text", value)
        if not _within(len(value), None, self.longest):
            _refuse(where, f"a text of at most {self.longest} characters", value)


@dataclass(frozen=True)
class Bool(Rule):
    """True or false."""

    def require(self, value: object, where: str) -> None:  # noqa: D102
        if not isinstance(value, bool):
            _refuse(where, "true or false", value)


class OneOf(Rule):
    """One of the given texts or numbers; 1, 1.0 and true are three different values.

    Examples
    --------
    >>> check("sigmoid", OneOf("relu", "tanh"), "activation")
    Traceback (most recent call last):
    backpass.errors.ModelFileError: activation: expected one of "relu", "tanh", found "sigmoid"
    """

    def __init__(self, *values: str | int | float | bool | None) -> None:
        self.values = values

    def require(self, value: object, where: str) -> None:  # noqa: D102
        if not any(type(value) is type(known) and value == known for known in self.values):
            _refuse(where, "one of " + ", ".join(map(_shown, self.values)), value)


class AnyOf(Rule):
    """A value that fits at least one of several schemas.

    Examples
    --------
    >>> check(["yes", 1], AnyOf(ListOf(Text()), ListOf(Int())), "classes")
    Traceback (most recent call last):
    backpass.errors.ModelFileError: classes[1]: expected a text, found 1; or
    classes[0]: expected an integer, found "yes"
    """

    def __init__(self, *schemas: Schema) -> None:
        self.schemas = schemas

    def require(self, value: object, where: str) -> None:  # noqa: D102
        reasons = []
        for schema in self.schemas:
            try:
                check(value, schema, where)
            except ModelFileError as error:
                reasons.append(str(error))
            else:
                return
        raise ModelFileError("; or ".join(reasons))


@dataclass(frozen=True)
class ListOf(Rule):
    """A list of `shortest` to `longest` items that all fit `item`."""

    item: Schema
    shortest: int = 0
    longest: int | None = None

    def require(self, value: object, where: str) -> None:  # noqa: D102
        if not isinstance(value, list) or not _within(len(value), self.shortest, self.longest):
            length = _bounds(self.shortest or None, self.longest)
            _refuse(where, "a list" + (f" with a length{length}" if length else ""), value)
        for index, item in enumerate(value):
            check(item, self.item, f"{where}[{index}]")


@dataclass(frozen=True)
class MapOf(Rule):
    """An object with any keys, whose values all fit `item`."""

    item: Schema

    def require(self, value: object, where: str) -> None:  # noqa: D102
        if not isinstance(value, dict):
            _refuse(where, "an object", value)
        for key, item in value.items():
            check(item, self.item, _below(where, key))


@dataclass(frozen=True)
class Optional(Rule):
    """A value that may be null; as a value of an object, its key may also be left out."""

    schema: Schema

    def require(self, value: object, where: str) -> None:  # noqa: D102
        if value is not None:
            check(value, self.schema, where)


def _within(value: Any, low: float | None, high: float | None) -> bool:
    # Written so that NaN, which compares false with everything, is out of every bound.
    return (low is None or value >= low) and (high is None or value <= high)


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" of exactly {low}" if low == high else f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"


def _below(where: str, key: object) -> str:
    if not (isinstance(key, str) and re.fullmatch(r"\w{1,60}", key, re.ASCII)):
        return f"{where}[{quoted(str(key))}]"
    return f"{where}.{key}" if where else key


def _shown(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return f"a Python {type(value).__name__}"


def _refuse(where: str, expected: str, value: object) -> NoReturn:
    raise ModelFileError(f"{where or 'the value'}: expected {expected}, found {_shown(value)}")
