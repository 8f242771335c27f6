"""A network and rows for it, as trace, check and homework are told of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backpass.cli.arguments import with_network
from backpass.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backpass.network.network import Network

_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class NetworkRows:
    """A network, or a model of a table, with rows for it.

    Parameters
    ----------
    model : Network or TabularModel
    X : array of shape (N, n_0), or a data frame with the targets of a model in it
    y : array of shape (N,) or (N, k), or None for such a frame
    label : str
        What the rows are called in messages.
    line_of : callable or None
        From the number of a row to its line in the file, as of a table.
    names : dict
        What the units stand for: ``input_names``, ``output_names``.
    given : bool
        Whether the rows were written out or are an example's, rather than a table's.
    """

    model: Any
    X: Any
    y: Any
    label: str
    line_of: Callable[[int], int] | None = None
    names: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False

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

    Parameters
    ----------
    model : str
        ``example:NAME``, a file of ``Network.save``, or one of ``fit``.
    table : str or None
        For a network, of its inputs and then the targets.
    x, y : list of str or None
        The rows in place of a table, as ``["1,0", "0,1"]`` or ``["1,0; 0,1"]``.
    network : int or None
        Which of a pack.
    """
    from backpass.network.network import Network
    from backpass.storage.container import container_kind

    if x and table is not None:
        raise InputError(f"give --x and --y, or the TABLE {table!r}, not both")
    if y and not x:
        raise InputError("--y goes with --x; the targets of a TABLE are in its last column(s)")
    if model.startswith("example:"):
        from backpass.derivatives.tracing import example

        found, X, targets = example(model.removeprefix("example:"))
        if table is not None:
            raise InputError(f"{model} has rows of its own; leave {table!r} out")
    elif container_kind(model) == "network":
        found, X, targets = Network.load(model), None, None
    else:
        return _of_model(model, table, x, network)
    if network is not None:
        raise InputError(f"{model} is one network; leave --network out")
    if x:
        return _written_out(found, x, y)
    if table is not None:
        return _of_table(found, table)
    if X is None:
        raise InputError(f"{model} holds no rows: give --x and --y, or a TABLE of {_wanted(found)}")
    return NetworkRows(found, X, targets, model, given=True)


def _of_model(
    path: str, table: str | None, x: Sequence[str] | None, network: int | None
) -> NetworkRows:
    """Return a model that was trained on a table, and another one of the same columns."""
    from backpass.tabular.model import TabularModel

    model = TabularModel.load(path)
    if x:
        raise InputError(f"--x: {path} takes columns as they stand in a table; give a TABLE")
    if table is None:
        raise InputError("give the TABLE whose rows are to be taken (or MODEL as example:xor)")
    model = with_network(model, network)
    raw = model.read(table)
    names = {
        # without bins, which are the last ones, where the network takes none
        "input_names": model.encoder.get_feature_names_out()[: model.network.sizes[0]],
        "output_names": model.classes or [model.target.name],
    }
    return NetworkRows(model, raw.frame, None, raw.label, raw.line_of, names)


def _written_out(network: Network, x: Sequence[str], y: Sequence[str] | None) -> NetworkRows:
    """Return rows that were typed."""
    X = _numbers("--x", x)
    if X.shape[1] != network.sizes[0]:
        raise InputError(
            f"--x has {X.shape[1]} number(s) a row; this network takes {network.sizes[0]}"
        )
    if not y:
        raise InputError(f"--y is missing: give {_wanted_targets(network)} for each row")
    Y = _numbers("--y", y)
    if len(Y) != len(X):
        raise InputError(
            f"--x has {len(X)} row(s) and --y {len(Y)}; put ; between rows, as in --y '1;0'"
        )
    return NetworkRows(network, X, _targets(network, Y, "--y", _row), "--x", given=True)


def _numbers(option: str, texts: Sequence[str]) -> NDArray[Any]:
    """Return rows of numbers: ``1,0,2;0,1,1``.

    Examples
    --------
    >>> _numbers("--x", ["1,0; -2,.5", "3e2,1"]).tolist()
    [[1.0, 0.0], [-2.0, 0.5], [300.0, 1.0]]
    """
    import numpy as np

    rows: list[list[float]] = []
    for text in (part.strip() for one in texts for part in one.rstrip("; ").split(";")):
        try:
            rows.append([float(cell) for cell in text.split(",")])
        except ValueError:
            raise InputError(
                f"{option} {text!r}: give numbers with commas between, as in {option} 1,0.5"
            ) from None
        if not all(map(math.isfinite, rows[-1])):
            raise InputError(f"{option} {text!r}: every number must be finite")
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"{option}, row {len(rows)} has {len(rows[-1])} number(s), the first"
                f" {len(rows[0])}; give all rows as many"
            )
    return np.array(rows)


def _of_table(network: Network, path: str) -> NetworkRows:
    """Return the rows of a table of numbers: the inputs, and behind them the targets."""
    import numpy as np
    import polars as pl

    from backpass.tabular.files import open_table

    raw, n = open_table(path), network.sizes[0]
    frame, names = raw.understand().frame, raw.frame.columns
    if names != [*map(str, range(len(names)))] and all(map(_NUMBER.fullmatch, names)):
        raise InputError(f"{raw.label}: its first line is numbers; put a line of names above it")
    for column in frame:
        if not column.dtype.is_numeric() and column.count():
            raise InputError(
                f"{raw.label}: column {column.name!r} holds no numbers, but a network takes "
                f"{_wanted(network)}; give those, or a model that fit has trained on this table"
            )
    if len(names) not in (n + 1, n + network.sizes[-1]):
        which = "the inputs alone" if len(names) == n else f"{len(names)} column(s)"
        raise InputError(f"{raw.label} has {which}; this network takes {_wanted(network)}")
    place = (lambda row: f"line {raw.line_of(row)}") if raw.line_of else _row
    numbers = frame.cast(dict.fromkeys(names, pl.Float64)).to_numpy()  # NaN where one is missing
    for row, i in np.argwhere(~np.isfinite(numbers)).tolist():
        told = "is missing" if math.isnan(numbers[row, i]) else "is infinite"
        raise InputError(f"{raw.label}, {place(row)}: {names[i]!r} {told}; give a number")
    y = _targets(network, numbers[:, n:], raw.label, place)
    called = {"input_names": names[:n]}
    if len(names) == n + network.sizes[-1]:
        called["output_names"] = names[n:]
    return NetworkRows(network, numbers[:, :n], y, raw.label, raw.line_of, called)


def _targets(
    network: Network, Y: NDArray[Any], label: str, place: Callable[[int], str]
) -> NDArray[Any]:
    """Return targets as the loss takes them, or name the first row that it does not take."""
    import numpy as np

    y, k = Y[:, 0] if Y.shape[1] == 1 else Y, network.sizes[-1]
    if Y.shape[1] not in (k, 1 if _takes_classes(network) else k):
        raise InputError(
            f"{label} has {Y.shape[1]} number(s) a row; this network takes"
            f" {_wanted_targets(network)}"
        )

    def refused(rows: slice) -> str:
        try:
            network.model.loss.encode(y[rows], k, np, Y.dtype)
        except InputError as error:
            return str(error).partition("; row 0 is")[0]
        return ""

    if refused(slice(None)):
        row = next(row for row in range(len(y)) if refused(slice(row, row + 1)))
        given = ", ".join(f"{number:g}" for number in Y[row])
        told = refused(slice(row, row + 1))
        raise InputError(f"{label}, {place(row)} has the target {given}: {told}")
    return y


def _row(row: int) -> str:
    return f"row {row + 1}"


def _takes_classes(network: Network) -> bool:
    """Return whether the loss takes the number of a class for several outputs."""
    import numpy as np

    try:
        network.model.loss.encode(np.zeros(1), network.sizes[-1], np, np.float64)
    except InputError:
        return False
    return network.sizes[-1] > 1


def _wanted(network: Network) -> str:
    """Return in words what a row of a network is made of.

    Examples
    --------
    >>> from backpass import Network
    >>> _wanted(Network([2, 3, 1], seed=0))
    '2 inputs, then a target'
    >>> _wanted(Network([2, 3, 3], "tanh", "softmax", "cross_entropy", seed=0))
    '2 inputs, then a class, 0 … 2, or 3 targets'
    """
    n = network.sizes[0]
    return f"{n} input{'s' * (n > 1)}, then {_wanted_targets(network)}"


def _wanted_targets(network: Network) -> str:
    k = network.sizes[-1]
    classes = f"a class, 0 … {k - 1}, or " if _takes_classes(network) else ""
    return f"{classes}{k} targets" if k > 1 else "a target"
