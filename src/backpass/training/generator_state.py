"""The state of a random generator as JSON, so that a file can hold it without pickle."""

from typing import Any

import numpy as np

from backpass.errors import ModelFileError
from backpass.storage.schema import AnyOf, Int, ListOf, MapOf, Number, OneOf, Schema, Text

__all__ = ["GENERATOR_SCHEMA", "generator_state", "set_generator_state"]

_ARRAY: dict[str, Schema] = {
    "dtype": OneOf("uint32", "uint64"),
    "values": ListOf(Int(min=0, max=2**64 - 1)),
}
_VALUE = AnyOf(Number(), _ARRAY)
_MOST = {"pos": 624, "buffer_pos": 4}  # NumPy takes any place in its buffers, also beyond them

GENERATOR_SCHEMA: Schema = MapOf(AnyOf(Text(), _VALUE, MapOf(_VALUE)))
"""What the JSON of a generator's state must look like."""


def generator_state(rng: Any) -> dict[str, Any]:
    """Return the state of a ``Generator`` or ``RandomState`` as JSON values.

    Parameters
    ----------
    rng : Generator or RandomState

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> state = generator_state(rng)
    >>> first = rng.random()
    >>> set_generator_state(rng, state)
    >>> rng.random() == first
    True
    """
    if isinstance(rng, np.random.RandomState):
        state = rng.get_state(legacy=False)
    else:
        state = rng.bit_generator.state
    found: dict[str, Any] = _as_json(state)
    return found


def set_generator_state(rng: Any, state: dict[str, Any]) -> None:
    """Set `rng` to where `generator_state` found it.

    Parameters
    ----------
    rng : Generator or RandomState
        Of the same kind as the one whose state it was.
    state : dict
        As `generator_state` returns it.

    Raises
    ------
    ModelFileError
        When it is the state of another kind of generator.
    """
    inner = state.get("state", {})
    for key, most in _MOST.items():
        value = state.get(key, inner.get(key, 0) if isinstance(inner, dict) else 0)
        if not (isinstance(value, int) and 0 <= value <= most):
            raise ModelFileError(f"random generator: {key} must be 0 to {most}; train again")
    try:
        if isinstance(rng, np.random.RandomState):
            rng.set_state(_from_json(state))
        else:
            rng.bit_generator.state = _from_json(state)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise ModelFileError(
            f"the state of the random generator does not fit a {type(rng).__name__} ({error}); "
            "give a generator of the same kind"
        ) from error


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": value.tolist()}
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "values"}:
        return np.array(value["values"], dtype=value["dtype"])
    return {key: _from_json(item) for key, item in value.items()}
