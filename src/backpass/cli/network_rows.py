"""A network and rows for it, as trace, check and homework are told of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.cli.arguments import with_network
from backpass.errors import InputError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from backpass.network.network import Network
    from backpass.page.data import Rows
    from backpass.page.setup import Setup
    from backpass.tabular.model import TabularModel

_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class NetworkRows:
    """A network, or a model of a table, with rows for it."""

    model: Any
    X: Any  # an array, or the data frame of a model
    y: Any  # an array; None: the targets stand in the frame
    label: str  # what the rows are called in messages
    line_of: Callable[[int], int] | None = None  # from the number of a row to its line
    names: Mapping[str, Any] = field(default_factory=dict)  # input_names, output_names
    given: bool = False  # whether the rows were written out or are an example's
    # how a set-up of the page wants them to be shown: notation and form
    shown: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.X)

    @contextmanager
    def taken(self, rows: Sequence[int]) -> Iterator[tuple[Any, Any]]:
        """Give X and y of some rows, for a ``with`` block whose errors name them as they were."""
        import numpy as np

        from backpass.tabular.selection import original_rows

        with original_rows(np.array(rows), self.label, self.line_of):
            # a list: from an array polars makes a Series by way of masked arrays, which load slowly
            part = [*map(int, rows)]
            yield self.X[part], None if self.y is None else self.y[part]


def network_rows(
    model: str,
    table: str | None,
    x: Sequence[str] | None,
    y: Sequence[str] | None,
    network: int | None,
) -> NetworkRows:
    """Return what a command line names: a model with a table, or a network with rows of numbers.

    These stand in a table, the inputs and then the targets, or in x and y, as ``["1,0", "0,1"]``
    or ``["1,0; 0,1"]``; or both are a set-up of the page, its ``.json`` file or what follows
    ``#v1:``. `network` says which of a pack.
    """
    from backpass.network.network import Network

    _ensure(not (x and table), f"give --x and --y, or the TABLE {table!r}, not both")
    _ensure(x or not y, "--y goes with --x; the targets of a TABLE are in its last column(s)")
    shown: dict[str, str] = {}
    if "#v1:" in model or model.endswith(".json"):
        setup, rows = read_setup_file(model)
        found: Network | TabularModel = setup.network(rows)
        X = rows.X
        targets = rows.targets(setup.loss, setup.output)[1](rows.y)
        shown = {"notation": setup.notation, "form": setup.form}
    else:
        found, X, targets = loaded(model)
    if not isinstance(found, Network):
        return _of_model(found, model, table, x, network)
    _ensure(X is None or table is None, f"{model[:60]} has rows of its own; leave {table!r} out")
    _ensure(network is None, f"{model} is one network; leave --network out")
    if x:
        return _written_out(found, x, y)
    if table is not None:
        return _of_table(found, table)
    mend = f"give --x and --y, or a TABLE of {_takes(found)[2]}"
    _ensure(X is not None, f"{model} holds no rows: {mend}")
    return NetworkRows(found, X, targets, model[:60], given=True, shown=shown)


def read_setup_file(text: str) -> tuple[Setup, Rows]:
    """Return the set-up that is in a file, or behind an address."""
    from backpass.page.setup import MARK, read_setup

    if MARK in text:
        return read_setup(text)
    try:
        return read_setup(Path(text).read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"set-up {text}: cannot be read: {why}") from None
    except InputError as error:
        raise InputError(f"{text}: {error}") from None


def loaded(model: str) -> tuple[Network | TabularModel, Any, Any]:
    """Return what ``example:NAME``, a file of ``Network.save`` or one of ``fit`` names.

    With it come the rows and targets of an example.
    """
    from backpass.network.network import Network
    from backpass.storage.container import container_kind

    if model.startswith("example:"):
        from backpass.derivatives.tracing import example

        return example(model.removeprefix("example:"))
    if container_kind(model) == "network":
        return Network.load(model), None, None
    from backpass.tabular.model import TabularModel

    return TabularModel.load(model), None, None


def _ensure(good: Any, otherwise: str) -> None:
    if not good:
        raise InputError(otherwise)


def _of_model(
    model: TabularModel, path: str, table: str | None, x: Sequence[str] | None, network: int | None
) -> NetworkRows:
    """Return a model that was trained on a table, and another one of the same columns."""
    _ensure(not x, f"--x: {path} takes columns as they stand in a table; give a TABLE")
    if table is None:
        raise InputError("give the TABLE whose rows are to be taken (or MODEL as example:xor)")
    model, raw = with_network(model, network), model.read(table)
    names = {
        # without bins, which are the last ones, where the network takes none
        "input_names": model.encoder.get_feature_names_out()[: model.network.sizes[0]],
        "output_names": model.classes or [model.target.name],
    }
    written = raw.frame if raw.written is None else raw.written
    return NetworkRows(model, written, None, raw.label, raw.line_of, names)


def _written_out(network: Network, x: Sequence[str], y: Sequence[str] | None) -> NetworkRows:
    """Return rows that were typed."""
    n, (widths, targets, _) = network.sizes[0], _takes(network)
    X = _numbers("--x", x, {n}, str(n))
    _ensure(y, f"--y is missing: give {targets} for each row")
    Y = _numbers("--y", y or (), widths, targets)
    told = f"--x has {len(X)} row(s) and --y {len(Y)}"
    _ensure(len(Y) == len(X), f"{told}; put ; between rows, as in --y '1;0'")
    return NetworkRows(network, X, _checked(network, Y, "--y", _row), "--x", given=True)


def _numbers(option: str, texts: Sequence[str], widths: set[int], wanted: str) -> NDArray[Any]:
    """Return rows of numbers, ``1,0,2;0,1,1``, each with as many as a network takes.

    Examples
    --------
    >>> _numbers("--x", ["1,0; -2,.5", "3e2,1"], {2}, "2").tolist()
    [[1.0, 0.0], [-2.0, 0.5], [300.0, 1.0]]
    """
    import numpy as np

    rows: list[list[float]] = []
    for text in (part.strip() for one in texts for part in one.rstrip("; ").split(";")):
        told = f"{option} {text!r}"
        try:
            rows.append([float(cell) for cell in text.split(",")])
        except ValueError:
            told += f": give numbers with commas between, as in {option} 1,0.5"
            raise InputError(told) from None
        _ensure(all(map(math.isfinite, rows[-1])), f"{told}: every number must be finite")
        has, first = len(rows[-1]), len(rows[0])
        told = f"{option}, row {len(rows)} has {has} number(s), the first {first}"
        _ensure(has == first, f"{told}; give all rows as many")
    told = f"{option} has {first} number(s) a row; this network takes {wanted}"
    _ensure(first in widths, told)
    return np.array(rows)


def _of_table(network: Network, path: str) -> NetworkRows:
    """Return the rows of a table of numbers: the inputs, and behind them the targets."""
    import numpy as np
    import polars as pl

    from backpass.tabular.files import open_table

    raw, n, (widths, _, wanted) = open_table(path), network.sizes[0], _takes(network)
    understood, names = raw.understand(), raw.frame.columns
    frame = understood.frame
    k = len(names) - n
    named = names == [*map(str, range(len(names)))] or not all(map(_NUMBER.fullmatch, names))
    _ensure(named, f"{raw.label}: its first line is numbers; put a line of names above it")
    place = (lambda row: f"line {raw.line_of(row)}") if raw.line_of else _row
    for column in frame:
        marked = column.name in understood.convention.marks
        if marked or not (column.dtype.is_numeric() or not column.count()):
            row, why = _no_number(raw.frame[column.name].cast(pl.String), column.is_not_null())
            told = f"{raw.label}, {place(row)}: column {column.name!r} holds {why}"
            mend = "write plain numbers, or give a model that fit has trained on this table"
            raise InputError(f"{told}; a network takes {wanted}: {mend}")
    which = f"{len(names)} column(s)" if k else "the inputs alone"
    _ensure(k in widths, f"{raw.label} has {which}; this network takes {wanted}")
    numbers = frame.cast(dict.fromkeys(names, pl.Float64)).to_numpy()  # NaN where one is missing
    for row, i in np.argwhere(~np.isfinite(numbers)).tolist():
        told = "is missing" if math.isnan(numbers[row, i]) else "is infinite"
        raise InputError(f"{raw.label}, {place(row)}: {names[i]!r} {told}; give a number")
    y = _checked(network, numbers[:, n:], raw.label, place)
    called = {"input_names": names[:n]}
    if k == network.sizes[-1]:
        called["output_names"] = names[n:]
    return NetworkRows(network, numbers[:, :n], y, raw.label, raw.line_of, called)


def _no_number(texts: pl.Series, present: pl.Series) -> tuple[int, str]:
    """Return the first row of a column that is no plain number, and what stands there."""
    cells = [(row, texts[row].strip()) for row in present.arg_true()]
    found = next((cell for cell in cells if not _NUMBER.fullmatch(cell[1])), None)
    if found is not None:
        return found[0], f"{found[1]!r}"
    row, text = next(cell for cell in cells if "," in cell[1] or "." in cell[1])
    return row, f"{text!r}, which may be a whole number or have decimals"


def _checked(network: Network, Y: NDArray[Any], label: str, place: Callable[[int], str]) -> Any:
    """Return targets as the loss takes them, or name the first row that it does not take."""
    y = Y[:, 0] if Y.shape[1] == 1 else Y
    if _refusal(network, y):
        row, why = next(
            (row, why) for row in range(len(y)) if (why := _refusal(network, y[row : row + 1]))
        )
        given = ", ".join(f"{number:g}" for number in Y[row])
        raise InputError(f"{label}, {place(row)} has the target {given}: {why}")
    return y


def _refusal(network: Network, y: NDArray[Any]) -> str:
    """Return why the loss does not take targets; empty where it does."""
    import numpy as np

    try:
        network.model.loss.encode(y, network.sizes[-1], np, y.dtype)
    except InputError as error:
        return str(error).partition("; row 0 is")[0]
    return ""


def _row(row: int) -> str:
    return f"row {row + 1}"


def _takes(network: Network) -> tuple[set[int], str, str]:
    """Return how many targets a row may have, what they are in words, and a whole row is.

    Examples
    --------
    >>> from backpass import Network
    >>> _takes(Network([2, 3, 3], "tanh", "softmax", "cross_entropy", seed=0))[1:]
    ('a class, 0 … 2, or 3 targets', '2 inputs, then a class, 0 … 2, or 3 targets')
    """
    n, *_, k = network.sizes
    loss = network.model.loss
    widths, targets = {k}, f"{k} targets" if k > 1 else "a target"
    if k > 1 and loss.task == "classification" and loss.outputs[0] == "softmax":
        widths, targets = {1, k}, f"a class, 0 … {k - 1}, or {targets}"
    return widths, targets, f"{n} input{'s' * (n > 1)}, then {targets}"
