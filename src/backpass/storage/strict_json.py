"""Reading and writing JSON without its loopholes: NaN, repeated keys, huge integers, depth."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from backpass.errors import ModelFileError

_LONGEST_INTEGER = 40  # characters: room for 128 bits, the state of a random generator
_LONGEST_QUOTE = 40  # characters of a foreign text that a message repeats


def canonical_json(value: object) -> str:
    r"""Return the one JSON text of `value`: sorted keys, no blanks, ASCII, no NaN.

    The text can be read by `parse_json`; a value for which that fails is refused.

    Examples
    --------
    >>> canonical_json({"b": [1, 2.5], "a": "φ"})
    '{"a":"\\u03c6","b":[1,2.5]}'
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"cannot be written as JSON: {error}") from error
    parse_json(text)
    return text


def parse_json(text: str) -> Any:
    """Read JSON, refusing NaN, infinities, repeated keys, huge integers and deep nesting.

    Examples
    --------
    >>> parse_json('{"alpha": 0.5}')
    {'alpha': 0.5}
    >>> parse_json('{"alpha": 0.5, "alpha": 5}')
    Traceback (most recent call last):
    backpass.errors.ModelFileError: invalid JSON: the key "alpha" appears twice
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise ModelFileError(f"invalid JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise ModelFileError("invalid JSON: nested too deeply") from error


def quoted(text: str) -> str:
    r"""Return a foreign text for a message: in quotes, on one line, not too long.

    Examples
    --------
    >>> print(quoted("two\nlines"))
    "two\nlines"
    """
    short = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
    return json.dumps(short)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ModelFileError(f"invalid JSON: the key {quoted(key)} appears twice")
        result[key] = value
    return result


def _integer(digits: str) -> int:
    # Python's own limit is thousands of digits, and reading them takes quadratic time.
    if len(digits) > _LONGEST_INTEGER:
        raise ModelFileError(f"invalid JSON: an integer of {len(digits)} digits is too long")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ModelFileError(f"invalid JSON: the number {quoted(digits)} overflows")
    return number


def _constant(name: str) -> NoReturn:
    raise ModelFileError(f"invalid JSON: {name} is not allowed")
