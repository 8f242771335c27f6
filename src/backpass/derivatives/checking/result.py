"""The certificate: what is wrong, how it is shown, and the errors of numerical derivatives."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.checking.claims import Claim
from backpass.derivatives.checking.comparison import (
    BANDS,
    FAILS,
    VERDICTS,
    GroupCheck,
    relative_error,
)
from backpass.derivatives.checking.numerical import Costs
from backpass.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

STEPS = 10.0 ** np.arange(-14, 0.01, 0.25)
MOST_ENTRIES = 50  # of the weights
SHOWN_AS = 1e-17  # an error of 0, which a logarithmic scale cannot show


class StepSizeDisplay:
    """The relative error of three numerical derivatives of a layer's weights against h.

    Differences err by truncation where h is large and by rounding where it is small; the complex
    step subtracts nothing, and its error falls until only rounding is left. Make one with
    :meth:`backpass.derivatives.checking.GradientCheck.plot_steps`.

    Parameters
    ----------
    steps : array of shape (n,)
    errors : dict of str to array of shape (n,)
        Median relative error by method.
    title : str

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    lines_ : list of Line2D
        One a method.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from backpass import Network, check_gradients
    >>> display = check_gradients(Network([2, 1], seed=0), np.eye(2), [1.0, 0.0]).plot_steps()
    >>> [line.get_label() for line in display.lines_]
    ['one-sided difference', 'centred difference', 'complex step']
    """

    ax_: "Axes"
    figure_: "Figure"
    lines_: "list[Line2D]"

    def __init__(self, steps: Array, errors: dict[str, Array], title: str = "") -> None:
        self.steps, self.errors, self.title = steps, errors, title

    @classmethod
    def from_check(
        cls, check: Any, *, layer: int | None = None, ax: "Axes | None" = None
    ) -> "StepSizeDisplay":
        """Draw the errors for the weights of a layer, the last by default.

        Parameters
        ----------
        check : GradientCheck
        layer : int, optional
        ax : Axes, optional
            Where to draw; by default in a new figure.

        Raises
        ------
        InputError
            When there is no such layer.
        """
        costs = check.costs
        layer = costs.depth if layer is None else layer
        if not 1 <= layer <= costs.depth:
            raise InputError(f"there is no layer {layer}; the layers are 1 … {costs.depth}")
        claimed = check.claim.arrays["W", layer].ravel()
        entries = np.argsort(-abs(claimed), kind="stable")[:MOST_ENTRIES]
        curves: dict[str, list[float]] = {}
        for h in STEPS:
            for method, values in costs.by_step(layer, entries, h).items():
                error = float(np.median(relative_error(values, claimed[entries])))
                curves.setdefault(method, []).append(max(error, SHOWN_AS))
        errors = {method: np.array(values) for method, values in curves.items()}
        title = f"∂J/∂W, layer {layer}: median of {len(entries)} entries"
        return cls(STEPS, errors, title).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> "StepSizeDisplay":
        """Draw the curves and return the display.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default in a new figure.
        """
        from backpass.training.displays import new_axes  # few checks are drawn

        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure  # type: ignore[assignment]
        self.lines_ = []
        looks = zip(("#b35806", "#2166ac", "#777777"), (":", "--", "-"), strict=True)
        for (method, values), (colour, dash) in zip(self.errors.items(), looks, strict=False):
            self.lines_ += self.ax_.plot(
                self.steps, values, color=colour, linestyle=dash, linewidth=2, label=method
            )
        ink = self.ax_.xaxis.label.get_color()
        for end, name in BANDS[:-1]:
            self.ax_.axhline(end, color=ink, linewidth=0.6, alpha=0.5)
            self.ax_.annotate(
                f" {name}", (1, end), xycoords=("axes fraction", "data"), va="top", size="small"
            )
        self.ax_.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative error")
        self.ax_.set_title(self.title, fontsize="medium")
        self.ax_.legend(loc="lower right")
        return self


class GradientCheck:
    """The result of :func:`backpass.check_gradients`: a row for every array of every layer.

    Attributes
    ----------
    table : list of GroupCheck
        From the inputs to the output, then the records' own derivatives.

    Examples
    --------
    >>> from backpass import Network, check_gradients
    >>> check = check_gradients(Network([2, 3, 1], "tanh", seed=0), np.eye(2), [1.0, 0.0])
    >>> check
    GradientCheck(passed: 41 derivatives in 11 arrays)
    >>> [(row.kind, row.layer, row.verdict) for row in check.table][:3]
    [('input', 0, 'good'), ('W', 1, 'good'), ('b', 1, 'good')]
    """

    def __init__(self, groups: Sequence[GroupCheck], costs: Costs, claim: Claim) -> None:
        self.table = list(groups)
        self.costs, self.claim = costs, claim

    @property
    def passed(self) -> bool:
        """Whether no derivative is wrong."""
        return all(row.passed for row in self.table)

    @property
    def worst(self) -> GroupCheck:
        """The row with the most severe verdict, and of these the largest relative error."""
        return max(
            self.table, key=lambda row: (VERDICTS.index(row.verdict), np.nan_to_num(row.worst))
        )

    @property
    def failures(self) -> list[GroupCheck]:
        """The rows that did not pass."""
        return [row for row in self.table if not row.passed]

    @property
    def origins(self) -> list[GroupCheck]:
        """The failures that do not only follow from one nearer to the output."""
        return [row for row in self.failures if self._blamed(row)]

    @property
    def blame(self) -> list[str]:
        """The equations and records that are wrong, with their layers; empty where none is.

        An error that only follows from one nearer to the output is not listed.
        """
        return [text for row in self.failures if (text := self._blamed(row))]

    def _blamed(self, row: GroupCheck) -> str | None:
        """Return what is wrong where `row` is where an error begins, else None."""
        wrong = {(r.kind, r.layer) for r in self.failures}
        last, layer = self.costs.depth, row.layer
        what = f"{SHORT.get(row.kind, row.kind)}, layer {layer}"
        if row.kind in ("phi'", "C'"):
            kind = "activation" if row.kind == "phi'" else "loss"
            return f"the derivative of {kind} {row.record!r}, layer {layer}"
        if row.kind == "delta":
            begins = layer == last or ("g", layer) not in wrong
            if not begins or ("phi'", layer) in wrong or (layer == last and ("C'", layer) in wrong):
                return None
            return f"{row.equation}, layer {layer}: the error signal δ ({row.record})"
        above = layer + 1 if row.kind in ("g", "input") else layer
        if ("delta", above) in wrong:
            return None
        if row.kind == "W data" and ("W", layer) in wrong:
            return None
        known = ("delta", above) in {(r.kind, r.layer) for r in self.table}
        equation = f"{row.equation}, layer {layer}: " if known else f"layer {layer}: "
        return f"{equation}{NAMES.get(row.kind, what)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the certificate as plain JSON values; what could not be judged is null."""

        def plain(x: float) -> float | str | None:
            return None if np.isnan(x) else float(x) if np.isfinite(x) else str(x)

        return {
            "passed": self.passed,
            "gradients": self.claim.source,
            "rows": len(self.costs.given.X),
            "cost": float(self.costs.cost),
            "blame": self.blame,
            "table": [
                {
                    **{key: getattr(row, key) for key in DESCRIBED},
                    "where": list(row.where),
                    "claimed": plain(row.claimed),
                    "found": plain(row.found),
                    "methods": {
                        method: {
                            **{key: getattr(c, key) for key in ("verdict", "kinks", "too_small")},
                            "worst": plain(c.worst),
                            "median": plain(c.median),
                        }
                        for method, c in row.comparisons.items()
                    },
                }
                for row in self.table
            ],
        }

    def plot_steps(self, layer: int | None = None, ax: Any = None) -> "StepSizeDisplay":
        """Draw the error of differences and of the complex step against h.

        Parameters
        ----------
        layer : int, optional
            Whose weights are looked at; the last layer by default.
        ax : Axes, optional
            Where to draw; by default in a new figure.

        Raises
        ------
        BackpassError
            When matplotlib is not installed.
        """
        return StepSizeDisplay.from_check(self, layer=layer, ax=ax)

    def __repr__(self) -> str:
        checked = sum(row.checked for row in self.table)
        said = "passed" if self.passed else f"failed: {'; '.join(self.blame)}"
        return f"GradientCheck({said}: {checked} derivatives in {len(self.table)} arrays)"

    def __str__(self) -> str:
        rows = [HEADS, *map(_cells, self.table)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
        lines = [
            "  ".join(
                cell.ljust(w) if i in LEFT else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([heading(self), *lines, *notes(self)])

    def __rich__(self) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for i, head in enumerate(HEADS):
            grid.add_column(Text(head), justify="left" if i in LEFT else "right", overflow="fold")
        for row in self.table:
            style = "bold red" if row.verdict in FAILS else ""
            grid.add_row(*(Text(cell, style=style) for cell in _cells(row)))
        title = Text(heading(self), style="bold green" if self.passed else "bold red")
        return Group(title, grid, *(Text(note) for note in notes(self)))

    def _repr_html_(self) -> str:
        from backpass.derivatives.pages import framed  # most certificates are printed

        return framed(content(self))

    def to_html(self) -> str:
        """Return a whole page: no script, nothing loaded from elsewhere."""
        from backpass.derivatives.pages import page

        return page("Certificate of gradients", content(self))


DESCRIBED = ("layer", "kind", "equation", "record", "entries", "checked", "verdict")
NAMES = {
    "W": "the weights' gradient",
    "W data": "the weights' gradient without L2",
    "b": "the biases' gradient",
    "g": "the derivative to the activations",
    "input": "the derivative to the inputs",
}
SHORT = {"W data": "W without L2"}


SYMBOLS = {
    "W": "∂J/∂W", "W data": "∂J/∂W, no L2", "b": "∂J/∂b", "delta": "δ = ∂J/∂z", "g": "∂J/∂a",
    "input": "∂J/∂X", "phi'": "φ′", "C'": "∂C",
}  # fmt: skip
HEADS = ("layer", "derivative", "checked", "worst", "median", "where", "verdict")
LEFT = (1, 5, 6)
"""Columns of texts."""


def _figure(x: float) -> str:
    return "–" if math.isnan(x) else f"{x:.0e}"


def _cells(row: GroupCheck) -> tuple[str, ...]:
    shown = row.deciding
    kinks = sum(c.kinks for c in row.comparisons.values())
    small = shown.too_small
    notes = [f"{kinks} at a kink"] * bool(kinks) + [f"{small} too small"] * bool(small)
    return (
        str(row.layer),
        SYMBOLS[row.kind] + (f" {row.record}" if row.kind in ("phi'", "C'") else ""),
        str(row.checked),
        _figure(shown.worst),
        _figure(shown.median),
        f"[{', '.join(map(str, row.where))}]",
        row.verdict + f" ({', '.join(notes)})" * bool(notes),
    )


def heading(check: GradientCheck) -> str:
    """Return the verdict in a line."""
    n = len(check.costs.given.X)
    over = f"{check.claim.source}, {n} row{'s' * (n != 1)}"
    if check.passed:
        return f"every derivative agrees ({over})"
    return f"wrong: {'; '.join(check.blame)} ({over})"


def _methods(check: GradientCheck) -> str:
    """Return what was compared with, and the largest relative error by each."""
    worst: dict[str, float] = {}
    for row in check.table:
        for method, c in row.comparisons.items():
            worst[method] = max(worst.get(method, 0.0), 0.0 if math.isnan(c.worst) else c.worst)
    entries = sum(row.entries for row in check.table)
    checked = sum(row.checked for row in check.table)
    figures = ", ".join(f"{method} {_figure(x)}" for method, x in worst.items())
    return f"{checked} of {entries} derivatives; largest relative error by method: {figures}"


def notes(check: GradientCheck) -> list[str]:
    """Return what is said below the table: the methods, and the worst entry where errors begin."""
    told = [_methods(check)] + [
        f"layer {row.layer}, {SYMBOLS[row.kind]}[{', '.join(map(str, row.where))}]: "
        f"{row.claimed:.9g}, should be {row.found:.9g}"
        for row in check.origins
    ]
    if following := len(check.failures) - len(check.origins):
        told.append(f"{following} more failed, which can follow from that")
    return told


def content(check: GradientCheck) -> str:
    """Return the certificate as HTML: the verdict, a row for every array, the notes."""
    import html  # loads every named character

    def cells(tag: str, values: Sequence[str]) -> str:
        looks = (' class="bp-words"' * (i in LEFT) for i in range(len(values)))
        told = zip(looks, values, strict=True)
        return "".join(f"<{tag}{look}>{html.escape(value)}</{tag}>" for look, value in told)

    wrong = ' class="bp-wrong"'
    rows = "".join(
        f"<tr{wrong * (row.verdict in FAILS)}>{cells('td', _cells(row))}</tr>"
        for row in check.table
    )
    told = heading(check)
    said = "".join(f'<p class="bp-soft">{html.escape(note)}</p>' for note in notes(check))
    return (
        f'<h2 class="bp-verdict{" bp-no" * (not check.passed)}">'
        f"{html.escape(told[0].upper() + told[1:])}</h2>"
        f'<div class="bp-scroll"><table><thead><tr>{cells("th", HEADS)}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{said}"
    )
