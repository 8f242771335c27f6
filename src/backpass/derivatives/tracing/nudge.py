"""Note 3's intuition as numbers: move one parameter by ε, and see what the cost does.

Beside it stand ε times the derivative, and the paths that the derivative is the sum of.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backpass.derivatives.batch import Subject
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.formulas import Equation, Leaf, Node, joined, mapped, parse
from backpass.derivatives.tracing.recording import (
    Line,
    Recording,
    Values,
    record_nudge,
    record_paths,
)
from backpass.derivatives.tracing.steps import (
    Section,
    Step,
    mean_cost,
    of_every_sample,
    penalty_slope,
    share_of,
)
from backpass.errors import InputError

SHOWN_PATHS = 8

DIGITS = 9
"""Of costs whose difference is shown."""


def nudge_section(
    notation: Notation, batch: Subject, whole: Recording, where: Any, samples: list[Recording]
) -> Section:
    """Return the steps of a nudge.

    It moves ``("W", layer, i, j)`` or ``("b", layer, j)``, in our layout, units from 0; `whole` is
    the run without it, `samples` those of each sample alone where they are shown.
    """
    key, layer, entry = _checked(where, batch.network.sizes)
    second = record_nudge(batch, whole, key, layer, entry)
    paths, count = record_paths(whole, key, layer, entry, SHOWN_PATHS)
    values = Values(notation, whole, samples or of_every_sample(whole))
    error = "delta" if samples or len(values.samples) == 1 else "dz"
    again = Values(notation, second, of_every_sample(second))
    cost = mapped(mean_cost(again, batch.alpha), _moved)
    one = f"{key}[l]{[*entry]}"
    equations = (
        (parse(f"moved = {one} + epsilon", layer), values, 1),
        (Equation(Leaf("J_moved"), cost), again, DIGITS),
        (parse("change = J_moved - J"), values, DIGITS),
        (parse(f"promised = epsilon * d{one}", layer), values, 1),
    )
    lines = tuple(Line(equation, seen, digits=digits) for equation, seen, digits in equations)
    remark = "the last two differ by the curvature of the cost, with ε² only"
    title = "one parameter moved, and the cost it really gives"
    steps = [
        Step("C", layer, title, _INTUITION, lines, (remark,)),
        _paths_step(values, key, layer, entry, paths, count, batch.alpha, error),
    ]
    return Section(f"nudge of {key}_{layer}[{', '.join(map(str, entry))}]", steps)


def _moved(leaf: Leaf) -> Leaf:
    """Return what a quantity is called once the parameter has moved."""
    changed = leaf.key in ("costs", "penalty")
    return replace(leaf, key=f"{leaf.key}_moved") if changed else leaf


_INTUITION, _MULTIPLE = "note 3, section 4.2", "note 3, section 4.3.2"


def _paths_step(
    values: Values,
    key: str,
    layer: int,
    entry: tuple[int, ...],
    paths: Sequence[tuple[int, tuple[int, ...]]],
    count: int,
    alpha: float,
    error: str,
) -> Step:
    """Return every path with its product, and the sum of all."""
    several = len(values.samples) > 1
    lines = []
    for number, (n, units) in enumerate(paths):
        right = _along(units, layer, values.last, n if several else None, error)
        right[:0] = [share_of(n, values)] * several
        if key == "W":
            right.append(Leaf("a", layer - 1, n if several else None, (entry[0],)))
        left = Leaf("path", entry=(number,))
        lines.append(Line(Equation(left, joined("*", right)), values))
    terms: list[Node] = [Leaf("path", entry=(number,)) for number in range(len(paths))]
    left_out = count - len(paths)
    terms += [Leaf("rest")] * (left_out > 0)
    if alpha and key == "W":
        terms.append(penalty_slope(Leaf("W", layer, entry=entry), values))
    total = Equation(Leaf(f"d{key}", layer, entry=entry), joined("+", terms))
    remarks = (f"r: {left_out} of {count} paths left out, the weakest",) if left_out > 0 else ()
    equation = "B3" if key == "W" else "B4"
    lines.append(Line(total, values))
    title = "the chain rule along multiple paths"
    return Step(equation, layer, title, _MULTIPLE, tuple(lines), remarks)


def _along(
    units: tuple[int, ...], layer: int, last: int, sample: int | None, error: str
) -> list[Node]:
    """Return the derivatives on a path, from the cost of one sample down; `error` is the first."""
    factors: list[Node] = [Leaf(error, last, sample, (units[-1],), own=sample is not None)]
    for m in range(last - 1, layer - 1, -1):
        here, above = units[m - layer], units[m - layer + 1]
        factors.append(Leaf("W", m + 1, entry=(here, above)))
        factors.append(Leaf("dphi", m, sample, (here,)))
    return factors


def _checked(where: Any, sizes: tuple[int, ...]) -> tuple[str, int, tuple[int, ...]]:
    last = len(sizes) - 1
    told = f"nudge must be ('W', layer, i, j) or ('b', layer, j), layer 1 … {last}, not {where!r}"
    try:
        key, layer, *entry = where
        indices = {"W": 2, "b": 1}[key]
    except (TypeError, ValueError, KeyError):
        raise InputError(told) from None
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in (layer, *entry))
    if not whole or len(entry) != indices:
        raise InputError(told)
    if not 1 <= layer <= last:
        raise InputError(f"nudge: there is no {key}_{layer}; the layers are 1 … {last}")
    shape = sizes[layer - 1 : layer + 1][-indices:]
    if not all(0 <= i < n for i, n in zip(entry, shape, strict=True)):
        ends = ", ".join(f"0 … {n - 1}" for n in shape)
        name = f"{key}_{layer}[{', '.join(map(str, entry))}]"
        raise InputError(
            f"nudge: there is no {name}; its indices are {ends}, in our layout (in, out)"
        )
    return key, layer, tuple(entry)
