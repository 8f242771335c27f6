"""A set-up: all that a page starts from, as JSON, or as text that fits behind an address."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import asdict, dataclass, replace

from backpass.core.losses import LOSSES
from backpass.core.parameters import parameter_count
from backpass.core.settings import Settings
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.tracing import FORMS
from backpass.errors import InputError, ModelFileError
from backpass.network.network import Network
from backpass.page.data import EXAMPLES, Rows, example_rows, given_rows
from backpass.storage import schema
from backpass.storage.schema import AnyOf, Int, ListOf, Number, OneOf, Optional, Text
from backpass.storage.strict_json import canonical_json, parse_json

MARK = "#v1:"
"""What stands before a set-up behind an address; the number changes with the meaning."""

LONGEST = 1 << 20
"""The most characters of a set-up; MOST_NUMBERS of twenty digits each are less."""

MOST_NUMBERS = 10_000
"""Of the rows and parameters in a set-up: a thousand rows of ten numbers can still be mailed."""

MOST_PARAMETERS = 2_000_000
"""Of a network on the page: each moment that is kept takes 16 MB then."""

_NAME = Text(longest=200)
_ROWS = {
    "name": _NAME,
    "classes": Int(min=0),
    **dict.fromkeys(("inputs", "outputs"), ListOf(_NAME)),
    "X": ListOf(ListOf(Number())),
    "y": ListOf(AnyOf(Number(), ListOf(Number()))),
}
SCHEMA = {
    "data": AnyOf(OneOf(*EXAMPLES), _ROWS),
    "hidden": ListOf(Int(min=1, max=16384), longest=64),
    "activations": ListOf(_NAME, longest=64),
    **dict.fromkeys(("output", "loss", "init", "optimizer"), _NAME),
    **dict.fromkeys(("learning_rate", "alpha"), Number(min=0)),
    "batch_size": Optional(Int(min=1)),
    "seed": Int(min=0, max=2**32 - 1),
    "notation": OneOf(*NOTATIONS),
    "form": OneOf(*FORMS),
    "parameters": Optional(ListOf(Number(), longest=MOST_NUMBERS)),
}


@dataclass(frozen=True)
class Setup:
    """What a page starts from, beside its rows."""

    hidden: tuple[int, ...] = (3,)
    activations: tuple[str, ...] = ("tanh",)
    output: str = "logistic"
    loss: str = "binary_cross_entropy"
    init: str = "glorot_uniform"
    optimizer: str = "sgd"
    learning_rate: float = 0.5
    batch_size: int | None = 1
    alpha: float = 0.0
    seed: int = 0
    notation: str = "code"
    form: str = "batch"
    parameters: tuple[float, ...] | None = None

    def settings(self) -> Settings:
        """Return how steps are taken."""
        names = ("optimizer", "learning_rate", "batch_size", "alpha")
        return Settings(**{name: getattr(self, name) for name in names})

    def network(self, rows: Rows) -> Network:
        """Return the network before training."""
        sizes = [rows.X.shape[1], *self.hidden, rows.targets(self.loss, self.output)[0]]
        count = parameter_count(sizes)
        if count > MOST_PARAMETERS:
            raise InputError(
                f"layers {'-'.join(map(str, sizes))} have {count:,} parameters; the page takes up "
                f"to {MOST_PARAMETERS:,}: take fewer units (train on the command line: fit)"
            )
        phi, given = self.activations or "relu", self.parameters
        network = Network(sizes, phi, self.output, self.loss, init=self.init, seed=self.seed)
        if given is not None:
            if len(given) != count:
                raise InputError(f"parameters: {len(given)} numbers for a network of {count}")
            network.parameters.flat[...] = given
        return network

    def with_loss(self, loss: str) -> Setup:
        """Return it with another loss, and an output that goes with it."""
        outputs = LOSSES.get_record(loss).outputs
        output = self.output if self.output in outputs else outputs[0]
        return replace(self, loss=loss, output=output)


def to_json(setup: Setup, rows: Rows) -> str:
    """Return a set-up with its rows, or the name of an example, as JSON.

    Examples
    --------
    >>> rows = example_rows("xor")
    >>> read_setup(to_json(Setup(), rows)) == (Setup(), rows)
    True
    """
    own = rows.name not in EXAMPLES or rows is not example_rows(rows.name)
    count = own * rows.X.size + len(setup.parameters or ())
    if count > MOST_NUMBERS:
        raise InputError(
            f"{count:,} numbers (rows, given parameters) are too many for a set-up "
            f"({MOST_NUMBERS:,}); send the table and the network as files"
        )
    return canonical_json({"data": rows.to_dict() if own else rows.name, **asdict(setup)})


def to_fragment(setup: Setup, rows: Rows) -> str:
    """Return a set-up as the end of an address, ``#v1:…``."""
    packed = zlib.compress(to_json(setup, rows).encode(), 9)
    return MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_setup(text: str) -> tuple[Setup, Rows]:
    """Return the set-up that a text holds: its JSON, or an address that ends in ``#v1:…``.

    Examples
    --------
    >>> read_setup('{"seed": 1}')
    Traceback (most recent call last):
    backpass.errors.ModelFileError: set-up.data: missing
    """
    text = text.strip()
    if MARK in text:
        text = _unpacked(text.partition(MARK)[2])
    if len(text) > LONGEST:
        raise InputError(f"a set-up has at most {LONGEST:,} characters, this one {len(text):,}")
    if not text.startswith("{"):
        raise InputError(f"a set-up is a JSON object or ends in {MARK}…; this is neither")
    told = parse_json(text)
    schema.check(told, SCHEMA, "set-up")
    if len(told["hidden"]) != len(told["activations"]):
        raise ModelFileError("set-up.activations: give one for each of the hidden layers")
    data = told.pop("data")
    told = {key: tuple(x) if isinstance(x, list) else x for key, x in told.items()}
    return Setup(**told), example_rows(data) if isinstance(data, str) else given_rows(data)


def _unpacked(packed: str) -> str:
    """Return what a fragment holds, but no more than a set-up may have."""
    try:
        data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        return zlib.decompressobj().decompress(data, LONGEST + 1).decode()
    except (binascii.Error, zlib.error, ValueError):
        raise InputError(
            f"what follows {MARK} is damaged or cut short; copy the whole address again"
        ) from None
