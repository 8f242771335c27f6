"""Schemas: what fits passes, what does not is refused with its place."""

import re

import numpy as np
import pytest

from backpass.errors import ModelFileError
from backpass.storage.schema import (
    AnyOf,
    Bool,
    Int,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Optional,
    Text,
    check,
)

LAYER = {"name": Text(), "numbers": MapOf(Number())}
NETWORK = {
    "sizes": ListOf(Int(min=1), shortest=2),
    "hidden": ListOf(LAYER),
    "scale": Optional(Number(min=0)),
    "classes": AnyOf(ListOf(Int()), ListOf(Text())),
    "loss": OneOf("log", "square", None),
    "bias": Bool(),
}
RIGHT = {
    "sizes": [2, 3, 1],
    "hidden": [{"name": "huber", "numbers": {"delta": 1.35, "k": 2}}],
    "scale": 0.5,
    "classes": ["a", "b"],
    "loss": None,
    "bias": True,
}


def without(key):
    return {name: value for name, value in RIGHT.items() if name != key}


@pytest.mark.parametrize("value", [RIGHT, RIGHT | {"scale": None}, without("scale")])
def test_what_fits_passes(value):
    check({"network": value}, {"network": NETWORK})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "network: expected an object, found a list of 0"),
        (without("loss"), "network.loss: missing"),
        (RIGHT | {"x": 1}, "network.x: unknown key; the known ones are sizes, hidden, scale"),
        (RIGHT | {"\x1b": 1}, r'network["\u001b"]: unknown key'),
        (RIGHT | {"sizes": [2, 3, "x"]}, 'network.sizes[2]: expected an integer of at least 1, f'),
        (RIGHT | {"sizes": [2, True]}, "network.sizes[1]: expected an integer"),
        (RIGHT | {"sizes": [2, 1.0]}, "network.sizes[1]: expected an integer of at least 1, f"),
        (RIGHT | {"sizes": [2, 0]}, "network.sizes[1]: expected an integer of at least 1, found 0"),
        (RIGHT | {"sizes": [2]}, "network.sizes: expected a list with a length of at least 2, f"),
        (RIGHT | {"sizes": {}}, "found an object of 0 keys"),
        (RIGHT | {"hidden": [{"name": 1, "numbers": {}}]}, "network.hidden[0].name: expected a te"),
        (RIGHT | {"hidden": [{"name": "r"}]}, "network.hidden[0].numbers: missing"),
        (RIGHT | {"hidden": [{"name": "r", "numbers": {"d": "1"}}]}, "[0].numbers.d: expected a n"),
        (RIGHT | {"hidden": [{"name": "r", "numbers": 1}]}, "numbers: expected an object, found 1"),
        (RIGHT | {"scale": -1}, "network.scale: expected a number of at least 0, found -1"),
        (RIGHT | {"scale": float("nan")}, "network.scale: expected a number"),
        (RIGHT | {"scale": float("inf")}, "network.scale: expected a number"),
        (RIGHT | {"scale": True}, "network.scale: expected a number of at least 0, found true"),
        (RIGHT | {"classes": [1, "a"]}, "classes[1]: expected an integer, found \"a\"; or network"),
        (RIGHT | {"loss": "hinge"}, 'network.loss: expected one of "log", "square", null, found'),
        (RIGHT | {"bias": 1}, "network.bias: expected true or false, found 1"),
        (RIGHT | {"bias": "x" * 999}, f'found "{"x" * 40}..."'),
        (RIGHT | {"bias": np.bool_(True)}, "found a Python bool"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(value, message):
    with pytest.raises(ModelFileError, match=re.escape(message)) as caught:
        check({"network": value}, {"network": NETWORK})
    assert str(caught.value).isprintable()


def test_bounds_and_infinities():
    check(3, Int(min=1, max=3))
    check(float("inf"), Number(finite=False))
    for schema, bounds in [
        (Int(min=1, max=3), "an integer from 1 to 3"),
        (Int(max=3), "an integer of at most 3"),
        (Number(max=3.5, finite=False), "a number of at most 3.5"),
    ]:
        with pytest.raises(ModelFileError, match=f"the value: expected {bounds}, found 4"):
            check(4, schema)
    with pytest.raises(ModelFileError, match="expected a number of at least 0, found NaN"):
        check(float("nan"), Number(min=0, finite=False))


def test_equal_values_of_other_types_are_not_one_of():
    for value in [1.0, True]:
        with pytest.raises(ModelFileError, match="expected one of 1"):
            check(value, OneOf(1))
