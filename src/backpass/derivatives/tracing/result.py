"""The trace of a run: its recording, the steps to show of it, and the ways to show them."""

import json
import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from backpass.core.registry import shown
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.formatter import Limits
from backpass.derivatives.tracing.recording import Line, Recording
from backpass.derivatives.tracing.steps import Section, Step
from backpass.derivatives.tracing.table_columns import TableColumn
from backpass.errors import InputError
from backpass.network.network import Network
from backpass.storage.atomic_write import durable_write

FORM_SUBJECTS = {
    "parameter": "derivatives to single parameters",
    "jacobian": "Jacobians of layers",
    "neuron": "derivatives of a single neuron",
    "chain": "chain of fractions",
}
"""What a form is made of, which a note may not have."""

SHOWN_NAMES = 12
"""The most names of inputs or outputs that are listed."""

FORMATS = {"text": (".txt",), "html": (".html", ".htm"), "latex": (".tex",), "json": (".json",)}
"""Every format that a trace is written in, and the suffixes that it is chosen by."""


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the format that a file's suffix asks for.

    Raises
    ------
    InputError
        When it asks for none.
    """
    suffix = Path(path).suffix.lower()
    for kind, suffixes in FORMATS.items():
        if suffix in suffixes:
            return kind
    known = ", ".join(suffixes[0] for suffixes in FORMATS.values())
    raise InputError(f"{os.fspath(path)}: give a suffix of {known}")


@dataclass(frozen=True)
class Trace:
    """All numbers of one run of the two passes, and the steps to show of it.

    Indexing gives the numbers themselves: ``trace["delta", 2]`` is the error signal of layer 2 in
    our layout, (N, n_2); layers are 1 … L, ``trace["a", 0]`` is X, ``trace["J"]`` the cost.
    It is made by :func:`trace`, prints as text, and shows itself as HTML in notebooks.

    Parameters
    ----------
    network : Network
        As it was.
    notation : Notation
    form : str
    recording : Recording
        Of the whole batch.
    sections : tuple of Section
        The steps to show.
    limits : Limits
    batch : bool
        Whether formulas are written for a batch.
    input_names, output_names : tuple of str
        What the units of the first and of the last layer stand for, where that is known.
    table_columns : tuple of TableColumn
        What the rows were in a table, where they come from one.
    title : str
        What its page is headed by, before the network.
    """

    network: Network
    notation: Notation
    form: str
    recording: Recording
    sections: tuple[Section, ...]
    limits: Limits
    batch: bool
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    table_columns: tuple[TableColumn, ...] = ()
    title: str = "Trace of"

    def __getitem__(self, key: str | tuple[str, int]) -> Any:
        name, layer = (key, None) if isinstance(key, str) else key
        if (name, layer) not in self.recording.arrays:
            arrays = self.recording.arrays
            known = sorted({k if where is None else f"{k}, layer" for k, where in arrays})
            raise InputError(f"this trace has no {key!r}; it has: {'; '.join(known)}")
        return self.recording.arrays[name, layer]

    @property
    def last(self) -> int:
        """The number of the output layer."""
        return len(self.network.sizes) - 1

    @property
    def widths(self) -> str:
        """The units of every layer, as ``"2-3-2"``."""
        return "-".join(map(str, self.network.sizes))

    def heading(self) -> list[str]:
        """Return what is traced, in some lines: network, notation, form, names of the units."""
        model, notation = self.network.model, self.notation
        layers = ", ".join(shown(phi) for phi in model.activations)
        whose = f"note {notation.note}, {notation.title}" if notation.note else notation.title
        n = len(self["s"])
        lines = [
            f"network {self.widths}: {layers}; loss {shown(model.loss)}",
            f"notation {notation.name} ({whose}); form {self.form}; {n} row{'s' * (n > 1)}",
        ]
        lines.append(
            f"computed in full, shown to {self.limits.digits} digits: the last one of what is "
            "computed from shown numbers may differ"
        )
        subject = FORM_SUBJECTS.get(self.form)
        if notation.note and subject and self.form not in notation.places:
            lines.append(f"note {notation.note} has no {subject}; ours in its symbols")
        first = 1 - notation.from_zero
        for what, names in (("inputs", self.input_names), ("outputs", self.output_names)):
            told = [f"{i} {name}" for i, name in enumerate(names[:SHOWN_NAMES], start=first)]
            left = len(names) - len(told)
            told += [f"… ({left} more)"] * (left > 0)
            lines += [f"{what}: {', '.join(told)}"] * bool(names)
        return lines

    def __str__(self) -> str:
        from backpass.derivatives.tracing.to_text import text_page  # each format by itself

        return text_page(self)

    def __repr__(self) -> str:
        steps = sum(len(section.steps) for section in self.sections)
        return f"<Trace of a {self.widths} network, notation {self.notation.name}: {steps} steps>"

    def _repr_html_(self) -> str:
        from backpass.derivatives.tracing.to_html import html_part

        return html_part(self)

    def to_html(self, *, interactive: bool = False) -> str:
        """Return a whole page: MathML and SVG, nothing loaded from elsewhere, and no script.

        An `interactive` one goes from step to step by buttons and keys; for these it has a script.
        """
        from backpass.derivatives.tracing.to_html import html_page

        return html_page(self, interactive=interactive)

    def to_latex(self) -> str:
        """Return a document that plain amsmath compiles."""
        from backpass.derivatives.tracing.to_latex import latex_page

        return latex_page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain lists and numbers; ``json.dumps`` takes them."""
        return _as_dict(self)

    def written(self, kind: str, *, interactive: bool = False) -> str:
        """Return it in a format of :data:`FORMATS`.

        Raises
        ------
        InputError
            When there is no such format, or it is interactive and no page.
        """
        if kind not in FORMATS:
            raise InputError(f"unknown format {kind!r}; known: {', '.join(FORMATS)}")
        if interactive and kind != "html":
            raise InputError(f"only a page (format html) can be interactive, not {kind}")
        if kind == "html":
            return self.to_html(interactive=interactive)
        if kind == "json":
            return json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        return self.to_latex() if kind == "latex" else str(self)

    def save(self, path: str | os.PathLike[str], *, interactive: bool = False) -> None:
        """Write it to a file in the format of its suffix: .txt, .html, .tex or .json.

        Raises
        ------
        InputError
            When the suffix is none of these, or no page's where it is to be interactive.
        """
        text = self.written(format_of(path), interactive=interactive)
        durable_write(path, [text.encode()])

    def graph(self) -> str:
        """Return the computational graph as SVG: both passes, a node each quantity."""
        from backpass.derivatives.pages import alone
        from backpass.derivatives.tracing.graph_picture import graph_picture

        return alone(graph_picture(self))

    def picture(self, row: int = 0) -> str:
        """Return the network as SVG, with the activations and error signals of one row.

        Raises
        ------
        InputError
            When there is no such row.
        """
        if not 0 <= row < len(self["s"]):
            raise InputError(f"row must be 0 … {len(self['s']) - 1}, not {row}")
        from backpass.derivatives.pages import alone
        from backpass.derivatives.tracing.network_picture import network_picture

        return alone(network_picture(self, row))


def _as_dict(trace: Trace) -> dict[str, Any]:
    """Return the trace as JSON holds it; arrays lie as the notation has them.

    An array of more than ``max_elements`` entries is cut, and ``left_out`` counts the rest.
    """
    activations, loss = trace.network.model.specs()
    return {
        "format": "backpass trace 1",
        "network": {"sizes": list(trace.network.sizes), "activations": activations, "loss": loss},
        "notation": {"name": trace.notation.name, "note": trace.notation.note},
        "form": trace.form,
        "inputs": list(trace.input_names),
        "outputs": list(trace.output_names),
        "rows": len(trace["s"]),
        "table": [column.to_dict() for column in trace.table_columns],
        "sections": [
            {"title": section.title, "steps": [_step(trace, step) for step in section.steps]}
            for section in trace.sections
        ],
    }


def _step(trace: Trace, step: Step) -> dict[str, Any]:
    return {
        **{key: getattr(step, key) for key in ("id", "layer", "title", "place")},
        "remarks": list(step.remarks),
        "lines": [_line(trace, line) for line in step.lines],
    }


def _line(trace: Trace, line: Line) -> dict[str, Any]:
    from backpass.derivatives.tracing.to_latex import LatexPainter
    from backpass.derivatives.tracing.to_text import TextPainter

    latex = LatexPainter(trace.notation).show(line, trace.limits, batch=trace.batch).symbols
    text = TextPainter(trace.notation).show(line, trace.limits, batch=trace.batch).symbols
    seen: dict[str, Any] = {}
    for leaf in chain(*line.quantities()) if not line.defines else ():
        name = leaf.key + (f"_{leaf.layer}" if leaf.layer is not None else "")
        name += f"_sample_{leaf.sample + 1}" if leaf.sample is not None else ""
        name += "".join(f"_{int(i) + 1}" for i in leaf.entry)
        seen[name] = _array(line.values(leaf), trace.limits)
    return {
        "formula": text.lines[0].strip(),
        "latex": latex,
        "left": next(iter(seen), ""),
        "quantities": seen,
    }


def _array(value: Any, limits: Limits) -> Any:
    if np.ndim(value) < 2:
        return {"shape": [], "values": float(value), "left_out": 0}
    part = limits.cut(value)
    values = value[: part.rows, : part.columns].tolist()
    return {"shape": list(part.shape), "values": values, "left_out": part.left_out}
