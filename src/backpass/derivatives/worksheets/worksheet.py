"""A worksheet: the steps of a trace with blanks where the student computes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backpass.derivatives.batch import subject
from backpass.derivatives.tracing import EXAMPLES, Trace, example, trace
from backpass.derivatives.tracing.formulas import Equation, Leaf, leaves
from backpass.derivatives.tracing.recording import Line, Recording, Values
from backpass.derivatives.tracing.steps import Section, Step
from backpass.derivatives.worksheets.round_numbers import round_numbers
from backpass.errors import InputError
from backpass.network.network import Network

WIDEST, MOST_LAYERS, MOST_ROWS = 4, 6, 4
"""What fits across a page, and what anybody computes by hand."""

GIVEN = {"W", "w", "b", "bs", "y", "s", "N", "S", "lambda", "rate"}
Key = tuple[str, int | None]


@dataclass(frozen=True)
class Worksheet:
    """An exercise: what is given, the steps with their blanks, and the solution.

    Parameters
    ----------
    solution : Trace
        Every number; it has ``to_html`` and ``to_latex``.
    given : tuple of Line
        The numbers that the student starts from; each is of one quantity.
    sections : tuple of Section
        The steps of the solution; what is to be computed is NaN wherever it would stand.
    blank : frozenset of str
        The ids of the steps that are to be computed.

    Examples
    --------
    >>> sheet = worksheet("small", notation="nabla", seed=7)
    >>> sheet
    <Worksheet of a 2-3-2 network, notation nabla: ... steps blank>
    >>> sheet.solution["W", 1].shape
    (2, 3)
    """

    solution: Trace
    given: tuple[Line, ...]
    sections: tuple[Section, ...]
    blank: frozenset[str]

    def __repr__(self) -> str:
        steps = [step.id in self.blank for part in self.sections for step in part.steps]
        told = f"{self.solution.widths} network, notation {self.solution.notation.name}"
        return f"<Worksheet of a {told}: {sum(steps)} of {len(steps)} steps blank>"

    def _repr_html_(self) -> str:
        from backpass.derivatives.worksheets.sheet_html import sheet_part  # each format by itself

        return sheet_part(self)

    def lines(self, step: Step) -> list[tuple[Line, bool, bool]]:
        """Return a step's lines, each with whether its numbers and its result are shown, too.

        A blank step has boxes for its result once, and other forms of it as formulas alone.
        """
        given, lefts = step.id not in self.blank, [line.equation.left for line in step.lines]
        first = [line.equation.left not in lefts[:i] for i, line in enumerate(step.lines)]
        return [(line, given, given or new) for line, new in zip(step.lines, first, strict=True)]

    def to_html(self) -> str:
        """Return a page for screen and printer: no script, nothing loaded from elsewhere."""
        from backpass.derivatives.worksheets.sheet_html import sheet_page

        return sheet_page(self)

    def to_latex(self) -> str:
        """Return a document that plain amsmath compiles."""
        from backpass.derivatives.worksheets.sheet_latex import sheet_document

        return sheet_document(self)

    def save(self, path: str | Path, solution: str | Path | None = None) -> None:
        """Write the sheet, and its solution where a second path is given.

        Parameters
        ----------
        path, solution : str or Path
            ``.html``, ``.tex``, or ``.pdf`` where pdflatex is installed.

        Raises
        ------
        InputError
            When a suffix is another, or there is no pdflatex; then nothing was written.
        """
        from backpass.derivatives.worksheets.files import check_format, write_page

        pages = [(self, path), (self.solution, solution)]
        places = [(page, place) for page, place in pages if place is not None]
        for _, place in places:
            check_format(place)
        for page, place in places:
            write_page(page, place)


def worksheet(
    model: str | Network = "small",
    X: Any = None,
    y: Any = None,
    *,
    notation: str = "code",
    form: str = "batch",
    rows: int = 1,
    seed: int = 0,
    blank: Iterable[str] | None = None,
) -> Worksheet:
    """Return an exercise in backpropagation, with numbers that come out round.

    Parameters
    ----------
    model : str or Network
        An example's name, ``"xor"``, ``"thin"``, ``"small"`` or ``"classes"``, or a network:
        sizes, activations and loss are taken from it, and weights, biases, inputs and targets are
        drawn. The shorter the decimals of the results, the likelier a draw is kept; how short they
        can be depends on the activations: those of relu and identity are, tanh's are not.
    X, y : array, optional
        Rows and targets; with these, they and the network's own numbers are kept as they are.
    notation, form : str
        As :func:`backpass.trace` takes them.
    rows : int
        How many samples are drawn.
    seed : int
        The same seed gives the same worksheet, to the last byte.
    blank : iterable of str, optional
        The steps to be computed, by the beginning of their ids: ``["B1", "B3"]``; ``["F"]`` is the
        whole forward pass. By default all.

    Raises
    ------
    InputError
        When the network is too large for a page, or a step, notation or form is unknown.

    Examples
    --------
    >>> from backpass import Network
    >>> sheet = worksheet(Network([2, 2, 1], "relu"), rows=2, blank=["F", "B1"])
    >>> "F2" in sheet.blank, "B3" in sheet.blank
    (True, False)
    >>> sheet.solution["z", 1]
    array([[ 0.5 ,  4.  ],
           [-0.25,  1.  ]])
    """
    network, X, y = _exercise(model, X, y, rows, seed)
    seen = trace(network, X, y, notation=notation, form=form, max_elements=None)
    ids = _blank_ids(seen, blank)
    hidden = _hidden(seen, ids)
    sections = tuple(
        Section(section.title, [_with_blanks(step, ids, hidden) for step in section.steps])
        for section in seen.sections
    )
    seen = replace(seen, title="Solution of the worksheet on")
    return Worksheet(seen, tuple(_given(seen, X, y)), sections, ids)


def _exercise(model: Any, X: Any, y: Any, rows: int, seed: int) -> tuple[Network, Any, Any]:
    """Return network, rows and targets: drawn, or as they were given."""
    if (X is None) != (y is None):
        raise InputError("give X and y, or neither: then both are drawn")
    if isinstance(model, str):
        network, _, _ = example(model.removeprefix("example:"))
    elif isinstance(model, Network):
        network = model
    else:
        known = ", ".join(EXAMPLES)
        raise InputError(f"give a Network, or the name of an example: {known}")
    if max(network.sizes) > WIDEST or len(network.sizes) - 1 > MOST_LAYERS:
        raise InputError(
            f"a worksheet has up to {MOST_LAYERS} layers of {WIDEST} units, and not "
            f"{'-'.join(map(str, network.sizes))}; take a smaller network"
        )
    count = rows if X is None else len(X)
    if isinstance(count, bool) or count not in range(1, MOST_ROWS + 1):
        raise InputError(f"a worksheet has 1 … {MOST_ROWS} rows, and not {count!r}")
    return (network, X, y) if X is not None else round_numbers(network, rows, seed)


def _blank_ids(seen: Trace, blank: Iterable[str] | None) -> frozenset[str]:
    """Return the ids of the steps that are to be computed."""
    ids = list(dict.fromkeys(step.id for section in seen.sections for step in section.steps))
    if blank is None:
        return frozenset(ids)
    wanted = [blank] if isinstance(blank, str) else list(blank)
    for name in wanted or [""]:
        if not name or not any(step.startswith(name) for step in ids):
            raise InputError(
                f"no step of this worksheet begins with {name!r}; its steps: {', '.join(ids)}"
            )
    return frozenset(step for step in ids if step.startswith(tuple(wanted)))


def _hidden(seen: Trace, blank: frozenset[str]) -> set[Key]:
    """Return the arrays that no number may be shown of.

    They are the results of the blank steps, and whatever has the same numbers by another name: the
    bias gradient of one sample is its error signal.
    """
    steps = [step for section in seen.sections for step in section.steps]
    looked_up = [line.values for step in steps for line in step.lines]
    recordings = [one for values in looked_up for one in (values.recording, *values.samples)]
    known = list({id(one): one.arrays for one in recordings}.values())
    lefts = [line.equation.left for step in steps if step.id in blank for line in step.lines]
    results = [leaf for left in lefts for leaf in leaves(left)]
    hidden: set[Key] = set()
    for arrays in known:
        free = {key: array for key, array in arrays.items() if not _is_given(key)}
        computed = [array for key, array in free.items() if any(_is_of(key, r) for r in results)]
        hidden |= {key for key, array in free.items() if any(_same(array, c) for c in computed)}
    return hidden


def _is_of(key: Key, result: Leaf) -> bool:
    """Return whether an array is of that quantity; ``"dha1"`` is a second unit's ``"dha"``."""
    return re.sub(r"\d+$", "", key[0]) == result.key and key[1] in (result.layer, None)


def _is_given(key: Key) -> bool:
    return key[0] in GIVEN or key == ("a", 0)


def _same(array: Any, other: Any) -> bool:
    """Return whether two arrays have the same numbers, lying as they do or transposed."""
    one, turned, flat = np.ravel(array), np.ravel(np.transpose(array)), np.ravel(other)
    return flat.size == one.size and any(np.allclose(x, flat, atol=0) for x in (one, turned))


def _with_blanks(step: Step, blank: frozenset[str], hidden: set[Key]) -> Step:
    """Return a step whose lines know no hidden number."""

    def blanked(seen: Recording) -> Recording:
        arrays = {k: x * np.nan if k in hidden else x for k, x in seen.arrays.items()}
        return replace(seen, arrays=arrays)

    def without(values: Values) -> Values:
        samples = [blanked(one) for one in values.samples]
        return replace(values, recording=blanked(values.recording), samples=samples)

    lines = tuple(replace(line, values=without(line.values)) for line in step.lines)
    return replace(step, lines=lines, remarks=() if step.id in blank else step.remarks)


def _given(seen: Trace, X: Any, y: Any) -> Iterator[Line]:
    """Yield the parameters, then the rows and their targets, one by one where the steps are."""
    batch = subject(seen.network, X, y)
    rows: Sequence[Any] = range(len(batch.s)) if not seen.batch and len(batch.s) > 1 else (None,)
    alone = [Recording({("a", 0): batch.X[n : n + 1], ("y", None): batch.y[n : n + 1]})
             for n in range(len(batch.s))]  # fmt: skip
    whole = replace(seen.recording, arrays={**seen.recording.arrays, ("y", None): batch.y})
    values = Values(seen.notation, whole, alone)
    layers = range(1, seen.last + 1)
    for leaf in [
        *(Leaf(key, layer) for layer in layers for key in ("W", "b")),
        *(leaf for n in rows for leaf in (Leaf("a", 0, sample=n), Leaf("y", sample=n))),
    ]:
        yield Line(Equation(leaf, leaf), values)
