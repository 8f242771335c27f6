"""The command ``backpass play``, once its arguments are known."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from backpass.cli.arguments import MaybeNumber, MaybeTable, MaybeText, option, switch
from backpass.cli.network_rows import network_rows, read_setup_file
from backpass.cli.output import Messages
from backpass.errors import InputError

if TYPE_CHECKING:
    from backpass.page.data import Rows
    from backpass.page.setup import Setup

NEEDED = "backpass play needs starlette, uvicorn and jinja2: pip install 'backpass[play]'"


@dataclass(frozen=True)
class PlayOptions:
    """The arguments of ``backpass play``: their types, their help, and what was given."""

    subject: Annotated[
        str,
        Argument(
            metavar="[TABLE | MODEL]",
            help="Table; file that fit or Network.save has written; or example:xor, :thin, :moons, "
            ":circles, :spirals, :curve, :digits.",
        ),
    ] = "example:xor"
    table: MaybeTable = None
    target: MaybeText = option("COLUMN", "Column of TABLE to predict.", "--target", "-t")
    setup: MaybeText = option("FILE|#v1:…", "Begin with this set-up, which the page gives out.")
    port: int = option("N", "Port; 0 takes a free one.", default=0, min=0, max=65535)
    no_browser: bool = switch("--no-browser", "Print the address only; open no browser.")
    idle: MaybeNumber = option("MINUTES", "End after so long without a request.")


def run_play(options: PlayOptions) -> int:
    """Open a page on this machine: build a network, step through it, take hold of a weight, train.

    It prints the page's address, and serves it until Ctrl-C. Needs backpass[play].

    \b
    Examples:
      backpass play
      backpass play churn.csv --target churn
      backpass play net.backpass rows.csv --no-browser --port 8000
      backpass play --setup exercise.json
    """  # noqa: D301
    if options.idle is not None and not 0 < options.idle < math.inf:
        raise InputError(f"--idle {options.idle:g}: give minutes, more than 0")
    if options.setup is not None and (options.subject, options.table) != ("example:xor", None):
        raise InputError("--setup has rows of its own; leave TABLE or MODEL out")
    try:
        from backpass.page.server import serve
    except ImportError:
        raise InputError(NEEDED) from None
    with Messages().catching():
        setup, rows = _start(options)
    idle = None if options.idle is None else 60 * options.idle
    with suppress(KeyboardInterrupt):  # as it is meant to end
        serve(setup, rows, port=options.port, browser=not options.no_browser, idle=idle)
    return 0


def _start(options: PlayOptions) -> tuple[Setup, Rows]:
    """Return what the arguments name, as the page begins with it."""
    from backpass.page.data import EXAMPLES, example_rows, start_for, table_rows
    from backpass.page.setup import Setup
    from backpass.tabular.files import example_target, open_table

    if options.setup is not None:
        return read_setup_file(options.setup)
    name, target = options.subject, options.target
    example = name.removeprefix("example:")
    if example != name and example in EXAMPLES and target is None:
        rows = example_rows(example)
        return Setup(**start_for(rows)), rows
    if _is_model(name):
        return _of_network(options)
    if options.table is not None:
        raise InputError(f"{name} is no model; give one table, or a model and a table")
    raw = open_table(name)
    target = target or example_target(name)
    if target is None:
        raise InputError("--target is missing: name the column to predict")
    rows = table_rows(raw, target)
    return Setup(**start_for(rows)), rows


def _is_model(path: str) -> bool:
    """Return whether a file begins as safetensors do: the length of a JSON object, and that."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(9)
    except OSError:  # what reads it says why
        return False
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def _of_network(options: PlayOptions) -> tuple[Setup, Rows]:
    """Return a saved network, with the rows of a table, where training goes on from it."""
    from backpass.derivatives.batch import subject
    from backpass.page.data import Rows
    from backpass.page.setup import Setup

    if options.table is None:
        raise InputError(f"{options.subject} holds no rows: give the table of its rows behind it")
    told = network_rows(options.subject, options.table, None, None, None)
    with told.taken(range(len(told))) as (X, y):
        seen = subject(told.model, X, y).in_numpy()
    used = told.model.usable(told.model.read(told.X)) if told.y is None else None
    network = seen.network
    inputs, outputs = (tuple(told.names.get(f"{key}_names", ())) for key in ("input", "output"))
    rows = Rows(
        told.label, seen.X, seen.y, inputs=inputs, outputs=outputs,
        numbers=used, line_of=told.line_of,
    )  # fmt: skip
    (*activations, output), loss = network.model.specs()
    given = tuple(network.parameters.flat.tolist())
    hidden, M = network.sizes[1:-1], min(16, len(rows.X))
    return Setup(hidden, tuple(activations), output, loss, batch_size=M, parameters=given), rows
