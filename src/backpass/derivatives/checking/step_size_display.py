"""The error of numerical derivatives against the step h: why differences stop at ten digits."""

from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.checking.comparison import BANDS, relative_error
from backpass.errors import InputError
from backpass.training.displays import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["StepSizeDisplay"]

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
