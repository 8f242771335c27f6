"""The command ``backpass worksheet``, once its arguments are known."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from backpass.cli.arguments import Form, MaybeText, check_outputs, hidden_sizes, option, outputs
from backpass.cli.network_rows import loaded
from backpass.errors import InputError

if TYPE_CHECKING:
    from backpass.core.activations import Activation
    from backpass.network.network import Network


@dataclass(frozen=True)
class WorksheetOptions:
    """The arguments of ``backpass worksheet``: their types, their help, and what was given."""

    model: Annotated[
        str,
        Argument(
            metavar="MODEL",
            help="example:xor, :thin, :small or :classes; or a file that fit or Network.save has "
            "written, whose layers and loss are taken.",
        ),
    ]
    output: str = option(
        "FILE", "The sheet: .html, .tex or .pdf.", "--output", "-o", default=MISSING
    )
    solution: MaybeText = option("FILE", "Write the solution there, too.")
    notation: str = option(
        "NAME", "code, or a note's: error, chain, nabla, omega, bracket.", default="code"
    )
    form: Form = "batch"
    seed: int = option("N", "Another seed: the same exercise, other numbers.", default=0, min=0)
    sizes: MaybeText = option("N,…,N", "Units of every layer, as 2,3,2. [default: MODEL's]")
    activation: MaybeText = option("NAME", "Of the hidden layers. [default: MODEL's]")
    rows: int = option("N", "How many samples.", default=1)
    blank: MaybeText = option(
        "IDS",
        "Steps to compute, by the beginning of their ids: F1 or B1,B2b,B3; B is the backward "
        "pass. [default: all]",
    )


def run_worksheet(options: WorksheetOptions) -> int:
    """Write an exercise in backpropagation, with round numbers and blanks, and its solution.

    Weights and samples are drawn so that what is to be computed comes out round, as far as the
    activation allows; the same seed gives the same sheet. A .pdf needs pdflatex.

    \b
    Examples:
      backpass worksheet example:small --notation nabla --seed 7 -o sheet.html --solution done.html
      backpass worksheet example:small --activation relu --rows 2 --blank B -o sheet.pdf
    """  # noqa: D301
    from backpass.derivatives.worksheets import worksheet
    from backpass.derivatives.worksheets.files import SUFFIXES, check_format

    places = outputs(
        ("--output", options.output, SUFFIXES), ("--solution", options.solution, SUFFIXES)
    )
    check_outputs(places, [options.model])
    for place in places:
        check_format(place.path)
    sheet = worksheet(
        _network(options),
        notation=options.notation,
        form=options.form,
        rows=options.rows,
        seed=options.seed,
        blank=None if options.blank is None else options.blank.replace(" ", "").split(","),
    )
    sheet.save(options.output, options.solution)
    steps = ", ".join(sorted(sheet.blank))
    solution = f"; its solution in {options.solution}" if options.solution else ""
    sys.stdout.write(f"{options.output}: a worksheet with {steps} to compute{solution}\n")
    return 0


def _network(options: WorksheetOptions) -> Network:
    """Return a network with the layers and the loss that were asked for."""
    from backpass.network.network import Network

    found = loaded(options.model)[0]
    network = found if isinstance(found, Network) else found.network
    if options.sizes is None and options.activation is None:
        return network
    sizes = network.sizes if options.sizes is None else hidden_sizes(options.sizes, "--sizes")
    if len(sizes) < 2:
        raise InputError(f"--sizes {options.sizes!r}: give those of the inputs and outputs, too")
    model = network.model
    hidden: list[str | Activation] = [*model.activations[:-1]]
    if options.activation is not None or len(sizes) != len(network.sizes):
        hidden = [options.activation or (hidden or ["relu"])[0]] * (len(sizes) - 2)
    return Network(sizes, hidden, model.activations[-1], model.loss, seed=0)
