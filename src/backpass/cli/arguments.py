"""The arguments that commands share, and what is checked of options and paths before any work."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

from typer import Argument, Option

from backpass.errors import InputError
from backpass.storage.atomic_write import shown_path

if TYPE_CHECKING:
    from backpass.tabular.model import TabularModel

# typer 0.15 evaluates these, and does not know str | None
MaybeText = Optional[str]  # noqa: UP045
MaybeTexts = Optional[list[str]]  # noqa: UP045
MaybeWhole = Optional[int]  # noqa: UP045
MaybeNumber = Optional[float]  # noqa: UP045


def option(metavar: str | None, told: str, *names: str, default: Any = None, **more: Any) -> Any:
    """Return a field of a command's options: what ``--help`` says, and how it is typed."""
    given = Option(*names, metavar=metavar, help=told, **more)
    return field(default=default, metadata={"option": given})


def switch(name: str, told: str) -> Any:
    """Return a field that is false until its name is given."""
    return option(None, told, name, default=False)


TABLE_HELP = (
    "CSV, TSV, JSON lines, Excel, OpenDocument, Parquet or Arrow file, compressed or not; - for "
    "standard input; or example:NAME (breast_cancer, diabetes, digits, iris, wine)."
)
Table = Annotated[str, Argument(metavar="TABLE", help=TABLE_HELP)]
Model = Annotated[str, Argument(metavar="MODEL", help="Model file that fit has written.")]
ModelOrNetwork = Annotated[
    str,
    Argument(
        metavar="MODEL",
        help="File that fit or Network.save has written; example:xor, :thin, :small, :classes; or "
        "a set-up of play: .json or #v1:…",
    ),
]
MaybeTable = Annotated[
    MaybeText,
    Argument(
        metavar="[TABLE]",
        help="Table of the rows; for a network, of numbers: its inputs and then its targets.",
    ),
]
Inputs = Annotated[
    MaybeTexts,
    Option("--x", metavar="1,0,2", help="A row of inputs in place of TABLE, or rows: 1,0,2;0,1,1."),
]
Targets = Annotated[MaybeTexts, Option("--y", metavar="1", help="Their targets, likewise.")]
Form = Annotated[
    str, Option(metavar="NAME", help="batch, sample, parameter, jacobian, neuron or chain.")
]
Json = Annotated[
    MaybeText, Option("--json", metavar="FILE.json", help="Write all results as JSON.")
]
Network = Annotated[
    MaybeWhole,
    Option(
        "--network",
        min=1,
        metavar="N",
        help="Which network of a pack. [default: the first of the recipe that counts most]",
    ),
]

JSON, PAGES = (".json",), (".html", ".htm")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_TABLES = (
    *(".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json"),
    *(".parquet", ".pq", ".feather", ".arrow", ".arrows", ".ipc"),
    *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
)
_TABLE_SUFFIXES = {*_TABLES, *_COMPRESSED}
WIDEST, MOST_LAYERS = 16384, 64


def with_network(model: TabularModel, number: int | None) -> TabularModel:
    """Return a model whose network is the one asked for, and say which it is of a pack."""
    if number is not None:
        model = model.with_network(number)
    if model.pack is not None:
        networks = [*model.pack.networks]
        place = next(i for i, network in enumerate(networks) if network is model.network)
        hint = "" if number else "; --network N takes another"
        sys.stderr.write(f"network {place + 1} of {len(networks)} of the pack{hint}\n")
    return model


# --- options ---------------------------------------------------------------------------------


def hidden_sizes(text: str, option: str = "--hidden") -> tuple[int, ...]:
    """Return the widths of the hidden layers, or of all of them, by the option.

    Examples
    --------
    >>> hidden_sizes("256, 128")
    (256, 128)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        which = "each hidden layer, as in --hidden 256,256"
        which = which if option == "--hidden" else f"each layer, as in {option} 2,3,2"
        raise InputError(f"{option} {text!r}: give the width of {which}")
    sizes = tuple(int(part[:9]) for part in parts)
    if not all(1 <= size <= WIDEST for size in sizes) or len(sizes) > MOST_LAYERS:
        raise InputError(
            f"{option} {text!r}: up to {MOST_LAYERS} layers of 1 to {WIDEST} units are possible"
        )
    return sizes


def check_numbers(test_fraction: float, time_limit: float | None) -> None:
    """Refuse numbers out of range; the command line's own ranges let NaN pass."""
    if not 0 < test_fraction < 1:
        raise InputError(
            f"--test-fraction {test_fraction:g}: give a part between 0 and 1, such as 0.2"
        )
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise InputError(f"--time-limit {time_limit:g}: give a number of seconds above 0")


def possible_names(options: Iterable[str]) -> list[str]:
    """Return all column names that ``a`` or ``a,b`` may mean, before the table is read.

    Examples
    --------
    >>> possible_names(["a", "b, c"])
    ['a', 'b, c', 'b', 'c']
    """
    names: dict[str, None] = {}
    for option in options:
        for name in (option, *option.split(",")):
            names[name.strip()] = None
    return list(names)


def column_names(options: Iterable[str], columns: Sequence[str]) -> list[str]:
    """Return the columns that ``a`` or ``a,b`` mean: an exact name wins over a list.

    Examples
    --------
    >>> column_names(["Smith, J.", "b,a"], ["a", "b", "Smith, J."])
    ['Smith, J.', 'b', 'a']
    """
    names: dict[str, None] = {}
    for option in options:
        if option in columns:
            names[option] = None
        else:
            names.update(dict.fromkeys(part.strip() for part in option.split(",") if part.strip()))
    return list(names)


def costs_of(options: Iterable[str]) -> dict[str, float]:
    """Return the costs that ``yes=5,no=1`` means, by class.

    Examples
    --------
    >>> costs_of(["yes=5,no=1", "a=b=2"])
    {'yes': 5.0, 'no': 1.0, 'a=b': 2.0}
    """
    costs = {}
    for part in (part for option in options for part in option.split(",")):
        name, mark, cost = part.rpartition("=")
        try:
            costs[name.strip()] = float(cost)
        except ValueError:
            mark = ""
        if not mark:
            raise InputError(f"--cost {part!r}: give a class and a number, as in --cost yes=5")
    return costs


# --- paths -----------------------------------------------------------------------------------


def default_model(table: str) -> Path:
    """Return the model file for a table, in the current folder.

    Examples
    --------
    >>> [str(default_model(table)) for table in ("-", "example:iris", "data/churn.csv.gz")]
    ['model.backpass', 'iris.backpass', 'churn.backpass']
    >>> str(default_model("sales/*.parquet"))  # as the folder is called
    'sales.backpass'
    """
    while re.search(r"[*?\[]", Path(table).name):
        table = str(Path(table).parent)
    if table == "-" or not Path(table).name:
        return Path("model.backpass")
    if table.startswith("example:"):
        return Path(table.removeprefix("example:") + ".backpass")
    name = Path(table).name
    for suffix in (*_COMPRESSED, *_TABLES):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return Path(f"{name}.backpass")


class Output:
    """A file to be written, the option that named it, and the suffixes that it may have.

    Without suffixes it may have any that is not a table's.
    """

    def __init__(self, option: str, path: str | Path, suffixes: tuple[str, ...] = ()) -> None:
        if not str(path):
            raise InputError(f"{option} '': give the name of a file")
        self.option, self.path, self.suffixes = option, Path(path), suffixes

    def check(self) -> None:
        """Refuse a path that could not be written to."""
        path, shown = self.path, f"{self.option} {shown_path(self.path)}"
        suffix = path.suffix.lower()
        if self.suffixes and suffix not in self.suffixes:
            raise InputError(f"{shown}: the name must end in {' or '.join(self.suffixes)}")
        if not self.suffixes and suffix in _TABLE_SUFFIXES | {".html"}:
            raise InputError(f"{shown}: a model is no {suffix} file; call it NAME.backpass")
        if os.path.isdir(path):  # noqa: PTH112 (pathlib's raises for a name that is too long)
            raise InputError(f"{shown}: is a folder; give the name of a file")
        try:
            path.stat()
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{shown}: cannot be written: {reason}; choose another name") from None
        else:
            if not path.is_file():
                raise InputError(f"{shown}: is a device or a pipe; give the name of a file")
            if not os.access(path, os.W_OK):
                raise InputError(f"{shown}: is write-protected; choose another name")
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise InputError(f"{shown}: there is no folder {shown_path(folder)!r}; make it first")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{shown}: you may not write in its folder; choose another")


def outputs(*told: tuple[str, str | None, tuple[str, ...]]) -> list[Output]:
    """Return the files that were asked for: of each its option, its name and its suffixes."""
    return [Output(option, path, suffixes) for option, path, suffixes in told if path is not None]


def check_outputs(outputs: Sequence[Output], inputs: Iterable[str]) -> None:
    """Refuse outputs that cannot be written, that name an input, or that name the same file."""
    read = {_real(path) for path in inputs if path != "-"}
    taken: dict[str, str] = {}
    for output in outputs:
        real = _real(output.path)
        shown = f"{output.option} {shown_path(output.path)}"
        if real in read or any(_same(real, path) for path in read):
            raise InputError(f"{shown}: is read as input, too; choose another name")
        if real in taken:
            raise InputError(f"{shown}: is the file of {taken[real]}, too; choose another name")
        output.check()
        taken[real] = output.option


def check_folder(option: str, folder: str, outputs: Iterable[Output]) -> None:
    """Refuse a folder that is to be a file, too."""
    real = _real(folder)
    for output in outputs:
        if _real(output.path) == real:
            shown = f"{option} {shown_path(folder)}"
            raise InputError(f"{shown}: is the file of {output.option}, too; choose another name")


def _real(path: str | Path) -> str:
    """Return a path without links; one with a null character has none, and is refused later."""
    return str(path) if "\0" in str(path) else os.path.realpath(path)


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)  # hard links
    except (OSError, ValueError):
        return False


def label_of(table: str) -> str:
    """Return what a table is called in messages."""
    return "standard input" if table == "-" else table


def check_is_file(model: str) -> None:
    """Refuse an example where a model file is wanted.

    Examples
    --------
    >>> check_is_file("iris.backpass")
    """
    if model.startswith("example:"):
        raise InputError(
            f"{model}: trace, check and homework take an example for a model; give a file that fit"
            " has written"
        )


def check_model_place(path: Path) -> None:
    """Refuse to replace a file that is not a model of ours."""
    from backpass.errors import ModelFileError
    from backpass.storage.safetensors import parse_header, read_header

    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            metadata, _ = parse_header(read_header(file, path.stat().st_size)[1])
        ours = metadata.get("format") == "backpass" and metadata.get("kind") == "model"
    except (ModelFileError, OSError):
        ours = False
    if not ours:
        raise InputError(
            f"{shown_path(path)}: is there already and is no backpass model; it was left as it "
            "is: move it, or choose another name with --model"
        )
