"""A trace as plain lists and numbers, for JSON."""

from typing import Any

import numpy as np

from backpass.derivatives.tracing.formulas import leaves
from backpass.derivatives.tracing.layout import Limits, show
from backpass.derivatives.tracing.result import Traced
from backpass.derivatives.tracing.steps import Line, Step
from backpass.derivatives.tracing.to_latex import LatexPainter
from backpass.derivatives.tracing.to_text import TextPainter

__all__ = ["as_dict"]


def as_dict(trace: Traced) -> dict[str, Any]:
    """Return the trace as JSON holds it; arrays lie as the notation has them.

    An array of more than ``max_elements`` entries is cut, and ``left_out`` counts the rest.
    """
    activations, loss = trace.network.model.specs()
    return {
        "format": "backpass trace 1",
        "network": {
            "sizes": list(trace.network.sizes),
            "activations": activations,
            "loss": loss,
        },
        "notation": {"name": trace.notation.name, "note": trace.notation.note},
        "form": trace.form,
        "inputs": list(trace.input_names),
        "outputs": list(trace.output_names),
        "rows": len(trace["s"]),
        "sections": [
            {"title": section.title, "steps": [_step(trace, step) for step in section.steps]}
            for section in trace.sections
        ],
    }


def _step(trace: Traced, step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "layer": step.layer,
        "title": step.title,
        "place": step.place,
        "remarks": list(step.remarks),
        "lines": [_line(trace, line) for line in step.lines],
    }


def _line(trace: Traced, line: Line) -> dict[str, Any]:
    notation = trace.notation
    painter = LatexPainter(notation.operators, from_zero=notation.from_zero)
    plain = TextPainter(notation.operators, from_zero=notation.from_zero)
    shown = show(line, painter, trace.limits, batch=trace.batch)
    seen: dict[str, Any] = {}
    for leaf in [*leaves(line.equation.left), *leaves(line.equation.right)]:
        name = leaf.key + (f"_{leaf.layer}" if leaf.layer is not None else "")
        name += f"_sample_{leaf.sample + 1}" if leaf.sample is not None else ""
        name += "".join(f"_{i + 1}" for i in leaf.entry)
        seen[name] = _array(line.values(leaf), trace.limits)
    text = show(line, plain, trace.limits, batch=trace.batch).symbols.lines
    return {
        "formula": text[0].strip(),
        "latex": shown.symbols,
        "left": next(iter(seen), ""),
        "quantities": seen,
    }


def _array(value: Any, limits: Limits) -> Any:
    if np.ndim(value) < 2:
        return {"shape": [], "values": float(value), "left_out": 0}
    part = limits.cut(value)
    values = value[: len(part.rows), : len(part.columns)].tolist()
    return {"shape": list(part.shape), "values": values, "left_out": part.left_out}
