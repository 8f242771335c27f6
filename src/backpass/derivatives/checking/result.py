"""The result of a gradient check: one row an array, and what is wrong."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.derivatives.checking.claims import Claim
from backpass.derivatives.checking.comparison import VERDICTS, GroupCheck
from backpass.derivatives.checking.numerical import Costs

if TYPE_CHECKING:
    from backpass.derivatives.checking.step_size_display import StepSizeDisplay

__all__ = ["GradientCheck"]


class GradientCheck:
    """What :func:`backpass.check_gradients` found: a row for every array of every layer.

    Attributes
    ----------
    table : list of GroupCheck
        From the inputs to the output, then the records' own derivatives.
    passed : bool
        Whether no derivative is wrong.
    worst : GroupCheck
        The row with the most severe verdict, and of these the largest relative error.
    failures, origins : list of GroupCheck
        The rows that did not pass, and those of them where an error begins.
    blame : list of str
        Which equation or record is wrong, in which layer; empty where nothing is. An error
        that only follows from one nearer to the output is not listed.

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
        """Which equation or record is wrong, in which layer."""
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
                    "layer": row.layer,
                    "kind": row.kind,
                    "equation": row.equation,
                    "record": row.record,
                    "entries": row.entries,
                    "checked": row.checked,
                    "verdict": row.verdict,
                    "where": list(row.where),
                    "claimed": plain(row.claimed),
                    "found": plain(row.found),
                    "methods": {
                        method: {
                            "worst": plain(c.worst),
                            "median": plain(c.median),
                            "verdict": c.verdict,
                            "kinks": c.kinks,
                            "too_small": c.too_small,
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
        from backpass.derivatives.checking.step_size_display import StepSizeDisplay

        return StepSizeDisplay.from_check(self, layer=layer, ax=ax)

    def __repr__(self) -> str:
        checked = sum(row.checked for row in self.table)
        said = "passed" if self.passed else f"failed: {'; '.join(self.blame)}"
        return f"GradientCheck({said}: {checked} derivatives in {len(self.table)} arrays)"

    def __str__(self) -> str:
        from backpass.derivatives.checking.rendering import as_text

        return as_text(self)

    def __rich__(self) -> Any:
        from backpass.derivatives.checking.rendering import as_rich

        return as_rich(self)

    def _repr_html_(self) -> str:
        from backpass.derivatives.checking.rendering import as_html

        return as_html(self)


NAMES = {
    "W": "the weights' gradient",
    "W data": "the weights' gradient without L2",
    "b": "the biases' gradient",
    "g": "the derivative to the activations",
    "input": "the derivative to the inputs",
}
SHORT = {"W data": "W without L2"}
